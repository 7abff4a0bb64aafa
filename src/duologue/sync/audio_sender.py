"""The user's audio on its way to the event loop, with threads that do not wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from duologue import messages as m
from duologue.errors import InvalidInput, SessionEnded
from duologue.link import Link
from duologue.sync.loop_thread import STOPPED, LoopThread

MOST_BYTES = 64 * 1024
"""Audio that may be on its way before a thread has to wait."""

_PATIENCE = 1.0  # s, for what is left at the end

_log = logging.getLogger("duologue.sync")


class AudioSender:
    """Sends what threads hand over, in order, one after the other.

    No lock is held in between: a signal handler may run in the middle of `put`, and send or close.

    Args:
        thread: Where the session lives.
        link: What it is sent to.
    """

    def __init__(self, thread: LoopThread, link: Link) -> None:
        self._thread = thread
        self._link = link
        self._waiting: deque[m.InputAudioAppend | asyncio.Future[None]] = deque()  # a future waits for its turn
        self._task: asyncio.Task[None] | None = None  # while there is something to do
        self._error: Exception | None = None  # that nobody was told of

    # --- in any thread ---

    def put(self, message: m.InputAudioAppend) -> None:
        """Hand audio over. Waits only when more than `MOST_BYTES` are on their way, until they have been taken.

        Raises:
            InvalidInput: This is the wrong thread or process.
            Exception: What went wrong with earlier audio. This message was not sent.
        """
        self._thread.check_caller()
        self._raise_error()
        if self._thread.is_over:
            raise InvalidInput(STOPPED)
        self._waiting.append(message)
        if self._task is None and not self._thread.call_soon(self._start):
            raise InvalidInput(STOPPED)
        if self.size > MOST_BYTES:
            self._thread.run(self._taken)

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return sum(len(entry.audio) for entry in tuple(self._waiting) if isinstance(entry, m.InputAudioAppend))

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    # --- on the event loop ---

    async def flush(self) -> None:
        """Wait until the provider has taken all that was handed over so far.

        Raises:
            Exception: What went wrong with it.
        """
        await self._taken()
        self._raise_error()

    async def finish(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Hand all that waits to the session, and then `close` that, though the provider be slow to take it."""
        self._start()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=_PATIENCE)  # in order, layers that wait before they send included
        tasks = [] if self._task is None else [self._task]
        while self._waiting:
            entry = self._waiting.popleft()
            if isinstance(entry, asyncio.Future):
                _pass(entry)
            else:
                tasks.append(asyncio.get_running_loop().create_task(self._send(entry)))
        if tasks:
            await asyncio.sleep(0)  # now each has been sent, and at most waits for having been taken
        await close()
        if tasks:
            _, stuck = await asyncio.wait(tasks, timeout=_PATIENCE)  # in a layer, as the session takes nothing more
            for task in stuck:
                task.cancel()
                self._error = self._error or TimeoutError("A layer did not pass it on.")
            await asyncio.gather(*stuck, return_exceptions=True)
        while self._waiting:  # for those who came meanwhile: whatever they send next tells them of the end
            if isinstance(entry := self._waiting.popleft(), asyncio.Future):
                _pass(entry)
        if self._error is not None:
            _log.warning("Some audio was not sent before the session was closed.", exc_info=self._error)
            self._error = None

    async def _taken(self) -> None:
        if self._waiting or self._task is not None:
            is_our_turn = asyncio.get_running_loop().create_future()
            self._waiting.append(is_our_turn)
            self._start()
            await is_our_turn

    def _start(self) -> None:
        if self._task is None and self._waiting:
            self._task = asyncio.get_running_loop().create_task(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                entry = self._waiting.popleft()
                if isinstance(entry, asyncio.Future):
                    _pass(entry)
                else:
                    await self._send(entry)
        finally:
            self._task = None  # first: a thread that adds something from here on calls `_start` ...
        self._start()  # ... and this is for one that has just added it

    async def _send(self, message: m.InputAudioAppend) -> None:
        try:
            await self._link.send(message)
        except SessionEnded:
            pass  # whatever is sent next raises it as well
        except Exception as error:  # noqa: BLE001 - raised to the next caller
            self._error = self._error or error


def _pass(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():  # and nobody has given up
        waiting.set_result(None)
