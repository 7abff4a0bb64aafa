"""Several providers as one: where one is down, another answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from weakref import WeakKeyDictionary

from msgspec.structs import replace

from duologue.capabilities import Capabilities, check_options
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused, DuologueError, InvalidInput, SessionEnded, UnsupportedOperation
from duologue.link import Link, ProviderMetadata, Service
from duologue.middleware.reconnection.connections import Connections
from duologue.middleware.reconnection.link import LastingLink
from duologue.middleware.reconnection.settings import Reconnection
from duologue.options import SessionOptions
from duologue.snapshots import portable


class FallbackClient(RealtimeClient):
    """A client of several providers: the first one that can be reached answers.

    ::

        client = FallbackClient([OpenAIRealtimeClient("gpt-realtime-2.1"), GeminiRealtimeClient("gemini-3.8-live")])

    It holds when a session opens, and in the middle of one: its sessions outlive their connections, as those of
    `Reconnection` do, and may go on at another provider. `SessionRestored.provider` tells who answers. One that has
    refused, or has not answered in time, is left alone for a while; then it is the first again, when a connection is
    made the next time, or, with `move_back`, at the next quiet moment of a session.

    Options that only one provider understands (model, voice, `SessionOptions.extra` …) go to the first client alone:
    give the others theirs as their own `defaults`. What a stand-in must be able to do is what the options ask for, and
    `requires`; the rest of `Capabilities` may differ. Give clients with other audio formats an `AudioConversion`.

    Args:
        clients: The clients, the preferred one first. They belong to this one, which closes them.
        requires: Names of `Capabilities` that a stand-in must have too, such as ``"images"`` or ``"manual_turns"``.
        timeout: Seconds that one provider may take to open a session; None: as long as its client allows.
        cool_down: Seconds that a provider is left alone after a failure.
        move_back: Whether a session that is well moves back to a preferred provider after its cool-down
            (``SessionRestored(cause="return")``): it is reached first, beside the one in use, and takes over when
            nothing is under way. The user hears another voice from then on, as at the failure.
        reconnection: How sessions go on over new connections.
        clock: Seconds of a monotonic clock.

    Raises:
        InvalidInput: There is no client, or `requires` names what is no capability.
    """

    def __init__(
        self,
        clients: Iterable[RealtimeClient],
        *,
        requires: Iterable[str] = (),
        timeout: float | None = 10.0,
        cool_down: float = 60.0,
        move_back: bool = False,
        reconnection: Reconnection | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.clients = tuple(clients)
        self._requires = tuple(requires)
        self._timeout = timeout
        self._cool_down = cool_down
        self.moves_back = move_back
        self._reconnection = reconnection or Reconnection()
        self._clock = clock
        self._cold_until: dict[RealtimeClient, float] = {}
        if not self.clients:
            raise InvalidInput("A FallbackClient is made of at least one client.")
        if unknown := sorted(set(self._requires) - set(Capabilities.__struct_fields__)):
            raise InvalidInput(f"Capabilities has no {', '.join(unknown)}.")

    @property
    def metadata(self) -> ProviderMetadata:
        return self._order()[0].metadata

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return self._order()[0].capabilities(options)

    def with_defaults(self, options: SessionOptions | None) -> SessionOptions:
        return options or SessionOptions()  # each client has its own

    def _all_stated(self, options: SessionOptions | None) -> SessionOptions:
        return self.clients[0]._all_stated(options)

    async def open_session(self, options: SessionOptions) -> Link:
        link = LastingLink(_Choice(self), options, self.capabilities(options), self._reconnection)
        await link.open()
        return link

    def get_service(self, kind: type[Service]) -> Service | None:
        if isinstance(self, kind):
            return self
        found = (client.get_service(kind) for client in self.clients)
        return next((service for service in found if service is not None), None)

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            await asyncio.gather(*(client.aclose() for client in self.clients))

    # --- who is asked ---

    def _order(self) -> list[RealtimeClient]:
        """All clients in the order in which they are tried: those that have failed lately come last."""
        now = self._clock()
        return sorted(self.clients, key=lambda client: self._cold_until.get(client, 0.0) > now)

    def is_cold(self, client: RealtimeClient) -> bool:
        """Whether that client is left alone for now."""
        return self.cold_for(client) > 0

    def cold_for(self, client: RealtimeClient) -> float:
        """How long that client is left alone yet, in s."""
        return max(0.0, self._cold_until.get(client, 0.0) - self._clock())

    def failed(self, client: RealtimeClient) -> None:
        """Leave that client alone for a while."""
        self._cold_until[client] = self._clock() + self._cool_down

    async def connect(self, client: RealtimeClient, options: SessionOptions) -> Link:
        """Open a connection of one client.

        Raises:
            ConnectRefused: It refused, or took too long.
            UnsupportedOperation: It cannot stand in.
        """
        provider = client.metadata.provider
        can = client.capabilities(options)
        wanted = options if client is self.clients[0] else portable(options, can)
        merged = client.with_defaults(wanted)
        if client is not self.clients[0]:
            merged = replace(merged, unsupported="drop")
            check_options(replace(merged, resume=None), can, provider)
        for name in self._requires:
            if not getattr(can, name):
                raise UnsupportedOperation(
                    name.replace("_", " "), provider, "FallbackClient(requires=...) asks for it."
                )
        try:
            async with asyncio.timeout(self._timeout):
                link = await client.open_session(merged)
        except TimeoutError:
            message = f"No session within {self._timeout:g} s."
            raise ConnectRefused(message, provider=provider, retryable=True) from None
        self._cold_until.pop(client, None)
        return link


class _Choice(Connections):
    """Who answers in one session.

    Args:
        clients: Who there is.
    """

    def __init__(self, clients: FallbackClient) -> None:
        self._clients = clients
        self._in_use: RealtimeClient | None = None
        self._opened: WeakKeyDictionary[Link, RealtimeClient] = WeakKeyDictionary()
        self._unable: set[RealtimeClient] = set()  # to do what this session needs

    async def open(self, options: SessionOptions) -> Link:
        """Open a connection of the first client that can be reached.

        Raises:
            ConnectRefused: None can.
            UnsupportedOperation: None can do what the options ask for.
        """
        return await self._open_one(self._clients._order(), options)

    async def open_better(self, options: SessionOptions) -> Link:
        ready = [client for client in self._preferred() if not self._clients.is_cold(client)]
        return await (self._open_one(ready, options) if ready else super().open_better(options))

    def better_in(self) -> float | None:
        return min((self._clients.cold_for(client) for client in self._preferred()), default=None)

    def used(self, link: Link) -> None:
        self._in_use = self._opened[link]

    def may_pass(self, end: SessionEnded) -> bool:
        """Whether another connection is worth an attempt: here, or at another provider."""
        if end.retryable or isinstance(end, ConnectRefused):
            return end.retryable
        if self._in_use is not None:
            self._clients.failed(self._in_use)
        return any(not self._clients.is_cold(client) for client in self._clients.clients)

    def _preferred(self) -> list[RealtimeClient]:
        """Those that go before the one in use, and can do what it does."""
        if self._in_use is None or not self._clients.moves_back:
            return []
        before = self._clients.clients[: self._clients.clients.index(self._in_use)]
        return [client for client in before if client not in self._unable]

    async def _open_one(self, clients: Iterable[RealtimeClient], options: SessionOptions) -> Link:
        refusals: list[DuologueError] = []
        for client in clients:
            # A handle means something to nobody else; the history goes beside it.
            asked = options if self._in_use in (None, client) else replace(options, resume=None)
            try:
                link = await self._clients.connect(client, asked)
            except ConnectRefused as refused:
                self._clients.failed(client)
                refusals.append(refused)
            except UnsupportedOperation as refused:
                self._unable.add(client)
                refusals.append(refused)
            else:
                self._opened[link] = client
                return link
        raise _all_refused(refusals)


def _all_refused(refusals: list[DuologueError]) -> DuologueError:
    """What is raised where nobody could be reached."""
    refused = [refusal for refusal in refusals if isinstance(refusal, ConnectRefused)]
    if not refused:
        return refusals[0]
    if len(refusals) == 1:
        return refused[0]
    return ConnectRefused(
        f"None of {len(refusals)} providers could be reached: " + " | ".join(str(refusal) for refusal in refusals),
        provider="fallback",
        code=refused[0].code,
        retryable=any(refusal.retryable for refusal in refused),
    )
