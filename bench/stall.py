"""How long the event loop stands still: a task that wants to run every millisecond, and how late it gets to.

On a busy machine it is also late when other processes run. So the processor time that the loop's own thread took
between two ticks is noted beside it: that is what the program itself does to the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator

_TICK = 0.001


class Stalls:
    """What was seen.

    Attributes:
        delays_ms: By how much each tick came late, in ms.
        busy_ms: The processor time of the loop's thread between two ticks, in ms.
    """

    def __init__(self) -> None:
        self.delays_ms: list[float] = []
        self.busy_ms: list[float] = []

    @property
    def worst_ms(self) -> float:
        """The longest stall, in ms."""
        return max(self.delays_ms, default=0.0)

    @property
    def busiest_ms(self) -> float:
        """The longest stall that the program itself made, in ms."""
        return max(self.busy_ms, default=0.0)

    def share_over(self, limit_ms: float) -> float:
        """The share of ticks that came later than `limit_ms`."""
        return sum(delay > limit_ms for delay in self.delays_ms) / max(1, len(self.delays_ms))


@contextlib.asynccontextmanager
async def watch_stalls() -> AsyncGenerator[Stalls, None]:
    """Measure while the block runs."""
    stalls = Stalls()
    loop = asyncio.get_running_loop()

    async def tick() -> None:
        while True:
            before, busy = loop.time(), time.thread_time()
            await asyncio.sleep(_TICK)
            stalls.busy_ms.append((time.thread_time() - busy) * 1000)
            stalls.delays_ms.append((loop.time() - before - _TICK) * 1000)

    task = asyncio.create_task(tick())
    try:
        yield stalls
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
