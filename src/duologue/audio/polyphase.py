"""The filters behind `duologue.audio.resample`: how they are designed and how they are applied.

A resampler from rate S to rate T is a low-pass filter sampled at the outputs' places: output k lies at input k·S/T.
With S/T = down/up in lowest terms the place's fraction repeats after `up` outputs, so that many sets of
coefficients (phases) are enough.

Coefficients are whole multiples of 2^-30. A product with a 16-bit sample, and the sum of all of them, then fits into
the 53 bits of a float64: the sum is exact, in whatever order it is formed. That is what makes the output the same to
the last bit however the input is cut, and on every machine.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd, pi
from typing import TYPE_CHECKING, Protocol

from duologue.audio._numpy import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

DELAY_MS = 2
ATTENUATION_DB = 84.0
# How much of the lower rate's band is kept whole on the way up: 3.3 kHz of telephony's 4.
PASSBAND = 0.82
# Below 8 kHz 2 ms would hold too little for a filter: this many samples of the lower rate at least.
MIN_HALF_WIDTH = 16
COEFFICIENT_UNIT = 2.0**-30
# The usual rates stay far below; beyond it an output's coefficients are interpolated (see `SparseFilter`).
MAX_MATRIX_SIZE = 1 << 20
INTERPOLATED_PHASES = 512


class Filter(Protocol):
    """One resampling filter, without state. Outputs are numbered from the start of the stream."""

    @property
    def half_width(self) -> int:
        """How many inputs on either side an output depends on."""
        ...

    def first_input(self, output: int) -> int:
        """The place in the stream of the first input that is needed from `output` on. May be negative."""
        ...

    def apply(self, inputs: Samples, first: int, last: int) -> Samples:
        """Compute the outputs `first` to `last` (exclusive).

        Args:
            inputs: The stream from `first_input(first)` on; where it ends, silence follows.
            first: Number of the first output.
            last: Number after the last output.
        """
        ...


class BlockFilter:
    """Computes blocks of outputs, each by one product with a matrix that holds every phase in its place."""

    def __init__(self, up: int, down: int, half_width: int, cutoff: float) -> None:
        self.half_width = half_width
        # Several periods a block when they are short: a larger product does more work a call.
        periods = max(1, half_width // down)
        self._inputs, self._outputs = periods * down, periods * up
        phases = design(np.arange(up) / up, half_width, cutoff)
        taps = 2 * half_width
        starts, numerators = np.divmod(np.arange(self._outputs) * down, up)
        self._matrix = np.zeros((int(starts[-1]) + taps, self._outputs))
        for output, (start, phase) in enumerate(zip(starts, numerators, strict=True)):
            self._matrix[start : start + taps, output] = phases[phase]

    def first_input(self, output: int) -> int:
        return output // self._outputs * self._inputs - self.half_width + 1

    def apply(self, inputs: Samples, first: int, last: int) -> Samples:
        first_block, end_block = first // self._outputs, -(-last // self._outputs)
        blocks = end_block - first_block
        windows = sliding_windows(inputs, blocks, self._inputs, len(self._matrix))
        # The copy is for BLAS, which does not take windows that overlap.
        outputs = (windows.copy() @ self._matrix).reshape(-1)
        skipped = first_block * self._outputs
        return outputs[first - skipped : last - skipped]


class SparseFilter:
    """Computes each output by itself, for rates with so many phases that a matrix would not fit into memory.

    Coefficients are interpolated between at most 512 phases, which is right to -110 dB. The places of the outputs
    are exact: nothing drifts.
    """

    def __init__(self, up: int, down: int, half_width: int, cutoff: float) -> None:
        self.half_width = half_width
        self._up, self._down = up, down
        self._phase_count = min(up, INTERPOLATED_PHASES)
        fractions = np.arange(self._phase_count + 1) / self._phase_count
        self._phases = design(fractions, half_width, cutoff)
        self._slopes = np.diff(self._phases, axis=0)

    def first_input(self, output: int) -> int:
        return output * self._down // self._up - self.half_width + 1

    def apply(self, inputs: Samples, first: int, last: int) -> Samples:
        starts, numerators = np.divmod(np.arange(first, last, dtype=np.int64) * self._down, self._up)
        starts -= first * self._down // self._up
        windows = sliding_windows(inputs, int(starts[-1]) + 1, 1, 2 * self.half_width)
        phases, fractions = np.divmod(numerators * self._phase_count, self._up)
        coefficients = self._phases[phases] + self._slopes[phases] * (fractions / self._up)[:, None]
        outputs: Samples = np.einsum("ij,ij->i", windows[starts], quantised(coefficients))
        return outputs


@lru_cache(maxsize=16)
def filter_for(source_rate: int, target_rate: int) -> Filter:
    """The filter between two rates in Hz. Instances share it: it has no state and a table of up to some MB."""
    divisor = gcd(source_rate, target_rate)
    up, down = target_rate // divisor, source_rate // divisor
    lower_rate = min(source_rate, target_rate)
    half_width = max(DELAY_MS * source_rate // 1000, MIN_HALF_WIDTH * source_rate // lower_rate)
    # Kaiser's estimate of the transition band of a window of this length, in cycles an input.
    transition = (ATTENUATION_DB - 7.95) / (2.285 * 2 * half_width) / (2 * pi)
    nyquist = 0.5 * lower_rate / source_rate
    # Going down, all that would alias lies in the stop band. Going up, the band is kept as wide as telephony needs,
    # and only the image of what lies above it is attenuated less.
    stop = nyquist if target_rate < source_rate else max(nyquist, PASSBAND * nyquist + transition)
    cutoff = stop - transition / 2
    dense = up * (down + 2 * half_width) <= MAX_MATRIX_SIZE
    return (BlockFilter if dense else SparseFilter)(up, down, half_width, cutoff)


def design(fractions: Samples, half_width: int, cutoff: float) -> Samples:
    """Sample a Kaiser-windowed sinc around each of `fractions`.

    Args:
        fractions: Places between two inputs, 0 to 1, of shape (phases,).
        half_width: Half the length of the window, in inputs.
        cutoff: The -6 dB frequency, in cycles an input.

    Returns:
        Coefficients of shape (phases, 2 * half_width), each phase with a gain of 1 for a constant.
    """
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    distance = np.arange(1 - half_width, half_width + 1) - fractions[:, None]
    window = np.i0(beta * np.sqrt(np.maximum(0.0, 1 - (distance / half_width) ** 2)))
    coefficients = np.where(np.abs(distance) < half_width, np.sinc(2 * cutoff * distance) * window, 0.0)
    coefficients /= coefficients.sum(axis=1, keepdims=True)
    return quantised(coefficients)


def quantised(coefficients: Samples) -> Samples:
    """Round to multiples of 2^-30, so that sums are exact (see the top of this module)."""
    return np.rint(coefficients / COEFFICIENT_UNIT) * COEFFICIENT_UNIT


def sliding_windows(inputs: Samples, count: int, step: int, width: int) -> Samples:
    """A view of `count` windows of `width` inputs, `step` apart; behind the end of `inputs` lies silence."""
    missing = (count - 1) * step + width - len(inputs)
    if missing > 0:
        inputs = np.concatenate((inputs, np.zeros(missing)))
    size = inputs.itemsize
    return np.ndarray((count, width), inputs.dtype, inputs, 0, (step * size, size))
