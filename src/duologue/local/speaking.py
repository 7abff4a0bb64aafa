"""The spoken side of a response: sentences to synthesise, audio to give out, never too far ahead of playback."""

from __future__ import annotations

import re
from collections import deque

from duologue.audio.convert import Converter
from duologue.formats import AudioFormat
from duologue.local.store import Recording
from duologue.speech.stages import SpeechChunk, SpokenWord

DELTA_MS = 100
"""The most audio in one delta, in ms."""

_CLOCK_ERROR = 1e-6  # s
_SYNTHESIS_LEAD_MS = 2_000  # audio that waits to be given out before more is synthesised
_SENTENCE_END = re.compile(r"[.!?…:;]+[\"'”’)\]]*\s+|\n+")
_LONG = 240  # characters after which a comma, or a space, ends a piece
_REST_OF_WORD = re.compile(r"\S*\s*")


class Speech:
    """One spoken message: text goes in as it is written, audio and words come out as they are to be sent. Pure.

    Args:
        format: The format of the audio that goes out.
        rate: Samples a second of the synthesised audio, in Hz.
        lead_ms: How far ahead of playback audio may go out, in ms.
    """

    def __init__(self, format: AudioFormat, rate: int, lead_ms: float) -> None:
        self.recording = Recording()
        self._format = format
        self._rate = rate
        self._lead_ms = lead_ms
        self._converter = Converter(AudioFormat("pcm16", rate), format)
        self._unspoken = ""  # text that has not reached the end of a sentence
        self._pieces: deque[str] = deque()
        self._text_over = False
        self._piece: str | None = None  # the piece that is being synthesised
        self._piece_at = (0, 0.0)  # where it begins: characters, ms
        self._synthesised_ms = 0.0
        self._text = ""  # all text that was handed to synthesis
        self._marks: deque[tuple[float, int]] = deque()  # (ms, end of the text to give out)
        self._audio = bytearray()
        self._flushed = False
        self._started_at: float | None = None

    # --- text in ---

    def add_text(self, text: str) -> None:
        """More of what is to be said."""
        self._unspoken += text
        while (end := _piece_end(self._unspoken)) is not None:
            self._pieces.append(self._unspoken[:end])
            self._unspoken = self._unspoken[end:]

    def finish_text(self) -> None:
        """That was all."""
        self._text_over = True
        if self._unspoken:
            self._pieces.append(self._unspoken)
            self._unspoken = ""
        self._flush_at_end()

    def next_piece(self) -> str | None:
        """What to synthesise now: one piece at a time, and none while enough audio waits."""
        if self._piece is not None or not self._pieces or not self.has_room:
            return None
        self._piece = self._pieces.popleft()
        self._piece_at = (len(self._text), self._synthesised_ms)
        self._text += self._piece
        return self._piece

    # --- audio in ---

    @property
    def has_room(self) -> bool:
        """Whether more audio may be synthesised."""
        return self._format.duration_ms(len(self._audio)) < _SYNTHESIS_LEAD_MS

    def add_audio(self, chunk: SpeechChunk) -> None:
        """Synthesis made this of the present piece."""
        characters, offset_ms = self._piece_at
        for word in chunk.words:
            moved = SpokenWord(characters + word.start, characters + word.end, offset_ms + word.start_ms)
            self.recording.words.append(moved)
            end = _REST_OF_WORD.match(self._text, moved.end)
            self._marks.append((moved.start_ms, end.end() if end else moved.end))
        self._synthesised_ms += len(chunk.audio) * 500 / self._rate
        self._audio += self._converter.process(chunk.audio)

    def piece_done(self) -> None:
        """The present piece is whole."""
        self._piece = None
        self._marks.append((self._synthesised_ms, len(self._text)))
        self._flush_at_end()

    def _flush_at_end(self) -> None:
        if self._is_synthesised and not self._flushed:
            self._flushed = True
            self._audio += self._converter.flush()

    @property
    def _is_synthesised(self) -> bool:
        return self._text_over and self._piece is None and not self._pieces

    @property
    def is_over(self) -> bool:
        """Whether everything has gone out."""
        return self._is_synthesised and not self._audio and not self._marks

    # --- out ---

    def take(self, now: float, free_at: float = 0.0) -> list[str | bytes]:
        """What is to go out by `now` (s): words, and at most 100 ms of audio at a time, in their order.

        Args:
            now: The time, in s.
            free_at: When what was given out before this message will have been played, in s.
        """
        out: list[str | bytes] = []
        if self._started_at is None and self._audio:
            self._started_at = max(now, free_at)
        while (deadline := self.deadline()) is not None and now >= deadline - _CLOCK_ERROR:
            size = min(len(self._audio), self._format.bytes_for(DELTA_MS))
            audio = bytes(self._audio[:size])
            del self._audio[:size]
            end_ms = self.recording.emitted_ms + self._format.duration_ms(size)
            if words := self._words_until(end_ms):
                out.append(words)
            out.append(audio)
            self._note_gap(now)
            self.recording.emitted_ms = end_ms
        if self._is_synthesised and not self._audio and (words := self._words_until(float("inf"))):
            out.append(words)
        return out

    def deadline(self) -> float | None:
        """When `take` has more to give, in s."""
        if not self._audio or self._started_at is None:
            return None
        position_ms = self.recording.emitted_ms + min(DELTA_MS, self._waiting_ms) - self._lead_ms
        if self._more_is_coming:
            position_ms = max(position_ms, self.recording.emitted_ms - DELTA_MS)
        return self._started_at + position_ms / 1000

    @property
    def _waiting_ms(self) -> float:
        return self._format.duration_ms(len(self._audio))

    @property
    def _more_is_coming(self) -> bool:
        """Whether waiting makes a longer delta: fewer, longer ones cost less."""
        return self._piece is not None and self._waiting_ms < DELTA_MS

    def _note_gap(self, now: float) -> None:
        """When audio came late, playback stood still: it is not as far as the clock says."""
        assert self._started_at is not None
        self._started_at = max(self._started_at, now - self.recording.emitted_ms / 1000)

    def _words_until(self, position_ms: float) -> str:
        end = len(self.recording.text)
        while self._marks and self._marks[0][0] < position_ms:
            end = max(end, self._marks.popleft()[1])
        words = self._text[len(self.recording.text) : end]
        self.recording.text += words
        return words


def _piece_end(text: str) -> int | None:
    """Where the first whole sentence ends; a long one is cut at a comma or a space."""
    found = _SENTENCE_END.search(text)
    if found is not None:
        return found.end()
    if len(text) <= _LONG:
        return None
    for separator in (", ", " "):
        cut = text.rfind(separator, 0, _LONG)
        if cut > 0:
            return cut + len(separator)
    return _LONG
