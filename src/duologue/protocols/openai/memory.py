"""What is remembered of the past: the latest few of each."""

from __future__ import annotations

import msgspec

from duologue import messages as m
from duologue.protocols.openai.values import JsonObject, as_text

_REMEMBERED = 64


class SentMessages:
    """The last messages that were sent, by the ids of their events, so that an error finds its cause."""

    def __init__(self) -> None:
        self._sent: dict[str, m.ClientMessage] = {}

    def note(self, event: JsonObject, message: m.ClientMessage) -> None:
        """`event` went out for `message`."""
        event_id = as_text(event.get("event_id"))
        if event_id is None:
            return
        self._sent[event_id] = message
        while len(self._sent) > _REMEMBERED:
            del self._sent[next(iter(self._sent))]

    def cause(self, event_id: str | None) -> tuple[str | None, m.AnyClientMessage | None]:
        """The id of the message behind an event, and the message where it is still known."""
        message = self._sent.get(event_id) if event_id is not None else None
        if message is None:
            return event_id, None
        return message.id or event_id, message  # type: ignore[return-value]


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
