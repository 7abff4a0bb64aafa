from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from duologue.audio import Resampler, resample
from duologue.audio.polyphase import BlockFilter, SparseFilter, design, filter_for
from duologue.errors import InvalidAudio, InvalidInput

RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000]
PAIRS = [(source, target) for source in RATES for target in RATES if source != target]
# Rates without a common divisor, whose outputs each lie at another place.
ODD_PAIRS = [(16001, 16000), (24000, 23999), (7919, 24001)]
AMPLITUDE = 30000


def s16le(samples: NDArray[np.float64]) -> bytes:
    return bytes(np.rint(samples).astype("<i2"))


def tone(frequency: float, rate: int, seconds: float = 0.1) -> bytes:
    times = np.arange(int(rate * seconds)) / rate
    return s16le(AMPLITUDE * np.sin(2 * np.pi * frequency * times))


def noise(samples: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(-32768, 32768, samples).astype("<i2").tobytes()


def steady(pcm: bytes, rate: int) -> NDArray[np.float64]:
    """Without the 10 ms on either side, where the tone is switched on and off."""
    return np.frombuffer(pcm, "<i2").astype(np.float64)[rate // 100 : -(rate // 100)]


def level_db(samples: NDArray[np.float64]) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(samples**2)) / (AMPLITUDE / np.sqrt(2)) + 1e-12))


def in_pieces(resampler: Resampler, pcm: bytes, sizes: list[int]) -> bytes:
    """Feed pieces of these sizes in samples, then the rest."""
    output, start = [], 0
    for size in sizes:
        output.append(resampler.process(pcm[start : start + 2 * size]))
        start += 2 * size
    return b"".join([*output, resampler.process(pcm[start:]), resampler.flush()])


@settings(max_examples=60, deadline=None)
@given(
    pair=st.sampled_from(PAIRS + ODD_PAIRS),
    sizes=st.lists(st.integers(0, 700), max_size=12),
    samples=st.integers(0, 6000),
)
def test_output_does_not_depend_on_how_the_input_is_cut(pair: tuple[int, int], sizes: list[int], samples: int) -> None:
    pcm = noise(samples)
    assert in_pieces(Resampler(*pair), pcm, sizes) == resample(pcm, *pair)


def test_single_samples_and_pieces_beyond_the_inner_limit_give_the_same() -> None:
    pcm = noise(30_000)
    whole = resample(pcm, 22050, 24000)
    assert in_pieces(Resampler(22050, 24000), pcm[:4000], [1] * 2000) == resample(pcm[:4000], 22050, 24000)
    assert in_pieces(Resampler(22050, 24000), pcm, [441] * 68) == whole


@settings(max_examples=40, deadline=None)
@given(
    source=st.integers(500, 60_000),
    target=st.integers(500, 60_000),
    samples=st.integers(0, 500),
)
def test_a_whole_stream_has_the_exact_length(source: int, target: int, samples: int) -> None:
    expected = round(Fraction(samples * target, source))
    assert len(resample(noise(samples), source, target)) == 2 * expected


