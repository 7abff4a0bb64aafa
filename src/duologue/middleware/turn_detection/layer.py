"""The layer that `TurnDetection` puts around a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import InvalidAudio, SessionEnded, UnsupportedOperation
from duologue.formats import PCM16_24K
from duologue.lifecycle import new_id
from duologue.link import Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.turn_detection.turns import TurnCutter
from duologue.options import OFF, SessionOptions
from duologue.runtime import LayeredClient, SessionLayer
from duologue.runtime.playback import PlaybackTracker
from duologue.speech.detectors import best_available_detector_factory
from duologue.speech.stages import VoiceActivityDetectorFactory

if TYPE_CHECKING:
    from duologue.client import RealtimeClient
    from duologue.middleware.turn_detection.settings import TurnDetection


class TurnDetectingClient(LayeredClient):
    """Opens sessions whose turns are found here.

    Args:
        inner: The client that opens the sessions.
        settings: Of the middleware.
    """

    def __init__(self, inner: RealtimeClient, settings: TurnDetection) -> None:
        super().__init__(inner, self._wrapped, settings)
        self._settings = settings
        self._detectors: VoiceActivityDetectorFactory | None = settings.detector

    async def open_session(self, options: SessionOptions) -> Link:
        if not self.inner.capabilities(options).manual_turns:
            raise UnsupportedOperation(
                "turns marked by the application", self.metadata.provider, "Its own turn detection finds the turns."
            )
        return await super().open_session(replace(options, turn_detection=OFF))

    def _wrapped(self, link: Link) -> TurnDetectionLayer:
        if self._detectors is None:
            self._detectors = best_available_detector_factory()
        return TurnDetectionLayer(link, self._settings, self._detectors)


class TurnDetectionLayer(SessionLayer):
    """Gives the provider the user's turns, and nothing else of the microphone.

    Args:
        inner: The session, whose own turn detection is off.
        settings: Of the middleware.
        make_detector: Makes its detector.
    """

    sends = True
    watches = (m.OutputAudioDelta, m.ResponseCreated, m.ResponseDone, m.InputSpeechStarted, m.InputSpeechStopped)

    def __init__(self, inner: Link, settings: TurnDetection, make_detector: VoiceActivityDetectorFactory) -> None:
        super().__init__(inner)
        self._settings = settings
        self._format = inner.options.input_audio or PCM16_24K
        self._cutter = TurnCutter(make_detector(), settings.segmentation, self._format)
        self._playback = PlaybackTracker(inner.options, inner.capabilities)
        self._played_at = float("-inf")  # when something was last played

    # --- towards the provider ---

    async def send(self, message: ClientMessage) -> str:
        match message:
            case m.InputAudioAppend():
                return await self._hear(message)
            case m.InputAudioEnd():
                await self._tell(self._cutter.finish())
                return message.id or new_id("msg")
            case m.OutputAudioPlayed():
                self._playback.played(message)
            case m.OutputAudioClear():
                self._stop_playback()
            case _:
                pass
        return await self.inner.send(message)

    async def _hear(self, message: m.InputAudioAppend) -> str:
        if message.format not in (None, self._format) or not self._format.is_aligned(len(message.audio)):
            raise InvalidAudio(
                f"This session takes whole samples of {self._format}. Use with_middleware(AudioConversion(), "
                "TurnDetection()) to convert them."
            )
        if self._settings.echo_gate and self._is_playing():
            self._cutter.skip(message.audio)
        else:
            await self._tell(self._cutter.feed(message.audio))
        return message.id or new_id("msg")

    async def _tell(self, messages: list[ClientMessage]) -> None:
        for message in messages:
            if isinstance(message, m.UserTurnStart):
                self.deliver(m.InputSpeechStarted())
                if self._settings.interrupts:
                    self._stop_playback()
                    await self.inner.send(m.OutputAudioClear())
            await self.inner.send(message)
            if isinstance(message, m.UserTurnEnd):
                self.deliver(m.InputSpeechStopped())

    def _is_playing(self) -> bool:
        now = self._settings.clock()
        if self._playback.remaining(now) > 0:
            self._played_at = now
        return now - self._played_at <= self._settings.echo_tail

    def _stop_playback(self) -> None:
        self._playback.received(m.InputSpeechStarted(), self._settings.clock())

    # --- towards the reader ---

    def received(self, message: ServerMessage) -> None:
        match message:
            case m.InputSpeechStarted() | m.InputSpeechStopped():
                return  # it is told here
            case m.OutputAudioDelta():
                self._playback.audio(message, self._settings.clock())
            case _:
                self._playback.received(message, self._settings.clock())
        self.deliver(message)

    def ended(self, end: SessionEnded) -> None:
        self._cutter.close()
        super().ended(end)
