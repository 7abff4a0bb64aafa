"""The gateway as a server of its own: uvicorn, and an orderly end."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from duologue.client import RealtimeClient
from duologue.gateway.app import Gateway, create_app
from duologue.gateway.configuration import Configuration
from duologue.gateway.serving_models import make_authorization, make_models, observed
from duologue.gateway.socket import ABORT

_log = logging.getLogger("duologue.gateway")


_AHEAD = 32  # events that may wait in a connection
_SMALL = 65_536  # bytes of such an event at most


class _Connection(WebSocketsSansIOProtocol):
    """A WebSocket that can be let go of, and that reads a little ahead: to stop and go on after every event costs more
    than to carry it."""

    def send_receive_event_to_app(self) -> None:
        small = sum(map(len, self.frames)) <= _SMALL
        self.read_paused = small and self.queue.qsize() < _AHEAD  # what counts as paused is not paused again
        super().send_receive_event_to_app()

    async def run_asgi(self) -> None:
        self.scope.setdefault("extensions", {})[ABORT] = {"abort": self.transport.abort}
        await super().run_asgi()


class _Door(H11Protocol):
    """An HTTP connection whose client has to say in time what it wants."""

    patience = 10.0  # s

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(self.patience, self._lose_patience)

    def _lose_patience(self) -> None:
        if self.cycle is None and self.transport.get_protocol() is self:
            self.transport.abort()


class GatewayServer(uvicorn.Server):
    """Serves an app of `create_app`, and ends its sessions in an orderly way when it is told to stop.

    Args:
        app: The app.
        configuration: Where, and how.
    """

    def __init__(self, app: Starlette, configuration: Configuration) -> None:
        self._gateway: Gateway = app.state.gateway
        self._drain_seconds = configuration.drain_seconds
        super().__init__(
            uvicorn.Config(
                app,
                host=configuration.host,
                port=configuration.port,
                ws=_Connection,
                http=type("Door", (_Door,), {"patience": configuration.handshake_timeout}),
                ws_max_size=configuration.sessions.max_frame_bytes,
                ws_per_message_deflate=False,  # audio in base64 is little smaller for it, and costs the loop dear
                ssl_certfile=configuration.tls_certificate,
                ssl_keyfile=configuration.tls_key,
                timeout_graceful_shutdown=10,
                log_config=None,
                access_log=False,  # the addresses of clients may hold keys
                lifespan="off",
                server_header=False,
            )
        )

    @property
    def port(self) -> int:
        """The port that it listens at, once it does."""
        listening: socket.socket = self.servers[0].sockets[0]
        return int(listening.getsockname()[1])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal says to stop; a second one, to wait for nobody."""
        if self.should_exit:
            self._loop.call_soon_threadsafe(self._gateway.sessions.hurry)
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let every session end its turn, then stop."""
        for server in self.servers:
            server.close()
        if open_now := len(self._gateway.sessions):
            _log.info("stopping: %d sessions have %g s to end", open_now, self._drain_seconds)
        cut = await self._gateway.drain(self._drain_seconds)
        if cut:
            _log.warning("%d sessions were cut short", cut)
        await super().shutdown(sockets)


async def serve(configuration: Configuration) -> None:
    """Serve until a signal says to stop.

    Raises:
        InvalidConfiguration: A provider cannot be made of what is configured.
    """
    clients: list[RealtimeClient] = []

    def wrap(client: RealtimeClient) -> RealtimeClient:
        clients.append(client)
        return observed(client, configuration)

    try:
        models, default = make_models(configuration, wrap)
        app = create_app(
            models,
            authorize=make_authorization(configuration),
            default=default,
            settings=configuration.gateway_settings(),
        )
        spare_the_collector()
        await GatewayServer(app, configuration).serve()
    finally:
        for client in clients:
            await client.aclose()


def spare_the_collector() -> None:
    """Have the garbage collector pass over what is there now: it looks through all of it again and again, and nobody
    is served meanwhile."""
    gc.collect()
    gc.freeze()


def log_settings(configuration: Configuration) -> dict[str, Any]:
    """Settings for `logging.config.dictConfig`: to standard error, as text or as lines of JSON."""
    formatter = {"()": "duologue.gateway.log_lines.JsonLines"} if configuration.log == "json" else {"format": _TEXT}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "loggers": {
            "duologue": {"handlers": ["stderr"], "level": configuration.log_level.upper()},
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING"},
        },
    }


_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
