"""Turns that are found on this side of the wire."""

from __future__ import annotations

from duologue.middleware.turn_detection.settings import TurnDetection

__all__ = ["TurnDetection"]
