"""Speech stages that need no model: what they hear is written down, what they say is a tone."""

from __future__ import annotations

import array
import asyncio
import re
import sys
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable

from duologue.errors import SpeechFailed
from duologue.speech.responder import ResponderEvent, ResponderRequest
from duologue.speech.stages import SpeechChunk, SpokenWord, Transcript
from duologue.tools import Tool

_LOUD = 500  # of 32767


class LoudnessDetector:
    """A voice activity detector for synthetic audio: loud frames are speech, quiet ones are not."""

    sample_rate = 16_000
    frame_samples = 320

    def probability(self, frame: bytes) -> float:
        """1 for a loud frame, 0 for a quiet one."""
        samples = array.array("h", frame)
        if sys.byteorder == "big":
            samples.byteswap()
        return float(max(max(samples), -min(samples)) > _LOUD)

    def reset(self) -> None:
        """It remembers nothing."""

    def close(self) -> None:
        """It holds nothing."""


class ScriptedSpeechToText:
    """Hears what it is told: one transcript for each utterance, in order. A `SpeechFailed` in their place is raised.

    Args:
        transcripts: What the users will say; afterwards every utterance is empty.
    """

    sample_rate = 16_000

    def __init__(self, transcripts: Iterable[str | Transcript | SpeechFailed] = ()) -> None:
        self.transcripts = deque(transcripts)
        self.utterances: list[ScriptedUtterance] = []
        self.is_closed = False

    async def start(self) -> None:
        """Nothing to load."""

    def utterance(
        self,
        *,
        hints: tuple[str, ...] = (),
        language: str | None = None,
        on_partial: Callable[[str], None] | None = None,
    ) -> ScriptedUtterance:
        """Begin an utterance; its partial transcript comes with its first audio."""
        utterance = ScriptedUtterance(self.transcripts, hints, on_partial)
        self.utterances.append(utterance)
        return utterance

    async def aclose(self) -> None:
        """Nothing to let go of."""
        self.is_closed = True


class ScriptedUtterance:
    """One utterance of a `ScriptedSpeechToText`.

    Attributes:
        audio: What was fed.
        hints: What was expected.
        is_cancelled: Whether it was thrown away.
        gate: Clear it to hold the transcript back; set it to let it out.
    """

    def __init__(
        self,
        script: deque[str | Transcript | SpeechFailed],
        hints: tuple[str, ...],
        on_partial: Callable[[str], None] | None,
    ) -> None:
        self.audio = bytearray()
        self.hints = hints
        self.is_cancelled = False
        self.gate = asyncio.Event()
        self.gate.set()
        self._script = script
        self._on_partial = on_partial

    def feed(self, audio: bytes) -> None:
        """Take audio."""
        if not self.audio and self._on_partial is not None and self._script:
            words = _text_of(self._script[0]).partition(" ")[0]
            if words:
                self._on_partial(words)
        self.audio += audio

    async def finish(self) -> Transcript:
        """The next transcript of the script."""
        await self.gate.wait()
        heard = self._script.popleft() if self._script else Transcript(text="", understood=False)
        if isinstance(heard, SpeechFailed):
            raise heard
        return heard if isinstance(heard, Transcript) else Transcript(text=heard, confidence=1.0)

    def cancel(self) -> None:
        """Throw it away."""
        self.is_cancelled = True


def _text_of(heard: str | Transcript | SpeechFailed) -> str:
    return heard if isinstance(heard, str) else heard.text if isinstance(heard, Transcript) else ""


class ToneTextToSpeech:
    """Says every word as a tone of the same length, in chunks of 20 ms.

    Args:
        word_ms: How long a word is, in ms.
        failure: Raised after the first word, in place of the rest.
    """

    sample_rate = 16_000

    def __init__(self, word_ms: int = 100, *, failure: Exception | None = None) -> None:
        self._word_ms = word_ms
        self._failure = failure
        self.is_closed = False

    async def start(self) -> None:
        """Nothing to load."""

    def voices(self) -> tuple[str, ...]:
        """Two voices that sound the same."""
        return ("alto", "tenor")

    async def synthesize(
        self, text: str, *, voice: str | None = None, speed: float | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """A tone for each word of `text`."""
        word_ms = round(self._word_ms / (speed or 1.0))
        chunk = array.array("h", ([8_000] * 16 + [-8_000] * 16) * 10).tobytes()  # 20 ms of 500 Hz
        for number, word in enumerate(re.finditer(r"\w[\w']*", text)):
            if number and self._failure is not None:
                raise self._failure
            mark = (SpokenWord(word.start(), word.end(), number * word_ms),)
            for start_ms in range(0, word_ms, 20):
                size = min(20, word_ms - start_ms) * self.sample_rate // 1_000 * 2
                yield SpeechChunk(chunk[:size], mark if start_ms == 0 else ())
                await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Nothing to let go of."""
        self.is_closed = True


Answer = Callable[[ResponderRequest], Iterable[ResponderEvent | Exception]]


class ScriptedResponder:
    """Answers with what a function makes of the request; an exception among the events is raised.

    Args:
        answer: Gives the events of one answer.

    Attributes:
        requests: What was asked.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.requests: list[ResponderRequest] = []
        self.is_closed = False

    def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        """Anything may be said."""
        return ()

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        """The events that the function gives."""
        self.requests.append(request)
        for event in self._answer(request):
            if isinstance(event, Exception):
                raise event
            yield event
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        """Nothing to let go of."""
        self.is_closed = True
