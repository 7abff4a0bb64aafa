"""Calls that go on without a WebSocket, over WebRTC or a telephone line, and that connections join."""

from __future__ import annotations

import asyncio
from array import array
from typing import TYPE_CHECKING

from msgspec.structs import replace

from duologue import messages as m
from duologue.audio import Converter
from duologue.formats import PCM16_24K, silence_of
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import OFF, ServerTurnDetection, SessionOptions
from duologue.testing.emulation.model import EmulatedModel

if TYPE_CHECKING:
    from duologue.testing.openai_emulator.session import OpenAIEmulatedSession

_SPOKEN = array("h", ([9_000] * 24 + [-9_000] * 24) * 250).tobytes()  # half a second of 500 Hz at 24 kHz
_DEFAULT_SILENCE_MS = 500
_MARGIN_MS = 500


class EmulatedCall:
    """A call, with its caller, who is the test. Made by `OpenAIEmulator.hold_call`.

    Its audio goes to the caller, so that those who join hear none of it: they are told when the caller begins to hear a
    response and when that is over (``output_audio_buffer.started``, ``stopped``, and ``cleared``, where it was broken
    off). The caller hears a response while it is being made.

    Args:
        call_id: Its name, for the ``call_id`` of those who join.
        model: Who answers.
        options: What the session is like at first.

    Attributes:
        joined: The connections that are in it now, in the order in which they came.
        is_over: Whether the caller has hung up.
    """

    def __init__(self, call_id: str, model: EmulatedModel, options: SessionOptions) -> None:
        self.call_id = call_id
        self.joined: list[OpenAIEmulatedSession] = []
        self.is_over = False
        self._greeting: m.SessionCreated
        self._asking: OpenAIEmulatedSession | None = None  # whose message is being carried out
        self._heard: str | None = None  # the response that the caller hears
        self._ears = model.speech_to_text()
        self._runner = model.runner(options, self._ears, said=self._say, failed=self._fail)
        self._runner.open()

    # --- what a test does ---

    async def speak(self, text: str) -> None:
        """The caller says `text`, and is silent for as long as ends a turn. Await it on the emulator's event loop."""
        self._ears.transcripts.append(text)
        options = self._greeting.options
        format = options.input_audio or PCM16_24K
        converter = Converter(PCM16_24K, format)
        audio = converter.process(_SPOKEN) + converter.flush()
        if options.turn_detection is not OFF:
            detection = options.turn_detection
            stated = detection.silence_ms if isinstance(detection, ServerTurnDetection) else None
            audio += silence_of(format, (_DEFAULT_SILENCE_MS if stated is None else stated) + _MARGIN_MS)
        self._runner.send(m.InputAudioAppend(audio=audio))

    async def aclose(self) -> None:
        """The caller hangs up: whoever has joined is hung up on. Await it on the emulator's event loop."""
        self.is_over = True
        self._runner.stop()
        for session in tuple(self.joined):
            await session.aclose(1000, "The call has ended.")
        await self._runner.aclose()

    # --- for those who join ---

    @property
    def greeting(self) -> m.SessionCreated:
        """What a connection is told first: the session as it is by then."""
        return self._greeting

    def send(self, message: ClientMessage, asking: OpenAIEmulatedSession) -> None:
        """Do what a connection asks for.

        Raises:
            DuologueError: It cannot be done.
        """
        if isinstance(message, m.OutputAudioClear):
            self._stop_playback(m.OutputAudioCleared)
            return
        self._asking = asking
        try:
            self._runner.send(message)
        finally:
            self._asking = None

    # --- what is said ---

    def _say(self, messages: list[ServerMessage]) -> None:
        for message in messages:
            self._say_one(message)

    def _say_one(self, message: ServerMessage) -> None:
        match message:
            case m.SessionCreated():
                self._greeting = message
                return  # each is told when it comes
            case m.SessionUpdated():
                self._greeting = replace(self._greeting, options=message.options)
            case m.ErrorReported(cause_id=str()) if self._asking is not None:
                self._asking.say([message])
                return
            case m.OutputAudioDelta():
                if self._heard is None:
                    self._heard = message.response_id
                    self._tell(m.OutputAudioStarted(response_id=message.response_id))
                return
            case _:
                pass
        self._tell(message)
        if isinstance(message, m.ResponseDone) and message.response_id == self._heard:
            whole = message.status == "completed"
            self._stop_playback(m.OutputAudioStopped if whole else m.OutputAudioCleared)

    def _stop_playback(self, kind: type[m.OutputAudioStopped | m.OutputAudioCleared]) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            self._tell(kind(response_id=heard))

    def _fail(self, error: BaseException) -> None:
        context = {"message": "An emulated call has failed.", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
        for session in tuple(self.joined):
            session.hang_up(1011)

    def _tell(self, message: ServerMessage) -> None:
        for session in tuple(self.joined):
            session.say([message])
