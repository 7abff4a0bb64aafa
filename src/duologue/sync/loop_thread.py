"""An event loop in a thread, for the threads that wait for what it does."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, TypeVar

from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.link import Link
from duologue.sync.waiting import wait_for

CLOSING_SECONDS = 5.0
"""How long closing sessions and clients may take when the program exits."""

T = TypeVar("T")
V = TypeVar("V")
Work = Callable[[], Coroutine[Any, Any, T]]

STOPPED = "duologue.sync has stopped, as the program is exiting."
_log = logging.getLogger("duologue.sync")


class LoopThread:
    """Runs coroutines for the threads that wait for them, and closes what is open at the end.

    Attributes:
        clients: What lives on it, to close at the end.
        open_links: The sessions, to close before that. Only its own thread touches them.
    """

    def __init__(self) -> None:
        self.clients: set[RealtimeClient] = set()
        self.open_links: set[Link] = set()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._calls: set[_Call[Any]] = set()  # that threads wait for
        self._is_over = self._is_of_parent = False
        self._thread = threading.Thread(target=self._main, name="duologue.sync", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads
            self._loop.close()
            raise

    # --- in any thread ---

    @property
    def is_over(self) -> bool:
        """Whether it has stopped."""
        return self._is_over

    @property
    def is_of_parent(self) -> bool:
        """Whether it was started before this process was forked off: then it runs in the parent only."""
        return self._is_of_parent

    def check_caller(self) -> None:
        """Refuse, with `InvalidInput`, calls in a child process, and on the event loop, which would wait for itself."""
        if self._is_of_parent:
            raise InvalidInput(
                "This was opened before the process was forked, and belongs to the parent. Make a client of your own "
                "in the child."
            )
        if threading.get_ident() == self._thread.ident:
            raise InvalidInput(
                "duologue.sync was called on its own event loop, where it would wait for ever. Call it from a thread: "
                "a tool that is not async runs in one."
            )

    def run(self, work: Work[T], *, undo: Callable[[T], Coroutine[Any, Any, object]] | None = None) -> T:
        """Run the coroutine that `work` makes, and wait for what it gives or raises.

        Where the wait is interrupted, as by Ctrl-C, the coroutine goes on to its end. With `undo` it is cancelled
        instead, and what it has given already is undone.

        Raises:
            InvalidInput: It is called on the event loop, in a forked process, or after the end.
        """
        self.check_caller()
        call = _Call(work, self._tasks)
        try:
            self._calls.add(call)  # first: what is posted in the moment of the end is refused there
            if not self.call_soon(lambda: call.refuse() if self._is_over else call.start()):
                raise InvalidInput(STOPPED)
            wait_for(call.done)
        except BaseException:
            if undo is not None:
                self.call_soon(lambda: call.abandon(undo))
            raise
        finally:
            self._calls.discard(call)
        return call.result()

    def call_soon(self, function: Callable[[], object]) -> bool:
        """Call `function` on the event loop, in the order of the calls of this; False when that has ended.

        It takes no lock, as a signal handler may call it on a thread that is in here.
        """
        if self._is_over:
            return False
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # it was closed in this moment
            return False
        return True

    def stop(self) -> None:
        """Close what is open, which takes `CLOSING_SECONDS` at most, and end the thread."""
        self.call_soon(self._end)
        self._thread.join(CLOSING_SECONDS + 2)

    def forget(self) -> None:
        """This process was forked off, and the thread runs in the parent."""
        self._is_of_parent = True

    # --- in the thread ---

    def _end(self) -> None:
        if not self._is_over:  # a second one is not to stop the closing
            self._loop.stop()

    def _main(self) -> None:
        try:
            self._loop.run_forever()
        except (SystemExit, KeyboardInterrupt):  # a task raised it: that ends the loop, and its owner gets it, too
            pass
        finally:
            self._is_over = True
            try:
                self._loop.run_until_complete(self._close())
            finally:
                self._loop.close()
                for call in tuple(self._calls):
                    call.refuse()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._close_each(link.aclose() for link in self.open_links)
                await self._close_each(client.aclose() for client in list(self.clients))
        except TimeoutError:
            _log.warning("What did not close within %g s was cut off as the program exits.", CLOSING_SECONDS)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        await self._loop.shutdown_asyncgens()

    async def _close_each(self, closings: Iterable[Coroutine[Any, Any, None]]) -> None:
        for error in await asyncio.gather(*closings, return_exceptions=True):
            if error is not None:
                self._loop.call_exception_handler({"message": "Closing at exit went wrong.", "exception": error})


class _Call(Generic[T]):
    """A coroutine on the event loop, and a thread that waits for it.

    Attributes:
        done: Released when there is a result.
    """

    def __init__(self, work: Work[T], tasks: set[asyncio.Task[Any]]) -> None:
        self.done = threading.Lock()
        self.done.acquire()
        self._work = work
        self._tasks = tasks
        self._task: asyncio.Task[T] | None = None

    def start(self) -> None:
        self._task = self._own(self._work())
        self._task.add_done_callback(self._finished)

    def abandon(self, undo: Callable[[T], Coroutine[Any, Any, object]]) -> None:
        """Nobody waits any more."""
        if self._task is None:  # interrupted before it began
            return
        if not self._task.cancel() and not self._task.cancelled() and self._task.exception() is None:
            self._own(undo(self._task.result()))

    def refuse(self) -> None:
        """The loop has ended before this."""
        if self.done.locked():
            self.done.release()

    def result(self) -> T:
        """What the coroutine has given or raised. Called once."""
        task = self._task
        self._task = None
        try:
            if task is None or not task.done() or task.cancelled():
                raise InvalidInput(STOPPED)
            return task.result()
        finally:
            del task  # an exception in it would hold itself, by way of this frame

    def _own(self, work: Coroutine[Any, Any, V]) -> asyncio.Task[V]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _finished(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # no complaint if nobody waits any more
        self.done.release()
