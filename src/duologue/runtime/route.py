"""How a message finds its way up a chain of layers, past those that do not watch its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from duologue.errors import SessionEnded, SessionFailed
from duologue.link import Receiver
from duologue.messages.base import ServerMessage

Push = Callable[[ServerMessage], None]


class Watcher:
    """A receiver in the middle of a chain."""

    watches: ClassVar[tuple[type[ServerMessage], ...] | None] = None
    """The messages that `received` is called with; the others pass by at no cost. None: all."""

    above: Receiver | None = None
    """The next receiver towards the reader."""


class Route:
    """For each kind of message, the nearest receiver above that watches it.

    Args:
        receiver: The next one.
        last: For messages that are handed over as the last thing that is done: the reader may go on at once.
    """

    def __init__(self, receiver: Receiver | None = None, *, last: bool = False) -> None:
        self._receiver = receiver
        self._last = last
        self._known: dict[type[ServerMessage], Push] = {}

    def to(self, kind: type[ServerMessage]) -> Push:
        """What takes messages of that kind."""
        push = self._known.get(kind)
        if push is None:
            push = self._known[kind] = self._find(kind)
        return push

    def _find(self, kind: type[ServerMessage]) -> Push:
        receiver = self._receiver
        while isinstance(receiver, Watcher) and receiver.watches is not None and not issubclass(kind, receiver.watches):
            receiver = receiver.above
        if receiver is None:
            raise RuntimeError("This layer is not connected yet: deliver messages once the session has opened.")
        return getattr(receiver, "received_last", receiver.received) if self._last else receiver.received


def tell_ended(receiver: Receiver, end: SessionEnded) -> None:
    """Tell `receiver` that the session is over. What a layer raises then is what those above it are told."""
    try:
        receiver.ended(end)
    except Exception as error:
        above = receiver.above if isinstance(receiver, Watcher) else None
        if above is None:
            raise
        failed = SessionFailed(f"A layer raised {type(error).__name__} at the end.", provider=end.provider)
        failed.__cause__ = error
        tell_ended(above, failed)
