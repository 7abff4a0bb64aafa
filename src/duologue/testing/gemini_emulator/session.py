"""One session with an emulator of Gemini Live."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from duologue import messages as m
from duologue.audio.convert import Converter
from duologue.errors import DuologueError
from duologue.formats import PCM16_16K, PCM16_24K, AudioFormat
from duologue.items import FunctionResult
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions, Transcription
from duologue.protocols.gemini import GeminiDialect, GeminiServerProtocol
from duologue.protocols.gemini.decoding import in_camel_case
from duologue.protocols.json_values import as_object
from duologue.testing.emulation.model import EmulatedModel
from duologue.testing.emulation.session import EmulatedSession, JsonObject
from duologue.testing.gemini_emulator.admission import Token
from duologue.testing.gemini_emulator.turns import Handles, Turns
from duologue.transports import Frame, Transport

_LONGEST_REASON = 123  # bytes; RFC 6455, section 5.5
_INVALID = "Request contains an invalid argument."
_FIRST = "setup must be the first message and only the first"
_NO_TEXT = "Cannot extract voices from a non-audio request."
_NO_HANDLE = "BidiGenerateContent session not found"
_WITH_PARTS = ("serverContent", "realtimeInput")
_OF_THE_ENGINE = ("instructions", "voice", "output_modalities", "turn_detection", "tools", "max_output_tokens")


class Refused(Exception):
    """The session ends.

    Args:
        code: The WebSocket close code.
        reason: The reason that goes with it.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class GeminiEmulatedSession(EmulatedSession):
    """The server's side of one connection.

    Events are called by their fields, in camel case: ``"setup"``, ``"toolCall"``; those of content and of realtime
    input also by what is in them: ``"serverContent.turnComplete"``, ``"realtimeInput.audio"``.

    Args:
        transport: The connection.
        dialect: Which service it is.
        model: Who answers.
        handles: The conversations that can be taken up again.
        models: The names of the models that there are; None: any.
        token: The ephemeral token that the connection was opened with.
        on_event: Told the names of every event that has arrived or is about to leave, before anything is done about it.
    """

    def __init__(
        self,
        transport: Transport,
        dialect: GeminiDialect,
        model: EmulatedModel,
        handles: Handles,
        *,
        models: frozenset[str] | None = None,
        token: Token | None = None,
        on_event: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._protocol = GeminiServerProtocol(dialect)
        super().__init__(transport, self._protocol, model, on_event)
        self._handles = handles
        self._models = models
        self._token = token
        self._turns: Turns | None = None
        self._objection: tuple[int, str] | None = None
        self._is_over = False
        self._awaits_history = False
        self._responds_when_idle = False
        self._converter: Converter | None = None
        self._heard_format = PCM16_16K

    def open(self, objection: tuple[int, str] | None = None) -> None:
        """Wait for the client's setup; with an objection, hang up on it then."""
        self._objection = objection
        self._transport.start(self)

    def names_of(self, event: JsonObject) -> tuple[str, ...]:
        names: list[str] = []
        for name, value in in_camel_case(event).items():
            names.append(name)
            names += [f"{name}.{part}" for part in as_object(value)] if name in _WITH_PARTS else []
        return tuple(names)

    # --- the client's frames ---

    def take(self, frame: Frame) -> None:
        if self._is_over:
            return
        try:
            self._take(frame)
        except Refused as refused:
            self._end(refused.code, refused.reason)
        except DuologueError as error:
            self._end(1007, str(error))

    def _take(self, frame: Frame) -> None:
        if self._objection is not None:
            raise Refused(*self._objection)
        event = self._event_of(frame)
        if "setup" in event and self._token is not None:
            event["setup"] = self._token.over(event["setup"])
            frame = json.dumps(event)
        messages = self._protocol.receive(frame)
        if self._protocol.refusal is not None:
            raise Refused(1007, self._protocol.refusal)
        if ("setup" in event) != (self._turns is None):
            raise Refused(1007, _FIRST)
        if self._turns is None:
            self._set_up(messages)
        elif "toolResponse" in event:
            self._take_results(messages, self._turns)
        else:
            self._take_input(messages, self._turns, is_content="clientContent" in event)

    def _event_of(self, frame: Frame) -> JsonObject:
        try:
            event = json.loads(frame)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise Refused(1007, "Invalid JSON payload received.")
        return in_camel_case(event)

    def _set_up(self, messages: list[ClientMessage]) -> None:
        stated = _stated(messages)
        self._check(stated)
        history = None if stated.resume is None else self._handles.items(stated.resume)
        if stated.resume is not None and history is None:
            raise Refused(1008, _NO_HANDLE)
        if self._token is not None and stated.resume is None:
            self._token.used()
        self._awaits_history = bool(as_object(stated.extra.get("historyConfig")).get("initialHistoryInClientContent"))
        self._turns = Turns(stated.tools or (), history or (), self._handles)
        told = {name: getattr(stated, name) for name in _OF_THE_ENGINE}
        options = SessionOptions(
            input_audio=PCM16_16K,
            output_audio=PCM16_24K,
            transcription=Transcription(),
            history=history,
            **told,
        )
        self.begin(options)

    def _check(self, stated: SessionOptions) -> None:
        family = self._protocol.dialect.family
        name = (stated.model or "").rpartition("/")[2]
        if self._models is not None and name not in self._models:
            raise Refused(
                1008,
                f"{stated.model} is not found for API version v1beta, or is not supported for "
                "bidiGenerateContent. Call ListModels to see the list of available models.",
            )
        if stated.output_modalities == ("text",) and not family.text_output:
            raise Refused(1007, _NO_TEXT)

    def _take_input(self, messages: list[ClientMessage], turns: Turns, *, is_content: bool) -> None:
        family = self._protocol.dialect.family
        if is_content:
            if turns.has_answered and not family.content_after_answers:
                raise Refused(1007, _INVALID)
            if self._awaits_history:
                self._awaits_history = not any(isinstance(message, m.ResponseCreate) for message in messages)
                messages = [message for message in messages if not isinstance(message, m.ResponseCreate)]
            self._interrupt(turns)
        for message in messages:
            self._carry_out(message, turns)

    def _carry_out(self, message: ClientMessage, turns: Turns) -> None:
        match message:
            case m.InputImageAppend():
                pass
            case m.InputAudioAppend(audio=audio, format=format):
                self._hear(audio, format or PCM16_16K, turns)
            case m.RawClientMessage():
                raise Refused(1007, "Invalid JSON payload received. Unknown name: Cannot find field.")
            case m.SessionUpdate():
                self._update(message, turns)
            case m.ResponseCreate():
                self._interrupt(turns)
                self._tell(message)
            case _:
                self._tell(message)

    def _hear(self, audio: bytes, format: AudioFormat, turns: Turns) -> None:
        turns.heard(format.duration_ms(len(audio)) / 1000)
        if format != self._heard_format:
            self._heard_format = format
            self._converter = None if format == PCM16_16K else Converter(format, PCM16_16K)
        if self._converter is not None:
            audio = self._converter.process(audio)
        self._tell(m.InputAudioAppend(audio=audio))

    def _update(self, message: m.SessionUpdate, turns: Turns) -> None:
        if not self._protocol.dialect.family.updates_context:
            raise Refused(1007, _INVALID)
        if message.options.tools is not None:
            turns.use(message.options.tools)
        self._tell(message)

    def _take_results(self, messages: Iterable[ClientMessage], turns: Turns) -> None:
        results = [message.item for message in messages if isinstance(message, m.ItemCreate)]
        wanted = [item for item in results if isinstance(item, FunctionResult) and turns.wants(item)]
        for result in wanted:
            self._tell(m.ItemCreate(item=replace(result, scheduling=None)))
        if not any(result.scheduling != "silent" for result in wanted) or turns.awaits_results:
            return
        if turns.active is not None and any(result.scheduling == "when_idle" for result in wanted):
            self._responds_when_idle = True
            return
        self._interrupt(turns)
        self._tell(m.ResponseCreate())

    def _interrupt(self, turns: Turns) -> None:
        """What is written stops the answer that is being given."""
        if turns.active is not None:
            self._tell(m.ResponseCancel())

    def _tell(self, message: ClientMessage) -> None:
        if self._runner is not None:
            self._runner.send(message)

    # --- the server's frames ---

    def arrange(self, message: ServerMessage) -> list[ServerMessage]:
        if self._turns is None or isinstance(message, m.RawServerMessage):
            return [message]
        if isinstance(message, m.ErrorReported) and message.error.code != "input_audio_buffer_commit_empty":
            self._end(1007, _INVALID)
        said = self._turns.arrange(message)
        if self._responds_when_idle and isinstance(message, m.ResponseDone):
            self._responds_when_idle = False
            self._loop.call_soon(self._tell, m.ResponseCreate())
        return said

    def _end(self, code: int, reason: str) -> None:
        self._is_over = True
        self.hang_up(code, reason.encode()[:_LONGEST_REASON].decode(errors="ignore"))


def _stated(messages: list[ClientMessage]) -> SessionOptions:
    first: Any = messages[0]
    assert isinstance(first, m.SessionUpdate)
    if len(messages) > 1:
        raise Refused(1007, "Invalid JSON payload received. Unknown name: Cannot find field.")
    return first.options
