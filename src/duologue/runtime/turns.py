"""Turns: which messages belong together, and when a turn is over."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage, set_turn

_REMEMBERED = 256  # responses and items whose late messages still find their turn

_OUTCOMES: dict[str, m.TurnOutcome] = {
    "completed": "completed",
    "cancelled": "interrupted",
    "incomplete": "incomplete",
}


class TurnTracker:
    """Gives messages their `turn_id`, and adds `TurnDone`. Pure.

    A turn begins with the user's speech or item, or with a response that nobody asked for. It lasts until a response
    ends when no function of the turn owes a result and no follow-up waits; or until the user begins another.

    Args:
        answers: Whether the session has responses. Else a turn is over when its words are known.
        waits_for_calls: Whether a turn lasts until its functions have their results. It does not where the wire knows
            functions that run in the background.
        ends_are_told: Whether the wire tells itself when a turn is over, with `TurnDone`: later than its last response
            is done.
    """

    def __init__(self, *, answers: bool = True, waits_for_calls: bool = True, ends_are_told: bool = False) -> None:
        self._answers = answers
        self._waits_for_calls = waits_for_calls
        self._ends_are_told = ends_are_told
        self._outcome: m.TurnOutcome | None = None  # of the open turn, whose responses are done; its end is to be told
        self._numbers = itertools.count(1)
        self._turn: str | None = None  # the turn that is open
        self._answered = False  # whether it has had a response
        self._turn_of: dict[str, str] = {}  # response or item id → turn id
        self.turn_of: Callable[[str], str | None] = self._turn_of.get
        """The turn that a response belongs to."""
        self._running: set[str] = set()  # responses that are not done
        self._owed: dict[str, str | None] = {}  # function call → the turn that waits for its result; None: it has it
        self._over: deque[str] = deque(maxlen=_REMEMBERED)  # turns of a session without responses that have ended

    def sent(self, message: ClientMessage) -> list[ServerMessage]:
        """Note what goes to the provider; gives back the end of the turn that it replaces, if it does."""
        if (
            isinstance(message, m.ItemCreate)
            and isinstance(message.item, m.MessageItem)
            and message.item.role == "user"
        ):
            return self._begin()
        if isinstance(message, m.ItemCreate) and isinstance(message.item, m.FunctionResult):
            self._owe(message.item.call_id, None)
        return []

    def mark(self, message: ServerMessage) -> None:
        """Mark a message that begins and ends nothing: by its response, else by its item, else as the open turn's."""
        response_id: str | None = getattr(message, "response_id", None)
        if response_id is not None:
            turn = self._turn_of.get(response_id)
        else:
            item_id = _item_id(message)
            turn = self._turn_of.get(item_id, self._turn) if item_id else self._turn
        if turn is not None and message.turn_id is None:
            set_turn(message, turn)

    def received(self, message: ServerMessage, follow_up_waits: bool) -> list[ServerMessage]:
        """Mark `message`, and give back what the reader gets: it, and the end of a turn before or after it."""
        match message:
            case m.InputSpeechStarted():
                ended = self._begin()
                self._remember(message.item_id, self._turn)
                self.mark(message)
                return [*ended, message]
            case m.InputTranscriptCompleted() | m.InputTranscriptFailed() if not self._answers:
                return self._words_known(message, message.item_id)
            case m.OutputItemAdded(response_id=response_id, item=item):
                self._remember(item.id, self._turn_of.get(response_id))
            case m.ToolCallsCancelled(call_ids=call_ids):
                for call_id in call_ids:
                    self._owe(call_id, None)
            case m.InputAudioCommitted(item_id=item_id) if item_id not in self._turn_of:  # the application's own turn
                ended = self._begin()
                self._remember(item_id, self._turn)
                self.mark(message)
                return [*ended, message]
            case m.ResponseCreated(out_of_band=False):
                self._response_created(message.response_id)
            case m.ResponseDone(out_of_band=False):
                return self._response_done(message, follow_up_waits)
            case m.TurnDone() if self._ends_are_told:
                return self._end_told()
            case _:
                pass
        self.mark(message)
        return [message]

    def _words_known(self, message: ServerMessage, item_id: str) -> list[ServerMessage]:
        self.mark(message)
        turn = self._turn_of.get(item_id)
        if turn is None or turn in self._over:
            return [message]
        self._over.append(turn)
        if turn == self._turn:
            self._turn = None
        outcome: m.TurnOutcome = "failed" if isinstance(message, m.InputTranscriptFailed) else "completed"
        return [message, m.TurnDone(turn_id=turn, outcome=outcome)]

    def _response_created(self, response_id: str) -> None:
        if self._turn is None:
            self._new_turn()
        assert self._turn is not None
        self._answered, self._outcome = True, None
        self._running.add(response_id)
        self._remember(response_id, self._turn)

    def _remember(self, key: str | None, turn: str | None) -> None:
        """Messages about this response or item belong to `turn`, however late they come."""
        if key is None or turn is None:
            return
        self._turn_of[key] = turn
        while len(self._turn_of) > _REMEMBERED:
            del self._turn_of[next(iter(self._turn_of))]

    def _response_done(self, done: m.ResponseDone, follow_up_waits: bool) -> list[ServerMessage]:
        self.mark(done)
        turn = self._turn_of.get(done.response_id)
        self._running.discard(done.response_id)
        if turn is None or self._is_running(turn):
            return [done]
        for call in done.function_calls if self._waits_for_calls else ():
            if call.call_id not in self._owed:  # a result may come before the response is done
                self._owe(call.call_id, turn)
        goes_on = done.awaits_tool_results or follow_up_waits or turn in self._owed.values()
        if turn == self._turn:
            self._outcome = None if goes_on else _outcome(done.status)
            if goes_on or self._ends_are_told:
                return [done]
            self._turn = None
        return [done, m.TurnDone(turn_id=turn, outcome="interrupted" if goes_on else _outcome(done.status))]

    def _end_told(self) -> list[ServerMessage]:
        """The wire says that a turn is over: it means the last one that was answered."""
        turn, outcome = self._turn, self._outcome
        if turn is None or not self._answered or self._is_running(turn):
            return []
        self._turn = self._outcome = None
        return [m.TurnDone(turn_id=turn, outcome=outcome or "completed")]

    def _owe(self, call_id: str, turn: str | None) -> None:
        self._owed[call_id] = turn
        while len(self._owed) > _REMEMBERED:
            del self._owed[next(iter(self._owed))]

    def _begin(self) -> list[ServerMessage]:
        """The user begins. A turn that waits for function results is over; one that still speaks ends by itself."""
        replaced, outcome = self._turn, self._outcome
        if replaced is not None and not self._answered and self._answers:
            return []
        self._new_turn()
        if replaced is None or self._is_running(replaced) or not self._answers:
            return []  # it ends by itself
        return [m.TurnDone(turn_id=replaced, outcome=outcome or "interrupted")]

    def _new_turn(self) -> None:
        self._turn = f"turn_{next(self._numbers)}"
        self._answered = False
        self._outcome = None

    def _is_running(self, turn: str) -> bool:
        return any(self._turn_of.get(response_id) == turn for response_id in self._running)


def _item_id(message: ServerMessage) -> str | None:
    if isinstance(message, m.ItemAdded | m.ItemDone | m.ItemRetrieved):
        return message.item.id
    item_id: str | None = getattr(message, "item_id", None)
    return item_id


def _outcome(status: str) -> m.TurnOutcome:
    return _OUTCOMES.get(status, "failed")
