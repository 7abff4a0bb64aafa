"""The client that `Reconnection` makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.link import Link, ProviderMetadata, Service
from duologue.middleware.reconnection.link import LastingLink
from duologue.options import SessionOptions

if TYPE_CHECKING:
    from duologue.middleware.reconnection.settings import Reconnection


class ReconnectingClient(RealtimeClient):
    """Opens sessions that outlive their connections.

    Args:
        inner: The client that opens the connections.
        settings: How.
    """

    def __init__(self, inner: RealtimeClient, settings: Reconnection) -> None:
        super().__init__()
        self.inner = inner
        self._settings = settings

    @property
    def metadata(self) -> ProviderMetadata:
        return self.inner.metadata

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return self.inner.capabilities(options)

    def with_defaults(self, options: SessionOptions | None) -> SessionOptions:
        return self.inner.with_defaults(options)

    async def open_session(self, options: SessionOptions) -> Link:
        link = LastingLink(self.inner.open_session, options, self.inner.capabilities(options), self._settings)
        await link.open()
        return link

    def get_service(self, kind: type[Service]) -> Service | None:
        for part in (self, self._settings):
            if isinstance(part, kind):
                return part
        return self.inner.get_service(kind)

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            await self.inner.aclose()
