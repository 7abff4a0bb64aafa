"""What is remembered of the past: the latest few of each."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from duologue import messages as m
from duologue.content import AudioContent, ImageContent
from duologue.items import Item, MessageItem
from duologue.protocols.json_values import JsonObject, as_text

_REMEMBERED = 64
_MOST_BYTES = 1 << 20  # of audio and pictures in the messages that are kept


class _Sent:
    """One message that was sent: its id stays when the message itself is let go."""

    __slots__ = ("message", "message_id", "size")

    def __init__(self, message: m.ClientMessage) -> None:
        self.message_id = message.id
        self.message: m.ClientMessage | None = message
        self.size = _media_size(message)


class SentMessages:
    """The last messages that were sent, by the ids of their events, so that an error finds its cause.

    Of messages with more than 1 MiB of audio and pictures together, the oldest are let go; their ids are kept. Pictures
    of a stream come without end, and are never kept: the ids of their events are their own.
    """

    def __init__(self) -> None:
        self._sent: dict[str, _Sent] = {}
        self._size = 0

    def note(self, event: JsonObject, message: m.ClientMessage) -> None:
        """`event` went out for `message`."""
        event_id = as_text(event.get("event_id"))
        if event_id is None or isinstance(message, m.InputImageAppend):
            return
        self._forget(event_id)
        sent = self._sent[event_id] = _Sent(message)
        self._size += sent.size
        while len(self._sent) > _REMEMBERED:
            self._forget(next(iter(self._sent)))
        if self._size > _MOST_BYTES:
            self._let_go()

    def cause(self, event_id: str | None) -> tuple[str | None, m.AnyClientMessage | None]:
        """The id of the message behind an event, and the message where it is still known."""
        sent = self._sent.get(event_id) if event_id is not None else None
        if sent is None:
            return event_id, None
        return sent.message_id or event_id, sent.message  # type: ignore[return-value]

    def _forget(self, event_id: str) -> None:
        sent = self._sent.pop(event_id, None)
        if sent is not None:
            self._size -= sent.size

    def _let_go(self) -> None:
        for sent in self._sent.values():
            if self._size <= _MOST_BYTES:
                return
            if sent.size:
                self._size -= sent.size
                sent.message, sent.size = None, 0


def _media_size(message: m.ClientMessage) -> int:
    """Bytes of audio and pictures in `message`."""
    if isinstance(message, m.ItemCreate):
        return _size_of((message.item,))
    return _size_of(message.items or ()) if isinstance(message, m.ResponseCreate) else 0


def _size_of(items: Iterable[Item]) -> int:
    size = 0
    for item in items:
        for part in item.content if isinstance(item, MessageItem) else ():
            if isinstance(part, AudioContent):
                size += len(part.audio or b"")
            elif isinstance(part, ImageContent):
                size += len(part.data or b"") + len(part.url or "")
    return size


class Remembered(msgspec.Struct):
    """Ids that were seen, the latest few."""

    ids: dict[str, None] = msgspec.field(default_factory=dict)

    def is_new(self, key: str) -> bool:
        """Whether `key` is seen for the first time."""
        if key in self.ids:
            return False
        self.ids[key] = None
        while len(self.ids) > _REMEMBERED:
            del self.ids[next(iter(self.ids))]
        return True
