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
from duologue.middleware.turn_detection.microphone import EchoFreeMicrophone
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
    watches = (
        m.OutputAudioDelta,
        m.ResponseCreated,
        m.ResponseDone,
        m.Interrupted,
        m.InputSpeechStarted,
        m.InputSpeechStopped,
    )

    def __init__(self, inner: Link, settings: TurnDetection, make_detector: VoiceActivityDetectorFactory) -> None:
        super().__init__(inner)
        self._settings = settings
        self._format = inner.options.input_audio or PCM16_24K
        self._cutter = TurnCutter(make_detector(), settings.segmentation, self._format)
        self._playback = PlaybackTracker(inner.options, inner.capabilities)
        self._microphone = EchoFreeMicrophone(self._format) if settings.echo_cancellation else None
        self._played_at = float("-inf")  # when something was last played

    # --- towards the provider ---

    async def send(self, message: ClientMessage) -> str:
        match message:
            case m.InputAudioAppend():
                return await self._hear(message)
            case m.InputAudioEnd():
                if self._microphone is not None:
                    await self._listen(self._microphone.finish())
                await self._tell(self._cutter.finish())
                return message.id or new_id("msg")
            case m.OutputAudioPlayed():
                self._played(message)
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
        microphone = self._microphone
        await self._listen(
            message.audio if microphone is None else microphone.clean(message.audio, self._settings.clock())
        )
        return message.id or new_id("msg")

    async def _listen(self, audio: bytes) -> None:
        if not audio:
            return  # all of it waits for the rest of its 10 ms
        if self._is_closed():
            self._cutter.skip(audio)
        else:
            await self._tell(self._cutter.feed(audio))

    def _is_closed(self) -> bool:
        """Whether the microphone counts as closed: it hears the loudspeaker."""
        hears_it = self._settings.echo_gate if self._microphone is None else not self._microphone.knows_room
        return hears_it and self._is_playing()

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

    def _played(self, report: m.OutputAudioPlayed) -> None:
        self._playback.played(report)
        if self._microphone is not None:
            now = self._settings.clock()
            self._microphone.loudspeaker.is_to_end(now + self._playback.remaining(now))

    def _stop_playback(self) -> None:
        now = self._settings.clock()
        self._playback.received(m.InputSpeechStarted(), now)
        if self._microphone is not None:
            self._microphone.loudspeaker.stop(now)

    # --- towards the reader ---

    def received(self, message: ServerMessage) -> None:
        match message:
            case m.InputSpeechStarted() | m.InputSpeechStopped():
                return  # it is told here
            case m.OutputAudioDelta():
                self._play(message)
            case m.Interrupted():
                self._stop_playback()
            case _:
                self._playback.received(message, self._settings.clock())
        self.deliver(message)

    def _play(self, delta: m.OutputAudioDelta) -> None:
        now = self._settings.clock()
        if self._playback.audio(delta, now) and self._microphone is not None:
            self._microphone.loudspeaker.play(delta.audio, delta.format, now)

    def ended(self, end: SessionEnded) -> None:
        self._cutter.close()
        super().ended(end)
