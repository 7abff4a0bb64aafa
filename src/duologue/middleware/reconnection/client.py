"""The client that `Reconnection` makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from duologue.client import RealtimeClient
from duologue.link import Link
from duologue.middleware.reconnection.connections import Connections
from duologue.middleware.reconnection.link import LastingLink
from duologue.options import SessionOptions
from duologue.runtime import WrappingClient

if TYPE_CHECKING:
    from duologue.middleware.reconnection.settings import Reconnection


class ReconnectingClient(WrappingClient):
    """Opens sessions that outlive their connections.

    Args:
        inner: The client that opens the connections.
        settings: How.
    """

    def __init__(self, inner: RealtimeClient, settings: Reconnection) -> None:
        super().__init__(inner, settings)
        self._settings = settings

    async def open_session(self, options: SessionOptions) -> Link:
        connections = Connections(self.inner.open_session)
        link = LastingLink(connections, options, self.inner.capabilities(options), self._settings)
        await link.open()
        return link
