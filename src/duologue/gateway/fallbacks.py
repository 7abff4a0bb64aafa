"""Several clients behind one name: where the first cannot, the next one answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused
from duologue.link import Link, ProviderMetadata, Service
from duologue.options import SessionOptions

_log = logging.getLogger("duologue.gateway")


class FallbackClient(RealtimeClient):
    """Opens sessions with the first client that accepts one. What is open stays where it is.

    Args:
        clients: The clients, in the order in which they are tried. They stay the caller's.
    """

    def __init__(self, clients: Sequence[RealtimeClient]) -> None:
        super().__init__()
        self._clients = tuple(clients)

    @property
    def metadata(self) -> ProviderMetadata:
        return self._clients[0].metadata

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return self._clients[0].capabilities(options)

    def with_defaults(self, options: SessionOptions | None) -> SessionOptions:
        return self._clients[0].with_defaults(options)

    async def open_session(self, options: SessionOptions) -> Link:
        for client in self._clients[:-1]:
            try:
                return await client.open_session(options)
            except ConnectRefused as refused:
                _log.warning("%s did not open a session (%s); the next one is tried.", refused.provider, refused.code)
        return await self._clients[-1].open_session(self._clients[-1].with_defaults(options))

    def get_service(self, kind: type[Service]) -> Service | None:
        return self if isinstance(self, kind) else self._clients[0].get_service(kind)
