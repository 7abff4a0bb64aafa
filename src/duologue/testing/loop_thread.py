"""An event loop in a thread of its own, for tests without one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """Runs coroutines for a program that has no event loop.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def on_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], timeout: float, what: str) -> T:
    """Wait for `work`, which belongs to `loop`, on whatever loop is running.

    Raises:
        TimeoutError: It takes longer than `timeout` s; the text names `what`.
    """
    here = asyncio.get_running_loop() is loop
    done = asyncio.ensure_future(work) if here else asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
    try:
        async with asyncio.timeout(timeout):
            return await done
    except TimeoutError:
        raise TimeoutError(f"The emulator has waited {timeout:g} s for {what}.") from None
