"""Where the connections of a session come from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from duologue.errors import ConnectRefused, SessionEnded
from duologue.link import Link
from duologue.options import SessionOptions

OpenSession = Callable[[SessionOptions], Awaitable[Link]]


class Connections:
    """Connections of one provider. Where there are several, override everything.

    Args:
        open_session: Opens one.
    """

    def __init__(self, open_session: OpenSession) -> None:
        self._open_session = open_session

    async def open(self, options: SessionOptions) -> Link:
        """Open a connection.

        Raises:
            ConnectRefused: It did not come about.
            UnsupportedOperation: The options ask for what the provider cannot do.
        """
        return await self._open_session(options)

    def used(self, link: Link) -> None:
        """That one is used from now on."""

    def may_pass(self, end: SessionEnded) -> bool:
        """Whether another connection is worth an attempt after such an end."""
        return end.retryable

    def better_in(self) -> float | None:
        """Seconds until a better connection than the one in use may be had; None: it is the best."""
        return None

    async def open_better(self, options: SessionOptions) -> Link:
        """Open a better connection than the one in use.

        Raises:
            ConnectRefused: There is none.
            UnsupportedOperation: Nobody better can do what the options ask for.
        """
        raise ConnectRefused("There is nobody else.", provider="", retryable=True)
