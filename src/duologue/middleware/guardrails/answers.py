"""Which answer a verdict is about, and whether it may still be stopped. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.middleware.guardrails.words import Words

Order = TypeVar("Order")

_REMEMBERED = 256  # turns that are over


class Answer:
    """One response.

    Attributes:
        words: What it has said.
        allowed: How much of its words may go on to the reader.
        is_running: The provider may say more.
        is_over: It was stopped, by a verdict or by the user: there is nothing left of it to be heard.
        is_stopped: It was stopped by a verdict, or unchecked words of it were dropped.
        message_items: The messages that it consists of, in order, and whether they have audio.
        replaces: What a verdict has asked it to say.
    """

    def __init__(self, created: m.ResponseCreated, words: Words, allowed: float, replaces: str | None = None) -> None:
        self.response_id = created.response_id
        self.turn_id = created.turn_id
        self.out_of_band = created.out_of_band
        self.words = words
        self.allowed = allowed
        self.is_running = True
        self.is_over = self.is_stopped = False
        self.message_items: dict[str, bool] = {}
        self.replaces = replaces

    def stop(self) -> None:
        """No more of it goes on to the reader."""
        self.is_over = self.is_stopped = True
        self.allowed = min(self.allowed, len(self.words))


@dataclass(frozen=True, slots=True)
class Aim(Generic[Order]):
    """What a verdict about the user's words hits.

    Attributes:
        answer: To be stopped now.
        waits: Answers of that turn that are still to begin are to be stopped, too.
    """

    answer: Answer | None
    waits: bool


class Answers(Generic[Order]):
    """Follows the answers of a session. `Order` is what is to be done to the answers of a turn that are still to come.

    Args:
        check_every: How many characters of an answer may go on without a check.
        allowed: How much of its words may go on to the reader before the first check.
    """

    def __init__(self, check_every: int, allowed: float) -> None:
        self.current: Answer | None = None  # the newest in the conversation
        self._check_every = check_every
        self._allowed = allowed
        self._known: dict[str, Answer] = {}  # the current one and those that run, by response id
        self._of_items: dict[str, Answer] = {}
        self._waiting: dict[str, Order] = {}  # by turn id
        self._over: dict[str, None] = {}  # turns, the oldest first
        self._replacement: str | None = None  # was asked for, and has not begun

    # --- what passes by ---

    def created(self, created: m.ResponseCreated) -> tuple[Answer, Order | None]:
        """A response begins: it, and what waits for it."""
        replaces = None
        if not created.out_of_band:
            replaces, self._replacement = self._replacement, None
        answer = Answer(created, Words(self._check_every), self._allowed, replaces)
        self._known[created.response_id] = answer
        if created.out_of_band:
            return answer, None
        before, self.current = self.current, answer
        if before is not None and not before.is_running:
            self._forget(before)
        return answer, self._waiting.get(created.turn_id or "")

    def done(self, response_id: str) -> Answer | None:
        """The provider has said all of a response."""
        answer = self._known.get(response_id)
        if answer is not None:
            answer.is_running = False
            if answer is not self.current:
                self._forget(answer)
        return answer

    def turn_done(self, turn_id: str | None) -> Order | None:
        """A turn is over: what has waited for its answers in vain."""
        if turn_id is None:
            return None
        self._over[turn_id] = None
        while len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]
        return self._waiting.pop(turn_id, None)

    def interrupted(self, response_id: str | None) -> list[Answer]:
        """The user has interrupted a response, or all: those of which there is nothing left to be heard."""
        found = [
            answer
            for answer in self._known.values()
            if not answer.is_over and response_id in (None, answer.response_id)
        ]
        for answer in found:
            answer.is_over = True
        return found

    def add_item(self, answer: Answer, item: m.Item) -> None:
        """An item belongs to an answer."""
        if item.id is not None:
            self._of_items[item.id] = answer
            if isinstance(item, m.MessageItem):
                answer.message_items.setdefault(item.id, False)

    def of_response(self, response_id: str) -> Answer | None:
        """The answer with that id, if it may still matter."""
        return self._known.get(response_id)

    def of(self, message: ServerMessage) -> Answer | None:
        """The answer that a message belongs to."""
        if isinstance(message, m.ItemAdded | m.ItemDone):
            return self._of_items.get(message.item.id or "")
        return self._known.get(getattr(message, "response_id", None) or "")

    def unfinished(self) -> list[Answer]:
        """The answers that may still matter."""
        return list(self._known.values())

    def _forget(self, answer: Answer) -> None:
        self._known.pop(answer.response_id, None)
        for item_id in [item_id for item_id, owner in self._of_items.items() if owner is answer]:
            del self._of_items[item_id]

    # --- what a verdict hits ---

    def may_stop(self, answer: Answer) -> bool:
        """Whether a verdict about the words of `answer` may stop it: no newer one has begun."""
        if answer.is_over:
            return False
        return answer.is_running if answer.out_of_band else answer is self.current

    def aim_at_turn(self, turn_id: str) -> Aim[Order]:
        """What a verdict about the user's words in that turn hits."""
        current = self.current
        is_ours = current is not None and current.turn_id == turn_id and self.may_stop(current)
        return Aim(current if is_ours else None, turn_id not in self._over)

    def is_superseded(self, answer: Answer | None, turn_id: str | None) -> bool:
        """Whether a newer answer than that one, or than those of that turn, has begun."""
        if self.current is None:
            return False
        if answer is not None:
            return not answer.out_of_band and answer is not self.current
        return self.current.turn_id != turn_id and turn_id in self._over

    def wait(self, turn_id: str, order: Order) -> None:
        """Do this to the answers of that turn that are still to begin."""
        if turn_id not in self._over:
            self._waiting[turn_id] = order

    def expect_replacement(self, text: str) -> None:
        """The next answer in the conversation is to say `text`."""
        self._replacement = text


def items_to_delete(answer: Answer, notice: m.Interrupted | None, *, runtime_deletes: bool) -> list[str]:
    """The messages of a stopped answer that are left in the conversation, by id.

    Args:
        notice: The interruption that stopping it has brought about.
        runtime_deletes: Whether the runtime has deleted the items of which nothing was heard.
    """
    items = list(answer.message_items)
    if not runtime_deletes or notice is None or notice.item_id is None:
        return items
    heard_until = items.index(notice.item_id) if notice.item_id in items else -1
    left = []
    for position, item_id in enumerate(items):
        is_heard = position < heard_until or (position == heard_until and (notice.heard_ms or 0) >= 1)
        if is_heard or not answer.message_items[item_id]:
            left.append(item_id)
    return left
