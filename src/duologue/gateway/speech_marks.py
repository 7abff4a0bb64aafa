"""Tells a client that the user has interrupted, where the upstream tells that and nothing else of speech. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from duologue import messages as m
from duologue.lifecycle import new_id
from duologue.messages.base import ClientMessage, ServerMessage

_REMEMBERED = 64
_WITH_ID = ("item_id", "previous_item_id")


class SpeechMarks:
    """``speech_started`` for an interruption: on this wire, nothing else makes a client stop playing.

    The event names the user's item, which is not there yet: it gets the id that was told when it comes.

    Args:
        heard_ms: How much audio the client has sent, in ms.
    """

    def __init__(self, heard_ms: Callable[[], int]) -> None:
        self._heard_ms = heard_ms
        self._speaking: str | None = None  # the item of the speech that was told to begin
        self._unanswered: str | None = None  # an item that the user said since the last response began
        self._told: dict[str, str] = {}  # ids of the upstream's items → those that the client knows them by
        self._meant: dict[str, str] = {}

    def around(self, message: ServerMessage) -> list[ServerMessage]:
        """`message` as the client knows its items, and what is told before it."""
        match message:
            case m.Interrupted():
                return [*self._interrupted(), message]
            case m.ResponseCreated():
                self._unanswered = None
                return [*self._stopped(), message]
            case m.InputAudioCommitted(item_id=str(item_id)):
                if self._speaking is not None:
                    self._call(item_id, self._speaking)
                out = self._stopped()
                self._unanswered = self.name(item_id)
                return [*out, _renamed(message, self._told)]
            case _:
                return [_renamed(message, self._told)]

    def meant(self, message: ClientMessage) -> ClientMessage:
        """A client's message as the upstream knows its items."""
        meant: ClientMessage = _renamed(message, self._meant)
        return meant

    def name(self, item_id: str) -> str:
        """What the client knows an item of the upstream by."""
        return self._told.get(item_id, item_id)

    def _interrupted(self) -> list[ServerMessage]:
        if self._speaking is not None:
            return []
        at_ms = self._heard_ms()
        self._speaking = self._unanswered or new_id("item")
        out: list[ServerMessage] = [m.InputSpeechStarted(item_id=self._speaking, audio_start_ms=at_ms)]
        return out if self._unanswered is None else [*out, *self._stopped()]  # its words came before

    def _stopped(self) -> list[ServerMessage]:
        item_id, self._speaking = self._speaking, None
        return [] if item_id is None else [m.InputSpeechStopped(item_id=item_id, audio_end_ms=self._heard_ms())]

    def _call(self, item_id: str, name: str) -> None:
        self._told[item_id] = name
        self._meant[name] = item_id
        while len(self._told) > _REMEMBERED:
            self._meant.pop(self._told.pop(next(iter(self._told))))


def _renamed(message: Any, names: dict[str, str]) -> Any:
    if not names:
        return message
    changes: dict[str, Any] = {}
    for field in _WITH_ID:
        if (name := names.get(getattr(message, field, None) or "")) is not None:
            changes[field] = name
    item = getattr(message, "item", None)
    if item is not None and (name := names.get(item.id or "")) is not None:
        changes["item"] = replace(item, id=name)
    return replace(message, **changes) if changes else message
