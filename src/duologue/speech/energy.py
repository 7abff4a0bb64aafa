"""Voice activity by loudness: no dependency, no model."""

from __future__ import annotations

import math
import operator
import sys
from array import array
from collections import deque

from duologue.errors import InvalidAudio

_FULL_SCALE_SQUARED = 32_768.0**2
# What a quiet microphone hisses. Lower levels are taken for it: a rustle in digital silence is no speech.
_QUIETEST_NOISE_DB = -60.0
# The noise to expect before any was heard; a recording may begin in the middle of a word.
_EXPECTED_NOISE_DB = -50.0
_NOISE_WINDOW_SECONDS = 3.0
# Speech stands this far above the noise: even odds, and the width of the doubt around it.
_EVEN_ODDS_DB = 8.0
_DOUBT_DB = 1.5


class EnergyVoiceActivityDetector:
    """Takes for speech what is clearly louder than the quietest moment of the last three seconds.

    Reliable on a quiet line. Steady noise is learnt in three seconds, but any sudden sound counts as speech:
    prefer `SileroVoiceActivityDetector` where it can be installed.

    Attributes:
        sample_rate: 16,000 Hz.
        frame_samples: 320 samples, 20 ms.
    """

    def __init__(self) -> None:
        self.sample_rate = 16_000
        self.frame_samples = 320
        self._window = int(_NOISE_WINDOW_SECONDS * self.sample_rate / self.frame_samples)
        self.reset()

    def probability(self, frame: bytes) -> float:
        """How likely it is that somebody speaks, 0 to 1, in one frame of `frame_samples` s16le samples.

        Raises:
            InvalidAudio: The frame is of another length.
        """
        if len(frame) != self.frame_samples * 2:
            raise InvalidAudio(f"A frame has {self.frame_samples * 2} bytes, not {len(frame)}.")
        level = _level_db(frame)
        above = level - self._noise_db(level)
        return 1 / (1 + math.exp((_EVEN_ODDS_DB - above) / _DOUBT_DB))

    def reset(self) -> None:
        """Forget the noise."""
        self._frames = 0
        self._quietest: deque[tuple[int, float]] = deque([(0, _EXPECTED_NOISE_DB)])

    def close(self) -> None:
        """Nothing to give back."""

    def _noise_db(self, level: float) -> float:
        """The lowest level of the window. The queue rises from front to back: its front is the minimum."""
        self._frames += 1
        quietest = self._quietest
        while quietest and quietest[-1][1] >= level:
            quietest.pop()
        quietest.append((self._frames, level))
        if quietest[0][0] <= self._frames - self._window:
            quietest.popleft()
        return max(quietest[0][1], _QUIETEST_NOISE_DB)


def _level_db(frame: bytes) -> float:
    """Power about the mean, in dB of full scale: a constant offset of the microphone is no sound."""
    samples = array("h", frame)
    if sys.byteorder == "big":
        samples.byteswap()
    count = len(samples)
    mean = sum(samples) / count
    power = sum(map(operator.mul, samples, samples)) / count - mean * mean
    return 10 * math.log10(max(power, 1e-2) / _FULL_SCALE_SQUARED)
