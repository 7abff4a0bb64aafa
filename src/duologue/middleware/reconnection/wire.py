"""One of the connections of a session."""

from __future__ import annotations

from typing import Protocol

from duologue import messages as m
from duologue.errors import SessionEnded
from duologue.link import Link
from duologue.messages.base import ServerMessage


class Owner(Protocol):
    """Whoever uses the connections, one after another."""

    def take(self, wire: Wire, message: ServerMessage) -> None:
        """The connection in use says something."""

    def lost(self, wire: Wire, end: SessionEnded) -> None:
        """The connection in use is over."""


class Wire:
    """A connection, until it is retired: nothing that an old one still says gets any further.

    Args:
        link: The connection.
        owner: Whoever uses it.
        restored: What the reader is told in place of its `SessionCreated`; None for the first one.

    Attributes:
        over: Why it is over.
    """

    def __init__(self, link: Link, owner: Owner, restored: m.SessionRestored | None = None) -> None:
        self.link = link
        self.restored = restored
        self.over: SessionEnded | None = None
        self._owner = owner
        self._retired = False

    def connect(self) -> None:
        """Listen to it."""
        self.link.connect(self)

    def retire(self) -> None:
        """Listen to it no more."""
        self._retired = True

    def received(self, message: ServerMessage) -> None:
        """It says something."""
        if not self._retired:
            self._owner.take(self, message)

    def ended(self, end: SessionEnded) -> None:
        """It is over."""
        self.over = end
        if not self._retired:
            self._owner.lost(self, end)
