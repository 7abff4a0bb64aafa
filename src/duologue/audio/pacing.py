"""Keeping to the speed of real speech."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

Clock = Callable[[], float]
"""Gives the time in seconds, from any start; never goes back."""

Sleep = Callable[[float], Awaitable[object]]
"""Waits for some seconds."""


class Pacer:
    """Waits for moments of a recording as if it were spoken now.

    Deadlines count from the first wait, so that delays do not add up: whoever is late catches up.

    Args:
        realtime: Whether to wait at all; otherwise every wait only lets other tasks run.
        clock: Gives the time in seconds.
        sleep: Waits for seconds.
    """

    def __init__(self, *, realtime: bool = True, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        self._realtime = realtime
        self._clock = clock
        self._sleep = sleep
        self._started: float | None = None

    async def reach(self, position_ms: float) -> None:
        """Wait until `position_ms` milliseconds after the first call began."""
        now = self._clock()
        if self._started is None:
            self._started = now
        deadline = self._started + position_ms / 1000
        await self._sleep(max(0.0, deadline - now) if self._realtime else 0.0)
