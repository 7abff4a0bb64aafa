"""Work that is done once for all the threads that ask for it meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedWork(Generic[T]):
    """A coroutine that runs once for all who join it while it runs, and anew for who comes later.

    It lives on an event loop, where it needs no lock: threads come to it by way of `LoopThread.run`.

    Args:
        work: Makes the coroutine.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._joined: set[object] = set()  # who waits for this task

    async def join(self) -> T:
        """What the coroutine gives or raises. It is cancelled when nobody waits for it any more."""
        if self._task is None:
            self._joined = set()
            self._task = asyncio.get_running_loop().create_task(self._work())
            self._task.add_done_callback(self._finished)
        task, joined, one = self._task, self._joined, object()
        joined.add(one)
        try:
            await asyncio.wait([task])
        finally:
            joined.discard(one)
            if not joined:
                self._give_up(task)
        return task.result()

    def cancel(self) -> None:
        """Give it up: `join` raises `asyncio.CancelledError`. Nothing happens when it is not running."""
        if self._task is not None:
            self._give_up(self._task)

    def _give_up(self, task: asyncio.Task[T]) -> None:
        task.cancel()
        self._forget(task)

    def _finished(self, task: asyncio.Task[T]) -> None:
        self._forget(task)
        if not task.cancelled():
            task.exception()  # no complaint if nobody waits any more

    def _forget(self, task: asyncio.Task[T]) -> None:
        if self._task is task:  # and not one that came later
            self._task = None
