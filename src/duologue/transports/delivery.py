"""From the socket to the receiver: in order, and only while it wants more."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable

from duologue.transports.base import Closed, Frame, FrameReceiver

_EARLY = 4  # frames that may come before the start: a server greets at once


class Delivery(ABC):
    """The reading half of a transport: hands frames to a receiver; keeps what arrives while it is paused, or before.

    Pausing stops the socket too; before the start, a few frames do. What is kept is therefore little more than what
    had been read from the socket by then.
    """

    def __init__(self) -> None:
        self._direct: FrameReceiver | None = None  # the receiver, while nothing stands between it and the socket
        self._receiver: FrameReceiver | None = None
        self._shortcut: Callable[[Frame], bool] | None = None  # for what goes to the receiver directly
        self._kept: deque[Frame] = deque()
        self._paused = False
        self._reads = True
        self._discards = False
        self._gone: Closed | None = None  # the socket is, and this is to be told
        self._scheduled = False

    def start(self, receiver: FrameReceiver, shortcut: Callable[[Frame], bool] | None = None) -> None:
        """Begin, with what has been kept."""
        self._receiver = receiver
        self._shortcut = shortcut
        self._go_on()

    def pause_reading(self) -> None:
        """Hand over nothing more, from this frame on."""
        self._paused = True
        if self._direct is not None:
            self._direct = None
            self._want(False)

    def resume_reading(self) -> None:
        """Go on with what has been kept, then with the socket."""
        self._paused = False
        self._go_on()

    @property
    def _deaf(self) -> bool:
        """Whether the socket is not being read."""
        return self._direct is None and not self._discards

    def _discard(self) -> None:
        """Drop what was not handed over, and all that still comes; the end is told nevertheless."""
        self._kept.clear()
        self._direct = None
        if not self._discards:
            self._discards = True
            if self._gone is None:
                self._want(True)
        self._go_on()

    def _deliver(self, frame: Frame) -> None:
        """Take a frame from the socket."""
        if (receiver := self._direct) is not None:
            self._hand(receiver, frame)
        elif not self._discards:
            self._kept.append(frame)
            if self._receiver is not None or len(self._kept) >= _EARLY:
                self._want(False)

    def _deliver_end(self, how: Closed) -> None:
        """The connection is over: tell it, behind what has been kept."""
        self._gone = how
        self._direct = None
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
        if self._kept or self._gone is not None:
            if not self._scheduled:
                self._scheduled = True
                asyncio.get_running_loop().call_soon(self._hand_over)
        elif self._direct is None and not self._discards:
            self._direct = self._receiver
            self._want(True)

    def _hand_over(self) -> None:
        self._scheduled = False
        while self._receiver is not None and self._kept and not self._paused:
            self._hand(self._receiver, self._kept.popleft())
        if self._kept or self._gone is None:
            self._go_on()
        elif (receiver := self._receiver) is not None:
            self._receiver = None
            receiver.connection_closed(self._gone)

    def _hand(self, receiver: FrameReceiver, frame: Frame) -> None:
        try:
            receiver.frame_received(frame)
        except Exception as error:  # noqa: BLE001 - reported
            self._receiver_failed(error)

    @abstractmethod
    def _read(self, wanted: bool) -> None:
        """Read the socket from now on, or do not."""

    @abstractmethod
    def _receiver_failed(self, error: Exception) -> None:
        """The receiver raised, which it should not."""
