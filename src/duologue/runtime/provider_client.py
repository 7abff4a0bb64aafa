"""What every provider's client does: checks the options, takes up earlier sessions, ends its own."""

from __future__ import annotations

import asyncio
import weakref
from abc import abstractmethod

from msgspec.structs import replace

from duologue.capabilities import check_options
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused, InvalidInput
from duologue.link import Link
from duologue.options import SessionOptions

_NOT_THE_HANDLE = frozenset({"UNAUTHENTICATED", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED"})
"""Why a session may be refused although its handle is good."""


class ProviderClient(RealtimeClient):
    """A client at the bottom of a chain: it checks the options against what the provider can do.

    Closing it ends the sessions that were opened through layers around it, too.
    """

    def __init__(self, *, defaults: SessionOptions | None = None) -> None:
        super().__init__(defaults=defaults)
        self._links: weakref.WeakSet[Link] = weakref.WeakSet()
        self._closed = False

    async def open_session(self, options: SessionOptions) -> Link:
        if options.resume is None or not options.history:
            return await self._open_checked(options)
        if self.capabilities(options).resumption:
            try:
                return await self._open_checked(replace(options, history=None))
            except ConnectRefused as refused:
                if refused.retryable or refused.close_code is None or refused.code in _NOT_THE_HANDLE:
                    raise
        return await self._open_checked(replace(options, resume=None))

    async def _open_checked(self, options: SessionOptions) -> Link:
        self._check_open()
        carried, dropped = check_options(options, self.capabilities(options), self.metadata.provider)
        link = await self.open_link(carried, dropped)
        if self._closed:
            await link.aclose()
        self._check_open()
        self._links.add(link)
        return link

    def _check_open(self) -> None:
        if self._closed:
            raise InvalidInput("This client is closed, and its sessions with it. Make a new one.")

    async def aclose(self) -> None:
        self._closed = True
        await super().aclose()
        await asyncio.gather(*(link.aclose() for link in list(self._links)))

    @abstractmethod
    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        """Open a session with options that were checked. Cancellation must leave nothing behind.

        Args:
            options: What to ask for.
            dropped: The preferences that were left out, for `Link.dropped`.
        """
