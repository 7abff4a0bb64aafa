"""Keeps the calls of tools that run on the server from a client that would answer them, too. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from duologue import messages as m
from duologue.messages.base import ServerMessage

_Linked = TypeVar("_Linked", m.ItemAdded, m.ItemDone, m.InputAudioCommitted)
_WITH_ITEM = (m.ItemAdded, m.ItemDone, m.ItemRetrieved, m.OutputItemAdded, m.OutputItemDone)
_WITH_ID = (
    m.ItemDeleted,
    m.ItemTruncated,
    m.FunctionArgumentsDelta,
    m.FunctionArgumentsDone,
    m.InputTranscriptCompleted,
)


class HiddenCalls:
    """Which items the client does not see.

    Args:
        is_hidden: Whether the function of that name runs on the server.
    """

    watches = frozenset({*_WITH_ITEM, *_WITH_ID, m.ResponseDone, m.InputAudioCommitted})

    def __init__(self, is_hidden: Callable[[str], bool]) -> None:
        self._is_hidden = is_hidden
        self._calls: set[str] = set()
        self._before: dict[str, str | None] = {}  # hidden items, each with the item before it

    def shown(self, message: ServerMessage) -> ServerMessage | None:
        """The message as the client may see it; None: not at all."""
        match message:
            case m.ItemAdded():
                return None if self._hides(message.item, message.previous_item_id) else self._linked(message)
            case m.ItemDone():
                return None if self._hides(message.item, message.previous_item_id) else self._linked(message)
            case m.ItemRetrieved() | m.OutputItemAdded() | m.OutputItemDone():
                return None if self._hides(message.item, None) else message
            case m.InputAudioCommitted():
                return self._linked(message)
            case m.ResponseDone(items=items):
                kept = tuple(item for item in items if not self._hides(item, None))
                return message if len(kept) == len(items) else replace(message, items=kept)
            case _:
                return None if getattr(message, "item_id", None) in self._before else message

    def is_hidden_call(self, call_id: str) -> bool:
        """Whether that call is one that the client does not see, and may not answer."""
        return call_id in self._calls

    def is_hidden_item(self, item_id: str) -> bool:
        """Whether that item is one that the client does not see."""
        return item_id in self._before

    def _hides(self, item: m.Item, previous: str | None) -> bool:
        if isinstance(item, m.FunctionCall) and self._is_hidden(item.name):
            self._calls.add(item.call_id)
        elif not (isinstance(item, m.FunctionResult) and item.call_id in self._calls):
            return False
        if item.id is not None and self._before.get(item.id) is None:
            self._before[item.id] = previous
        return True

    def _linked(self, message: _Linked) -> _Linked:
        """`message` with an item before it that the client has seen."""
        previous = message.previous_item_id
        while previous in self._before:
            previous = self._before[previous]
        return message if previous == message.previous_item_id else replace(message, previous_item_id=previous)
