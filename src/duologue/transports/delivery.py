"""From the socket to the receiver: in order, and only while it wants more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from duologue.transports.base import Closed, Frame, FrameReceiver

_EARLY = 4  # frames that may come before the start: a server greets at once


class Delivery:
    """Hands frames to a receiver; keeps what arrives while it is paused, or before it starts.

    Pausing stops the socket too; before the start, a few frames do. What is kept is therefore little more than what
    had been read from the socket by then.

    Args:
        read: Called with whether the socket is to be read from now on.
        failed: Called with what the receiver raised, which it should not.
    """

    def __init__(self, read: Callable[[bool], None], failed: Callable[[Exception], None]) -> None:
        self._read = read
        self._failed = failed
        self._receiver: FrameReceiver | None = None
        self._kept: deque[Frame] = deque()
        self._paused = False
        self.direct: FrameReceiver | None = None
        """The receiver, while nothing stands between it and the socket."""
        self._reads = True
        self._discards = False
        self._closed: Closed | None = None
        self._scheduled = False

    @property
    def blocked(self) -> bool:
        """Whether the socket is not being read."""
        return self.direct is None and not self._discards

    def start(self, receiver: FrameReceiver) -> None:
        """Begin, with what has been kept."""
        self._receiver = receiver
        self._go_on()

    def pause(self) -> None:
        """Hand over nothing more, from this frame on."""
        self._paused = True
        if self.direct is not None:
            self.direct = None
            self._want(False)

    def resume(self) -> None:
        """Go on with what has been kept, then with the socket."""
        self._paused = False
        self._go_on()

    def discard(self) -> None:
        """Drop what was not handed over, and all that still comes; the end is told nevertheless."""
        self._kept.clear()
        self.direct = None
        if not self._discards:
            self._discards = True
            if self._closed is None:
                self._want(True)
        self._go_on()

    def push(self, frame: Frame) -> None:
        """Take a frame from the socket that cannot be handed over directly."""
        if not self._discards:
            self._kept.append(frame)
            if self._receiver is not None or len(self._kept) >= _EARLY:
                self._want(False)

    def close(self, how: Closed) -> None:
        """The connection is over: tell it, behind what has been kept."""
        self._closed = how
        self.direct = None
        if self._kept or (receiver := self._receiver) is None:
            self._go_on()
        else:
            self._receiver = None
            receiver.connection_closed(how)

    def _want(self, more: bool) -> None:
        if more != self._reads:
            self._reads = more
            self._read(more)

    def _go_on(self) -> None:
        if self._receiver is None or (self._paused and not self._discards):
            return
        if self._kept or self._closed is not None:
            if not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._hand_over)
        elif self.direct is None and not self._discards:
            self.direct = self._receiver
            self._want(True)

    def _hand_over(self) -> None:
        self._scheduled = False
        while self._receiver is not None and self._kept and not self._paused:
            frame = self._kept.popleft()
            try:
                self._receiver.frame_received(frame)
            except Exception as error:  # noqa: BLE001 - reported
                self._failed(error)
        if self._kept or self._closed is None:
            self._go_on()
        elif (receiver := self._receiver) is not None:
            self._receiver = None
            receiver.connection_closed(self._closed)
