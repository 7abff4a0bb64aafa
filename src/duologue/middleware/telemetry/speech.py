"""The spans of what the user says."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue import messages as m
from duologue.middleware.telemetry import content, names
from duologue.middleware.telemetry.ends import detail_error
from duologue.middleware.telemetry.session import SessionTrace, Value
from duologue.middleware.telemetry.usage import usage_attributes

_MOST_WAITING = 64  # segments of speech without their transcript


@dataclass(slots=True)
class _Speech:
    began_at: int
    item_id: str | None = None
    stopped_at: int | None = None
    ended_at: int = 0
    is_transcribed: bool = False  # or never will be
    attributes: dict[str, Value | None] = field(default_factory=dict)
    error: m.ErrorDetail | None = None


class SpeechSpans:
    """From the start of the user's speech to its commit; made when that is over, and its transcript is there.

    Providers that find the turns tell of the start; where the application says who speaks, its messages do.
    """

    def __init__(self, session: SessionTrace) -> None:
        self._session = session
        self._open: _Speech | None = None
        self._waiting: dict[str, _Speech] = {}  # by item id

    # --- while the user speaks ---

    def began(self, at: int) -> None:
        """The application says that the user speaks."""
        self._close(at)
        self._session.user_stopped_at = None
        self._open = _Speech(at)

    def started(self, message: m.InputSpeechStarted) -> None:
        """The provider hears the user."""
        speech = self._open
        if speech is None or speech.stopped_at is not None or speech.item_id not in (None, message.item_id):
            self.began(self._session.now())
        assert self._open is not None
        self._session.user_turn_id = message.turn_id
        self._open.item_id = message.item_id
        self._open.attributes.update(
            {
                names.TURN_ID: message.turn_id,
                names.ITEM_ID: message.item_id,
                names.AUDIO_START_MS: message.audio_start_ms,
            }
        )

    def stopped(self, at: int, audio_end_ms: int | None = None) -> None:
        """The user is silent."""
        self._session.user_stopped_at = at
        if self._open is not None:
            self._open.stopped_at = at
            self._open.attributes[names.AUDIO_END_MS] = audio_end_ms

    def committed(self, message: m.InputAudioCommitted, *, transcript_comes: bool) -> None:
        """What was said is an item of the conversation."""
        self._session.user_turn_id = message.turn_id
        speech, self._open = self._open, None
        if speech is None:
            return
        speech.ended_at = self._session.now()
        speech.item_id = item_id = message.item_id or speech.item_id
        speech.attributes[names.ITEM_ID] = item_id
        speech.attributes.setdefault(names.TURN_ID, message.turn_id)
        if item_id is None or not transcript_comes or speech.is_transcribed:
            self._record(speech)
            return
        self._waiting[item_id] = speech
        if len(self._waiting) > _MOST_WAITING:
            self._record(self._waiting.pop(next(iter(self._waiting))))

    def answered(self) -> None:
        """A response begins: speech that has stopped will not be committed any more."""
        if self._open is not None and self._open.stopped_at is not None:
            self._close(self._open.stopped_at)

    def cleared(self) -> None:
        """What was said is thrown away."""
        self._close(self._session.now())

    # --- its words ---

    def transcribed(self, message: m.InputTranscriptCompleted) -> None:
        """The words of a segment are known."""
        if message.usage is not None:
            self._session.metrics.count_tokens(message.usage, self._session.labels(names.USER_SPEECH))
        speech = self._find(message.item_id)
        if speech is None:
            return
        if self._session.captures:
            speech.attributes[names.INPUT_MESSAGES] = content.words(message.text)
        if message.usage is not None:
            speech.attributes.update(usage_attributes(message.usage))
        self._transcript_is_in(speech)

    def untranscribed(self, message: m.InputTranscriptFailed) -> None:
        """They never will be."""
        speech = self._find(message.item_id)
        if speech is not None:
            speech.error = message.error
            self._transcript_is_in(speech)

    def _find(self, item_id: str) -> _Speech | None:
        speech = self._open
        return speech if speech is not None and speech.item_id == item_id else self._waiting.get(item_id)

    def _transcript_is_in(self, speech: _Speech) -> None:
        speech.is_transcribed = True
        if speech is not self._open:
            del self._waiting[speech.item_id or ""]
            self._record(speech)

    # --- the end ---

    def end_all(self) -> None:
        """The session is over."""
        self._close(self._session.now())
        for speech in self._waiting.values():
            self._record(speech)
        self._waiting.clear()

    def _close(self, at: int) -> None:
        speech, self._open = self._open, None
        if speech is not None:
            speech.ended_at = speech.stopped_at or at
            self._record(speech)

    def _record(self, speech: _Speech) -> None:
        span = self._session.start(names.USER_SPEECH, names.USER_SPEECH, speech.attributes, at=speech.began_at)
        if speech.error is not None:
            error_type = detail_error(speech.error, "transcription_failed")
            self._session.failed(span, names.USER_SPEECH, error_type, speech.error.message)
        span.end(speech.ended_at)
