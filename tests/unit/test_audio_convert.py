from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.audio import (
    AudioFormat,
    Converter,
    SampleAligner,
    decode_g711,
    encode_g711,
    interleave,
    resample,
    silent_bytes,
)
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCMA, PCMU

FORMATS = [PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat("pcm16", 22050), PCMU, PCMA, AudioFormat("pcmu", 16000)]
AUDIO = random.Random(7).randbytes(6000)


def convert(source: AudioFormat, target: AudioFormat, pieces: list[bytes]) -> bytes:
    converter = Converter(source, target)
    return b"".join([*(converter.process(piece) for piece in pieces), converter.flush()])


def cut(audio: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(audio) + 1) for place in places), len(audio)]
    return [audio[start:end] for start, end in pairwise(bounds)]


@given(audio=st.binary(max_size=50), places=st.lists(st.integers(0, 50), max_size=8), size=st.integers(1, 4))
def test_the_aligner_loses_nothing_and_gives_whole_samples(audio: bytes, places: list[int], size: int) -> None:
    aligner = SampleAligner(size)
    aligned = [aligner.align(piece) for piece in cut(audio, places)]
    assert all(len(piece) % size == 0 for piece in aligned)
    assert b"".join(aligned) == audio[: len(audio) - aligner.pending]
    assert aligner.pending == len(audio) % size


def test_a_reset_aligner_begins_a_new_sample() -> None:
    aligner = SampleAligner(2)
    assert aligner.align(b"abc") == b"ab"
    aligner.reset()
    assert aligner.pending == 0
    assert aligner.align(b"de") == b"de"


@settings(max_examples=80, deadline=None)
@given(
    source=st.sampled_from(FORMATS),
    target=st.sampled_from(FORMATS),
    size=st.integers(0, 1500),
    places=st.lists(st.integers(0, 1500), max_size=20),
)
def test_output_does_not_depend_on_how_the_input_is_cut(
    source: AudioFormat, target: AudioFormat, size: int, places: list[int]
) -> None:
    audio = AUDIO[:size]
    assert convert(source, target, cut(audio, places)) == convert(source, target, [audio])


@pytest.mark.parametrize("source", FORMATS, ids=str)
@pytest.mark.parametrize("target", FORMATS, ids=str)
def test_single_bytes_give_the_same(source: AudioFormat, target: AudioFormat) -> None:
    audio = AUDIO[:301]
    assert convert(source, target, [audio[i : i + 1] for i in range(len(audio))]) == convert(source, target, [audio])


def test_it_is_decoding_resampling_and_encoding() -> None:
    codes = AUDIO[:800]
    expected = encode_g711(resample(decode_g711(codes, "pcmu"), 8000, 16000), "pcma")
    assert convert(PCMU, AudioFormat("pcma", 16000), [codes]) == expected
    assert convert(PCMU, PCM16_8K, [codes]) == decode_g711(codes, "pcmu")
    assert convert(PCM16_24K, PCMA, [AUDIO]) == encode_g711(resample(AUDIO, 24000, 8000), "pcma")


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_equal_formats_pass_the_bytes_as_they_are(format: AudioFormat) -> None:
    assert convert(format, format, [AUDIO[:1001], AUDIO[1001:]]) == AUDIO


def test_half_a_sample_at_the_end_shows_and_does_not_spoil_the_next_stream() -> None:
    converter = Converter(PCM16_24K, PCM16_16K)
    converter.process(AUDIO[:101])
    assert converter.pending == 1
    converter.flush()
    assert converter.pending == 0
    expected = convert(PCM16_24K, PCM16_16K, [AUDIO])
    assert converter.process(AUDIO) + converter.flush() == expected
    converter.process(AUDIO[:333])
    converter.reset()
    assert converter.process(AUDIO) + converter.flush() == expected


def test_silence_is_silent_in_every_encoding() -> None:
    assert silent_bytes(PCM16_24K, 4) == bytes(4)
    assert decode_g711(silent_bytes(PCMU, 3), "pcmu") == bytes(6)
    assert decode_g711(silent_bytes(PCMA, 1), "pcma") == (8).to_bytes(2, "little")  # A-law has no zero


def test_two_channels_alternate_by_sample() -> None:
    assert interleave(b"aabb", b"xxyy") == b"aaxxbbyy"
    with pytest.raises(ValueError, match="equally many"):
        interleave(b"aa", b"")
