"""Opens connections for a conversation that goes on."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from duologue import messages as m
from duologue.link import Link
from duologue.middleware.reconnection.carried import HistoryPolicy, Items, whole
from duologue.middleware.reconnection.connections import OpenSession
from duologue.middleware.reconnection.following import Following
from duologue.options import SessionOptions


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A new connection, and what it knows of the conversation.

    Attributes:
        link: The connection, which nobody listens to yet.
        is_native: The provider has taken the conversation up by its own handle.
        items: The items that it was opened with.
        known: The ids of all items that it need not be told of.
        options: What was asked of it, but for the history.
    """

    link: Link
    options: SessionOptions
    is_native: bool = False
    items: Items = ()
    known: frozenset[str] = frozenset()

    def how(self, missing: Sequence[m.Item]) -> m.RestoredHow:
        """How the conversation came to it, `missing` being what it is told afterwards."""
        if self.is_native:
            return "native"
        return "replayed" if self.items or missing else "fresh"


class Opener:
    """Opens connections.

    Args:
        open_session: Opens one.
        following: The conversation.
        policy: What of it is sent anew when it is long.
    """

    def __init__(self, open_session: OpenSession, following: Following, policy: HistoryPolicy) -> None:
        self._open_session = open_session
        self._following = following
        self._policy = policy

    async def first(self) -> Link:
        """The connection that the conversation begins with.

        Raises:
            ConnectRefused: It did not come about.
        """
        return await self._open_session(self._following.first_options)

    async def next(self, open_session: OpenSession | None = None) -> Opened:
        """Another connection for the conversation as it stands.

        Args:
            open_session: Opens it in place of what opens the others.

        Raises:
            ConnectRefused: It did not come about.
        """
        following, can = self._following, self._following.can
        items = await self._shortened(following.items.for_another(can)) if can.seeding else ()
        items, asked = _split(items)
        known = following.items.ids() - {item.id for item in asked if item.id}
        handle = following.handle if can.resumption else None
        if handle is not None and following.options.model not in (None, handle.model):
            handle = None
        asked_of_all = following.options
        options = replace(asked_of_all, history=items or None, resume=None if handle is None else handle.text)
        link = await (open_session or self._open_session)(options)
        if handle is not None and link.options.resume is not None:
            return Opened(link=link, options=asked_of_all, is_native=True, known=handle.items)
        return Opened(link=link, options=asked_of_all, items=items, known=known if can.seeding else frozenset())

    def is_current(self, opened: Opened) -> bool:
        """Whether the options are still those that it was opened with."""
        return opened.options is self._following.options

    async def _shortened(self, items: Items) -> Items:
        shortened = self._policy(items)
        if inspect.isawaitable(shortened):
            shortened = await shortened
        return whole(shortened)


def _split(items: Items) -> tuple[Items, Items]:
    """The history, and what of it is the user's last turn, which is said anew: there is to be an answer to it."""
    end = len(items)
    while end and isinstance(item := items[end - 1], m.MessageItem) and item.role == "user":
        end -= 1
    return items[:end], items[end:]
