"""Is a session's stream of messages in the documented order? Feed it all of them and see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.testing.response_lifecycle import ResponseLifecycle, require


class LifecycleChecker:
    """Follows what a session says, and raises `AssertionError` at the first message that is out of order.

    ::

        checker = LifecycleChecker()
        async for message in session:
            checker.feed(message)

    What holds of every provider: `SessionCreated` comes first and once. A response is created, its items and parts open
    and close inside it, and it is done exactly once, with the items that it announced; those of the conversation were
    added to it. One response at a time runs in the conversation. The user's speech stops before it begins again.
    Nothing refers to what is not there. No audio of a response comes after its interruption. Every turn ends once.

    Attributes:
        messages: What was fed so far.
        open_responses: The responses that are not done, by id.
    """

    def __init__(self) -> None:
        self.messages: list[ServerMessage] = []
        self.open_responses: dict[str, ResponseLifecycle] = {}
        self._responses: set[str] = set()
        self._items: set[str | None] = set()  # of the conversation
        self._whole: set[str | None] = set()  # those that are done, and were; deleted ones too
        self._speaking: str | None = None  # the item of the speech that is open
        self._is_speaking = False
        self._started_ms = self._stopped_ms = self._committed_ms = 0
        self._transcribed: set[tuple[str, int]] = set()
        self._interrupted: set[str] = set()
        self._turns_over: set[str] = set()

    def feed(self, message: ServerMessage) -> None:
        """Take the next message.

        Raises:
            AssertionError: It is out of order; the text says why, and what came before.
        """
        try:
            self._check(message)
        except AssertionError as error:
            before = ", ".join(type(earlier).__name__ for earlier in self.messages[-12:])
            raise AssertionError(f"{error}\nMessage: {message!r}\nBefore it: {before or 'nothing'}") from None
        self.messages.append(message)

    def feed_all(self, messages: Iterable[ServerMessage]) -> None:
        """Take all of these."""
        for message in messages:
            self.feed(message)

    def finish(self) -> None:
        """Nothing is left open, as at the end of a turn.

        Raises:
            AssertionError: A response is not done.
        """
        require(not self.open_responses, f"Responses that are not done: {', '.join(self.open_responses)}.")

    def _check(self, message: ServerMessage) -> None:
        is_first = isinstance(message, m.SessionCreated)
        require(is_first == (not self.messages), "SessionCreated comes first, and once.")
        check = _CHECKS.get(type(message))
        if check is not None:
            check(self, message)
        response_id: str | None = getattr(message, "response_id", None)
        if response_id is not None and type(message) in _OF_A_RESPONSE:
            response = self.open_responses.get(response_id)
            require(response is not None, f"There is no open response {response_id}.")
            assert response is not None
            response.feed(message)
        if isinstance(message, m.ResponseDone):
            self._response_done(message)

    # --- responses and turns ---

    def _response_created(self, message: m.ResponseCreated) -> None:
        require(message.response_id not in self._responses, "Every response is created once.")
        active = [response_id for response_id, open_ in self.open_responses.items() if not open_.out_of_band]
        require(message.out_of_band or not active, f"Response {active} runs in the conversation already.")
        require(message.turn_id not in self._turns_over or message.turn_id is None, "Its turn is over already.")
        self._responses.add(message.response_id)
        self.open_responses[message.response_id] = ResponseLifecycle(message)

    def _response_done(self, message: m.ResponseDone) -> None:
        del self.open_responses[message.response_id]
        for item in message.items:
            in_conversation = item.id in self._whole
            require(in_conversation != message.out_of_band, "What is said is in the conversation, or beside it.")

    def _audio(self, message: m.OutputAudioDelta) -> None:
        require(message.response_id not in self._interrupted, "No audio of a response comes after its interruption.")

    def _interruption(self, message: m.Interrupted) -> None:
        if message.response_id is None:
            self._interrupted |= {key for key, response in self.open_responses.items() if not response.out_of_band}
            return
        require(message.response_id in self._responses, f"There is no response {message.response_id}.")
        require(message.response_id not in self._interrupted, "A response is interrupted once.")
        self._interrupted.add(message.response_id)

    def _turn_done(self, message: m.TurnDone) -> None:
        require(message.turn_id is not None, "TurnDone names its turn.")
        require(message.turn_id not in self._turns_over, "Every turn ends once.")
        self._turns_over.add(message.turn_id or "")

    # --- the user ---

    def _speech_started(self, message: m.InputSpeechStarted) -> None:
        require(not self._is_speaking, "The user has begun to speak already.")
        self._is_speaking, self._speaking = True, message.item_id
        if message.audio_start_ms is not None:
            self._started_ms = message.audio_start_ms
            require(self._started_ms >= self._committed_ms, f"The last turn ended at {self._committed_ms} ms.")

    def _speech_stopped(self, message: m.InputSpeechStopped) -> None:
        require(self._is_speaking, "The user has not begun to speak.")
        require(message.item_id == self._speaking, f"The user speaks in item {self._speaking}.")
        self._is_speaking = False
        if message.audio_end_ms is not None:
            self._stopped_ms = message.audio_end_ms
            require(self._stopped_ms >= self._started_ms, f"The speech began at {self._started_ms} ms.")

    def _committed(self, message: m.InputAudioCommitted) -> None:
        self._check_previous(message.previous_item_id)
        require(not self._is_speaking, "What the user says is committed after the end of the speech.")
        self._committed_ms = self._stopped_ms

    def _cleared(self, message: m.InputAudioCleared) -> None:
        self._is_speaking = False

    def _transcript(self, message: m.InputTranscriptDelta) -> None:
        key = (message.item_id, message.content_index)
        require(key not in self._transcribed, "The transcript is whole already.")

    def _transcript_over(self, message: m.InputTranscriptCompleted | m.InputTranscriptFailed) -> None:
        key = (message.item_id, message.content_index)
        require(key not in self._transcribed, "Every item is transcribed once.")
        self._transcribed.add(key)

    # --- items ---

    def _item_added(self, message: m.ItemAdded) -> None:
        item_id = message.item.id
        require(bool(item_id), "Every item has an id.")
        require(item_id not in self._items, f"Item {item_id} was added already.")
        self._check_previous(message.previous_item_id)
        self._items.add(item_id)

    def _item_done(self, message: m.ItemDone) -> None:
        require(message.item.id in self._items, f"Item {message.item.id} was not added.")
        require(message.item.id not in self._whole, f"Item {message.item.id} is done once.")
        require(message.item.status != "in_progress", "An item that is done is not in progress.")
        self._whole.add(message.item.id)

    def _check_previous(self, item_id: str | None) -> None:
        require(item_id in (None, "root") or item_id in self._items, f"There is no item {item_id}.")

    def _item_named(self, message: Any) -> None:
        require(message.item_id in self._items, f"There is no item {message.item_id}.")

    def _item_retrieved(self, message: m.ItemRetrieved) -> None:
        require(message.item.id in self._items, f"There is no item {message.item.id}.")

    def _item_deleted(self, message: m.ItemDeleted) -> None:
        self._item_named(message)
        self._items.remove(message.item_id)


_CHECKS: dict[type[ServerMessage], Callable[[LifecycleChecker, Any], None]] = {
    m.ResponseCreated: LifecycleChecker._response_created,
    m.OutputAudioDelta: LifecycleChecker._audio,
    m.Interrupted: LifecycleChecker._interruption,
    m.TurnDone: LifecycleChecker._turn_done,
    m.InputSpeechStarted: LifecycleChecker._speech_started,
    m.InputSpeechStopped: LifecycleChecker._speech_stopped,
    m.InputAudioCommitted: LifecycleChecker._committed,
    m.InputAudioCleared: LifecycleChecker._cleared,
    m.InputTranscriptDelta: LifecycleChecker._transcript,
    m.InputTranscriptCompleted: LifecycleChecker._transcript_over,
    m.InputTranscriptFailed: LifecycleChecker._transcript_over,
    m.ItemAdded: LifecycleChecker._item_added,
    m.ItemDone: LifecycleChecker._item_done,
    m.ItemTruncated: LifecycleChecker._item_named,
    m.ItemRetrieved: LifecycleChecker._item_retrieved,
    m.ItemDeleted: LifecycleChecker._item_deleted,
}

_OF_A_RESPONSE = frozenset(
    {
        m.OutputItemAdded,
        m.OutputItemDone,
        m.ContentPartAdded,
        m.ContentPartDone,
        m.OutputTextDelta,
        m.OutputTextDone,
        m.OutputAudioDelta,
        m.OutputAudioDone,
        m.OutputTranscriptDelta,
        m.OutputTranscriptDone,
        m.ReasoningDelta,
        m.FunctionArgumentsDelta,
        m.FunctionArgumentsDone,
        m.ResponseDone,
    }
)
