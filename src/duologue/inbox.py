"""The reader's end of a session, on its event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator
from typing import NoReturn

from duologue import messages as m
from duologue.errors import ConcurrentRead, SessionClosed
from duologue.message_buffer import MAX_BYTES, MAX_MESSAGES, MessageBuffer

Handler = Callable[[m.ServerMessage], object]


class Inbox(MessageBuffer):
    """The queue of a session, for one reader at a time: one that awaits it for the next message, or one that listens.

    A future for every message would cost more than everything else that is done for it. So the inbox itself is what its
    reader's task awaits, again and again: it follows the protocol by which asyncio's tasks await futures of any make.
    """

    _asyncio_future_blocking = False  # set when it is awaited, and taken back by the task

    def __init__(
        self,
        pause: Callable[[], object],
        resume: Callable[[], object],
        on_end: Callable[[], object] = lambda: None,
        *,
        max_bytes: int = MAX_BYTES,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        super().__init__(pause, resume, on_end, max_bytes=max_bytes, max_messages=max_messages)
        self._loop = asyncio.get_running_loop()
        self._is_read = False
        self._handed: m.ServerMessage | None = None  # to a reader that waited; before all that is held
        self._wake_reader: Callable[[Inbox], object] | None = None  # while one waits, and was not woken yet
        self._context: contextvars.Context  # of that reader
        self._cancelled: tuple[str | None] | None = None
        self._handle: Handler | None = None  # while somebody listens
        self._listening: asyncio.Future[None] | None = None
        self._raised: Exception | None = None

    def __len__(self) -> int:
        return super().__len__() + (self._handed is not None)

    def received(self, message: m.ServerMessage) -> None:
        """Add a message, or hand it to the reader that waits for it."""
        if (handle := self._handle) is not None:
            try:
                handle(message)
            except Exception as error:  # noqa: BLE001 - raised to the listener
                self._fail_listening(error)
        elif self._wake_reader is not None:
            self._handed = message
            self._wake()
        else:
            if type(message) is m.Interrupted and (handed := self._handed) is not None:  # not too late for that one
                self._handed = None
                self._put_back(handed)
            self._put(message)  # nobody waits

    def received_last(self, message: m.ServerMessage) -> None:
        """The same, as the last thing that the caller does: a reader that waits goes on at once, within this call.

        That saves a turn of the event loop. It cannot be done within a task, as tasks do not nest.
        """
        if (handle := self._handle) is not None:
            try:
                handle(message)
            except Exception as error:  # noqa: BLE001 - raised to the listener
                self._fail_listening(error)
            return
        if (wake := self._wake_reader) is None:
            self.received(message)
            return
        self._handed = message
        self._wake_reader = None
        try:
            self._context.run(wake, self)
        except RuntimeError:  # before anything was done: the caller is a task
            self._loop.call_soon(wake, self, context=self._context)
        except (SystemExit, KeyboardInterrupt) as stop:  # raised by the reader, to stop the event loop
            self._loop.call_soon(_raise, stop)

    def _wake(self) -> None:
        if (wake := self._wake_reader) is not None:
            self._wake_reader = None
            self._loop.call_soon(wake, self, context=self._context)
        elif self._handle is not None:
            self._stop_listening()

    # --- one message after the other ---

    async def get(self) -> m.ServerMessage:
        """The next message. A cancelled read loses nothing.

        Raises:
            ConcurrentRead: Somebody is reading.
            SessionEnded: Nothing is left, and nothing will come. What a layer raised comes as it is.
        """
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            raise self._ending() from None

    def __aiter__(self) -> Inbox:
        return self

    async def __anext__(self) -> m.ServerMessage:
        """The same, but it stops when our side closed the session."""
        if self._is_read:
            raise _already_read()
        while (message := self._handed) is None:
            if self._messages:
                return self._take()
            if self.end is not None:
                raise self._stop()
            self._is_read = self._asyncio_future_blocking = True
            try:
                await self
            finally:
                self._is_read = False
                self._wake_reader = None
        self._handed = None
        return message

    def _stop(self) -> BaseException:
        ending = self._ending()
        return StopAsyncIteration() if ending is self.end and isinstance(ending, SessionClosed) else ending

    # --- every message ---

    async def listen(self, handle: Handler) -> NoReturn:
        """Call `handle` with what is held, and with every message from now on, as it comes.

        Raises:
            ConcurrentRead: Somebody is reading.
            SessionEnded: Nothing is left, and nothing will come. What a layer or `handle` raised comes as it is.
        """
        if self._is_read:
            raise _already_read()
        self._is_read = True
        try:
            if (message := self._handed) is not None:
                self._handed = None
                handle(message)
            while self._messages:
                handle(self._take())
            if self.end is None:
                self._listening = self._loop.create_future()
                self._handle = handle
                await self._listening
        finally:
            self._handle = self._listening = None
            self._is_read = False
            error, self._raised = self._raised, None  # of this listener alone, though it was cancelled meanwhile
        raise self._ending() if error is None else error

    def _fail_listening(self, error: Exception) -> None:
        self._raised = error
        self._stop_listening()

    def _stop_listening(self) -> None:
        self._handle = None
        if self._listening is not None and not self._listening.done():
            self._listening.set_result(None)

    # --- a future, to the task that awaits it ---

    def __await__(self) -> Generator[Inbox, None, None]:
        return iter((self,))  # type: ignore[return-value]  # it need not be a generator, which would cost more

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, wake: Callable[[Inbox], object], *, context: contextvars.Context) -> None:
        self._wake_reader = wake
        self._context = context

    def cancel(self, msg: str | None = None) -> bool:
        if self._wake_reader is None:
            return False  # it is about to go on anyway
        self._cancelled = (msg,)
        self._wake()
        return True

    def result(self) -> None:
        if self._cancelled is not None:
            (reason,), self._cancelled = self._cancelled, None
            raise asyncio.CancelledError() if reason is None else asyncio.CancelledError(reason)


def _already_read() -> ConcurrentRead:
    return ConcurrentRead("Another task is already reading this session. Read it in one task and hand the messages on.")


def _raise(error: BaseException) -> None:
    raise error
