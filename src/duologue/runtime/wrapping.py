"""Clients around clients: what middleware makes."""

from __future__ import annotations

from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.link import ProviderMetadata, Service
from duologue.options import SessionOptions


class WrappingClient(RealtimeClient):
    """A client that is as the one inside, but for how it opens sessions: override `open_session`.

    Args:
        inner: The client inside. It belongs to this one, which closes it.
        settings: What `get_service` finds by its type, beside the client itself: the middleware that made it.

    Raises:
        InvalidInput: `inner` is no client.
    """

    def __init__(self, inner: RealtimeClient, settings: object | None = None) -> None:
        super().__init__()
        if not isinstance(inner, RealtimeClient):
            raise InvalidInput(f"Middleware wraps a client, and {type(inner).__name__} is none.")
        self.inner = inner
        self._made_by = settings

    @property
    def metadata(self) -> ProviderMetadata:
        return self.inner.metadata

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return self.inner.capabilities(options)

    def with_defaults(self, options: SessionOptions | None) -> SessionOptions:
        return self.inner.with_defaults(options)

    def _all_stated(self, options: SessionOptions | None) -> SessionOptions:
        return self.inner._all_stated(options)

    def get_service(self, kind: type[Service]) -> Service | None:
        for part in (self, self._made_by):
            if isinstance(part, kind):
                return part
        return self.inner.get_service(kind)

    async def aclose(self) -> None:
        try:
            await super().aclose()
        finally:
            await self.inner.aclose()
