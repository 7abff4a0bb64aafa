"""The conversation as the embedded provider holds it: items in order, and what was said in them."""

from __future__ import annotations

import re

import msgspec

from duologue import messages as m
from duologue.formats import PCM16_16K
from duologue.speech.stages import SpokenWord

_AUDIO_KEPT = 32 * 2**20  # bytes of user audio a session keeps for `ItemRetrieve`
_REST_OF_WORD = re.compile(r"\S*")


class Recording:
    """What a spoken item of the assistant says, and when.

    Attributes:
        text: The words that were given out.
        emitted_ms: How much of its audio was given out, in ms; after a truncation, what is left of it.
    """

    def __init__(self) -> None:
        self.text = ""
        self.emitted_ms = 0.0
        self.words: list[SpokenWord] = []  # positions in the text, and in the item's audio

    def cut(self, position_ms: float) -> str:
        """Forget what comes after `position_ms`; gives the words that were over by then."""
        self.text = self._until(position_ms)
        self.emitted_ms = min(self.emitted_ms, position_ms)
        self.words = [word for word in self.words if word.end <= len(self.text)]
        return self.text

    def _until(self, position_ms: float) -> str:
        if not self.words:
            return self._estimated_until(position_ms)
        end = 0
        for index, word in enumerate(self.words):
            over_ms = self.words[index + 1].start_ms if index + 1 < len(self.words) else self.emitted_ms
            if over_ms > position_ms:
                break
            end = word.end
        rest = _REST_OF_WORD.match(self.text, end) if end else None  # punctuation belongs to its word
        return self.text[: rest.end() if rest else end]

    def _estimated_until(self, position_ms: float) -> str:
        """For a synthesis without word timings: whole words, in proportion."""
        if position_ms >= self.emitted_ms:
            return self.text
        heard = self.text[: int(len(self.text) * position_ms / self.emitted_ms) + 1]
        return heard[: max(heard.rfind(" "), 0)]


class ItemStore:
    """The items of one session, in order. Knows which of them still wait for a transcript."""

    def __init__(self) -> None:
        self._items: dict[str, m.Item] = {}
        self._order: list[str] = []
        self._pending: set[str] = set()  # user items without a transcript yet
        self._not_understood: set[str] = set()
        self._user_audio: dict[str, bytes] = {}
        self._recordings: dict[str, Recording] = {}

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    def __getitem__(self, item_id: str) -> m.Item:
        return self._items[item_id]

    @property
    def last_id(self) -> str | None:
        """The id of the last item."""
        return self._order[-1] if self._order else None

    def previous_id(self, item_id: str) -> str:
        """The id of the item before this one; ``"root"`` for the first."""
        index = self._order.index(item_id)
        return self._order[index - 1] if index else "root"

    def put(self, item_id: str, item: m.Item, previous_item_id: str | None = None) -> None:
        """Add an item, or replace the one of that id. ``"root"`` puts it first, None last."""
        if item_id not in self._items:
            if previous_item_id is None:
                self._order.append(item_id)
            elif previous_item_id == "root":
                self._order.insert(0, item_id)
            else:
                self._order.insert(self._order.index(previous_item_id) + 1, item_id)
        self._items[item_id] = item

    def delete(self, item_id: str) -> None:
        """Take an item out."""
        del self._items[item_id]
        self._order.remove(item_id)
        self._pending.discard(item_id)
        self._not_understood.discard(item_id)
        self._user_audio.pop(item_id, None)
        self._recordings.pop(item_id, None)

    def items(self) -> tuple[m.Item, ...]:
        """All items, in order."""
        return tuple(self._items[item_id] for item_id in self._order)

    def has_call(self, call_id: str) -> bool:
        """Whether there is a function call of that id."""
        return any(isinstance(item, m.FunctionCall) and item.call_id == call_id for item in self._items.values())

    @property
    def awaits_results(self) -> bool:
        """Whether some function call has no result yet."""
        items = self._items.values()
        results = {item.call_id for item in items if isinstance(item, m.FunctionResult)}
        return any(isinstance(item, m.FunctionCall) and item.call_id not in results for item in items)

    # --- what the user said ---

    def expect_transcript(self, item_id: str, audio: bytes) -> None:
        """The words of this item are still to come."""
        self._pending.add(item_id)
        self._user_audio[item_id] = audio
        while len(self._user_audio) > 1 and sum(map(len, self._user_audio.values())) > _AUDIO_KEPT:
            del self._user_audio[next(iter(self._user_audio))]

    @property
    def awaits_words(self) -> bool:
        """Whether the words of some item are still to come."""
        return bool(self._pending)

    def awaits_words_of(self, item_id: str) -> bool:
        """Whether the words of this item are still to come."""
        return item_id in self._pending

    def spoken_part(self, item_id: str) -> int:
        """Which part of an item is its audio."""
        item = self._items.get(item_id)
        parts = item.content if isinstance(item, m.MessageItem) else ()
        return next((index for index, part in enumerate(parts) if isinstance(part, m.AudioContent)), 0)

    def set_transcript(self, item_id: str, text: str, understood: bool) -> None:
        """These are the words of this item."""
        self._pending.discard(item_id)
        self._set_spoken(item_id, m.AudioContent(transcript=text))
        if not understood:
            self._not_understood.add(item_id)

    def transcript_failed(self, item_id: str) -> None:
        """There will be no words for this item."""
        self._pending.discard(item_id)
        self._not_understood.add(item_id)

    def understands(self, items: tuple[m.Item, ...]) -> bool:
        """Whether the last that the user says in `items` could be made out."""
        for item in reversed(items):
            if isinstance(item, m.MessageItem) and item.role == "user":
                return item.id not in self._not_understood
        return True

    # --- what the assistant said ---

    def record(self, item_id: str, recording: Recording) -> None:
        """Keep what a spoken item says, and when, for truncation."""
        if item_id in self._items:
            self._recordings[item_id] = recording

    def recording(self, item_id: str) -> Recording | None:
        """What a spoken item says, and when."""
        return self._recordings.get(item_id)

    def truncate(self, item_id: str, audio_end_ms: int) -> str:
        """Keep what was heard of a spoken item, and give back its words."""
        heard = self._recordings[item_id].cut(audio_end_ms)
        self._set_spoken(item_id, m.AudioContent(transcript=heard))
        return heard

    def retrieved(self, item_id: str) -> m.Item:
        """The item with the user's audio, as far as it is kept."""
        item = self._items[item_id]
        audio = self._user_audio.get(item_id)
        if audio is None or not isinstance(item, m.MessageItem):
            return item
        index = self.spoken_part(item_id)
        return _with_part(item, index, msgspec.structs.replace(item.content[index], audio=audio, format=PCM16_16K))

    def _set_spoken(self, item_id: str, spoken: m.AudioContent) -> None:
        item = self._items[item_id]
        assert isinstance(item, m.MessageItem)
        self._items[item_id] = _with_part(item, self.spoken_part(item_id), spoken)


def _with_part(item: m.MessageItem, index: int, part: m.Content) -> m.MessageItem:
    return msgspec.structs.replace(item, content=(*item.content[:index], part, *item.content[index + 1 :]))
