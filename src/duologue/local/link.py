"""One session of the embedded provider: the engine, joined to its stages and to the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from duologue.capabilities import Capabilities
from duologue.link import ProviderMetadata
from duologue.local.engine import LocalEngine
from duologue.local.stages import Stages
from duologue.messages import ClientMessage
from duologue.runtime.provider import ProviderLink
from duologue.speech.responder import Responder
from duologue.speech.stages import SpeechToText, TextToSpeech


class LocalLink(ProviderLink):
    """Hands what the application sends to the engine, its orders to the stages, and what it says to the reader.

    Args:
        engine: The session's state machine.
        speech_to_text: The client's engine.
        responder: The client's responder.
        text_to_speech: The client's engine.
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
        self._engine = engine
        self._stages = Stages(
            engine,
            speech_to_text,
            responder,
            text_to_speech,
            now=self._now,
            changed=self._pump,
            failed=self.fail,
        )
        self._is_pumping = False
        self._paused_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin the session."""
        self._engine.open()
        self._pump()

    # --- the link's side ---

    def _write(self, message: ClientMessage) -> None:
        self._engine.send(message, self._now())
        self._pump()

    async def _flush(self) -> None:
        """Nothing is slow to take what is sent."""

    def pause_reading(self) -> None:
        self._paused_at = self._clock()
        self._stages.pause()

    def resume_reading(self) -> None:
        self._paused_at = None
        if self._end is None:
            self._stages.resume()
            self._tick()

    async def _hang_up(self) -> None:
        self._stop_timer()
        self._engine.close()
        await self._stages.aclose()

    # --- the engine's side ---

    def _now(self) -> float:
        """The time, which stands still while nobody takes what comes out."""
        return self._clock() if self._paused_at is None else self._paused_at

    def _pump(self) -> None:
        """Carry out what the engine orders, and hand on what it says, until it has nothing more."""
        if self._is_pumping or self._end is not None:
            return
        self._is_pumping = True
        try:
            while self._end is None:
                for command in self._engine.take_commands():
                    self._stages.carry_out(command)
                messages = [] if self._paused_at is not None else self._engine.take_messages()
                if not messages:
                    break
                self._take(messages)
        finally:
            self._is_pumping = False
        self._stages.audio_has_gone_out()
        self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        deadline = self._engine.deadline()
        if deadline is not None and self._paused_at is None and self._end is None:
            delay = max(0.0, deadline - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._stop_timer()
        self._engine.tick(self._now())
        self._pump()
