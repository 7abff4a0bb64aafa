"""What the user says, as items: the wire tells words, and sometimes when speech begins and ends."""

from __future__ import annotations

from duologue import messages as m
from duologue.items import MessageItem
from duologue.lifecycle import new_id
from duologue.messages.base import ServerMessage
from duologue.protocols.gemini.server_frames import Transcript


class UserSpeech:
    """Gives the user's speech its items, and joins words to them although they come late. Pure.

    Where the wire tells of speech, an item begins with it and is committed at its end. Where the application marks the
    turns, its marks do that. Else an item is there with the first words, or with the answer to it.

    Attributes:
        manual: Whether the application marks the turns.
    """

    def __init__(self) -> None:
        self.manual = False
        self._item: str | None = None
        self._committed = False
        self._speaking = False
        self._answered = False  # a response has begun since
        self._turn_has_item = False
        self._audio = False  # some was sent that belongs to no item yet
        self._text = ""
        self._interim = False  # what was told last is to be replaced
        self._has_words = False
        self._last_ms = 0  # of the input audio, that was told

    @property
    def awaits_answer(self) -> bool:
        """Whether the user has said something that nothing was said to."""
        return self._item is not None and self._committed and not self._answered

    def audio(self) -> None:
        """Audio was sent."""
        self._audio = True

    # --- where speech begins and ends ---

    def started(self, at_ms: int | None) -> list[ServerMessage]:
        """The wire tells that speech begins."""
        if self._speaking:
            return []
        out = self._close()
        self._item, self._speaking = new_id("item"), True
        return [*out, m.InputSpeechStarted(item_id=self._item, audio_start_ms=self._onwards(at_ms))]

    def stopped(self, at_ms: int | None) -> list[ServerMessage]:
        """The wire tells that speech ends."""
        if not self._speaking:
            return []
        self._speaking = False
        return [m.InputSpeechStopped(item_id=self._item, audio_end_ms=self._onwards(at_ms)), *self._commit()]

    def _onwards(self, at_ms: int | None) -> int | None:
        """A time of the input, which goes one way: one that is before an earlier one tells nothing."""
        if at_ms is None or at_ms < self._last_ms:
            return None
        self._last_ms = at_ms
        return at_ms

    def turn_started(self) -> list[ServerMessage]:
        """The application tells that a turn begins."""
        return self._close() if self._committed else []

    def turn_ended(self) -> list[ServerMessage]:
        """The application tells that a turn is over."""
        if self._committed:
            return []
        return self.stopped(None) if self._speaking else self._commit()

    def _commit(self) -> list[ServerMessage]:
        item_id = self._item = self._item or new_id("item")
        self._committed = self._turn_has_item = True
        self._audio = False
        item = MessageItem(id=item_id, status="completed", role="user", content=(m.AudioContent(),))
        return [m.InputAudioCommitted(item_id=item_id), m.ItemAdded(item=item), m.ItemDone(item=item)]

    # --- words ---

    def words(self, heard: Transcript) -> list[ServerMessage]:
        """More words; ``finished`` says that there are no more of this item."""
        if not heard.text and not (heard.finished and self._item):
            return []
        out = self._for_words()
        self._text += heard.text
        assert self._item is not None
        if self._interim:
            self._interim = False
            out.append(m.InputTranscriptDelta(item_id=self._item, text=self._text, replaces=True))
        elif heard.text:
            out.append(m.InputTranscriptDelta(item_id=self._item, text=heard.text))
        if heard.finished and self._committed:
            out += self._close()
        return out

    def interim(self, heard: Transcript) -> list[ServerMessage]:
        """Words that may change, in place of those that were told as such before."""
        if not heard.text:
            return []
        out = self._for_words()
        assert self._item is not None
        self._interim = True
        return [*out, m.InputTranscriptDelta(item_id=self._item, text=self._text + heard.text, replaces=True)]

    def _for_words(self) -> list[ServerMessage]:
        self._has_words = True
        if self._item is not None:
            return []
        if self.manual:
            self._item = new_id("item")
            return []
        return self._commit()

    # --- the model's part ---

    def answered(self, *, is_asked_for: bool) -> list[ServerMessage]:
        """A response begins.

        Args:
            is_asked_for: Whether something else than speech is known to have caused it.
        """
        out: list[ServerMessage] = []
        if self._speaking:
            out += self.stopped(None)
        elif self._audio and not (self.manual or is_asked_for or self._turn_has_item):
            out += self._commit()
        self._answered = self._committed
        return out

    def answer_over(self) -> list[ServerMessage]:
        """The model's turn is over, or was interrupted: what it answered to is complete."""
        out = self._close() if self._answered else []
        self._turn_has_item = self._committed
        return out

    def unanswered(self) -> list[ServerMessage]:
        """The turn is over without an answer."""
        self._turn_has_item = False
        return self._close() if self._committed else []

    def _close(self) -> list[ServerMessage]:
        """No more words for the item."""
        item, text, has_words = self._item, self._text, self._has_words
        self._item, self._text = None, ""
        self._committed = self._answered = self._interim = self._has_words = False
        if item is None or not has_words:
            return []
        return [m.InputTranscriptCompleted(item_id=item, text=text)]
