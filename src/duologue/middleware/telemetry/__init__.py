"""Traces and metrics for OpenTelemetry: ``client.with_middleware(Telemetry())``."""

from duologue.middleware.telemetry.settings import Telemetry

__all__ = ["Telemetry"]
