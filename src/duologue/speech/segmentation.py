"""Turn segmentation: where in a stream of audio somebody begins to speak, and has finished."""

from __future__ import annotations

import msgspec

from duologue.errors import InvalidInput
from duologue.speech.stages import VoiceActivityDetector


class SegmentationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When sound counts as a turn. Names and defaults are those of OpenAI's server VAD, where it has them.

    Attributes:
        threshold: The probability from which speech begins, 0 to 1.
        prefix_padding_ms: How much audio before the first word belongs to the segment, in ms.
        silence_ms: The silence that ends a segment, in ms.
        min_speech_ms: How long speech lasts before it is believed, in ms: a click is shorter.
        hysteresis: Speech goes on for as long as the probability is not this far below the threshold, nor below
            half of it.

    Raises:
        InvalidInput: A probability outside of 0 to 1, or a negative time.
    """

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_ms: int = 500
    min_speech_ms: int = 64
    hysteresis: float = 0.15

    def __post_init__(self) -> None:
        for name in ("threshold", "hysteresis"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInput(f"{name} is between 0 and 1, not {getattr(self, name)}.")
        for name in ("prefix_padding_ms", "silence_ms", "min_speech_ms"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name} is a time in ms, not {getattr(self, name)}.")

    @property
    def silence_threshold(self) -> float:
        """The probability below which what began as speech is silence."""
        return max(self.threshold - self.hysteresis, self.threshold / 2)


class SpeechStart(msgspec.Struct, frozen=True):
    """Somebody has begun to speak.

    Attributes:
        audio_start_ms: Where the segment begins, in ms over all audio of the session: the prefix padding
            before the first word, but not before the first sample, nor before the end of the previous segment.
    """

    audio_start_ms: int


class SpeechStop(msgspec.Struct, frozen=True):
    """Nobody has spoken for the length of the silence window and one frame more, or the audio ended.

    Attributes:
        audio_end_ms: Where the segment ends, in ms over all audio of the session. Includes the silence window.
    """

    audio_end_ms: int


SegmentEvent = SpeechStart | SpeechStop


class SpeechSegmenter:
    """Finds the segments of speech in one stream. Pure: no clock, no task; time is counted in samples.

    What comes out depends on the audio only, not on how it was cut into chunks.

    Args:
        detector: Judges the frames. The segmenter owns it: `close` closes it.
        settings: None for the defaults.

    Attributes:
        settings: May be replaced at any time; holds from the next frame on.
    """

    def __init__(self, detector: VoiceActivityDetector, settings: SegmentationSettings | None = None) -> None:
        self.settings = settings or SegmentationSettings()
        self._detector = detector
        self._frame_bytes = detector.frame_samples * 2
        self._pending = bytearray()
        # All positions are samples over all audio that was fed.
        self._judged = 0
        self._speaking = False
        self._onset: int | None = None  # of sound that may turn out to be speech
        self._quiet_since: int | None = 0  # None in the midst of speech
        self._last_end = 0

    @property
    def speaking(self) -> bool:
        """Whether a segment is open."""
        return self._speaking

    @property
    def position_ms(self) -> int:
        """How much audio was fed so far, in ms."""
        return self._ms(self._judged + len(self._pending) // 2)

    @property
    def silence_ms_so_far(self) -> int:
        """How long nobody has spoken, in ms: 0 amid of speech, more in a pause or between segments."""
        return 0 if self._quiet_since is None else self._ms(self._judged - self._quiet_since)

    @property
    def idle_since_ms(self) -> int | None:
        """Where the last segment ended, in ms (0 before the first); None while one is open."""
        return None if self._speaking else self._ms(self._last_end)

    def feed(self, audio: bytes) -> list[SegmentEvent]:
        """Take the next audio: s16le mono at the detector's rate, cut anywhere.

        Returns:
            What became certain with it, in order.
        """
        self._pending += audio
        events: list[SegmentEvent] = []
        while len(self._pending) >= self._frame_bytes:
            frame = bytes(self._pending[: self._frame_bytes])
            del self._pending[: self._frame_bytes]
            event = self._judge(self._detector.probability(frame))
            if event is not None:
                events.append(event)
        return events

    def finish(self) -> SpeechStop | None:
        """The stream pauses or ends here: end the segment that is open. What is fed later begins anew."""
        was_speaking = self._speaking
        self.discard()
        return SpeechStop(self._ms(self._last_end)) if was_speaking else None

    def discard(self) -> None:
        """Forget the segment that is open, and all that was heard. Positions go on."""
        self._judged += len(self._pending) // 2
        self._pending.clear()
        self._detector.reset()
        self._close_segment(self._judged)
        self._quiet_since = self._judged

    def close(self) -> None:
        """Give the detector back."""
        self._detector.close()

    def _judge(self, probability: float) -> SegmentEvent | None:
        start = self._judged
        self._judged += self._detector.frame_samples
        settings = self.settings
        # What began as speech goes on as speech down to the lower threshold: a soft ending is no silence.
        speech = probability >= (settings.threshold if self._onset is None else settings.silence_threshold)
        return self._in_segment(start, speech) if self._speaking else self._outside(start, speech)

    def _outside(self, start: int, speech: bool) -> SpeechStart | None:
        if not speech:
            self._onset = None
            return None
        if self._onset is None:
            self._onset = start
        if self._judged - self._onset < self._samples(self.settings.min_speech_ms):
            return None
        begin = max(self._onset - self._samples(self.settings.prefix_padding_ms), self._last_end)
        self._speaking = True
        self._quiet_since = None
        return SpeechStart(self._ms(begin))

    def _in_segment(self, start: int, speech: bool) -> SpeechStop | None:
        if speech:
            self._quiet_since = None
            return None
        if self._quiet_since is None:
            self._quiet_since = start
        end = self._quiet_since + self._samples(self.settings.silence_ms)
        # A detector is late to see that speech goes on, so one whole frame after the window is silent too.
        if start < end:
            return None
        # A window that was shortened in mid-silence does not end the segment in the past.
        self._close_segment(max(end, start - self._detector.frame_samples))
        return SpeechStop(self._ms(self._last_end))

    def _close_segment(self, end: int) -> None:
        self._speaking = False
        self._onset = None
        self._last_end = end

    def _ms(self, samples: int) -> int:
        return samples * 1000 // self._detector.sample_rate

    def _samples(self, ms: int) -> int:
        return ms * self._detector.sample_rate // 1000
