"""A server on loopback that plays a provider, whatever its wire."""

from __future__ import annotations

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from duologue.testing.emulation.certificates import ThrowAwayCertificate
from duologue.testing.emulation.fault_plan import FaultPlan
from duologue.testing.emulation.session import EmulatedSession
from duologue.testing.loop_thread import LoopThread, on_loop
from duologue.testing.loopback import (
    Fault,
    HandshakeRequest,
    HttpRequest,
    HttpResponse,
    LoopbackConnection,
    LoopbackServer,
    Refusal,
)

T = TypeVar("T")
Session = TypeVar("Session", bound=EmulatedSession)


class Emulator(ABC, Generic[Session]):
    """The base of the emulators: they say who may come in, and make the sessions of those who do.

    Args:
        tls: True: with a certificate that is made for this server; False: without TLS; or a context of your own.

    Attributes:
        sessions: The server's side of all sessions, the oldest first.
        requests: The handshakes of all connections, refused ones included.

    Raises:
        MissingDependency: `tls` is True, and trustme is not installed.
    """

    def __init__(self, tls: bool | ssl.SSLContext) -> None:
        self.sessions: list[Session] = []
        self.requests: list[HandshakeRequest] = []
        self._certificate = ThrowAwayCertificate() if tls is True else None
        self._faults = FaultPlan()
        self._server = LoopbackServer(
            self._serve,
            admit=self._admit,
            answer_http=self.answer_http,
            ssl_context=_context(tls, self._certificate),
        )
        self._refusals: deque[Refusal] = deque()
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: LoopThread | None = None

    # --- for subclasses ---

    @abstractmethod
    def admit(self, request: HandshakeRequest) -> Refusal | str | None:
        """A refusal, or the subprotocol of the connection, or None."""

    @abstractmethod
    def answer_http(self, request: HttpRequest) -> HttpResponse | None:
        """Answer a request that is no handshake."""

    @abstractmethod
    def new_session(self, connection: LoopbackConnection, on_event: Callable[[str], None]) -> Session:
        """The server's side of a new connection.

        Args:
            connection: The connection. Nothing is read from it before its `start`.
            on_event: To be told the name of every event, before anything is done about it.
        """

    @abstractmethod
    def greet(self, session: Session, request: HandshakeRequest) -> None:
        """Begin a new session, which `request` has opened."""

    # --- where it is ---

    @property
    def url(self) -> str:
        """Scheme and authority of its WebSocket address, e.g. ``"ws://127.0.0.1:40001"``."""
        return self._server.url

    @property
    def http_url(self) -> str:
        """The same for HTTP requests."""
        return self._server.http_url

    @property
    def client_context(self) -> ssl.SSLContext:
        """For a client: it trusts the certificate that was made for this server.

        Raises:
            LookupError: None was made.
        """
        if self._certificate is None:
            raise LookupError("No certificate was made for this emulator: it was not asked for with tls=True.")
        return self._certificate.client_context()

    @property
    def session(self) -> Session:
        """The newest session."""
        if not self.sessions:
            raise LookupError("No client has connected to this emulator yet.")
        return self.sessions[-1]

    async def wait_session(self, count: int = 1, *, timeout: float = 10.0) -> Session:
        """Wait until `count` sessions have begun, and give the newest. On any event loop.

        Raises:
            TimeoutError: They have not begun within `timeout` s.
        """

        async def wait() -> Session:
            while len(self.sessions) < count:
                self._arrived.clear()
                await self._arrived.wait()
            return self.session

        if self._loop is None:
            raise LookupError("The emulator has not been started.")
        return await on_loop(self._loop, wait(), timeout, f"session {count}")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait, in a test without an event loop, for something asynchronous: ``emulator.run(session.wait_closed())``.

        Raises:
            RuntimeError: The emulator has no thread of its own: it was not entered with ``with``.
        """
        if self._thread is None:
            work.close()
            raise RuntimeError("This emulator runs on your event loop: await it there.")
        return self._thread.run(work)

    # --- what goes wrong; from any thread ---

    def inject(self, fault: Fault, *, at: str | None = None, nth: int = 1) -> None:
        """Have something go wrong.

        Args:
            fault: What.
            at: The name of the event, the client's or the server's, at which it happens: when it arrives, or just
                before it leaves. None: at once, on every open connection, or on the next one where there is none.
            nth: The how-manieth such event, counted from now over all sessions.
        """
        open_now = [connection for connection in self._server.connections if connection.is_open]
        if at is None and open_now:
            for connection in open_now:
                connection.inject(fault)
        else:
            self._faults.add(fault, at, nth)

    def refuse(
        self, status: int, *, headers: Mapping[str, str] | None = None, body: bytes = b"", times: int = 1
    ) -> None:
        """Refuse the next `times` handshakes with an HTTP status: 401, 429 with ``{"retry-after": "1"}``, 503 …"""
        self._refusals.extend([Refusal(status, dict(headers or {}), body)] * times)

    # --- beginning and end ---

    async def start(self) -> None:
        """Begin to listen."""
        self._loop = asyncio.get_running_loop()
        await self._server.start()

    async def aclose(self) -> None:
        """End every session, and stop listening."""
        for session in self.sessions:
            await session.aclose(1001, "The server is going away.")
        await self._server.aclose()
        for session in self.sessions:
            await session.wait_closed()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        self._thread = LoopThread("emulator")
        self._thread.run(self.start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._thread is not None
        self._thread.run(self.aclose())
        self._thread.stop()
        self._thread = None

    # --- connections ---

    def _admit(self, request: HandshakeRequest) -> Refusal | str | None:
        self.requests.append(request)
        return self._refusals.popleft() if self._refusals else self.admit(request)

    def _serve(self, connection: LoopbackConnection) -> None:
        def on_event(name: str | None) -> None:
            for fault in self._faults.due(name):
                connection.inject(fault)

        on_event(None)
        session = self.new_session(connection, on_event)
        self.sessions.append(session)
        self.greet(session, connection.request)
        self._arrived.set()


def _context(tls: bool | ssl.SSLContext, certificate: ThrowAwayCertificate | None) -> ssl.SSLContext | None:
    if isinstance(tls, ssl.SSLContext):
        return tls
    return None if certificate is None else certificate.server_context()
