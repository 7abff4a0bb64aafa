"""A transport inside the process: two ends, joined."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from duologue.transports.base import Closed, Frame, FrameReceiver


class MemoryTransport:
    """One end of a connection that never leaves the process. `memory_pair` makes both.

    Args:
        high_water: Frames that wait for a paused reader before `drain` waits.
    """

    def __init__(self, high_water: int = 64) -> None:
        self._peer: MemoryTransport | None = None
        self._receiver: FrameReceiver | None = None
        self._shortcut: Callable[[Frame], bool] | None = None
        self._arrived: deque[Frame] = deque()
        self._paused = False
        self._closed: Closed | None = None
        self._high_water = high_water
        self._room = asyncio.Event()
        self._room.set()
        self._scheduled = False

    def start(self, receiver: FrameReceiver, shortcut: Callable[[Frame], bool] | None = None) -> None:
        self._receiver = receiver
        self._shortcut = shortcut
        self._schedule()

    def write(self, frame: Frame) -> None:
        if self._closed is None and self._peer is not None:
            self._peer._arrive(frame)

    @property
    def congested(self) -> bool:
        return self._closed is None and self._peer is not None and not self._peer._room.is_set()

    async def drain(self) -> None:
        if self._peer is not None and self._closed is None:
            await self._peer._room.wait()

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._schedule()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        if self._closed is None:
            self._close(Closed(code=code, reason=reason))
            if self._peer is not None:
                self._peer._close(Closed(by_peer=True, code=code, reason=reason))

    def cut(self, error: str = "connection reset") -> None:
        """Break the connection, as a network does: neither end says goodbye."""
        for end in (self, self._peer):
            if end is not None and end._closed is None:
                end._close(Closed(error=error))

    def _arrive(self, frame: Frame) -> None:
        self._arrived.append(frame)
        if len(self._arrived) >= self._high_water:
            self._room.clear()
        self._schedule()

    def _close(self, how: Closed) -> None:
        self._closed = how
        self._room.set()
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._receiver is not None:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._scheduled = False
        receiver = self._receiver
        while receiver is not None and self._arrived and not self._paused:
            frame = self._arrived.popleft()
            if len(self._arrived) < self._high_water:
                self._room.set()
            if self._shortcut is None or not self._shortcut(frame):
                receiver.frame_received(frame)
        if self._closed is not None and receiver is not None and not self._arrived:
            self._receiver = None
            receiver.connection_closed(self._closed)


def memory_pair(high_water: int = 64) -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends of one connection, each with the given `high_water`."""
    first, second = MemoryTransport(high_water), MemoryTransport(high_water)
    first._peer, second._peer = second, first
    return first, second
