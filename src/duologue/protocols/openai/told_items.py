"""Items as a server tells of them: some leave unsaid that an item is whole, and some say it twice."""

from __future__ import annotations

from duologue import messages as m
from duologue.items import Item, McpApprovalRequest, MessageItem
from duologue.messages.base import ServerMessage
from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.items import read_item
from duologue.protocols.openai.memory import Remembered
from duologue.protocols.openai.reading import READERS, is_whole


class ToldItems:
    """Tells of every item once that it is whole, and once of every approval that is asked for. Pure.

    Args:
        dialect: How the server says things.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._done = Remembered()
        self._approvals = Remembered()

    def added(self, event: wire.ItemAdded | wire.ItemCreated) -> list[ServerMessage]:
        """An item is part of the conversation from now on."""
        previous = event.previous_item_id
        if previous is None and self._dialect.first_item_is_null:
            previous = "root"
        where = previous if isinstance(previous, str) else None
        item = read_item(event.item)
        added = m.ItemAdded(id=event.event_id, item=item, previous_item_id=where)
        says_done = self._dialect.items_done and isinstance(event, wire.ItemAdded)
        if says_done or not is_whole(item):
            return [added]
        self._done.is_new(item.id or "")
        return [added, m.ItemDone(id=event.event_id, item=item, previous_item_id=where)]

    def done(self, event: wire.ItemDone) -> list[ServerMessage]:
        """An item is whole."""
        messages = READERS[wire.ItemDone](event)
        done = messages[0]
        assert isinstance(done, m.ItemDone)
        if done.item.id and done.item.id in self._done.ids:
            messages = []  # another event has told it, in a dialect that leaves this one out
        elif not self._dialect.items_done:
            self._done.is_new(done.item.id or "")
        return [*messages, *self._approval(done.item)]

    def output_done(self, event: wire.OutputItemDone, in_conversation: bool) -> list[ServerMessage]:
        """An item of a response is whole."""
        messages = READERS[wire.OutputItemDone](event)
        done = messages[0]
        assert isinstance(done, m.OutputItemDone)
        whole = self.missing(event.event_id, (done.item,)) if in_conversation else []
        return [*whole, *messages, *self._approval(done.item)]

    def missing(self, event_id: str | None, items: tuple[Item, ...]) -> list[ServerMessage]:
        """`ItemDone` for items of a response, on wires that do not say it. Some leave the content out at first."""
        if self._dialect.items_done:
            return []
        return [
            m.ItemDone(id=event_id, item=item)
            for item in items
            if not (isinstance(item, MessageItem) and not item.content)
            and item.id is not None
            and self._done.is_new(item.id)
        ]

    def _approval(self, item: Item) -> list[ServerMessage]:
        if not isinstance(item, McpApprovalRequest) or item.id is None or not self._approvals.is_new(item.id):
            return []
        return [
            m.ApprovalRequested(
                approval_id=item.id, name=item.name, arguments=item.arguments, server_label=item.server_label
            )
        ]