@pytest.mark.parametrize("pair", PAIRS + ODD_PAIRS)
def test_nothing_is_held_back_for_longer_than_two_milliseconds(pair: tuple[int, int]) -> None:
    source, target = pair
    resampler = Resampler(source, target)
    got_samples, longest = 0, 0.0
    for given_samples in range(1, source // 40):
        got_samples += len(resampler.process(bytes(2))) // 2
        longest = max(longest, given_samples / source - got_samples / target)
    limit_ms = 2.0 if min(pair) >= 8000 else 16 * 1000 / min(pair)
    assert longest * 1000 <= limit_ms + 1e-9
    assert resampler.delay_ms <= limit_ms + 1000 / source


@pytest.mark.parametrize("pair", [(24000, 16000), (22050, 24000), (8000, 24000), (48000, 8000)])
def test_an_impulse_stays_at_its_place(pair: tuple[int, int]) -> None:
    """Linear phase, without a shift: the delay of every frequency is the time that audio is held back."""
    source, target = pair
    pcm = bytearray(2 * source)
    pcm[source : source + 2] = (20000).to_bytes(2, "little", signed=True)  # at 0.5 s
    output = np.frombuffer(resample(bytes(pcm), source, target), "<i2").astype(np.float64)
    center = target // 2
    assert int(np.argmax(output)) == center
    before, after = output[:center][::-1], output[center + 1 :]
    size = min(len(before), len(after))
    assert np.max(np.abs(before[:size] - after[:size])) <= 1


@pytest.mark.parametrize(
    "pair", [(24000, 16000), (24000, 8000), (48000, 24000), (44100, 16000), (48000, 44100), (24000, 22050)]
)
def test_aliases_are_80_db_down(pair: tuple[int, int]) -> None:
    source, target = pair
    frequencies = np.linspace(target / 2 + 30, source / 2 - 30, 20)
    levels = [level_db(steady(resample(tone(f, source), source, target), target)) for f in frequencies]
    assert max(levels) <= -80


@pytest.mark.parametrize("pair", [(8000, 16000), (8000, 24000), (16000, 24000), (22050, 24000), (24000, 48000)])
def test_images_are_80_db_down(pair: tuple[int, int]) -> None:
    source, target = pair
    for frequency in np.linspace(200, 0.82 * source / 2, 20):
        output = steady(resample(tone(float(frequency), source), source, target), target)
        spectrum = np.abs(np.fft.rfft(output * np.blackman(len(output))))
        images = spectrum[np.fft.rfftfreq(len(output), 1 / target) > source / 2]
        if images.size:
            assert 20 * np.log10(images.max() / spectrum.max()) <= -80


@pytest.mark.parametrize("pair", PAIRS + ODD_PAIRS[:2])
def test_a_tone_comes_through_clean(pair: tuple[int, int]) -> None:
    source, target = pair
    output = np.frombuffer(resample(tone(1000, source), source, target), "<i2").astype(np.float64)
    expected = AMPLITUDE * np.sin(2 * np.pi * 1000 * np.arange(len(output)) / target)
    error = (output - expected)[target // 100 : -(target // 100)]
    assert level_db(error) <= -85


@pytest.mark.parametrize("pair", [(8000, 16000), (8000, 24000), (16000, 24000), (24000, 16000), (48000, 24000)])
def test_the_pass_band_is_flat(pair: tuple[int, int]) -> None:
    source, target = pair
    for part in (0.1, 0.4, 0.7, 0.82):
        output = steady(resample(tone(part * min(pair) / 2, source), source, target), target)
        assert abs(level_db(output)) < 0.1


def test_what_does_not_fit_is_clipped() -> None:
    half_period = 48
    square = np.tile(np.repeat(np.array([32767, -32768]), half_period), 50).astype("<i2")
    output = np.frombuffer(resample(square.tobytes(), 24000, 48000), "<i2")
    assert output.max() == 32767
    assert output.min() == -32768
    middles = output[half_period :: 2 * half_period].astype(int)
    assert np.all(np.abs(middles) > 30000)
    assert np.all(middles[::2] > 0)
    assert np.all(middles[1::2] < 0)


def test_a_constant_stays_what_it_is() -> None:
    constant = np.full(2000, 12345, "<i2").tobytes()
    for pair in [(24000, 16000), (22050, 24000), (16001, 16000)]:
        output = np.frombuffer(resample(constant, *pair), "<i2")
        assert np.all(np.abs(output[200:-200].astype(int) - 12345) <= 1)


def test_it_does_not_drift() -> None:
    resampler = Resampler(22050, 24000)
    chunk, got = bytes(2 * 441), 0
    for _ in range(3000):
        got += len(resampler.process(chunk)) // 2
    assert 0 <= 60 * 24000 - got <= 0.002 * 24000


def test_both_kinds_of_filter_agree() -> None:
    up, down, half_width, cutoff = 160, 147, 44, 0.45
    inputs = np.random.default_rng(3).integers(-20000, 20000, 2000).astype(np.float64)
    block, sparse = BlockFilter(up, down, half_width, cutoff), SparseFilter(up, down, half_width, cutoff)
    expected = block.apply(inputs, 0, 1500)
    assert np.allclose(sparse.apply(inputs, 0, 1500), expected, rtol=0, atol=1e-3)


def test_coefficients_are_exact_in_float64() -> None:
    coefficients = design(np.arange(160) / 160, 48, 0.3)
    in_units = coefficients * 2.0**30
    assert np.array_equal(in_units, np.rint(in_units))
    assert np.abs(in_units).sum(axis=1).max() * 32768 < 2.0**53


def test_instances_share_their_filter() -> None:
    assert filter_for(24000, 16000) is filter_for(24000, 16000)
    first, second = Resampler(24000, 16000), Resampler(24000, 16000)
    pcm, other = noise(960), noise(960, seed=2)
    expected = resample(pcm, 24000, 16000)
    first_half = first.process(pcm[:960])
    second.process(other)
    assert first_half + first.process(pcm[960:]) + first.flush() == expected


@pytest.mark.parametrize("pair", [(9, 24000), (8000, 7), (9000, 1), (191999, 192001)])
def test_strange_rates_work(pair: tuple[int, int]) -> None:
    samples = 5 if pair[0] == 9 else 2000
    assert len(resample(noise(samples), *pair)) == 2 * round(Fraction(samples * pair[1], pair[0]))


def test_equal_rates_pass_the_audio_as_it_is() -> None:
    resampler = Resampler(24000, 24000)
    assert resampler.delay_ms == 0
    assert resampler.process(b"abcd") == b"abcd"
    assert resampler.flush() == b""


def test_reset_and_flush_begin_a_new_stream() -> None:
    resampler = Resampler(24000, 16000)
    pcm = noise(700)
    expected = resample(pcm, 24000, 16000)
    resampler.process(noise(333, seed=9))
    resampler.reset()
    assert resampler.process(pcm) + resampler.flush() == expected
    assert resampler.process(pcm) + resampler.flush() == expected


def test_half_a_sample_is_refused_and_changes_nothing() -> None:
    resampler = Resampler(24000, 16000)
    pcm = noise(500)
    start = resampler.process(pcm[:400])
    with pytest.raises(InvalidAudio, match="even number of bytes"):
        resampler.process(b"abc")
    assert start + resampler.process(pcm[400:]) + resampler.flush() == resample(pcm, 24000, 16000)


@pytest.mark.parametrize("pair", [(0, 16000), (16000, 0), (-1, 8000)])
def test_rates_are_positive(pair: tuple[int, int]) -> None:
    with pytest.raises(InvalidInput, match="positive"):
        Resampler(*pair)
