"""WebSocket servers on loopback: a well-behaved one on picows, and a raw one that does as it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from typing import cast

import picows

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(kind: int, payload: bytes = b"", *, final: bool = True, reserved: int = 0) -> bytes:
    """A frame as a server sends it."""
    first = (0x80 if final else 0) | reserved << 4 | kind
    if len(payload) < 126:
        return bytes((first, len(payload))) + payload
    if len(payload) < 1 << 16:
        return bytes((first, 126)) + struct.pack("!H", len(payload)) + payload
    return bytes((first, 127)) + struct.pack("!Q", len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


class Peer:
    """The server's end of one connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.request = ""

    async def read_request(self) -> str:
        self.request = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        return self.request

    def header(self, name: str) -> str | None:
        for line in self.request.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                return value.strip()
        return None

    async def accept(self, *, extra: bytes = b"", then: bytes = b"") -> None:
        """Do the handshake, and send `then` in the same breath."""
        await self.read_request()
        key = (self.header("Sec-WebSocket-Key") or "").encode()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self.writer.write(head + extra + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + then)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> tuple[int, bytes]:
        """The next frame, unmasked: its kind and its payload."""
        first, second = await self.reader.readexactly(2)
        assert first & 0x80, "our side sends no fragments"
        assert second & 0x80, "a client masks"
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
        mask = await self.reader.readexactly(4)
        payload = await self.reader.readexactly(size)
        return first & 0xF, bytes(byte ^ key for byte, key in zip(payload, cycle(mask), strict=False))

    async def receive_kind(self, kind: int) -> bytes:
        """The payload of the next frame of this kind; others are passed over."""
        while True:
            got, payload = await self.receive()
            if got == kind:
                return payload

    def stop_reading(self) -> None:
        """Let the client's bytes pile up."""
        cast(asyncio.Transport, self.writer.transport).pause_reading()

    def go_on_reading(self) -> None:
        cast(asyncio.Transport, self.writer.transport).resume_reading()

    async def part(self) -> None:
        """Wait for the client's goodbye, answer it, and wait until it is gone."""
        self.send(frame(CLOSE, await self.receive_kind(CLOSE)))
        await self.at_end()

    async def at_end(self) -> None:
        """Wait until the client is gone."""
        with suppress(ConnectionError):
            while await self.reader.read(1 << 16):
                pass

    def reset(self) -> None:
        """A TCP reset, without a goodbye."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: none
        self.writer.transport.abort()


Behaviour = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Where it is, who is connected, and how their handlers ended."""

    def __init__(self, port: int, scheme: str) -> None:
        self.port = port
        self.url = f"{scheme}://127.0.0.1:{port}/v1/realtime?model=m"
        self.tasks: set[asyncio.Task[None]] = set()
        self.count = 0

    async def all_gone(self) -> None:
        """Wait until every client is gone and its handler done; raises what a handler raised."""
        if self.tasks:
            await asyncio.gather(*self.tasks)


@asynccontextmanager
async def raw_server(behave: Behaviour, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve each connection with `behave`, which may misbehave; then wait for the client to go."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.count += 1
        try:
            await behave(Peer(reader, writer))
        finally:
            writer.transport.abort()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(handle(reader, writer))
        server.tasks.add(task)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls, limit=1 << 22)
    server = RawServer(listening.sockets[0].getsockname()[1], "wss" if tls else "ws")
    try:
        yield server
    finally:
        listening.close()
        for task in server.tasks:
            task.cancel()
        await asyncio.gather(*server.tasks, return_exceptions=True)
        await asyncio.sleep(0)


class _Echo(picows.WSListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type is picows.WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code(), frame.get_close_message())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes(), fin=bool(frame.fin))


@asynccontextmanager
async def echo_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server that sends every message back."""
    server = await picows.ws_create_server(lambda request: _Echo(), "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


class ConnectProxy:
    """What a proxy on loopback was asked for."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []


@asynccontextmanager
async def connect_proxy(status: str = "200 OK") -> AsyncIterator[ConnectProxy]:
    """An HTTP proxy that answers CONNECT with `status`."""
    proxy = ConnectProxy()

    async def behave(peer: Peer) -> None:
        request = await peer.read_request()
        proxy.requests.append(request)
        peer.send(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if not status.startswith("200"):
            await peer.at_end()
            return
        host, _, port = request.split()[1].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(_pump(peer.reader, writer), _pump(reader, peer.writer))
        finally:
            writer.transport.abort()

    async with raw_server(behave) as server:
        proxy.url = f"http://127.0.0.1:{server.port}"
        yield proxy


@asynccontextmanager
async def socks_proxy() -> AsyncIterator[ConnectProxy]:
    """A SOCKS5 proxy without authentication (RFC 1928)."""
    proxy = ConnectProxy()

    async def behave(peer: Peer) -> None:
        _, methods = await peer.reader.readexactly(2)
        await peer.reader.readexactly(methods)
        peer.send(b"\x05\x00")
        assert await peer.reader.readexactly(4) == b"\x05\x01\x00\x03", "connect, to a name"
        (size,) = await peer.reader.readexactly(1)
        host = (await peer.reader.readexactly(size)).decode()
        (port,) = struct.unpack("!H", await peer.reader.readexactly(2))
        proxy.requests.append(f"{host}:{port}")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        peer.send(b"\x05\x00\x00\x01" + bytes(6))
        try:
            await asyncio.gather(_pump(peer.reader, writer), _pump(reader, peer.writer))
        finally:
            writer.transport.abort()

    async with raw_server(behave) as server:
        proxy.url = f"socks5h://127.0.0.1:{server.port}"
        yield proxy


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
    writer.close()
