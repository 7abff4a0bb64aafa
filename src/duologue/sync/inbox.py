"""What has arrived and was not read yet, between the event loop and a reading thread."""

from __future__ import annotations

import threading
import time

from duologue.errors import ConcurrentRead, SessionEnded
from duologue.inbox import MAX_BYTES, MAX_MESSAGES, MessageBuffer
from duologue.link import Link, Receiver
from duologue.messages.base import ServerMessage
from duologue.runtime import SessionLayer
from duologue.sync.loop_thread import LoopThread
from duologue.sync.waiting import wait_for


class ThreadInbox(MessageBuffer):
    """The queue of a session whose reader is a thread: filled on the event loop, and emptied without it.

    One lock stands between the two, held for as long as it takes to add or to take one message. So the reader takes
    what is there without a word to the loop, an interruption overtakes all that was not read yet, and the bounds are
    exact. A reader that finds nothing waits for a lock of its own, which the loop releases.

    Args:
        thread: Where the session lives.
        link: What to pause when the reader falls behind.
        max_bytes, max_messages: The bounds.
    """

    def __init__(
        self, thread: LoopThread, link: Link, *, max_bytes: int = MAX_BYTES, max_messages: int = MAX_MESSAGES
    ) -> None:
        super().__init__(  # both go through the loop's queue, which keeps their order
            lambda: thread.call_soon(link.pause_reading),
            lambda: thread.call_soon(link.resume_reading),
            max_bytes=max_bytes,
            max_messages=max_messages,
        )
        self._thread = thread
        self._lock = threading.Lock()
        self._reader: int | None = None  # the thread that waits
        self._news: threading.Lock | None = None  # what it waits for

    # --- on the event loop ---

    def received(self, message: ServerMessage) -> None:
        with self._lock:
            super().received(message)

    def ended(self, end: SessionEnded) -> None:
        with self._lock:
            super().ended(end)

    def _wake(self) -> None:
        if self._news is not None:
            self._news.release()
            self._news = None

    # --- in the reading thread ---

    def take(self, timeout: float | None = None) -> ServerMessage:
        """The next message. A call that times out, or that Ctrl-C interrupts while it waits, loses nothing.

        Args:
            timeout: Seconds to wait; None: however long it takes.

        Raises:
            ConcurrentRead: Another thread is reading.
            TimeoutError: Nothing has come in that time.
            SessionEnded: Nothing is left, and nothing will come. What a layer raised comes as it is.
            InvalidInput: This is the event loop's own thread, or another process.
        """
        self._thread.check_caller()  # first: after a fork the lock may be held for ever
        reader = threading.get_ident()
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                with self._lock:
                    if self._reader not in (None, reader):
                        raise ConcurrentRead(
                            "Another thread is already reading this session. Read it in one thread and hand the "
                            "messages on."
                        )
                    if self._messages:
                        return self._take()
                    if self.end is not None:
                        raise self._ending()
                    news = self._expect_news(reader)
                if not wait_for(news, None if deadline is None else deadline - time.monotonic()):
                    raise TimeoutError("No message came in that time. Nothing is lost: read again.")
        finally:
            if self._reader == reader:
                self._reader = None

    def _expect_news(self, reader: int) -> threading.Lock:
        self._reader = reader
        self._news = threading.Lock()
        self._news.acquire()
        return self._news


class HandoverLayer(SessionLayer):
    """The outermost layer of a session that a thread reads: what arrives goes to `inbox`, and no further."""

    def __init__(self, inner: Link, thread: LoopThread) -> None:
        super().__init__(inner)
        self.inbox = ThreadInbox(thread, inner)
        self._open_links = thread.open_links

    def connect(self, receiver: Receiver) -> None:
        self._open_links.add(self)
        super().connect(receiver)

    def received(self, message: ServerMessage) -> None:
        self.inbox.received(message)

    def ended(self, end: SessionEnded) -> None:
        self._open_links.discard(self)
        super().ended(end)
        self.inbox.ended(end)
