"""The turns of one conversation over several connections, each of which counts its own from 1. Pure."""

from __future__ import annotations

from duologue import messages as m
from duologue.messages.base import ServerMessage, set_turn

_REMEMBERED = 256


class TurnNames:
    """Gives every turn a name that no other turn of the conversation has.

    Attributes:
        open: The turn that is not over.
    """

    def __init__(self) -> None:
        self.open: str | None = None
        self._count = 0
        self._names: dict[str, str] = {}
        self._carried: str | None = None

    def new_connection(self) -> None:
        """Another connection, which counts from 1 again. A turn that is open goes on with its first one."""
        self._names.clear()
        self._carried = self.open

    def rename(self, message: ServerMessage) -> None:
        """Put the conversation's name for its turn onto a message."""
        if message.turn_id is None:
            return
        name = self._names.get(message.turn_id)
        if name is None:
            name = self._name(message.turn_id)
        set_turn(message, name)
        if isinstance(message, m.TurnDone):
            self.ended(name)

    def ended(self, name: str | None) -> None:
        """That turn is over."""
        if self.open == name:
            self.open = None

    def _name(self, turn_id: str) -> str:
        if self._carried is not None:
            name, self._carried = self._carried, None
        else:
            self._count += 1
            name = f"turn_{self._count}"
        self._names[turn_id] = self.open = name
        while len(self._names) > _REMEMBERED:
            del self._names[next(iter(self._names))]
        return name
