"""Server messages as frames: for the server's role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.protocols.base64_text import encode_base64
from duologue.protocols.gemini import server_frames as wire
from duologue.protocols.gemini.content_frames import Blob, Content, FunctionCall, Part
from duologue.protocols.gemini.contents import read_arguments
from duologue.protocols.gemini.usage import write_usage
from duologue.protocols.gemini.values import write_audio_type, write_duration
from duologue.protocols.json_values import JsonObject

_REASONS = {"content_filter": "GENERATED_CONTENT_SAFETY"}
_UNKNOWN_REASON = "RESPONSE_REJECTED"


class FrameWriter:
    """Writes server messages as frames, as far as the client's setup has asked for them.

    Attributes:
        setup: The client's setup in camel case; None: everything is asked for.
    """

    def __init__(self) -> None:
        self.setup: JsonObject | None = None
        self._heard: dict[str, str] = {}  # the user's words that deltas have told, by item
        self._interrupted = False  # and the wire has been told
        self._turn_reason: str | None = None
        self._writers: dict[type[ServerMessage], Callable[[Any], wire.ServerFrame | None]] = {
            m.SessionCreated: lambda told: wire.ServerFrame(
                setup_complete=wire.SetupComplete(session_id=told.session_id)
            ),
            m.OutputAudioDelta: self._audio,
            m.OutputTextDelta: lambda delta: _said(Part(text=delta.text)),
            m.ReasoningDelta: lambda delta: _said(Part(text=delta.text, thought=True)),
            m.OutputTranscriptDelta: self._words,
            m.InputTranscriptDelta: self._user_words,
            m.InputTranscriptCompleted: self._user_has_said,
            m.InputSpeechStarted: self._speech_started,
            m.InputSpeechStopped: self._speech_stopped,
            m.ResponseCreated: self._response_created,
            m.ResponseDone: self._response_done,
            m.Interrupted: lambda _: self._interrupt(),
            m.TurnDone: self._turn_done,
            m.UsageReported: lambda told: wire.ServerFrame(usage_metadata=write_usage(told.usage)),
            m.ToolCallsCancelled: lambda told: wire.ServerFrame(
                tool_call_cancellation=wire.ToolCallCancellation(ids=told.call_ids)
            ),
            m.SessionExpiring: lambda told: wire.ServerFrame(
                go_away=wire.GoAway(time_left=write_duration(told.seconds_left))
            ),
            m.ResumptionUpdated: self._resumption,
        }

    def write(self, message: ServerMessage) -> wire.ServerFrame | None:
        """The frame for `message`; None if the wire has none, or if the client has not asked for it."""
        writer = self._writers.get(type(message))
        return None if writer is None else writer(message)

    def _asks_for(self, *names: str) -> bool:
        return self.setup is None or any(name in self.setup for name in names)

    def _audio(self, delta: m.OutputAudioDelta) -> wire.ServerFrame:
        blob = Blob(mime_type=write_audio_type(delta.format), data=encode_base64(delta.audio))
        return _said(Part(inline_data=blob))

    def _words(self, delta: m.OutputTranscriptDelta) -> wire.ServerFrame | None:
        if not self._asks_for("outputAudioTranscription"):
            return None
        return _content(wire.ServerContent(output_transcription=wire.Transcript(text=delta.text)))

    # --- the user ---

    def _user_words(self, delta: m.InputTranscriptDelta) -> wire.ServerFrame | None:
        if not self._asks_for("inputAudioTranscription"):
            return None
        if delta.replaces:
            return _content(wire.ServerContent(interim_input_transcription=wire.Transcript(text=delta.text)))
        self._heard[delta.item_id] = self._heard.get(delta.item_id, "") + delta.text
        return _content(wire.ServerContent(input_transcription=wire.Transcript(text=delta.text)))

    def _user_has_said(self, whole: m.InputTranscriptCompleted) -> wire.ServerFrame | None:
        if not self._asks_for("inputAudioTranscription"):
            return None
        heard = self._heard.pop(whole.item_id, "")
        rest = whole.text[len(heard) :] if whole.text.startswith(heard) else ""
        return _content(wire.ServerContent(input_transcription=wire.Transcript(text=rest, finished=True)))

    def _speech_started(self, started: m.InputSpeechStarted) -> wire.ServerFrame | None:
        return self._activity("ACTIVITY_START", started.audio_start_ms)

    def _speech_stopped(self, stopped: m.InputSpeechStopped) -> wire.ServerFrame | None:
        return self._activity("ACTIVITY_END", stopped.audio_end_ms)

    def _activity(self, kind: str, at_ms: int | None) -> wire.ServerFrame | None:
        if self.setup is not None and self.setup.get("explicitVadSignal") is not True:
            return None
        offset = None if at_ms is None else write_duration(at_ms / 1000)
        return wire.ServerFrame(voice_activity=wire.VoiceActivity(voice_activity_type=kind, audio_offset=offset))

    # --- answers and turns ---

    def _response_created(self, _: m.ResponseCreated) -> None:
        self._interrupted = False
        self._turn_reason = None

    def _response_done(self, done: m.ResponseDone) -> wire.ServerFrame | None:
        usage = None if done.usage is None else write_usage(done.usage)
        if done.function_calls:
            calls = tuple(
                FunctionCall(id=call.call_id, name=call.name, args=read_arguments(call.arguments))
                for call in done.function_calls
            )
            return wire.ServerFrame(tool_call=wire.ToolCall(function_calls=calls), usage_metadata=usage)
        if done.status == "cancelled":
            frame = self._interrupt() or wire.ServerFrame()
            frame.usage_metadata = usage
            return frame if frame != wire.ServerFrame() else None
        if done.status == "completed" or done.reason == "max_output_tokens":
            return wire.ServerFrame(server_content=wire.ServerContent(generation_complete=True), usage_metadata=usage)
        self._turn_reason = _reason_of(done)
        return None if usage is None else wire.ServerFrame(usage_metadata=usage)

    def _interrupt(self) -> wire.ServerFrame | None:
        if self._interrupted:
            return None
        self._interrupted = True
        return _content(wire.ServerContent(interrupted=True))

    def _turn_done(self, _: m.TurnDone) -> wire.ServerFrame:
        reason, self._turn_reason = self._turn_reason, None
        return _content(wire.ServerContent(turn_complete=True, turn_complete_reason=reason))

    def _resumption(self, told: m.ResumptionUpdated) -> wire.ServerFrame | None:
        if not self._asks_for("sessionResumption"):
            return None
        handle = told.handle if told.resumable else None
        update = wire.ResumptionUpdate(new_handle=handle, resumable=told.resumable)
        return wire.ServerFrame(session_resumption_update=update)


def _said(part: Part) -> wire.ServerFrame:
    return _content(wire.ServerContent(model_turn=Content(parts=(part,))))


def _content(content: wire.ServerContent) -> wire.ServerFrame:
    return wire.ServerFrame(server_content=content)


def _reason_of(done: m.ResponseDone) -> str:
    """The wire's name for why an answer is not whole."""
    reason = done.reason or (done.error.code if done.error is not None else None) or ""
    return _REASONS.get(reason) or (reason if reason.isupper() else _UNKNOWN_REASON)
