"""Server messages about the items of the conversation."""

from __future__ import annotations

from duologue.items import Item
from duologue.messages.base import ServerMessage, tag_of


class ItemAdded(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item entered the conversation; it may still be empty (``conversation.item.added``).

    Attributes:
        previous_item_id: The item before it; ``"root"``: it is the first; None: the provider does not say, and it is
            the last.
    """

    item: Item
    previous_item_id: str | None = None


class ItemDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item of the conversation is as it stays (``conversation.item.done``)."""

    item: Item
    previous_item_id: str | None = None


class ItemDeleted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item left the conversation (``conversation.item.deleted``)."""

    item_id: str


class ItemTruncated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """What the user did not hear is forgotten (``conversation.item.truncated``).

    Attributes:
        audio_end_ms: What is kept, in ms.
        transcript: The words that are kept, where the provider tells.
    """

    item_id: str
    content_index: int = 0
    audio_end_ms: int
    transcript: str | None = None


class ItemRetrieved(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The item that was asked for (``conversation.item.retrieved``)."""

    item: Item
