"""A receiver that remembers, and what both WebSocket transports are called with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from duologue.transports import Closed, Frame
from duologue.transports.connection import WebSocketTransport


class Connect(Protocol):
    """`connect_websocket` of either module."""

    async def __call__(self, url: str, **options: Any) -> WebSocketTransport: ...


class Receiver:
    """What has arrived, and how it ended."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed: list[Closed] = []
        self._changed = asyncio.Event()

    def frame_received(self, frame: Frame) -> None:
        assert not self.closed
        self.frames.append(frame)
        self._changed.set()

    def connection_closed(self, how: Closed) -> None:
        self.closed.append(how)
        self._changed.set()

    async def got(self, count: int) -> list[Frame]:
        """Wait for so many frames."""
        async with asyncio.timeout(5):
            while len(self.frames) < count:
                assert not self.closed, self.closed
                await self._wait()
        return self.frames

    async def end(self) -> Closed:
        """Wait for the end, and check that it was told once."""
        async with asyncio.timeout(5):
            while not self.closed:
                await self._wait()
        await asyncio.sleep(0)
        assert len(self.closed) == 1
        return self.closed[0]

    async def _wait(self) -> None:
        self._changed.clear()
        await self._changed.wait()


@asynccontextmanager
async def opened(transport: WebSocketTransport, receiver: Receiver) -> AsyncIterator[Receiver]:
    """Start; close in the end."""
    transport.start(receiver)
    try:
        yield receiver
    finally:
        await transport.aclose()
