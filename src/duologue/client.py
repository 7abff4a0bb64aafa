"""Clients: they make sessions."""

from __future__ import annotations

import asyncio
import functools
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Self, final

import msgspec

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.link import FunctionInvoker, Link, ProviderMetadata, Service, required
from duologue.messages.field_types import check_fields
from duologue.options import SessionOptions, Unsupported
from duologue.session import RealtimeSession
from duologue.snapshots.snapshot import Snapshot
from duologue.tools import FunctionTool


class DuologueWarning(UserWarning):
    """Something that is allowed, and probably not what was meant."""


class RealtimeClient(ABC):
    """Makes sessions with one provider. One client serves many sessions at once.

    Providers and middleware implement `open_session`; applications call `create_session`. Closing a client ends its
    sessions, and whatever it owns.

    Args:
        defaults: Options that hold for every session unless it states others.
    """

    def __init__(self, *, defaults: SessionOptions | None = None) -> None:
        self._defaults = defaults or SessionOptions()
        self._sessions: set[RealtimeSession] = set()

    @property
    @abstractmethod
    def metadata(self) -> ProviderMetadata:
        """Who is at the other end."""

    @abstractmethod
    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        """What a session with these options can do."""

    @abstractmethod
    async def open_session(self, options: SessionOptions) -> Link:
        """Open a session, and return once the provider has confirmed the options.

        For providers and middleware. Cancellation must leave nothing behind.

        Raises:
            ConnectRefused: The session did not begin.
            UnsupportedOperation: The options ask for what the provider cannot do.
        """

    def with_defaults(self, options: SessionOptions | None) -> SessionOptions:
        """The client's defaults with `options` over them."""
        return self._defaults.merged(options)

    def _all_stated(self, options: SessionOptions | None) -> SessionOptions:
        """The options of a session, whoever in the chain states them."""
        return self.with_defaults(options)

    @final
    def create_session(
        self,
        options: SessionOptions | None = None,
        *,
        unsupported: Unsupported | None = None,
        resume: Snapshot | None = None,
    ) -> SessionOpening:
        """Open a session: ``async with client.create_session(options) as session`` or ``await`` it.

        Args:
            options: What this session shall be like, over the client's defaults.
            unsupported: ``"raise"`` (the default) refuses options that the wire cannot carry; ``"drop"`` leaves
                preferences out (voice, speed, noise reduction, temperature), lists them in `session.dropped` and warns.
            resume: A conversation to go on with (`RealtimeSession.snapshot`), of this provider or another. Its options
                hold where `options` state no others; functions are stated anew (`Snapshot.left_out`).

        Raises:
            InvalidInput: The conversation needs what neither the snapshot holds nor `options` state.
        """
        if resume is not None:
            provider = self.metadata.provider
            resume.check(self._all_stated(options), provider)
            options = resume.resumed(options, provider, self.capabilities(options))
        merged = self.with_defaults(options)
        if unsupported is not None:
            merged = msgspec.structs.replace(merged, unsupported=unsupported)
        check_fields(merged)
        return SessionOpening(self, merged)

    @final
    def with_middleware(self, *middleware: Callable[[RealtimeClient], RealtimeClient]) -> RealtimeClient:
        """This client inside `middleware`, the first of them outermost."""
        client: RealtimeClient = self
        for position, wrap in reversed(list(enumerate(middleware, 1))):
            name = getattr(wrap, "__name__", type(wrap).__name__)
            if not callable(wrap):
                raise InvalidInput(f"Middleware number {position} ({name}) cannot be called with a client.")
            wrapped: object = wrap(client)
            if not isinstance(wrapped, RealtimeClient):
                raise InvalidInput(
                    f"Middleware number {position} ({name}) gave back {type(wrapped).__name__}, not a client."
                )
            client = wrapped
        return client

    def get_service(self, kind: type[Service]) -> Service | None:
        """The client in this chain that is a `kind`."""
        return self if isinstance(self, kind) else None

    @final
    def require_service(self, kind: type[Service]) -> Service:
        """The client in this chain that is a `kind`.

        Raises:
            InvalidInput: There is none.
        """
        return required(self.get_service(kind), kind)

    async def aclose(self) -> None:
        """End the sessions of this client and let go of what it owns."""
        sessions = list(self._sessions)
        self._sessions.clear()
        results = await asyncio.gather(*(session.aclose() for session in sessions), return_exceptions=True)
        for error in filter(None, results):
            raise error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _open(self, options: SessionOptions) -> RealtimeSession:
        link = await self.open_session(options)
        try:
            _warn_of_idle_tools(link)
            _warn_of_dropped(link)
            session = RealtimeSession(link, on_end=self._sessions.discard)
        except BaseException:  # a filter may make errors of warnings
            await link.aclose()
            raise
        if session.ended is None:
            self._sessions.add(session)
        return session


class SessionOpening:
    """A session that is about to open: ``await`` it, or enter it with ``async with``."""

    def __init__(self, client: RealtimeClient, options: SessionOptions) -> None:
        self._client = client
        self._options = options
        self._session: RealtimeSession | None = None

    def __await__(self) -> Generator[Any, None, RealtimeSession]:
        return self._client._open(self._options).__await__()

    async def __aenter__(self) -> RealtimeSession:
        self._session = await self._client._open(self._options)
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.aclose()


_warn = functools.partial(warnings.warn, category=DuologueWarning, stacklevel=2)


def _warn_of_idle_tools(link: Link) -> None:
    functions = [tool for tool in link.options.tools or () if isinstance(tool, FunctionTool)]
    idle = [tool.name for tool in functions if tool.has_implementation]
    if idle and link.get_service(FunctionInvoker) is None:
        _warn(
            f"Nothing runs the tools {', '.join(idle)}. Add it: client.with_middleware(FunctionInvocation()); or give "
            "declarations without a function and answer the calls yourself."
        )


def _warn_of_dropped(link: Link) -> None:
    if link.dropped:
        _warn(f"{link.metadata.provider} has no {', '.join(link.dropped)}: left out.")
