"""A conversation as its messages tell it: the one history that everybody uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from duologue import messages as m
from duologue.chat_messages import ChatMessage, chat_messages, items_of_chat
from duologue.messages.base import ServerMessage

_EARLY = 64  # items whose words are kept although the item itself has not come

TurnState = Literal["idle", "user speaking", "waiting", "responding", "awaiting tools"]


class _Speech:
    """The words and the audio of one spoken part, side by side, to tell which words a position stands for."""

    def __init__(self) -> None:
        self.received_ms = 0.0
        self.words: list[tuple[float, str]] = []  # (audio received before the words, the words)

    def add(self, words: str) -> None:
        """More words; those that come without audio between them are one stretch."""
        if self.words and self.words[-1][0] == self.received_ms:
            words = self.words.pop()[1] + words
        self.words.append((self.received_ms, words))

    def until(self, position_ms: float) -> str:
        """The words whose audio had begun to arrive before `position_ms`, the last delta in proportion."""
        if position_ms <= 0:
            return ""
        heard = []
        starts = [start for start, _ in self.words]
        for index, (start, text) in enumerate(self.words):
            end = starts[index + 1] if index + 1 < len(starts) else self.received_ms
            if end <= position_ms:
                heard.append(text)
            elif start < position_ms:
                part = text[: int(len(text) * (position_ms - start) / (end - start))]
                heard.append(part[: part.rfind(" ") + 1] if len(part) < len(text) else part)
        return "".join(heard)


class Conversation:
    """Follows a session: feed it every server message, in order. Pure.

    Attributes:
        items: The items of the conversation, in order. Transcripts and texts grow as they arrive; a truncated item
            holds what was heard.
        usage: What the responses and transcriptions have cost.
        turn: Whose turn it is.
        open_calls: Function calls without a result, by call id.
    """

    def __init__(self, history: tuple[m.Item, ...] = ()) -> None:
        self.items: list[m.Item] = list(history)
        self.usage = m.Usage()
        self.turn: TurnState = "idle"
        self.open_calls: dict[str, m.FunctionCall] = {}
        self.active_response: str | None = None
        self._position = {item.id: index for index, item in enumerate(self.items) if item.id}
        self._speech: dict[tuple[str, int], _Speech] = {}
        self._heard: dict[str, str] = {}
        self._early: dict[str, dict[int, str]] = {}  # words of the user whose item has not come yet

    def to_chat_messages(self, instructions: str | None = None) -> list[ChatMessage]:
        """The conversation as messages of a chat API (``POST /chat/completions``): what was said and heard.

        Args:
            instructions: The system prompt, as the first of them.
        """
        system = [{"role": "system", "content": instructions}] if instructions else []
        return [*system, *chat_messages(self.items)]

    @classmethod
    def from_chat_messages(cls, messages: Iterable[Mapping[str, Any]]) -> Conversation:
        """A conversation that was held in a chat API; its `items` are a `SessionOptions.history`.

        Raises:
            InvalidInput: A message is none.
        """
        return cls(tuple(items_of_chat(messages)))

    def item(self, item_id: str) -> m.Item | None:
        """The item of that id."""
        index = self._position.get(item_id)
        return None if index is None else self.items[index]

    def transcript(self, item_id: str) -> str:
        """What a message item says: for a truncated one, what was heard."""
        item = self.item(item_id)
        return item.text if isinstance(item, m.MessageItem) else ""

    def words_until(self, item_id: str, position_ms: float, content_index: int = 0) -> str:
        """The words of a spoken item up to a position in its audio, in ms."""
        speech = self._speech.get((item_id, content_index))
        return self.transcript(item_id) if speech is None else speech.until(position_ms)

    def was_cut(self, item_id: str) -> bool:
        """Whether the user heard only part of the item."""
        return item_id in self._heard

    def feed(self, message: ServerMessage) -> None:
        """Note the next message."""
        match message:
            case m.OutputAudioDelta():
                self._audio(message)
            case m.OutputTranscriptDelta() | m.OutputTextDelta():
                self._words(message)
            case m.InputTranscriptDelta(item_id=item_id, content_index=index, text=text, replaces=replaces):
                self._user_words(item_id, index, text if replaces else self._words_of(item_id, index) + text)
            case m.InputTranscriptCompleted(item_id=item_id, content_index=index, text=text):
                self._user_words(item_id, index, text)
                self._add_usage(message.usage)
            case m.ItemAdded(item=item, previous_item_id=previous) | m.ItemDone(item=item, previous_item_id=previous):
                self._put(item, previous)
            case m.ItemRetrieved(item=item):
                self._put(item, None)
            case m.ItemDeleted(item_id=item_id):
                self._delete(item_id)
            case m.ItemTruncated():
                self._truncate(message)
            case m.UsageReported(usage=usage):
                self._add_usage(usage)
            case _:
                self._follow_turn(message)

    # --- whose turn it is ---

    def _follow_turn(self, message: ServerMessage) -> None:
        match message:
            case m.InputSpeechStarted():
                self.turn = "user speaking"
            case m.InputSpeechStopped() | m.InputAudioCommitted():
                if self.turn == "user speaking":
                    self.turn = "waiting"
            case m.ResponseCreated(out_of_band=False):
                self.active_response = message.response_id
                self.turn = "responding"
            case m.ResponseDone():
                self._response_done(message)
            case m.ToolCallsCancelled(call_ids=call_ids):
                for call_id in call_ids:
                    self.open_calls.pop(call_id, None)
            case m.TurnDone():
                if self.turn in ("responding", "awaiting tools"):
                    self.turn = "idle"
            case _:
                pass

    def _response_done(self, done: m.ResponseDone) -> None:
        self._add_usage(done.usage)
        if done.out_of_band:
            return
        for call in done.function_calls:
            self.open_calls.setdefault(call.call_id, call)
        self._answer_calls()
        if done.response_id == self.active_response:
            self.active_response = None
            if self.turn == "responding":
                self.turn = "awaiting tools" if self.open_calls else "idle"

    def _answer_calls(self) -> None:
        for item in self.items:
            if isinstance(item, m.FunctionResult):
                self.open_calls.pop(item.call_id, None)

    # --- items ---

    def _put(self, item: m.Item, previous: str | None) -> None:
        index = self._position.get(item.id or "")
        if index is not None:
            self.items[index] = self._kept(item, self.items[index])
        elif previous == "root":
            self._insert(0, item)
        elif previous and previous in self._position:
            self._insert(self._position[previous] + 1, item)
        else:
            self._insert(len(self.items), item)
        if isinstance(item, m.FunctionResult):
            self.open_calls.pop(item.call_id, None)

    def _kept(self, item: m.Item, known: m.Item) -> m.Item:
        """`item`, with the words that only `known` has: a transcript may come before the item is done."""
        if not isinstance(item, m.MessageItem) or not isinstance(known, m.MessageItem):
            return item
        if item.id in self._heard:
            return msgspec.structs.replace(item, content=known.content)
        content = list(item.content)
        for index, part in enumerate(known.content[: len(content)]):
            mine = content[index]
            if isinstance(mine, m.AudioContent) and isinstance(part, m.AudioContent) and not mine.transcript:
                content[index] = msgspec.structs.replace(mine, transcript=part.transcript)
        return msgspec.structs.replace(item, content=tuple(content) or known.content)

    def _insert(self, index: int, item: m.Item) -> None:
        self.items.insert(index, item)
        self._renumber(index)
        item_id = item.id or ""
        for content_index, words in self._early.pop(item_id, {}).items():
            if not self._words_of(item_id, content_index):
                self._set_words(item_id, content_index, words)

    def _delete(self, item_id: str) -> None:
        index = self._position.pop(item_id, None)
        self._heard.pop(item_id, None)
        if index is not None:
            del self.items[index]
            self._renumber(index)

    def _renumber(self, start: int) -> None:
        for index in range(start, len(self.items)):
            item_id = self.items[index].id
            if item_id:
                self._position[item_id] = index

    # --- words ---

    def _audio(self, delta: m.OutputAudioDelta) -> None:
        speech = self._speech.setdefault((delta.item_id, delta.content_index), _Speech())
        speech.received_ms += delta.format.duration_ms(len(delta.audio))

    def _words(self, delta: m.OutputTranscriptDelta | m.OutputTextDelta) -> None:
        if isinstance(delta, m.OutputTranscriptDelta):
            speech = self._speech.setdefault((delta.item_id, delta.content_index), _Speech())
            speech.add(delta.text)
        if delta.item_id in self._heard:
            return
        is_text = isinstance(delta, m.OutputTextDelta)
        words = self._words_of(delta.item_id, delta.content_index) + delta.text
        self._set_words(delta.item_id, delta.content_index, words, is_text=is_text)

    def _user_words(self, item_id: str, content_index: int, words: str) -> None:
        """What the user said. Transcription goes its own way: the words may come before their item."""
        if item_id in self._position:
            self._set_words(item_id, content_index, words)
            return
        self._early.setdefault(item_id, {})[content_index] = words
        while len(self._early) > _EARLY:
            del self._early[next(iter(self._early))]

    def _words_of(self, item_id: str, content_index: int) -> str:
        item = self.item(item_id)
        if item is None:
            return self._early.get(item_id, {}).get(content_index, "")
        if not isinstance(item, m.MessageItem) or content_index >= len(item.content):
            return ""
        part = item.content[content_index]
        if isinstance(part, m.TextContent):
            return part.text
        return part.transcript or "" if isinstance(part, m.AudioContent) else ""

    def _set_words(self, item_id: str, content_index: int, words: str, *, is_text: bool = False) -> None:
        item = self.item(item_id)
        if not isinstance(item, m.MessageItem):
            return
        content = list(item.content)
        while len(content) <= content_index:
            content.append(m.TextContent(text="") if is_text else m.AudioContent())
        part = content[content_index]
        if isinstance(part, m.TextContent):
            content[content_index] = m.TextContent(text=words)
        elif isinstance(part, m.AudioContent):
            content[content_index] = msgspec.structs.replace(part, transcript=words)
        self.items[self._position[item_id]] = msgspec.structs.replace(item, content=tuple(content))

    def _truncate(self, cut: m.ItemTruncated) -> None:
        speech = self._speech.get((cut.item_id, cut.content_index), _Speech())
        heard = cut.transcript if cut.transcript is not None else speech.until(cut.audio_end_ms)
        self._set_words(cut.item_id, cut.content_index, heard)
        self._heard[cut.item_id] = heard

    def _add_usage(self, usage: m.Usage | None) -> None:
        if usage is not None:
            self.usage = self.usage + usage
