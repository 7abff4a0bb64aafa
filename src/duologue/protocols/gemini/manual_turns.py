"""Turns of the user that the application marks."""

from __future__ import annotations

from typing import Literal

_START = '{"realtimeInput":{"activityStart":{}}}'
_END = '{"realtimeInput":{"activityEnd":{}}}'


class EmptyTurn(Exception):
    """A turn in which nothing was said."""


class ManualTurns:
    """Where the user's turn stands on the wire, which knows its beginning and its end. Pure.

    The end of a turn makes the model answer. A turn that is not to be answered yet is therefore left open on the wire,
    until an answer is asked for; what the user says meanwhile is part of it.

    Attributes:
        state: ``"closed"``, ``"open"``, or ``"held"``: over for the application, and open on the wire.
    """

    def __init__(self) -> None:
        self.state: Literal["closed", "open", "held"] = "closed"
        self._has_audio = False

    def audio(self) -> list[str]:
        """Audio goes out."""
        frames = self.start()
        self._has_audio = True
        return frames

    def start(self) -> list[str]:
        """A turn begins, unless one has."""
        frames = [_START] if self.state == "closed" else []
        if self.state != "open":
            self._has_audio = False
        self.state = "open"
        return frames

    def hold(self) -> None:
        """The turn is over, and not to be answered yet.

        Raises:
            EmptyTurn: Nothing was said in it.
        """
        if self.state != "open" or not self._has_audio:
            raise EmptyTurn
        self.state = "held"

    def end(self) -> list[str]:
        """The turn is over, and to be answered.

        Raises:
            EmptyTurn: None has begun.
        """
        if self.state == "closed":
            raise EmptyTurn
        self.state = "closed"
        return [_END]
