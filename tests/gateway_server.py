"""A gateway on loopback, served as `duologue serve` does it, on the event loop of the test."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest

pytest.importorskip("uvicorn")

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute

from duologue.client import RealtimeClient
from duologue.gateway import Gateway, GatewaySettings, create_app
from duologue.gateway.configuration import Configuration
from duologue.gateway.registry import SessionRegistry
from duologue.gateway.server import GatewayServer
from duologue.link import Link
from duologue.options import SessionOptions
from duologue.runtime import LayeredClient, SessionLayer
from duologue.testing import ScriptedClient
from duologue.testing.loop_thread import LoopThread


class Served:
    """Where a gateway is.

    Attributes:
        server: The server.
        gateway: What the app knows.
    """

    def __init__(self, server: GatewayServer, gateway: Gateway) -> None:
        self.server = server
        self.gateway = gateway

    @property
    def sessions(self) -> SessionRegistry:
        """The sessions that are open."""
        return self.gateway.sessions

    @property
    def http_url(self) -> str:
        """Its address for HTTP."""
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def url(self) -> str:
        """Its address for WebSockets."""
        return f"ws://127.0.0.1:{self.server.port}"


@asynccontextmanager
async def served(app: Starlette, **configured: Any) -> AsyncIterator[Served]:
    """Serve `app`. Its sessions are over at the end."""
    configuration = Configuration(port=0, **{"drain_seconds": 0.2, **configured})
    server = GatewayServer(app, configuration)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()  # what `serve` does, without the signals, which are the test's
    try:
        yield Served(server, app.state.gateway)
    finally:
        await server.shutdown()


@asynccontextmanager
async def gateway_to(models: Any, *, settings: GatewaySettings | None = None, **made: Any) -> AsyncIterator[Served]:
    """Serve an app of `create_app`."""
    async with served(create_app(models, settings=settings, **made)) as gateway:
        yield gateway


@asynccontextmanager
async def bridging(endpoint: Any) -> AsyncIterator[Served]:
    """Serve an application of one's own, whose WebSocket endpoint is at ``/v1/realtime``."""
    app = Starlette(routes=[WebSocketRoute("/v1/realtime", endpoint)])
    app.state.gateway = create_app({}).state.gateway
    async with served(app) as server:
        yield server


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """``duologue serve`` as a process of its own, and its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = "from duologue.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", "--port", str(port), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                except OSError:
                    assert process.returncode is None, (await process.communicate())[1]
                    await asyncio.sleep(0.02)
        yield process, port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class _Switch(LayeredClient):
    """Whoever answers, for the time being."""

    def __init__(self) -> None:
        super().__init__(ScriptedClient(), SessionLayer)

    async def open_session(self, options: SessionOptions) -> Link:
        return await self.inner.open_session(options)


class GatewayThread:
    """A gateway in a thread of its own, for many tests: what it starts is none of their tasks.

    Args:
        context: Serves it.

    Attributes:
        url: Its address for WebSockets.
        http_url: Its address for HTTP.
    """

    def __init__(self, context: AbstractAsyncContextManager[Served]) -> None:
        self.thread = LoopThread("gateway")
        self._context = context
        served = self.thread.run(context.__aenter__())
        self.url, self.http_url = served.url, served.http_url

    def close(self) -> None:
        """End it."""
        self.thread.run(self._context.__aexit__(None, None, None))
        self.thread.stop()


class SwitchedGateway(GatewayThread):
    """A gateway behind which another client answers in every test."""

    def __init__(self) -> None:
        self._switch = _Switch()
        super().__init__(gateway_to(self._switch))

    @contextmanager
    def answering(self, client: RealtimeClient) -> Iterator[None]:
        """Have `client` answer, and close it in the end."""
        self._switch.inner = client
        try:
            yield
        finally:
            self.thread.run(client.aclose())
