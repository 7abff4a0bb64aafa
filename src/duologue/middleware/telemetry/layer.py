"""The layer that looks on."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry import trace

from duologue import messages as m
from duologue.errors import SessionClosed, SessionEnded
from duologue.link import Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.telemetry import names
from duologue.middleware.telemetry.calls import ToolSpans
from duologue.middleware.telemetry.responses import ResponseSpans
from duologue.middleware.telemetry.session import SessionTrace
from duologue.middleware.telemetry.speech import SpeechSpans
from duologue.options import Transcription
from duologue.runtime import SessionLayer

_NOTED_RECEIVED: dict[type[ServerMessage], Callable[[TelemetryLayer, Any], None]] = {
    m.SessionCreated: lambda layer, message: layer.session.created(message),
    m.SessionUpdated: lambda layer, message: layer.session.instructed(message.options.instructions),
    m.SessionRestored: lambda layer, message: layer.session.restored(message),
    m.SessionExpiring: lambda layer, message: layer.session.happened(
        names.SESSION_EXPIRING, {names.SECONDS_LEFT: message.seconds_left}
    ),
    m.ConnectionLost: lambda layer, message: layer.session.happened(names.CONNECTION_LOST, {}),
    m.ErrorReported: lambda layer, message: layer.session.erred(message),
    m.InputSpeechStarted: lambda layer, message: layer.speech.started(message),
    m.InputSpeechStopped: lambda layer, message: layer.speech.stopped(layer.session.now(), message.audio_end_ms),
    m.InputAudioCommitted: lambda layer, message: layer.speech.committed(message, transcript_comes=layer.transcribes),
    m.InputAudioCleared: lambda layer, message: layer.speech.cleared(),
    m.InputTranscriptCompleted: lambda layer, message: layer.speech.transcribed(message),
    m.InputTranscriptFailed: lambda layer, message: layer.speech.untranscribed(message),
    m.ResponseCreated: lambda layer, message: layer.response_created(message),
    m.OutputAudioDelta: lambda layer, message: layer.responses.audio(message),
    m.OutputTextDelta: lambda layer, message: layer.responses.words(message),
    m.OutputTranscriptDelta: lambda layer, message: layer.responses.words(message),
    m.Interrupted: lambda layer, message: layer.responses.interrupted(message),
    m.UsageReported: lambda layer, message: layer.responses.used(message),
    m.ResponseDone: lambda layer, message: layer.response_done(message),
    m.OutputItemAdded: lambda layer, message: layer.item_begun(message),
    m.OutputItemDone: lambda layer, message: layer.item_done(message),
    m.McpCallProgress: lambda layer, message: layer.tools.hosted_runs(message),
    m.ToolCallsCancelled: lambda layer, message: layer.tools.taken_back(message),
    m.ItemAdded: lambda layer, message: layer.item_added(message),
}
_NOTED_SENT = frozenset({m.ItemCreate, m.InputAudioCommit, m.UserTurnStart, m.UserTurnEnd})


class TelemetryLayer(SessionLayer):
    """The layer that `Telemetry` puts around a session that somebody listens to. It changes and delays nothing.

    Attributes:
        session: The session's own span, and what all its spans share.
        speech: The spans of what the user says.
        responses: The spans of responses.
        tools: The spans of tool calls.
    """

    observes = True

    session: SessionTrace
    speech: SpeechSpans
    responses: ResponseSpans
    tools: ToolSpans

    watches = tuple(_NOTED_RECEIVED)

    def __init__(self, inner: Link, session: SessionTrace) -> None:
        super().__init__(inner)
        self.session = session
        self.speech = SpeechSpans(session)
        self.responses = ResponseSpans(session)
        self.tools = ToolSpans(session)

    # --- towards the provider ---

    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        return self._send(message) if type(message) in _NOTED_SENT else self.inner.send(message)

    async def _send(self, message: ClientMessage) -> str:
        at = self.session.now()
        is_accepted = True
        try:
            return await self.inner.send(message)
        except Exception:
            is_accepted = False
            raise
        finally:  # a sender that is cancelled while it waits has sent all the same
            if is_accepted:
                self._sent(message, at)

    def _sent(self, message: ClientMessage, at: int) -> None:
        match message:
            case m.ItemCreate(item=m.FunctionResult() as result):
                self.tools.answered(result)
            case m.ItemCreate(item=item):
                self.responses.written(item)
            case m.UserTurnStart():
                self.speech.began(at)
            case _:
                self.speech.stopped(at)

    # --- towards the reader ---

    def received(self, message: ServerMessage) -> None:
        _NOTED_RECEIVED[type(message)](self, message)
        if type(message) is m.OutputItemDone:
            with self._running(message.item):
                self.deliver(message)
        else:
            self.deliver(message)

    def _running(self, item: m.Item) -> AbstractContextManager[object]:
        """Makes the span of a call the current one, for the tasks that are begun now to run it."""
        span = self.tools.span(item.call_id) if isinstance(item, m.FunctionCall) else None
        if span is None:
            return nullcontext()
        return trace.use_span(span, record_exception=False, set_status_on_exception=False)

    def ended(self, end: SessionEnded) -> None:
        self._end_all(end)
        super().ended(end)

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:  # a session that was never handed out is not told of its end
            self._end_all(SessionClosed("The session was closed before it was used."))

    def _end_all(self, end: SessionEnded) -> None:
        self.tools.end_all(end)
        self.responses.end_all(end)
        self.speech.end_all()
        self.session.finish(end)

    # --- what concerns several of them ---

    @property
    def transcribes(self) -> bool:
        """Whether the words of what the user says will come."""
        can = self.capabilities.input_transcripts
        return can == "always" or (can == "on request" and isinstance(self.options.transcription, Transcription))

    def response_created(self, message: m.ResponseCreated) -> None:
        """A response begins."""
        self.speech.answered()
        self.responses.created(message)

    def response_done(self, message: m.ResponseDone) -> None:
        """A response has come to its end. Its calls are known by now, unless the provider tells of them only here."""
        if not message.out_of_band:
            for call in message.function_calls:
                self.tools.whole(call, self.responses.context(message.response_id), message.turn_id)
        self.responses.done(message)

    def item_begun(self, message: m.OutputItemAdded) -> None:
        """A response begins an item."""
        if isinstance(message.item, m.McpCall):
            self.tools.hosted(message, self.responses.context(message.response_id))

    def item_done(self, message: m.OutputItemDone) -> None:
        """An item of a response is whole, or stays incomplete."""
        match message.item:
            case m.FunctionCall(status="completed") as call if not self.responses.is_out_of_band(message.response_id):
                self.tools.whole(call, self.responses.context(message.response_id), message.turn_id)
            case m.McpCall() as call:
                self.tools.hosted_done(call)
            case _:
                pass

    def item_added(self, message: m.ItemAdded) -> None:
        """The conversation has an item more. A result may come from a layer nearer to the provider than this one."""
        if isinstance(message.item, m.FunctionResult):
            self.tools.answered(message.item)
