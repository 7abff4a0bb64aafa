"""The listening half of the engine: from audio to user items and their words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from duologue import messages as m
from duologue.audio.convert import Converter
from duologue.formats import PCM16_16K, PCM16_24K
from duologue.local import commands as c
from duologue.local.input import InputBuffer, InputEvent, TurnAudio, TurnBegan, TurnEnded
from duologue.local.settings import detection_of
from duologue.local.store import ItemStore
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions, Transcription
from duologue.speech.stages import Transcript

if TYPE_CHECKING:
    from duologue.local.engine import EngineSettings

TurnEvent = Literal["began", "done"]


class Hearing:
    """Input buffer, utterances and transcripts of one session. Pure.

    Args:
        options: The session's options, with every default filled in.
        settings: What the client gives.
        store: The conversation.
        emit: Takes server messages.
        order: Takes commands for the stages.
        on_turn: Told when a turn of the user begins, and when it is one to answer.
    """

    def __init__(
        self,
        options: SessionOptions,
        settings: EngineSettings,
        store: ItemStore,
        emit: Callable[[ServerMessage], None],
        order: Callable[[c.Command], None],
        on_turn: Callable[[TurnEvent], None],
    ) -> None:
        self._options = options
        self._settings = settings
        self._make_id = settings.make_id
        self._store = store
        self._emit = emit
        self._order = order
        self._on_turn = on_turn
        self._buffer = InputBuffer(options.input_audio or PCM16_24K, settings.make_detector)
        self._item_id: str | None = None  # of the turn that is open
        self._is_announced = False  # whether InputSpeechStarted was told of it
        self._buffer.detect(detection_of(options))

    @property
    def is_hearing(self) -> bool:
        """Whether a turn of the user is open."""
        return self._item_id is not None

    def prepare(self, options: SessionOptions) -> None:
        """Get ready for an `update` to these options. What can fail, fails here."""
        self._buffer.prepare(detection_of(options))

    def update(self, options: SessionOptions) -> None:
        """The options have changed."""
        if options.input_audio is not None and options.input_audio != self._options.input_audio:
            self._handle(self._buffer.reformat(options.input_audio))
        self._options = options
        self._handle(self._buffer.detect(detection_of(options)))

    def close(self) -> None:
        """The session is over."""
        self._drop_turn()
        self._buffer.close()

    # --- audio ---

    def append(self, audio: bytes) -> None:
        """Take the user's next audio, in the session's input format."""
        self._handle(self._buffer.append(audio))

    def end_segment(self) -> None:
        """The input pauses."""
        self._handle(self._buffer.end_segment())

    def clear(self) -> None:
        """Throw the buffer away."""
        self._drop_turn()
        self._buffer.clear()
        self._emit(m.InputAudioCleared())

    def commit(self) -> bool:
        """Make an item of what is in the buffer, without an answer. False: there is nothing."""
        self._handle(self._buffer.flush())
        audio = self._buffer.commit()
        if audio is None or self._item_id is None:
            return False
        self._tell_stopped(self._buffer.position_ms)
        self._commit_turn(self._item_id, audio)
        return True

    def begin_manual_turn(self) -> None:
        """The application says that the user begins to speak."""
        self._withdraw_turn()
        self._buffer.clear()
        self._announce(self._open_turn(), self._buffer.position_ms)

    def end_manual_turn(self) -> bool:
        """The application says that the user has finished. False: there is no audio, and the turn is dropped."""
        if self.commit():
            return True
        self._withdraw_turn()
        return False

    def idle_timeout(self) -> None:
        """The user was silent for too long: an empty item stands for that."""
        item_id = self._make_id("item")
        position = self._buffer.position_ms
        self._emit(m.InputIdleTimeout(item_id=item_id, audio_start_ms=position, audio_end_ms=position))
        self._add_user_item(item_id, m.AudioContent(transcript=""))

    def _handle(self, events: list[InputEvent]) -> None:
        for event in events:
            if isinstance(event, TurnBegan):
                item_id = self._open_turn()
                if detection_of(self._options) is not None:
                    self._announce(item_id, event.audio_start_ms)
            elif self._item_id is None:
                continue
            elif isinstance(event, TurnAudio):
                self._order(c.FeedUtterance(self._item_id, event.audio))
            elif isinstance(event, TurnEnded):
                self._tell_stopped(event.audio_end_ms)
                self._commit_turn(self._item_id, event.audio)
                self._on_turn("done")
            else:
                self._withdraw_turn()

    def _open_turn(self) -> str:
        if self._item_id is None:
            self._item_id = self._make_id("item")
            self._order(self._begin_utterance(self._item_id))
        return self._item_id

    def _announce(self, item_id: str, began_ms: int) -> None:
        self._is_announced = True
        self._emit(m.InputSpeechStarted(item_id=item_id, audio_start_ms=began_ms))
        self._on_turn("began")

    def _tell_stopped(self, ended_ms: int) -> None:
        if self._is_announced:
            self._emit(m.InputSpeechStopped(item_id=self._item_id, audio_end_ms=ended_ms))

    def _drop_turn(self) -> None:
        if self._item_id is not None:
            self._order(c.CancelUtterance(self._item_id))
            self._item_id = None
            self._is_announced = False

    def _withdraw_turn(self) -> None:
        """The turn comes to nothing: whoever was told of it is told that, too."""
        if self._is_announced:
            self._tell_stopped(self._buffer.position_ms)
            self._emit(m.InputAudioCleared())
        self._drop_turn()

    def _commit_turn(self, item_id: str, audio: bytes) -> None:
        self._item_id = None
        self._is_announced = False
        self._emit(m.InputAudioCommitted(item_id=item_id, previous_item_id=self._store.last_id))
        self._add_user_item(item_id, m.AudioContent())
        self._store.expect_transcript(item_id, audio)
        self._order(c.FinishUtterance(item_id))

    def _add_user_item(self, item_id: str, part: m.AudioContent) -> None:
        item = m.MessageItem(id=item_id, status="completed", role="user", content=(part,))
        self._store.put(item_id, item)
        previous = self._store.previous_id(item_id)
        self._emit(m.ItemAdded(item=item, previous_item_id=previous))
        self._emit(m.ItemDone(item=item, previous_item_id=previous))

    # --- words ---

    def transcribe_clip(self, item_id: str, item: m.Item) -> None:
        """An item that the application added may hold audio without words: find them."""
        for part in item.content if isinstance(item, m.MessageItem) else ():
            if isinstance(part, m.AudioContent) and part.audio and not part.transcript:
                converter = Converter(part.format or self._options.input_audio or PCM16_24K, PCM16_16K)
                audio = converter.process(part.audio) + converter.flush()
                self._store.expect_transcript(item_id, audio)
                self._order(self._begin_utterance(item_id))
                self._order(c.FeedUtterance(item_id, audio))
                self._order(c.FinishUtterance(item_id))

    def partial(self, item_id: str, text: str) -> None:
        """Speech to text has these words so far."""
        if self._tells_transcripts and (item_id == self._item_id or self._store.awaits_words_of(item_id)):
            index = self._store.spoken_part(item_id)
            self._emit(m.InputTranscriptDelta(item_id=item_id, content_index=index, text=text, replaces=True))

    def transcript_done(self, item_id: str, transcript: Transcript) -> None:
        """Speech to text is done with an item."""
        if not self._store.awaits_words_of(item_id):
            return
        self._store.set_transcript(item_id, transcript.text, transcript.understood and bool(transcript.text.strip()))
        if self._tells_transcripts:
            self._emit(
                m.InputTranscriptCompleted(
                    item_id=item_id,
                    content_index=self._store.spoken_part(item_id),
                    text=transcript.text,
                    confidence=transcript.confidence,
                )
            )

    def transcript_failed(self, item_id: str, reason: str) -> None:
        """Speech to text could not do it."""
        if not self._store.awaits_words_of(item_id):
            return
        self._store.transcript_failed(item_id)
        error = m.ErrorDetail(message=reason, type="transcription_error")
        index = self._store.spoken_part(item_id)
        self._emit(m.InputTranscriptFailed(item_id=item_id, content_index=index, error=error))

    def forget(self, item_id: str) -> None:
        """The item is deleted: its words are not wanted any more."""
        if self._store.awaits_words_of(item_id):
            self._order(c.CancelUtterance(item_id))

    @property
    def _tells_transcripts(self) -> bool:
        return isinstance(self._options.transcription, Transcription)

    def _begin_utterance(self, item_id: str) -> c.BeginUtterance:
        wanted = self._options.transcription
        stated = wanted if isinstance(wanted, Transcription) else Transcription()
        answered = self._options.kind != "transcription"  # what nobody answers may be anything
        expected = self._settings.expects(self._options.tools or ()) if answered else ()
        hints = (*(stated.keywords or ()), *self._settings.hints, *expected)
        return c.BeginUtterance(item_id, hints, stated.language)
