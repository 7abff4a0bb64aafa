"""A small realtime server on loopback: it refuses or greets as it is told, and notes what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from websocket_servers import CLOSE, TEXT, Peer, RawServer, close_frame, frame, raw_server

Step = Callable[[Peer, "RealtimeServer"], Awaitable[None]]


class RealtimeServer:
    """What it was asked for, and what it does with the next connections."""

    def __init__(self) -> None:
        self.raw: RawServer | None = None
        self.requests: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.steps: deque[Step] = deque()
        self.connected = asyncio.Event()
        self.created: dict[str, Any] = {"type": "session.created", "session": {"id": "sess_1", "model": "m"}}
        self.greets = True
        self.replies: dict[str, list[dict[str, Any]]] = {"session.update": [{"type": "session.updated", "session": {}}]}

    def url(self, path: str = "", scheme: str = "ws") -> str:
        assert self.raw is not None
        return f"{scheme}://127.0.0.1:{self.raw.port}{path}"

    async def all_gone(self) -> None:
        """Wait until no client is connected."""
        assert self.raw is not None
        await asyncio.gather(*self.raw.tasks, return_exceptions=True)

    @property
    def targets(self) -> list[str]:
        """What was asked for, in the first line of each request."""
        return [request.split(" ")[1] for request in self.requests]

    @property
    def path(self) -> str:
        return urlsplit(self.targets[-1]).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.targets[-1]).query))

    def header(self, name: str) -> str | None:
        """A header of the last request."""
        lines = (line.partition(":") for line in self.requests[-1].split("\r\n")[1:])
        return next((value.strip() for key, _, value in lines if key.lower() == name.lower()), None)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    async def serve(self, peer: Peer) -> None:
        step = self.steps.popleft() if self.steps else converse
        await step(peer, self)


async def converse(peer: Peer, server: RealtimeServer) -> None:
    """Greet, and answer each event as `replies` says."""
    await accept(peer, server, b"X-Request-Id: req_socket\r\n")
    if server.greets:
        say(peer, server.created)
    server.connected.set()
    while True:
        kind, payload = await peer.receive()
        if kind == CLOSE:
            peer.send(frame(CLOSE, payload))
            return
        event = json.loads(payload)
        server.events.append(event)
        for reply in server.replies.get(event["type"], []):
            say(peer, reply)


async def accept(peer: Peer, server: RealtimeServer, extra: bytes = b"") -> None:
    await peer.accept(extra=extra)
    server.requests.append(peer.request)


def say(peer: Peer, event: dict[str, Any]) -> None:
    peer.send(frame(TEXT, json.dumps({"event_id": "event_1", **event}).encode()))


def refuse(status: int, body: object = None, **headers: str) -> Step:
    """Answer the handshake with `status`; JSON unless `body` is a str. An underscore in a header's name is a dash."""

    async def step(peer: Peer, server: RealtimeServer) -> None:
        await peer.read_request()
        server.requests.append(peer.request)
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(text.encode())}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        peer.send(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        await peer.at_end()

    return step


def part(code: int, reason: str = "", *events: dict[str, Any]) -> Step:
    """Accept, say something, and close the connection."""

    async def step(peer: Peer, server: RealtimeServer) -> None:
        await accept(peer, server, b"X-Request-Id: req_socket\r\n")
        for event in events:
            say(peer, event)
        peer.send(close_frame(code, reason))
        await peer.at_end()

    return step


async def never_answer(peer: Peer, server: RealtimeServer) -> None:
    """Take the request, and leave it at that."""
    await peer.read_request()
    server.requests.append(peer.request)
    server.connected.set()
    await peer.at_end()


async def never_confirm(peer: Peer, server: RealtimeServer) -> None:
    """Greet, take what the client asks for, and leave it at that."""
    await accept(peer, server)
    say(peer, server.created)
    await peer.receive_kind(TEXT)
    server.connected.set()
    await peer.part()


async def never_greet(peer: Peer, server: RealtimeServer) -> None:
    """Accept the connection, and leave it at that."""
    await accept(peer, server)
    server.connected.set()
    await peer.part()


def answer_post(status: int, body: object, **headers: str) -> Step:
    """Answer a POST; its JSON becomes an event."""

    async def step(peer: Peer, server: RealtimeServer) -> None:
        await peer.read_request()
        server.requests.append(peer.request)
        size = int(peer.header("Content-Length") or 0)
        server.events.append(json.loads(await peer.reader.readexactly(size)))
        text = body if isinstance(body, str) else json.dumps(body)
        lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(text.encode())}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        peer.send(("\r\n".join(lines) + "\r\n\r\n" + text).encode())
        await peer.writer.drain()
        peer.writer.close()

    return step


@asynccontextmanager
async def realtime_server(*steps: Step) -> AsyncIterator[RealtimeServer]:
    """Each connection takes the next of `steps`; those after the last converse."""
    server = RealtimeServer()
    server.steps.extend(steps)
    async with raw_server(server.serve) as raw:
        server.raw = raw
        yield server
