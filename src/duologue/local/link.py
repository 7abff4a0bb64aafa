"""One session of the embedded provider."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import SessionClosed, SessionEnded
from duologue.link import ProviderMetadata
from duologue.local.detectors import DetectorSlot
from duologue.local.engine import LocalEngine
from duologue.local.runner import EngineRunner
from duologue.local.settings import detection_of
from duologue.messages import ClientMessage
from duologue.runtime.provider_link import ProviderLink
from duologue.speech.responder import Responder
from duologue.speech.stages import SpeechToText, TextToSpeech


class LocalLink(ProviderLink):
    """Hands what the application sends to the engine, and what the engine says to the reader.

    Args:
        engine: The session's state machine.
        speech_to_text, responder, text_to_speech: The client's stages.
        capabilities: What the session can do.
        metadata: Who is at the other end.
        dropped: Preferences that were left out.
        detectors: Where the engine gets its detector from: filled when the first audio comes, which waits for that.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self,
        engine: LocalEngine,
        speech_to_text: SpeechToText,
        responder: Responder,
        text_to_speech: TextToSpeech,
        capabilities: Capabilities,
        metadata: ProviderMetadata,
        dropped: tuple[str, ...] = (),
        *,
        detectors: DetectorSlot,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(engine.options, capabilities, metadata, dropped, clock=clock)
        self._detectors = detectors
        self._loading: asyncio.Task[None] | None = None
        self._held: list[ClientMessage] = []  # what is to be heard once the detector is there
        self._runner = EngineRunner(
            engine, speech_to_text, responder, text_to_speech, said=self._take, failed=self.fail, clock=clock
        )

    def open(self) -> None:
        """Begin the session."""
        self._runner.open()

    def _write(self, message: ClientMessage) -> None:
        if self._held and isinstance(message, m.InputAudioCommit | m.InputAudioClear | m.InputAudioEnd):
            self._held.append(message)
        else:
            self._runner.send(message)

    def _write_audio(self, message: m.InputAudioAppend) -> bool:
        if self._loading is None:
            if not self._detectors.is_empty or detection_of(self._options) is None:
                self._runner.send(message)
                return True
            self._loading = asyncio.get_running_loop().create_task(self._load_detector())
        self._held.append(message)
        return False

    @property
    def _is_congested(self) -> bool:
        return False  # all but audio is taken at once

    async def _flush(self) -> None:
        if self._loading is not None:
            await asyncio.wait([self._loading])
            if self._end is not None and not isinstance(self._end, SessionClosed):
                raise self._end.with_traceback(None)

    async def _load_detector(self) -> None:
        try:
            await self._detectors.fill()
            held, self._held = self._held, []
            for message in held:
                self._runner.send(message)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)
        finally:
            self._loading = None

    def pause_reading(self) -> None:
        self._runner.pause()

    def resume_reading(self) -> None:
        self._runner.resume()

    def _finish(self, end: SessionEnded) -> None:
        self._runner.stop()
        super()._finish(end)

    async def _hang_up(self) -> None:
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        self._detectors.close()
        await self._runner.aclose()
