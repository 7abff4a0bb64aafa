"""A microphone beside a loudspeaker, without the loudspeaker. The time is an argument, in s."""

from __future__ import annotations

from collections import deque

from duologue.audio import AudioFormat, Converter, EchoCanceller
from duologue.middleware.turn_detection.loudspeaker import Loudspeaker

_LEAD = 0.04  # what is played is handed over that much before its time: never after its echo
_TOLERANCE = 0.03
_REMEMBERED = 100  # chunks, of which the one that came soonest after its capture tells the time
_PAUSE = 0.5  # a chunk that is so late was captured later: the microphone was off in between
_LOUD = 100  # a sample of the loudspeaker above that is more than its noise
_LEARNING = 2.0  # s of playback after which the room is known well enough


class EchoFreeMicrophone:
    """Takes audio as it comes from a microphone, and gives it without what the loudspeaker plays.

    Args:
        format: Of the audio.

    Attributes:
        loudspeaker: What is played.
        knows_room: Whether enough was played for its echo to be known. Before, something of it may get through.

    Raises:
        InvalidInput: The format has less than 8,000 samples a second.
        MissingDependency: The extra ``aec`` is not installed.
    """

    def __init__(self, format: AudioFormat) -> None:
        pcm = AudioFormat(rate=format.rate)
        self.loudspeaker = Loudspeaker(format.rate)
        self._canceller = EchoCanceller(format.rate)
        self._rate = format.rate
        self._decoder, self._encoder = Converter(format, pcm), Converter(pcm, format)
        self._clock = _CaptureClock(format.rate)
        self._pending = b""
        self._heard = 0  # samples that have arrived
        self._cleaned = 0  # samples of which the echo was taken
        self._loud = 0

    @property
    def knows_room(self) -> bool:
        return self._loud >= _LEARNING * self._rate

    def clean(self, audio: bytes, now: float) -> bytes:
        """The next audio, which arrives now; up to 10 ms of it wait for the next."""
        pcm = self._decoder.process(audio)
        self._heard += len(pcm) // 2
        self._clock.arrived(self._heard, now)
        self._pending += pcm
        return self._give(len(self._pending) // self._canceller.frame_bytes)

    def finish(self) -> bytes:
        """The stream pauses: what waits."""
        left = len(self._pending)
        frames = -(-left // self._canceller.frame_bytes)
        self._pending = self._pending.ljust(frames * self._canceller.frame_bytes, b"\0")
        cleaned = self._give(frames)
        self._cleaned = self._heard
        return cleaned[: left // 2 * self._encoder.target.sample_bytes]

    def _give(self, frames: int) -> bytes:
        if not frames:
            return b""
        size = frames * self._canceller.frame_bytes
        near, self._pending = self._pending[:size], self._pending[size:]
        samples = size // 2
        far = self.loudspeaker.played(self._clock.time_of(self._cleaned) + round(_LEAD * self._rate), samples)
        self._cleaned += samples
        if not self.knows_room:
            self._loud += _loud_samples(far, self._canceller.frame_bytes)
        return self._encoder.process(self._canceller.process(near, far))


class _CaptureClock:
    """Tells when the samples of a stream were captured, from when they arrive: late, and some later than others."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._latest: deque[int] = deque(maxlen=_REMEMBERED)  # where the stream would begin if a chunk came in time
        self._start: int | None = None

    def arrived(self, samples: int, now: float) -> None:
        """So many samples have arrived by now."""
        start = round(now * self._rate) - samples
        if self._start is None or start - self._start > _PAUSE * self._rate:
            self._latest.clear()
            self._start = start
        self._latest.append(start)
        soonest = min(self._latest)
        if abs(soonest - self._start) > _TOLERANCE * self._rate:
            self._start = soonest

    def time_of(self, sample: int) -> int:
        """When that sample was captured, in samples since time 0."""
        return (self._start or 0) + sample


def _loud_samples(pcm: bytes, frame_bytes: int) -> int:
    """How many samples are in frames in which something is to be heard."""
    from duologue.audio._numpy import np, samples_of

    frames = samples_of(pcm).reshape(-1, frame_bytes // 2)
    return int(np.count_nonzero(frames.max(axis=1) > _LOUD)) * (frame_bytes // 2)
