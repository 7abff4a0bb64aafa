"""The items of a conversation over several connections: which of them a connection knows, and tells of once more.
Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.conversation import Conversation
from duologue.lifecycle import new_id
from duologue.messages.base import ServerMessage
from duologue.middleware.reconnection.carried import Items, carried, result_as_text, same_item
from duologue.middleware.reconnection.kept_input import KeptInput


class KnownItems:
    """Follows the items that the application sends, that connections tell of, and that others are told anew.

    Args:
        conversation: What the reader was told.
        spoken: The user's audio, for the speech that has no transcript yet.

    Attributes:
        lost_calls: Function calls that the session in use does not know.
    """

    def __init__(self, conversation: Conversation, spoken: KeptInput) -> None:
        self.lost_calls: dict[str, m.FunctionCall] = {}
        self._conversation = conversation
        self._spoken = spoken
        self._unconfirmed: dict[str, m.Item] = {}  # sent by the application, and not told of yet
        self._replayed: list[m.Item] = []  # sent to the session in use, which tells of them once more
        self._silent: set[str] = set()  # items that the reader knows: nothing more of them
        self._results: dict[str, m.FunctionResult] = {}  # what an item in words stands for

    # --- towards the provider ---

    def sent(self, item: m.Item) -> None:
        """The application sends this."""
        self._unconfirmed[item.id or ""] = item

    def refused(self, item: m.Item) -> None:
        """That is no item after all."""
        self._unconfirmed.pop(item.id or "", None)

    def translated(self, message: m.ItemCreate) -> m.ItemCreate:
        """The message as the session in use understands it: a result in words where it does not know the call."""
        result = message.item
        if not isinstance(result, m.FunctionResult) or result.call_id not in self.lost_calls:
            return message
        call = self.lost_calls.pop(result.call_id)
        item = result_as_text(call, replace(result, id=result.id or new_id("item")))
        self._results[item.id or ""] = result
        return replace(message, item=item)

    # --- from the provider ---

    def told(self, message: m.ItemAdded | m.ItemDone) -> ServerMessage | None:
        """What the reader gets of it; None: nothing, as it knows that item from an earlier connection."""
        item = message.item
        if item.id in self._silent:
            return None
        # What the reader knows by that id, or the application has sent with it, is no echo of something that is alike.
        is_known = item.id in self._unconfirmed or self._conversation.item(item.id or "") is not None
        replayed = _of_id(self._replayed, item) if is_known else _find(self._replayed, item)
        if replayed is not None:
            self._replayed.remove(replayed)
            if self._conversation.item(replayed.id or "") is not None:
                self._silent.add(item.id or "")
                return None
        result = self._results.get(item.id or "")
        if result is not None:
            message = replace(message, item=replace(result, id=result.id or item.id, status="completed"))
            self._unconfirmed.pop(result.id or "", None)
            return message
        sent = _find(self._unconfirmed.values(), item)
        if sent is not None:
            self._unconfirmed.pop(sent.id or "", None)
        return message

    def answering(self) -> None:
        """A response begins: what was told anew comes before it, or not at all, as on wires that repeat nothing."""
        self._replayed.clear()

    # --- one connection after another ---

    def lose(self) -> None:
        """The connection is lost, with all that it was about to tell."""
        self._replayed, self._results = [], {}
        self._silent.clear()

    def replayed(self, items: Items, can: Capabilities) -> None:
        """The session in use was told these; it will tell of them in turn."""
        self._replayed += items
        self.lost_calls = dict(self._conversation.open_calls) if can.continues_after_tool_results else {}
        stated = {item.id for item in items if isinstance(item, m.MessageItem)}
        for item in self.everything():
            if isinstance(item, m.FunctionResult) and item.id in stated:
                self._results[item.id or ""] = item

    # --- what there is ---

    def everything(self) -> list[m.Item]:
        """All items: those of the conversation, and those on their way into it."""
        known = {item.id for item in self._conversation.items}
        on_their_way = (item for item in self._unconfirmed.values() if item.id not in known)
        return [*self._conversation.items, *on_their_way]

    def ids(self) -> frozenset[str]:
        """The ids of all items."""
        return frozenset(item.id for item in self.everything() if item.id)

    def for_another(self, can: Capabilities, *, beyond: frozenset[str] = frozenset(), as_text: bool = False) -> Items:
        """The items that another session is told.

        Args:
            can: What it can do.
            beyond: The ids of items that it knows.
            as_text: Whether calls and results are told in words.
        """
        self.complete_turn()
        everything = self.everything()
        answered = {item.call_id for item in everything if isinstance(item, m.FunctionResult)}
        open_calls = [
            item.call_id for item in everything if isinstance(item, m.FunctionCall) and item.call_id not in answered
        ]
        lost = open_calls if can.continues_after_tool_results else []
        told = carried(everything, can, audio=self._audio(), lost_calls=lost, as_text=as_text)
        return tuple(item for item in told if item.id is None or item.id not in beyond)

    def complete_turn(self) -> None:
        """The user's last turn may have been told of without its item: it is one nevertheless."""
        item_id = self._spoken.turn_item
        if item_id is not None and self._conversation.item(item_id) is None and self._spoken.turn:
            self._unconfirmed.setdefault(item_id, m.MessageItem(id=item_id, role="user", content=(m.AudioContent(),)))

    @property
    def awaits_follow_up(self) -> bool:
        """Whether functions have their results, and the model has said nothing to them."""
        everything = self.everything()
        return bool(everything) and isinstance(everything[-1], m.FunctionResult) and not self._conversation.open_calls

    @property
    def is_settled(self) -> bool:
        """Whether nothing is on its way: no item, no function that runs, no result without an answer."""
        return not (self._conversation.open_calls or self.lost_calls or self._unconfirmed or self.awaits_follow_up)

    def _audio(self) -> dict[str, m.AudioContent]:
        spoken = self._spoken
        if spoken.turn_item is None or not spoken.turn:
            return {}
        return {spoken.turn_item: m.AudioContent(audio=spoken.turn, format=spoken.turn_format)}


def _find(items: Iterable[m.Item], item: m.Item) -> m.Item | None:
    """The one of `items` that a provider means by `item`."""
    return _of_id(items, item) or next((known for known in items if same_item(known, item)), None)


def _of_id(items: Iterable[m.Item], item: m.Item) -> m.Item | None:
    return next((known for known in items if known.id is not None and known.id == item.id), None)
