"""The middleware that traces and measures sessions."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from duologue.client import RealtimeClient
from duologue.errors import MissingDependency
from duologue.middleware.telemetry.names import CAPTURE_CONTENT_VARIABLE

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_CAPTURING = frozenset({"true", "1", "span_only", "span_and_event"})


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """Middleware that records OpenTelemetry traces and metrics: ``client.with_middleware(Telemetry())``.

    A session is a span from the call of `create_session`, whose current span is its parent, to the session's end.
    Its children are recorded as they end: responses, what the user says, tool calls. Without anybody who listens (no
    SDK, or one that does not record this session) nothing is added to the session. See ``docs/telemetry.md``.

    It looks on: put it inside of what sends, e.g. ``with_middleware(FunctionInvocation(), Telemetry())``.

    Attributes:
        tracer_provider: Takes the traces; None: OpenTelemetry's global one.
        meter_provider: Takes the metrics; None: OpenTelemetry's global one.
        capture_content: Whether instructions, transcripts, tool arguments and results, and the words of errors are
            recorded; None: as ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` says. Audio never is.
        clock: Nanoseconds of a monotonic clock.

    Raises:
        MissingDependency: opentelemetry-api is not installed.
    """

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    capture_content: bool | None = None
    clock: Callable[[], int] = time.monotonic_ns

    def __post_init__(self) -> None:
        try:
            import opentelemetry.trace  # noqa: F401
        except ImportError as error:
            raise MissingDependency("opentelemetry-api", 'Run: pip install "duologue[otel]"') from error

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        from duologue.middleware.telemetry.client import TelemetryClient

        return TelemetryClient(client, self)

    @property
    def captures(self) -> bool:
        """Whether content is recorded, by the settings or by the environment."""
        if self.capture_content is not None:
            return self.capture_content
        return os.environ.get(CAPTURE_CONTENT_VARIABLE, "").strip().lower() in _CAPTURING
