"""Runs an engine: joins it to its stages and to the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from duologue.local.engine import LocalEngine
from duologue.local.stages import Stages
from duologue.messages import ClientMessage, ServerMessage
from duologue.speech.responder import Responder
from duologue.speech.stages import SpeechToText, TextToSpeech


class EngineRunner:
    """Hands messages to the engine, its orders to the stages, and what it says to `said`.

    Args:
        engine: The session's state machine.
        speech_to_text, responder, text_to_speech: The stages; they outlive the runner.
        said: Takes what the engine says, in order.
        failed: Called with what should never be raised.
        clock: Seconds of a monotonic clock.
    """

    def __init__(
        self,
        engine: LocalEngine,
        speech_to_text: SpeechToText,
        responder: Responder,
        text_to_speech: TextToSpeech,
        *,
        said: Callable[[list[ServerMessage]], None],
        failed: Callable[[BaseException], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._said = said
        self._clock = clock
        self._stages = Stages(
            engine, speech_to_text, responder, text_to_speech, now=self._now, changed=self._pump, failed=failed
        )
        self._is_pumping = False
        self._is_over = False
        self._paused_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def open(self) -> None:
        """Begin the session."""
        self._engine.open()
        self._pump()

    def send(self, message: ClientMessage) -> None:
        """The application sends something.

        Raises:
            InvalidInput: It does not make sense. Nothing has changed.
            UnsupportedOperation: The engine cannot do that. Nothing has changed.
        """
        self._engine.send(message, self._now())
        self._pump()

    def pause(self) -> None:
        """Nobody takes what comes out: say nothing, until `resume`."""
        self._paused_at = self._clock()
        self._stages.pause()

    def resume(self) -> None:
        """Go on."""
        self._paused_at = None
        if not self._is_over:
            self._stages.resume()
            self._tick()

    def stop(self) -> None:
        """Say nothing more. `aclose` is still to be called."""
        self._is_over = True
        self._stop_timer()

    async def aclose(self) -> None:
        """End the session, and everything that works for it."""
        self.stop()
        self._engine.close()
        await self._stages.aclose()

    def _now(self) -> float:
        """The time, which stands still while nobody takes what comes out."""
        return self._clock() if self._paused_at is None else self._paused_at

    def _pump(self) -> None:
        """Carry out what the engine orders, and hand on what it says, until it has nothing more."""
        if self._is_pumping or self._is_over:
            return
        self._is_pumping = True
        try:
            while not self._is_over:
                for command in self._engine.take_commands():
                    self._stages.carry_out(command)
                messages = [] if self._paused_at is not None else self._engine.take_messages()
                if not messages:
                    break
                self._said(messages)
        finally:
            self._is_pumping = False
        self._stages.audio_has_gone_out()
        self._set_timer()

    def _set_timer(self) -> None:
        self._stop_timer()
        deadline = self._engine.deadline()
        if deadline is not None and self._paused_at is None and not self._is_over:
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
