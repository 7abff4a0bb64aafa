"""The spans of a session's responses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from duologue import messages as m
from duologue.middleware.telemetry import content, names
from duologue.middleware.telemetry.ends import detail_error, end_error, finish_reason
from duologue.middleware.telemetry.session import SessionTrace, Value, seconds, span_name, stated
from duologue.middleware.telemetry.usage import usage_attributes

_MOST_OPEN = 64  # responses; a provider that never ends them must not fill the memory
_MOST_INPUTS = 64  # items
_UNFINISHED: dict[str, Value | None] = {names.STATUS: "in_progress", names.FINISH_REASONS: ("error",)}


@dataclass(slots=True)
class _Response:
    span: Span
    began_at: int
    context: Context
    turn_id: str | None
    out_of_band: bool
    usage: m.Usage = field(default_factory=m.Usage)


class ResponseSpans:
    """From `ResponseCreated` to `ResponseDone`."""

    def __init__(self, session: SessionTrace) -> None:
        self._session = session
        self._silent: set[str] = set()  # responses without audio so far
        self._wordless: set[str] = set()  # those without text or transcript so far
        self._open: dict[str, _Response] = {}
        self._input: list[m.Item] = []  # written since the last response, if content is recorded

    def written(self, item: m.Item) -> None:
        """The application has added something for the model to read."""
        if self._session.captures:
            self._input = [*self._input[1 - _MOST_INPUTS :], item]

    def created(self, message: m.ResponseCreated) -> None:
        """A response begins."""
        if message.response_id in self._open:
            return
        if len(self._open) >= _MOST_OPEN:
            self._end(next(iter(self._open)), _UNFINISHED)
        now = self._session.now()
        attributes: dict[str, Value | None] = {
            names.RESPONSE_ID: message.response_id,
            names.TURN_ID: message.turn_id,
            names.CONVERSATION_ID: message.conversation_id,
            names.OUTPUT_TYPE: output_type(message.output_modalities),
            names.MODALITIES: message.output_modalities,
            names.REQUEST_MAX_TOKENS: max_tokens(message.max_output_tokens),
            names.VOICE: message.voice,
            names.OUT_OF_BAND: message.out_of_band or None,
            names.INPUT_MESSAGES: content.messages(self._input),
        }
        self._input = []
        name = span_name(names.RESPONSE, self._session.model)
        span = self._session.start(name, names.RESPONSE, attributes, kind=SpanKind.CLIENT, at=now)
        self._open[message.response_id] = _Response(
            span, now, trace.set_span_in_context(span), message.turn_id, message.out_of_band
        )
        self._silent.add(message.response_id)
        self._wordless.add(message.response_id)

    def context(self, response_id: str) -> Context | None:
        """The parent of what a response causes; None if it is not known, or no more."""
        response = self._open.get(response_id)
        return None if response is None else response.context

    def is_out_of_band(self, response_id: str) -> bool:
        """Whether that response is open, and no part of the conversation."""
        response = self._open.get(response_id)
        return response is not None and response.out_of_band

    # --- what comes ---

    def audio(self, message: m.OutputAudioDelta) -> None:
        """More audio; only the first of a response counts, the others cost a look into a set."""
        if message.response_id in self._silent:
            self._heard(message.response_id)

    def words(self, message: m.OutputTextDelta | m.OutputTranscriptDelta) -> None:
        """More words, likewise."""
        if message.response_id in self._wordless:
            self._wordless.discard(message.response_id)
            response = self._open[message.response_id]
            response.span.set_attribute(names.FIRST_TEXT, seconds(response.began_at, self._session.now()))

    def _heard(self, response_id: str) -> None:
        self._silent.discard(response_id)
        response, now = self._open[response_id], self._session.now()
        delay = seconds(response.began_at, now)
        response.span.set_attribute(names.FIRST_AUDIO, delay)
        labels = self._session.labels(names.RESPONSE)
        self._session.metrics.first_audio.record(delay, labels)
        stopped_at = self._session.user_stopped_at
        is_answer = response.turn_id == self._session.user_turn_id and not response.out_of_band
        if stopped_at is not None and is_answer:
            self._session.user_stopped_at = None
            latency = seconds(stopped_at, now)
            response.span.set_attribute(names.VOICE_TO_VOICE, latency)
            self._session.metrics.voice_to_voice.record(latency, labels)

    def interrupted(self, message: m.Interrupted) -> None:
        """The user cuts in. What still plays may have been generated long ago: then the session's span tells."""
        labels = self._session.labels(names.RESPONSE)
        self._session.metrics.interruptions.add(1, labels)
        attributes: dict[str, Value | None] = {
            names.RESPONSE_ID: message.response_id,
            names.ITEM_ID: message.item_id,
            names.HEARD_MS: message.heard_ms,
        }
        for span in self._interrupted(message.response_id):
            span.add_event(names.INTERRUPTION, stated(attributes), timestamp=self._session.now())

    def _interrupted(self, response_id: str | None) -> Iterable[Span]:
        found = [
            response.span
            for key, response in self._open.items()
            if key == response_id or (response_id is None and not response.out_of_band)
        ]
        return found or [self._session.span]

    def used(self, message: m.UsageReported) -> None:
        """Usage that comes apart from the end of its response."""
        self._session.metrics.count_tokens(message.usage, self._session.labels(names.RESPONSE))
        response = self._open.get(message.response_id or "")
        if response is not None:
            response.usage += message.usage

    # --- the end ---

    def done(self, message: m.ResponseDone) -> None:
        """A response has come to its end."""
        if message.usage is not None:
            self._session.metrics.count_tokens(message.usage, self._session.labels(names.RESPONSE))
        response = self._open.get(message.response_id)
        if response is None:
            return
        error_type = None
        if message.status == "failed":
            error_type = detail_error(message.error, message.reason or "failed")
            words = message.error.message if message.error is not None else None
            self._session.failed(response.span, names.RESPONSE, error_type, words)
        if message.usage is not None:
            response.usage += message.usage
        attributes: dict[str, Value | None] = {
            names.STATUS: message.status,
            names.FINISH_REASONS: (finish_reason(message),),
            names.OUTPUT_MESSAGES: content.answer(message.items) if self._session.captures else None,
        }
        ended_at = self._end(message.response_id, attributes)
        labels = self._session.labels(names.RESPONSE, error_type)
        self._session.metrics.response_duration.record(seconds(response.began_at, ended_at), labels)

    def end_all(self, end: BaseException) -> None:
        """The session is over, and what was not done never will be."""
        error_type = end_error(end)
        for response_id, response in list(self._open.items()):
            if error_type is not None:
                self._session.failed(response.span, names.RESPONSE, error_type)
            self._end(response_id, _UNFINISHED)

    def _end(self, response_id: str, attributes: dict[str, Value | None]) -> int:
        response, ended_at = self._open.pop(response_id), self._session.now()
        self._silent.discard(response_id)
        self._wordless.discard(response_id)
        response.span.set_attributes({**stated(attributes), **usage_attributes(response.usage)})
        response.span.end(ended_at)
        return ended_at


def output_type(modalities: tuple[str, ...] | None) -> str | None:
    """``gen_ai.output.type``: speech, or text."""
    return None if modalities is None else "speech" if "audio" in modalities else "text"


def max_tokens(bound: int | str | None) -> int | None:
    """``gen_ai.request.max_tokens``: a number, if there is a bound."""
    return bound if isinstance(bound, int) else None
