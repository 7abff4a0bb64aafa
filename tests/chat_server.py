"""A chat endpoint for tests, on 127.0.0.1, that does what a script says."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from duologue.items import MessageItem
from duologue.speech.chat import ChatResponder
from duologue.speech.responder import ResponderEvent, ResponderRequest

KEY = "sk-do-not-show-me"
ASKED = ResponderRequest(items=(MessageItem.user("Hi"),))


class Exchange:
    """One request that the server got, and the way to answer it."""

    def __init__(self, head: bytes, body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode().strip().split("\r\n")
        self.line = first
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self.json: dict[str, Any] = json.loads(body)
        self._reader = reader
        self._writer = writer

    async def begin(self, status: int = 200, content_type: str = "text/event-stream", **headers: str) -> None:
        """Answer with a chunked body."""
        head = [f"HTTP/1.1 {status} Whatever", f"content-type: {content_type}", "transfer-encoding: chunked"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*head, "", ""]).encode())
        await self._writer.drain()

    async def send(self, data: bytes | str | dict[str, Any]) -> None:
        """A piece of the body; a dict as an event of the stream."""
        if isinstance(data, dict):
            data = f"data: {json.dumps(data)}\n\n"
        data = data.encode() if isinstance(data, str) else data
        self._writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        await self._writer.drain()

    async def end(self) -> None:
        """The end of the body, as it should be."""
        self._writer.write(b"0\r\n\r\n")
        await self._writer.drain()

    def cut(self) -> None:
        """The end of the connection, in the middle of the body."""
        self._writer.transport.abort()

    async def until_closed(self) -> None:
        """Returns when the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            assert await self._reader.read() == b""

    async def fail(self, status: int, body: object, **headers: str) -> None:
        """Answer with an error."""
        await self.begin(status, "application/json", **headers)
        await self.send(body if isinstance(body, bytes) else json.dumps(body))
        await self.end()

    async def stream(self, *chunks: dict[str, Any]) -> None:
        """Answer with these events."""
        await self.begin()
        for chunk in chunks:
            await self.send(chunk)
        await self.send("data: [DONE]\n\n")
        await self.end()


Answer = Callable[[Exchange], Awaitable[None]]


class ChatServer:
    """A chat endpoint on 127.0.0.1 that answers each request with the next answer of its script."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.exchanges: list[Exchange] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self.base_url = ""

    @property
    def host(self) -> str:
        return self.base_url.removeprefix("http://").removesuffix("/v1")

    @property
    def last(self) -> dict[str, Any]:
        return self.exchanges[-1].json

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[ChatServer]:
        handlers: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            handlers.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for handler in handlers:
                handler.cancel()
            await asyncio.gather(*handlers, return_exceptions=True)
            await server.wait_closed()
        assert not self.failures, self.failures

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                exchange = Exchange(head, await reader.readexactly(length), reader, writer)
                self.exchanges.append(exchange)
                await self.script.pop(0)(exchange)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        except (AssertionError, IndexError, ValueError) as error:
            self.failures.append(error)
        finally:
            writer.transport.abort()


def chunk(
    content: str | None = None, *, calls: list[dict[str, Any]] | None = None, finish: str | None = None, **more: Any
) -> dict[str, Any]:
    delta = {name: value for name, value in (("content", content), ("tool_calls", calls)) if value is not None}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **more,
    }


def answers(*chunks: dict[str, Any]) -> Answer:
    return lambda exchange: exchange.stream(*chunks)


def fails(status: int, body: object, **headers: str) -> Answer:
    return lambda exchange: exchange.fail(status, body, **headers)


OK = answers(chunk("OK."), chunk(finish="stop"))


@contextlib.asynccontextmanager
async def responder(server: ChatServer, **options: Any) -> AsyncIterator[ChatResponder]:
    """A responder over `server`, with a key and without retries."""
    made = ChatResponder("tiny", base_url=server.base_url, **{"max_retries": 0, "api_key": KEY, **options})
    try:
        yield made
    finally:
        await made.aclose()


async def collect(responder: ChatResponder, asked: ResponderRequest = ASKED) -> list[ResponderEvent]:
    """All events of an answer."""
    return [event async for event in responder.respond(asked)]


def forget_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No keys, addresses and proxies from outside."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
