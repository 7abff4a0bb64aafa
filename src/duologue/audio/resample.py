"""Streaming sample rate conversion with a short, constant delay."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from duologue.errors import InvalidAudio, InvalidInput

if TYPE_CHECKING:
    from duologue.audio.polyphase import Filter, Samples

# Much at once is worked off in pieces, so that the memory in use does not grow with it.
_PIECE_BYTES = 1 << 14
_PIECE_OUTPUTS = 1 << 13


class Resampler:
    """Converts a stream of mono s16le audio from one sample rate to another.

    The output does not depend on how the input was cut, to the last bit. It holds back at most 2 ms (from 8 kHz on;
    16 samples of the lower rate below that), and once flushed is `round(samples * target / source)` samples long:
    nothing drifts. Aliases are at least 80 dB down. What does not fit into 16 bits is clipped. Between equal rates
    the audio passes as it is.

    Args:
        source_rate: Samples a second going in, in Hz.
        target_rate: Samples a second coming out, in Hz.

    Raises:
        InvalidInput: A rate is not positive.
        MissingDependency: numpy is not installed (and the rates differ).
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        if source_rate <= 0 or target_rate <= 0:
            raise InvalidInput(f"Sample rates are positive, not {source_rate} and {target_rate} Hz.")
        self.source_rate = source_rate
        self.target_rate = target_rate
        self._filter: Filter | None = None
        if source_rate != target_rate:
            from duologue.audio.polyphase import filter_for

            self._filter = filter_for(source_rate, target_rate)
        self.reset()

    @property
    def delay_ms(self) -> float:
        """How much audio is held back at most, in milliseconds."""
        return self._filter.half_width * 1000 / self.source_rate if self._filter else 0.0

    def process(self, pcm: bytes) -> bytes:
        """Take the next samples of the stream; give all output that they make possible.

        Args:
            pcm: Mono s16le at the source rate, of any length.

        Raises:
            InvalidAudio: `pcm` ends with half a sample; nothing of it was taken.
        """
        if len(pcm) % 2:
            raise InvalidAudio(f"s16le audio has an even number of bytes, not {len(pcm)}.")
        if self._filter is None:
            return pcm
        if len(pcm) <= _PIECE_BYTES:
            return self._process_piece(self._filter, pcm)
        pieces = (pcm[start : start + _PIECE_BYTES] for start in range(0, len(pcm), _PIECE_BYTES))
        return b"".join([self._process_piece(self._filter, piece) for piece in pieces])

    def flush(self) -> bytes:
        """End the stream: give what was held back. The next `process` begins a new stream."""
        total = round(Fraction(self._received * self.target_rate, self.source_rate))
        tail = self._emit_until(self._filter, total) if self._filter else b""
        self.reset()
        return tail

    def reset(self) -> None:
        """Drop what is held back and begin a new stream."""
        self._received = 0
        self._emitted = 0
        if self._filter is not None:
            from duologue.audio._numpy import np

            # The stream from the first input that the next output depends on; it begins in silence.
            self._inputs: Samples = np.zeros(-self._filter.first_input(0))

    def _process_piece(self, filter: Filter, pcm: bytes) -> bytes:
        from duologue.audio._numpy import np, samples_of

        self._inputs = np.concatenate((self._inputs, samples_of(pcm)), dtype=np.float64)
        self._received += len(pcm) // 2
        complete = self._received - filter.half_width
        return self._emit_until(filter, complete * self.target_rate // self.source_rate + 1)

    def _emit_until(self, filter: Filter, last: int) -> bytes:
        """Compute the outputs up to number `last` (exclusive) and drop the inputs that none after them needs."""
        from duologue.audio._numpy import to_pcm

        parts: list[bytes] = []
        while self._emitted < last:
            first, end = self._emitted, min(last, self._emitted + _PIECE_OUTPUTS)
            parts.append(to_pcm(filter.apply(self._inputs, first, end)))
            self._inputs = self._inputs[filter.first_input(end) - filter.first_input(first) :]
            self._emitted = end
        return parts[0] if len(parts) == 1 else b"".join(parts)


def resample(pcm: bytes, source_rate: int, target_rate: int) -> bytes:
    """Convert a whole recording of mono s16le audio from one sample rate to another.

    Raises:
        InvalidAudio: `pcm` ends with half a sample.
        InvalidInput: A rate is not positive.
        MissingDependency: numpy is not installed (and the rates differ).
    """
    resampler = Resampler(source_rate, target_rate)
    return resampler.process(pcm) + resampler.flush()
