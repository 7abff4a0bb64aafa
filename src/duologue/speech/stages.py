"""The stages of the embedded provider, as small protocols that users can replace.

Voice activity detection → speech to text → a responder → text to speech. All audio here is mono s16le at the
stage's own `sample_rate`; the engine resamples.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import msgspec


class VoiceActivityDetector(Protocol):
    """Tells, frame by frame, how likely it is that somebody speaks. One a session; it keeps state."""

    sample_rate: int
    """Samples a second of the audio that `probability` takes, in Hz."""
    frame_samples: int
    """Samples in one frame."""

    def probability(self, frame: bytes) -> float:
        """The probability of speech, 0 to 1, in one frame of exactly `frame_samples` s16le samples."""
        ...

    def reset(self) -> None:
        """Forget what was heard so far."""
        ...

    def close(self) -> None:
        """Give the detector back; it is not used afterwards."""
        ...


VoiceActivityDetectorFactory = Callable[[], VoiceActivityDetector]


class Transcript(msgspec.Struct, frozen=True, kw_only=True):
    """What a speech-to-text engine made of one utterance.

    Attributes:
        text: The words; empty when nothing was recognised.
        confidence: How sure the engine is, 0 to 1; None when it does not say.
        understood: False when the engine thinks that the words are not what was said (too low a confidence).
    """

    text: str
    confidence: float | None = None
    understood: bool = True


class Utterance(Protocol):
    """One stretch of speech on its way through a speech-to-text engine."""

    def feed(self, audio: bytes) -> None:
        """Take the next s16le samples; never waits."""
        ...

    async def finish(self) -> Transcript:
        """The final transcript of all that was fed.

        Raises:
            SpeechFailed: The engine could not transcribe it, even on a second try.
        """
        ...

    def cancel(self) -> None:
        """Throw the utterance away. Harmless after `finish`."""
        ...


class SpeechToText(Protocol):
    """Turns speech into text. One engine serves many sessions; the client owns it."""

    sample_rate: int
    """Samples a second of the audio that an utterance takes, in Hz."""

    async def start(self) -> None:
        """Load what is needed. May be called again; raises `MissingDependency` when something is not installed."""
        ...

    def utterance(
        self,
        *,
        hints: tuple[str, ...] = (),
        language: str | None = None,
        on_partial: Callable[[str], None] | None = None,
    ) -> Utterance:
        """Begin an utterance.

        Args:
            hints: Phrases that the speaker is likely to use.
            language: ISO 639-1, e.g. ``"en"``.
            on_partial: Called on the event loop with the words so far (a replacement, not a difference).
        """
        ...

    async def aclose(self) -> None:
        """End the workers. Utterances that are open fail."""
        ...


class SpokenWord(msgspec.Struct, frozen=True):
    """Where one word lies in the text and in the audio of a synthesis.

    Attributes:
        start: Index of the word's first character in the text.
        end: Index after the word's last character.
        start_ms: When the word begins, in ms from the start of this synthesis' audio.
    """

    start: int
    end: int
    start_ms: float


class SpeechChunk(msgspec.Struct, frozen=True):
    """A piece of synthesised speech.

    Attributes:
        audio: s16le mono samples at the engine's rate.
        words: The words that begin in this piece, in order.
    """

    audio: bytes
    words: tuple[SpokenWord, ...] = ()


class TextToSpeech(Protocol):
    """Turns text into speech. One engine serves many sessions; the client owns it."""

    sample_rate: int
    """Samples a second of the audio that comes out, in Hz. Known once `start` has returned."""

    async def start(self) -> None:
        """Load what is needed. May be called again; raises `MissingDependency` when something is not installed."""
        ...

    def voices(self) -> tuple[str, ...]:
        """The names that `synthesize` takes as a voice."""
        ...

    def synthesize(
        self, text: str, *, voice: str | None = None, speed: float | None = None
    ) -> AsyncGenerator[SpeechChunk, None]:
        """Speak `text`: chunks as they are made. Closing the generator stops the synthesis.

        Args:
            text: Plain text, never markup.
            voice: One of `voices()`; None for the default.
            speed: 1.0 is the normal pace; 0.25 to 4.
        """
        ...

    async def aclose(self) -> None:
        """Let go of what was loaded."""
        ...
