"""The span of a session, and what all that is recorded of that session shares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer

from duologue import messages as m
from duologue.errors import SessionEnded
from duologue.middleware.telemetry import content, names
from duologue.middleware.telemetry.ends import detail_error, end_error, end_reason
from duologue.middleware.telemetry.metrics import Instruments, Labels

Value = str | bool | int | float | tuple[str, ...]


class SessionTrace:
    """What is recorded of one session. Its span begins here and ends once, with `finish`.

    Args:
        tracer: Makes the spans.
        metrics: Takes the measurements.
        labels: What every span and every measurement tells: provider, model, server.
        options: What else the session's span tells of what was asked for.
        captures: Whether content is recorded.
        clock: Nanoseconds of a monotonic clock.

    Attributes:
        metrics: As given.
        captures: As given.
        model: The model that was asked for.
        span: The session's span.
        user_stopped_at: When the user stopped to speak; None once an answer was heard.
        user_turn_id: The turn that the user's last words belong to.
    """

    def __init__(
        self,
        tracer: Tracer,
        metrics: Instruments,
        labels: Labels,
        options: Mapping[str, Value | None],
        *,
        captures: bool,
        clock: Callable[[], int],
    ) -> None:
        self.metrics = metrics
        self.captures = captures
        self.model = labels.get(names.REQUEST_MODEL)
        self.user_stopped_at: int | None = None
        self.user_turn_id: str | None = None
        self._labels = dict(labels)
        self._session_id: str | None = None
        self._clock = clock
        self._offset = time.time_ns() - clock()
        self._began_at = self.now()
        self._counted_as: Labels | None = None  # among the open sessions
        self._is_over = False
        self.span = tracer.start_span(
            span_name(names.SESSION, self.model),
            kind=SpanKind.CLIENT,
            attributes=stated({**self.labels(names.SESSION), **options}),
            start_time=self._began_at,
        )
        self._context = trace.set_span_in_context(self.span)
        self._tracer = tracer if self.span.is_recording() else NoOpTracer()

    def now(self) -> int:
        """Nanoseconds since 1970, by a clock that never goes back."""
        return self._offset + self._clock()

    # --- for the other spans ---

    def start(
        self,
        name: str,
        operation: str,
        attributes: Mapping[str, Value | None],
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Context | None = None,
        at: int,
    ) -> Span:
        """Begin a span at that time; without a `parent` it is a child of the session."""
        return self._tracer.start_span(
            name,
            context=parent or self._context,
            kind=kind,
            attributes=stated({**self.labels(operation), names.SESSION_ID: self._session_id, **attributes}),
            start_time=at,
        )

    def labels(self, operation: str, error_type: str | None = None) -> Labels:
        """What a measurement, or a span, of that operation tells: of the model only if it is the one at work."""
        labels = {names.OPERATION_NAME: operation, names.PROVIDER_NAME: self._labels[names.PROVIDER_NAME]}
        if operation in (names.SESSION, names.RESPONSE):
            labels |= self._labels
        if error_type is not None:
            labels[names.ERROR_TYPE] = error_type
        return labels

    def failed(self, span: Span, operation: str, error_type: str, words: str | None = None) -> None:
        """Something went wrong, and `span` with it. The provider's words may quote what was said."""
        span.set_attribute(names.ERROR_TYPE, error_type)
        span.set_status(Status(StatusCode.ERROR, words if self.captures else None))
        self.metrics.errors.add(1, self.labels(operation, error_type))

    # --- the session's life ---

    @contextmanager
    def opening(self) -> Iterator[None]:
        """While it opens. What is traced in there, and in tasks that begin there, are children of its span."""
        with trace.use_span(self.span, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except BaseException as error:
                self.finish(error)
                raise
        self._counted_as = self.labels(names.SESSION)
        self.metrics.active_sessions.add(1, self._counted_as)

    def created(self, message: m.SessionCreated) -> None:
        """The provider has confirmed it."""
        self._is_called(message.session_id)
        if message.model:
            self._labels[names.RESPONSE_MODEL] = message.model
            self.span.set_attribute(names.RESPONSE_MODEL, message.model)
        self.instructed(message.options.instructions)

    def instructed(self, text: str | None) -> None:
        """These instructions hold from now on."""
        if self.captures and text is not None:
            self.span.set_attribute(names.SYSTEM_INSTRUCTIONS, content.instructions(text))

    def restored(self, message: m.SessionRestored) -> None:
        """It goes on over a new connection."""
        self._is_called(message.session_id)
        self.happened(
            names.SESSION_RESTORED,
            {names.SESSION_ID: message.session_id, names.PROVIDER_NAME: message.provider or None},
        )

    def erred(self, message: m.ErrorReported) -> None:
        """The provider reports an error, and the session goes on."""
        error_type = detail_error(message.error, message.kind)
        words = message.error.message if self.captures else None
        self.happened(
            names.ERROR,
            {names.ERROR_TYPE: error_type, names.ERROR_KIND: message.kind, names.ERROR_MESSAGE: words},
        )
        self.metrics.errors.add(1, self.labels(names.SESSION, error_type))

    def happened(self, event: str, attributes: Mapping[str, Value | None]) -> None:
        """An event in the life of the session."""
        self.span.add_event(event, stated(attributes), timestamp=self.now())

    def finish(self, end: BaseException) -> None:
        """It is over, or did not begin. Only the first end counts."""
        if self._is_over:
            return
        self._is_over = True
        reason, error_type = end_reason(end), end_error(end)
        self.span.set_attribute(names.END_REASON, reason)
        if isinstance(end, SessionEnded) and end.close_code is not None:
            self.span.set_attribute(names.CLOSE_CODE, end.close_code)
        if error_type is not None:
            self.failed(self.span, names.SESSION, error_type, str(end))
        ended_at = self.now()
        if self._counted_as is not None:
            self.metrics.active_sessions.add(-1, self._counted_as)
            labels = {**self.labels(names.SESSION, error_type), names.END_REASON: reason}
            self.metrics.session_duration.record(seconds(self._began_at, ended_at), labels)
        self.span.end(ended_at)

    def _is_called(self, session_id: str | None) -> None:
        if session_id:
            self._session_id = session_id
            self.span.set_attribute(names.SESSION_ID, session_id)


def span_name(operation: str, subject: object) -> str:
    """The name of a span: what is done, and with which model or tool."""
    return f"{operation} {subject}" if subject else operation


def stated(attributes: Mapping[str, Value | None]) -> dict[str, Value]:
    """The attributes that have a value."""
    return {name: value for name, value in attributes.items() if value is not None}


def seconds(start: int, end: int) -> float:
    """The time between two moments in ns, in s."""
    return (end - start) / 1e9
