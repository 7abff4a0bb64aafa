"""Answers without a model: tools are called by their example phrases, all else is said by fixed rules."""

from __future__ import annotations

from duologue.speech.rules.responder import RulesResponder
from duologue.speech.rules.small_talk import Rule

__all__ = ["Rule", "RulesResponder"]
