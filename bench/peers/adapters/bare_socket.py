"""What the floors of both wires have in common: picows' own session, and audio between two pieces of text."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import ClassVar, TypeVar

import picows
import pybase64

from peers.sink import Sink


class BareListener(picows.WSListener):
    """Puts what comes into a sink; subclasses read the frames.

    Attributes:
        created: Set when the server has greeted.
        room: Cleared while the socket takes no more.
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self.created = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()


L = TypeVar("L", bound=BareListener)


class BareSession:
    """An open session; subclasses know what stands before the base64 of a piece of audio, and after it."""

    head: ClassVar[bytes]
    tail: ClassVar[bytes]

    def __init__(self, transport: picows.WSTransport, listener: BareListener) -> None:
        self._transport = transport
        self._listener = listener

    async def send_audio(self, pcm: bytes) -> None:
        self._transport.send(picows.WSMsgType.TEXT, self.head + pybase64.b64encode(pcm) + self.tail)
        if not self._listener.room.is_set():
            await self._listener.room.wait()


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


async def connect_bare(url: str, headers: dict[str, str], listener: L) -> tuple[picows.WSTransport, L]:
    """Connect, with one TLS context for all connections."""
    secure = url.startswith("wss:")
    transport, _ = await picows.ws_connect(
        lambda: listener, url, ssl_context=_context() if secure else None, extra_headers=headers
    )
    return transport, listener
