"""What has arrived and was not read yet, between the event loop and a reading thread."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque

from duologue.errors import ConcurrentRead, SessionEnded
from duologue.link import Link, Receiver
from duologue.message_buffer import MAX_BYTES, MAX_MESSAGES, MessageBuffer, size_of
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.runtime import SessionLayer
from duologue.sync.audio_sender import AudioSender
from duologue.sync.loop_thread import LoopThread
from duologue.sync.waiting import wait_for


class ThreadInbox:
    """The queue of a session whose reader is a thread: filled on the event loop, and emptied without it.

    The loop appends to `_arrived`, and the reader moves all of that into a buffer of its own, where an interruption
    overtakes what was not read yet. The loop counts what comes in and the reader what goes out, which gives the bounds.
    No lock is held in between: a signal handler may run on the reader's thread at any moment and wait for the loop, as
    `close` does, and the loop never waits for the reader.

    Args:
        thread: Where the session lives.
        link: What to pause when the reader falls behind.
        max_bytes, max_messages: The bounds.

    Attributes:
        end: Why nothing more will come.
    """

    def __init__(
        self, thread: LoopThread, link: Link, *, max_bytes: int = MAX_BYTES, max_messages: int = MAX_MESSAGES
    ) -> None:
        self.end: SessionEnded | None = None
        self._thread = thread
        self._link = link
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._arrived: deque[tuple[ServerMessage, int]] = deque()  # each with its size
        self._unread = _Unread()
        self._news = threading.Lock()  # released when there is something for the reader, who waits for it
        self._reads: dict[object, None] = {}  # the calls of `take`; the first of them reads
        # Only the loop changes these ...
        self._messages_in = self._bytes_in = 0
        self._is_paused = False
        # ... and only the reader these.
        self._messages_moved = self._bytes_moved = 0
        self._messages_out = self._bytes_out = 0
        self._is_resuming = False  # but for this, which the loop takes back

    def __len__(self) -> int:
        return self._messages_in - self._messages_out

    @property
    def size(self) -> int:
        """About how many bytes are held."""
        return self._bytes_in - self._bytes_out

    # --- on the event loop ---

    def received(self, message: ServerMessage) -> None:
        """Add a message."""
        size = size_of(message)
        self._messages_in += 1
        self._bytes_in += size
        self._arrived.append((message, size))
        if not self._is_paused and (self.size > self._max_bytes or len(self) > self._max_messages):
            self._is_paused = True  # first: a reader that makes room from here on asks for more
            if self._has_room():
                self._is_paused = False
            else:
                self._link.pause_reading()
        self._wake()

    def ended(self, end: SessionEnded) -> None:
        """After what is held, reading raises `end`."""
        self._unread.ended(end)
        self.end = end  # last: now the reader may raise it
        self._wake()

    def _wake(self) -> None:
        if self._news.locked():
            self._news.release()

    def _resume(self) -> None:
        self._is_resuming = False  # first: a reader that makes room from here on asks again
        if self._is_paused and self._has_room():
            self._is_paused = False
            self._link.resume_reading()

    def _has_room(self) -> bool:
        return self.size * 2 < self._max_bytes and len(self) * 2 < self._max_messages

    # --- in the reading thread ---

    def take(self, timeout: float | None = None) -> ServerMessage:
        """The next message. A call that times out, or that Ctrl-C interrupts while it waits, loses nothing.

        Args:
            timeout: Seconds to wait; None: however long it takes.

        Raises:
            ConcurrentRead: Another thread is reading, or this one, which a signal handler has interrupted.
            TimeoutError: Nothing has come in that time.
            SessionEnded: Nothing is left, and nothing will come. What a layer raised comes as it is.
            InvalidInput: This is the event loop's own thread, or another process.
        """
        self._thread.check_caller()
        read = object()
        try:
            self._reads[read] = None
            if next(iter(tuple(self._reads))) is not read:
                raise ConcurrentRead(
                    "This session is already being read, by another thread, or by this one before a signal came. Read "
                    "it in one thread and hand the messages on."
                )
            return self._next(None if timeout is None else time.monotonic() + timeout)
        finally:
            self._reads.pop(read, None)

    def _next(self, deadline: float | None) -> ServerMessage:
        while True:
            if not (self._unread or self._arrived):
                self._news.acquire(blocking=False)  # first: what comes after the look below is news
            end = self.end  # first: what arrived before the end is read before it
            self._move()
            if self._unread:
                return self._taken()
            if end is not None:
                raise self._unread.ending()
            if not wait_for(self._news, None if deadline is None else deadline - time.monotonic()):
                raise TimeoutError("No message came in that time. Nothing is lost: read again.")

    def _move(self) -> None:
        while self._arrived:
            message, size = self._arrived.popleft()
            self._messages_moved += 1
            self._bytes_moved += size
            self._unread.received(message)

    def _taken(self) -> ServerMessage:
        message = self._unread.take()
        self._messages_out = self._messages_moved - len(self._unread)  # stale audio is out, too
        self._bytes_out = self._bytes_moved - self._unread.size
        if self._is_paused and not self._is_resuming and self._has_room():
            self._is_resuming = True
            self._thread.call_soon(self._resume)
        return message


class _Unread(MessageBuffer):
    """What the reader has moved to its side."""

    def __init__(self) -> None:
        super().__init__(_nothing, _nothing, max_bytes=sys.maxsize, max_messages=sys.maxsize)  # bounded outside

    def take(self) -> ServerMessage:
        return self._take()

    def ending(self) -> BaseException:
        return self._ending()

    def _wake(self) -> None:
        """The reader is awake: it is the one who moves."""


def _nothing() -> None:
    pass


class HandoverLayer(SessionLayer):
    """The outermost layer of a session that threads use.

    Attributes:
        inbox: Gets what arrives, which goes no further.
        audio: Takes audio from threads that do not wait for it. Whatever is sent otherwise goes out behind that.
    """

    def __init__(self, inner: Link, thread: LoopThread) -> None:
        super().__init__(inner)
        self.inbox = ThreadInbox(thread, inner)
        self.audio = AudioSender(thread, inner)
        self._open_links = thread.open_links

    def connect(self, receiver: Receiver) -> None:
        self._open_links.add(self)
        super().connect(receiver)

    async def send(self, message: ClientMessage) -> str:
        await self.audio.flush()
        return await self.inner.send(message)

    async def drain(self) -> None:
        await self.audio.flush()
        await super().drain()

    async def aclose(self) -> None:
        await self.audio.finish(super().aclose)

    def received(self, message: ServerMessage) -> None:
        self.inbox.received(message)

    def ended(self, end: SessionEnded) -> None:
        self._open_links.discard(self)
        super().ended(end)
        self.inbox.ended(end)
