"""The turns of a conversation: what was heard, called and said in each, and how long the answer took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.messages import ServerMessage


class Turn:
    """One turn.

    Attributes:
        id: Its `turn_id`.
        outcome: How it ended; None while it goes on.
        error: What went wrong, if it failed.
        item_ids: Its items, in order.
        asked_at: When it was known that the user had finished, in the clock's seconds.
        spoken_until: When the user's last word was over, in the same; None where nobody knows.
        answered_at: When the first audio, or text, of the answer came, in the same.
    """

    def __init__(self, id: str, begun_at: float) -> None:
        self.id = id
        self.outcome: m.TurnOutcome | None = None
        self.error: str | None = None
        self.item_ids: list[str] = []
        self.asked_at = begun_at  # until the end of speech is known: typed text is whole at once
        self.spoken_until: float | None = None
        self.answered_at: float | None = None

    @property
    def decision_to_answer_ms(self) -> float | None:
        """From the moment when the user was known to have finished to the answer, in ms."""
        return _between_ms(self.asked_at, self.answered_at)

    @property
    def speech_to_answer_ms(self) -> float | None:
        """From the end of the user's last word to the answer, in ms: the silence that ends a turn is part of it."""
        return _between_ms(self.spoken_until, self.answered_at)


class TurnLog:
    """Follows a session's turns: feed it every server message, in order.

    Args:
        spoken_until: Tells when the user's last word was over, in the clock's seconds; None where nobody knows.
        clock: Gives the time in seconds.

    Attributes:
        conversation: What was said.
        turns: The turns so far, the one that goes on included.
        cut: What the assistant was saying in the items that the user cut short, by item id.
    """

    def __init__(
        self,
        *,
        spoken_until: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.conversation = Conversation()
        self.turns: list[Turn] = []
        self.cut: dict[str, str] = {}
        self._spoken_until = spoken_until
        self._clock = clock
        self._by_id: dict[str, Turn] = {}
        self._changed = asyncio.Event()

    def feed(self, message: ServerMessage) -> None:
        """Note the next message."""
        if isinstance(message, m.ItemTruncated | m.ItemDeleted):
            self.cut[message.item_id] = self.conversation.transcript(message.item_id)
        self.conversation.feed(message)
        turn = self._turn_of(message)
        if turn is not None:
            self._note(turn, message)
        self._changed.set()

    async def until(self, reached: Callable[[], bool], seconds: float) -> bool:
        """Wait until `reached`, which is asked after every message; whether that was so within that time."""
        try:
            async with asyncio.timeout(seconds):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def until_begun(self, known: int, seconds: float) -> bool:
        """Wait until there are more than `known` turns; whether that was so within that time."""
        return await self.until(lambda: len(self.turns) > known, seconds)

    async def until_over(self, known: int, seconds: float) -> bool:
        """Wait until there are more than `known` turns, and the new ones are over; whether that was so in that time."""
        return await self.until(
            lambda: len(self.turns) > known and all(turn.outcome is not None for turn in self.turns[known:]), seconds
        )

    # --- what was said ---

    def heard(self, turn: Turn) -> str:
        """What the user said or wrote."""
        return " ".join(item.text for item in self._messages(turn, "user") if item.text)

    def said(self, turn: Turn) -> str:
        """What the assistant said or wrote; for what was cut short, as far as it was heard."""
        return " ".join(item.text.strip() for item in self._messages(turn, "assistant"))

    def calls(self, turn: Turn) -> list[tuple[m.FunctionCall, m.FunctionResult | None]]:
        """The functions that were called, with what they gave back."""
        items = self._items(turn)
        results = {item.call_id: item for item in items if isinstance(item, m.FunctionResult)}
        return [(item, results.get(item.call_id)) for item in items if isinstance(item, m.FunctionCall)]

    def call(self, call_id: str) -> m.FunctionCall | None:
        """The function call of that id."""
        for item in self.conversation.items:
            if isinstance(item, m.FunctionCall) and item.call_id == call_id:
                return item
        return None

    def _messages(self, turn: Turn, role: m.Role) -> list[m.MessageItem]:
        return [item for item in self._items(turn) if isinstance(item, m.MessageItem) and item.role == role]

    def _items(self, turn: Turn) -> list[m.Item]:
        found = (self.conversation.item(item_id) for item_id in turn.item_ids)
        return [item for item in found if item is not None]

    # --- following ---

    def _turn_of(self, message: ServerMessage) -> Turn | None:
        if message.turn_id is None:
            return None
        turn = self._by_id.get(message.turn_id)
        if turn is None:
            turn = self._by_id[message.turn_id] = Turn(message.turn_id, self._clock())
            self.turns.append(turn)
        return turn

    def _note(self, turn: Turn, message: ServerMessage) -> None:
        match message:
            case m.ItemAdded(item=m.BaseItem(id=str(item_id))):
                if item_id not in turn.item_ids:
                    turn.item_ids.append(item_id)
            case m.InputSpeechStopped():
                turn.asked_at = self._clock()
            case m.OutputAudioDelta() | m.OutputTextDelta():
                if turn.answered_at is None:
                    turn.answered_at = self._clock()
                    turn.spoken_until = self._spoken_until()
            case m.ResponseDone(error=m.ErrorDetail(message=text)):
                turn.error = text
            case m.TurnDone(outcome=outcome):
                turn.outcome = outcome
            case _:
                pass


def _between_ms(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else (end - start) * 1000
