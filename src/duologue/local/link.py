"""One session of the embedded provider."""

from __future__ import annotations

import time
from collections.abc import Callable

from duologue.capabilities import Capabilities
from duologue.errors import SessionEnded
from duologue.link import ProviderMetadata
from duologue.local.engine import LocalEngine
from duologue.local.runner import EngineRunner
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
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(engine.options, capabilities, metadata, dropped, clock=clock)
        self._runner = EngineRunner(
            engine, speech_to_text, responder, text_to_speech, said=self._take, failed=self.fail, clock=clock
        )

    def open(self) -> None:
        """Begin the session."""
        self._runner.open()

    def _write(self, message: ClientMessage) -> None:
        self._runner.send(message)

    async def _flush(self) -> None:
        """Nothing is slow to take what is sent."""

    def pause_reading(self) -> None:
        self._runner.pause()

    def resume_reading(self) -> None:
        self._runner.resume()

    def _finish(self, end: SessionEnded) -> None:
        self._runner.stop()
        super()._finish(end)

    async def _hang_up(self) -> None:
        await self._runner.aclose()
