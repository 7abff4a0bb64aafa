"""Speech, silence and noise for tests: mono s16le at 16 kHz."""

from __future__ import annotations

import random
import sys
from array import array
from collections.abc import Iterable
from typing import NamedTuple

import pytest

from duologue.speech.espeak import EspeakTextToSpeech

RATE = 16_000


class Sentence(NamedTuple):
    """A spoken sentence: its audio, and where each word begins, in ms."""

    audio: bytes
    words_ms: tuple[float, ...]


async def sentence(text: str, voice: str = "en-us") -> Sentence:
    """`text`, spoken by espeak-ng. Skips the test where that is not installed."""
    np = pytest.importorskip("numpy")
    pytest.importorskip("espeakng_loader")
    engine = EspeakTextToSpeech()
    try:
        chunks = [chunk async for chunk in engine.synthesize(text, voice=voice)]
    finally:
        await engine.aclose()
    samples = np.frombuffer(b"".join(chunk.audio for chunk in chunks), "<i2")
    places = np.arange(len(samples) * RATE // engine.sample_rate) * engine.sample_rate / RATE
    audio: bytes = np.interp(places, np.arange(len(samples)), samples).astype("<i2").tobytes()
    return Sentence(audio, tuple(word.start_ms for chunk in chunks for word in chunk.words))


def silence(ms: int) -> bytes:
    """Digital silence."""
    return bytes(RATE * ms // 1000 * 2)


def noise(ms: int, decibels: float) -> bytes:
    """White noise of that many dB of full scale, the same every time."""
    source = random.Random(5)
    deviation = 32_768 * 10 ** (decibels / 20)
    return s16le(source.gauss(0, deviation) for _ in range(RATE * ms // 1000))


def s16le(samples: Iterable[float]) -> bytes:
    """Samples of ±32,768 at full scale, as audio."""
    audio = array("h", (int(min(max(sample, -32_768), 32_767)) for sample in samples))
    if sys.byteorder == "big":
        audio.byteswap()
    return audio.tobytes()
