"""One text on its way from the reader's loop through the worker thread and back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar

from duologue.speech.espeak.library import EspeakLibrary, WordEvent
from duologue.speech.espeak.text import Clause, ClauseWords, clauses, speakable
from duologue.speech.stages import SpeechChunk

T = TypeVar("T")

READ_AHEAD_MS = 1000
"""The next clause is spoken when less audio than this is unread."""


class Manner(NamedTuple):
    """How to speak.

    Attributes:
        voice: espeak-ng's identifier of the voice.
        words_per_minute: 80 to 449.
    """

    voice: str
    words_per_minute: int


class Synthesis:
    """Speaks one text, clause by clause, for one reader.

    A clause is asked for when the reader comes near the end of what is there. So a long text never piles up,
    and the clauses of many texts take turns in the one worker. All but `_speak` runs on the reader's loop.
    """

    def __init__(self, library: EspeakLibrary, worker: Executor, text: str, manner: Manner) -> None:
        self._library = library
        self._worker = worker
        self._text = text
        self._manner = manner
        self._clauses = clauses(text)
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._pieces: deque[SpeechChunk] = deque()
        self._speaking: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._spoken_bytes = 0
        self._read_bytes = 0
        self._stopped = False  # the one thing that the worker reads

    async def read(self) -> SpeechChunk | None:
        """The next piece of audio; None when all has been spoken.

        Raises:
            SpeechFailed: espeak-ng failed, or `fail` was called.
        """
        while True:
            self._ask_for_more()
            if self._pieces:
                chunk = self._pieces.popleft()
                self._read_bytes += len(chunk.audio)
                return chunk
            if self._failure is not None:
                raise self._failure
            if self._speaking is None:
                return None
            self._changed.clear()
            await self._changed.wait()

    def stop(self) -> None:
        """Speak no further. A clause that is being spoken ends within its next 60 ms of audio: at once."""
        self._stopped = True
        if self._speaking is not None:
            self._speaking.cancel()

    def fail(self, failure: BaseException) -> None:
        """Stop, and raise `failure` to the reader. May be called from any thread."""
        self._stopped = True
        self._tell_loop(self._fail, failure)

    def _fail(self, failure: BaseException) -> None:
        self.stop()
        self._pieces.clear()
        self._failure = failure
        self._changed.set()

    def _ask_for_more(self) -> None:
        unread_ms = self._ms((self._spoken_bytes - self._read_bytes) // 2)
        if self._speaking is not None or self._stopped or unread_ms >= READ_AHEAD_MS:
            return
        clause = next(self._clauses, None)
        if clause is not None:
            first_sample = self._spoken_bytes // 2
            self._speaking = self._loop.run_in_executor(self._worker, self._speak, clause, first_sample)
            self._speaking.add_done_callback(self._clause_ended)

    def _clause_ended(self, speaking: asyncio.Future[None]) -> None:
        self._speaking = None
        if not speaking.cancelled() and self._failure is None:
            self._failure = speaking.exception()
        self._changed.set()

    def _arrived(self, chunk: SpeechChunk) -> None:
        if not self._stopped:
            self._spoken_bytes += len(chunk.audio)
            self._pieces.append(chunk)
            self._changed.set()

    def _speak(self, clause: Clause, first_sample: int) -> None:
        """Speak one clause, in the worker."""
        if self._stopped:
            return
        pieces = _Pieces(ClauseWords(self._text, clause), first_sample, self._ms, self._deliver)
        self._library.speak(
            speakable(self._text[clause.start : clause.end]),
            voice=self._manner.voice,
            words_per_minute=self._manner.words_per_minute,
            pause_after=not clause.last,
            receive=pieces.receive,
        )
        pieces.finish()

    def _deliver(self, chunk: SpeechChunk) -> bool:
        if not self._stopped:
            self._tell_loop(self._arrived, chunk)
        return not self._stopped

    def _tell_loop(self, tell: Callable[[T], None], what: T) -> None:
        try:
            self._loop.call_soon_threadsafe(tell, what)
        except RuntimeError:  # the loop is closed: nobody reads any more
            self._stopped = True

    def _ms(self, samples: int) -> float:
        return samples * 1000 / self._library.sample_rate


class _Pieces:
    """Makes chunks of one clause, one piece behind espeak-ng, so that the last one carries the last words."""

    def __init__(
        self,
        words: ClauseWords,
        first_sample: int,
        ms: Callable[[int], float],
        deliver: Callable[[SpeechChunk], bool],
    ) -> None:
        self._words = words
        self._first_sample = first_sample
        self._next_sample = first_sample
        self._ms = ms
        self._deliver = deliver
        self._held: SpeechChunk | None = None

    def receive(self, audio: bytes, events: list[WordEvent]) -> bool:
        """Take the next piece; tells whether anybody still wants more."""
        if not audio:
            return True
        words = tuple(
            word
            for event in events
            for word in self._words.begun(event.character, self._ms(self._first_sample + event.sample))
        )
        wanted = self._held is None or self._deliver(self._held)
        self._held = SpeechChunk(audio, words)
        self._next_sample += len(audio) // 2
        return wanted

    def finish(self) -> None:
        """Deliver what is held, with the words that espeak-ng never reported."""
        held = self._held or SpeechChunk(b"")
        words = held.words + tuple(self._words.rest(self._ms(self._next_sample)))
        if held.audio or words:
            self._deliver(SpeechChunk(held.audio, words))
