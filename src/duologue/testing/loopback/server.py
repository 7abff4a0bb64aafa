"""A WebSocket server on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Self

from duologue.errors import InvalidInput
from duologue.testing.loopback.connection import LoopbackConnection
from duologue.testing.loopback.http import HandshakeRequest, HttpRequest, HttpResponse, Refusal
from duologue.testing.loopback.opening import Habits, Opening
from duologue.testing.loopback.wire import Wire

_GOING_AWAY = 1001
_BACKLOG = 1024


class LoopbackServer:
    """Serves WebSockets, and plain HTTP requests, on 127.0.0.1 and a free port.

    ::

        async with LoopbackServer(serve) as server:
            transport = await connect_websocket(server.url)

    What frames mean is the business of `serve`. The callbacks run on the server's event loop and do not wait; one that
    raises is reported to the loop, and its client gets 500, or 1011.

    Args:
        serve: Called with each connection after its handshake. Nothing is read from it before its `start`.
        admit: Looks at a handshake: gives a `Refusal`, or the subprotocol to choose, or None to accept without one.
            Without it, all are accepted.
        answer_http: Answers a request that asks for no WebSocket; None, or without it: 404.
        ssl_context: For TLS.
        idle_timeout: Silence, in both directions, after which a connection is dropped, whatever state it is in; in s.
        close_timeout: How long a client may take to answer a goodbye before its connection is cut, in s.

    Raises:
        InvalidInput: A time is not positive.
    """

    def __init__(
        self,
        serve: Callable[[LoopbackConnection], None],
        *,
        admit: Callable[[HandshakeRequest], Refusal | str | None] | None = None,
        answer_http: Callable[[HttpRequest], HttpResponse | None] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        idle_timeout: float = 60.0,
        close_timeout: float = 1.0,
    ) -> None:
        if not (idle_timeout > 0 and close_timeout > 0):
            raise InvalidInput("idle_timeout and close_timeout must be positive.")
        self._habits = Habits(serve, admit, answer_http, close_timeout)
        self._tls = ssl_context
        self._idle_timeout = idle_timeout
        self._listening: asyncio.Server | None = None
        self._port: int | None = None
        self._wires: set[Wire] = set()

    # --- where it is; from any thread ---

    @property
    def port(self) -> int:
        """The TCP port; known from `start` on.

        Raises:
            InvalidInput: The server has not been started.
        """
        if self._port is None:
            raise InvalidInput("The server has no port yet; start it first.")
        return self._port

    @property
    def url(self) -> str:
        """Scheme and authority of its WebSockets: ``ws://127.0.0.1:PORT``, or ``wss://localhost:PORT`` with TLS."""
        return f"ws://127.0.0.1:{self.port}" if self._tls is None else f"wss://localhost:{self.port}"

    @property
    def http_url(self) -> str:
        """The same for plain requests, with ``http`` or ``https``."""
        return self.url.replace("ws", "http", 1)

    @property
    def connections(self) -> tuple[LoopbackConnection, ...]:
        """The WebSockets whose socket is not closed, in no particular order."""
        return tuple(wire.user for wire in tuple(self._wires) if isinstance(wire.user, LoopbackConnection))

    # --- beginning and end ---

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            InvalidInput: It already does, or has.
        """
        if self._port is not None:
            raise InvalidInput("This server has been started before; make a new one.")
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._accept, "127.0.0.1", 0, backlog=_BACKLOG)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening and end every connection, with a goodbye (1001) where the client still takes one.

        Takes no longer than `close_timeout`; what has not parted by then is cut.
        """
        listening, self._listening = self._listening, None
        if listening is None:
            return
        listening.close()
        goodbyes = (connection.aclose(_GOING_AWAY) for connection in self.connections)
        try:
            async with asyncio.timeout(self._habits.close_timeout):
                await asyncio.gather(*goodbyes)
        except TimeoutError:
            pass  # a delayed goodbye; its connection is cut below
        finally:
            wires = tuple(self._wires)
            for wire in wires:
                wire.abort()
        for wire in wires:
            await wire.lost.wait()
        await listening.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- clients ---

    def _accept(self) -> Wire:
        wire = Wire(lambda made: Opening(made, self._habits), self._wires.discard, self._tls, self._idle_timeout)
        self._wires.add(wire)
        if self._listening is None:  # it came while the server closed
            wire.abort()
        return wire
