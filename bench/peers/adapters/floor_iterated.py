"""The floor behind ``async for``: what it costs to wake a task for every event, and nothing else."""

from __future__ import annotations

import asyncio
from collections import deque

from peers.adapters import Connect, Session, floor
from peers.sink import Pcm, Sink


class _Queue:
    """What has arrived: PCM or text."""

    def __init__(self) -> None:
        self._held: deque[Pcm | str] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()

    def put(self, piece: Pcm | str) -> None:
        self._held.append(piece)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> _Queue:
        return self

    async def __anext__(self) -> Pcm | str:
        while not self._held:
            self._waiter = self._loop.create_future()
            await self._waiter
        return self._held.popleft()


async def _read(queue: _Queue, sink: Sink) -> None:
    async for piece in queue:
        if isinstance(piece, str):
            sink.text(piece)
        else:
            sink.audio(piece)


class Iterated:
    """A session whose pieces are read from a queue."""

    def __init__(self, inner: Session, reader: asyncio.Task[None]) -> None:
        self.send_audio = inner.send_audio
        self.reader = reader


async def iterated(connect: Connect, base_url: str, sink: Sink) -> Iterated:
    """A session of `connect`, behind ``async for``."""
    queue, between = _Queue(), Sink()
    between.audio = between.text = queue.put
    reader = asyncio.create_task(_read(queue, sink))
    return Iterated(await connect(base_url, between), reader)


async def connect(base_url: str, sink: Sink) -> Iterated:
    return await iterated(floor.connect, base_url, sink)
