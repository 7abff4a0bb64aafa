"""The text-to-speech stage over espeak-ng."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

from duologue.errors import InvalidInput, SpeechFailed
from duologue.speech.espeak.library import FASTEST, SLOWEST, EspeakLibrary, load
from duologue.speech.espeak.synthesis import Manner, Synthesis
from duologue.speech.stages import SpeechChunk

NORMAL_WORDS_PER_MINUTE = 175


class EspeakTextToSpeech:
    """Speaks with espeak-ng: more than a hundred languages, about a thousand times faster than real time.

    Works in one thread of its own, and the sessions that share it take turns, a clause each. Audio comes in
    chunks of 60 ms at most; at most one clause more than a second is made ahead of the reader.

    Args:
        voice: The voice for those who name none, such as ``"en-us"``.

    Attributes:
        sample_rate: Samples a second of the audio, in Hz.
    """

    def __init__(self, *, voice: str = "en-us") -> None:
        self.sample_rate = 22_050
        self._default_voice = voice
        self._library: EspeakLibrary | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="duologue-espeak")
        self._open: set[Synthesis] = set()
        self._closed = False

    async def start(self) -> None:
        """Load espeak-ng, once for the process. Takes about 40 ms, in the worker thread.

        Raises:
            MissingDependency: It is not installed.
            InvalidInput: There is no such voice as the one given for the default.
            SpeechFailed: It does not start, or this engine is closed.
        """
        await self._loaded()

    def voices(self) -> tuple[str, ...]:
        """The voices by language, such as ``"en-us"`` and ``"de"``; none before `start`.

        Each can be altered with one of `variants`, as in ``"en-us+f3"``.
        """
        return () if self._library is None else self._library.names

    def variants(self) -> tuple[str, ...]:
        """The ways to alter a voice, such as ``"f3"`` and ``"whisper"``; none before `start`."""
        return () if self._library is None else tuple(sorted(self._library.variants))

    async def synthesize(
        self, text: str, *, voice: str | None = None, speed: float | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text`: chunks as they are made. Closing the generator stops the synthesis.

        Args:
            text: Plain text; markup is read out. Without a letter, a digit or a symbol there is no audio.
            voice: One of `voices()`, or ``"voice+variant"``; None for the engine's default.
            speed: 1.0 is 175 words a minute; 0.25 to 4. espeak-ng keeps between 80 and 449 words a minute.

        Raises:
            InvalidInput: There is no such voice, or the speed is out of range.
            MissingDependency: espeak-ng is not installed.
            SpeechFailed: espeak-ng failed, or this engine is closed, even half-way.
        """
        words_per_minute = _words_per_minute(1.0 if speed is None else speed)
        library = await self._loaded()
        manner = Manner(_identifier(library, self._default_voice if voice is None else voice), words_per_minute)
        synthesis = Synthesis(library, self._worker, text, manner)
        self._open.add(synthesis)
        try:
            while (chunk := await synthesis.read()) is not None:
                yield chunk
        finally:
            self._open.discard(synthesis)
            synthesis.stop()

    async def aclose(self) -> None:
        """End the worker thread. Syntheses that are open raise `SpeechFailed`, and so does any later one."""
        if self._closed:
            return
        self._closed = True
        for synthesis in tuple(self._open):
            synthesis.fail(_closed())
        try:
            # When this comes back the thread has nothing left to do: waiting for its end takes no time.
            await asyncio.wrap_future(self._worker.submit(_do_nothing))
        finally:
            self._worker.shutdown(wait=True, cancel_futures=True)

    async def _loaded(self) -> EspeakLibrary:
        if self._closed:
            raise _closed()
        if self._library is None:
            library = await asyncio.get_running_loop().run_in_executor(self._worker, load)
            _identifier(library, self._default_voice)
            self.sample_rate = library.sample_rate
            self._library = library
        if self._closed:
            raise _closed()
        return self._library


def _words_per_minute(speed: float) -> int:
    if not 0.25 <= speed <= 4:
        raise InvalidInput(f"A speed is between 0.25 and 4, and 1.0 is the normal pace; {speed} is not.")
    return min(max(round(NORMAL_WORDS_PER_MINUTE * speed), SLOWEST), FASTEST)


def _identifier(library: EspeakLibrary, voice: str) -> str:
    """espeak-ng's own name for a voice and its variant."""
    name, plus, variant = voice.lower().partition("+")
    if name not in library.voices:
        raise InvalidInput(f'There is no voice "{name}".{_like(name, library.voices)} voices() lists them.')
    if not plus:
        return library.voices[name]
    if variant not in library.variants:
        raise InvalidInput(
            f'There is no voice variant "{variant}".{_like(variant, library.variants)} variants() lists them.'
        )
    return f"{library.voices[name]}+{library.variants[variant]}"


def _like(name: str, known: dict[str, str]) -> str:
    close = difflib.get_close_matches(name, known, n=5, cutoff=0.4)
    return f" Close to it: {', '.join(close)}." if close else ""


def _closed() -> SpeechFailed:
    return SpeechFailed("This text-to-speech engine is closed. Make a new one.")


def _do_nothing() -> None:
    """The worker's last task."""
