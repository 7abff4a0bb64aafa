"""What voice activity detection costs, and how early and how surely it decides.

    python bench/voice_activity.py

Speech is espeak-ng's, in four voices, 2 s apart, in noise of several kinds and strengths. Delays are in ms of audio,
from the first (last) audible sample to the decision: the onset includes `min_speech_ms`, the end is the silence that
the detector sees late. Everything is computed from a fixed seed.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from duologue.speech.energy import EnergyVoiceActivityDetector
from duologue.speech.espeak import EspeakTextToSpeech
from duologue.speech.segmentation import SegmentationSettings, SpeechSegmenter, SpeechStart
from duologue.speech.silero import SileroPool
from duologue.speech.stages import VoiceActivityDetector, VoiceActivityDetectorFactory

Samples = npt.NDArray[np.float64]

RATE = 16_000
GAP_MS = 2000
VOICES = ("en-us", "en-us+f3", "en-gb", "en-us+klatt4")
SENTENCES = (
    "What time is it?",
    "Turn on the lights in the kitchen.",
    "Stop.",
    "I would like to book a table for two, tomorrow at eight.",
    "Set a timer for ten minutes.",
    "Please tell me how far it is from here to the railway station.",
)


class Stretch(NamedTuple):
    """Where speech is audible, in ms."""

    start: float
    end: float


def levelled(samples: Samples, decibels: float) -> Samples:
    scale = 10 ** (decibels / 20) / float(np.sqrt(np.mean(samples**2)))
    return np.multiply(samples, scale)


def noise(kind: str, count: int) -> Samples:
    """Noise of 0 dB of full scale in the mean."""
    random = np.random.default_rng(7)
    white = random.standard_normal(count)
    seconds = np.arange(count) / RATE
    if kind == "pink":
        spectrum = np.fft.rfft(white)
        white = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)
    elif kind == "hum":
        white = sum(np.sin(2 * np.pi * 50 * k * seconds) / k for k in range(1, 8)) + 0.05 * white
    elif kind == "clicks":
        white = np.zeros(count)
        for at in random.integers(0, count - 400, count // (RATE // 2)):
            white[at : at + 400] += random.standard_normal(400) * np.exp(-np.arange(400) / 60)
    return levelled(white, 0)


async def sentence(engine: EspeakTextToSpeech, text: str, voice: str) -> tuple[Samples, list[int]]:
    """A sentence, and the samples where a word begins without a pause before it."""
    chunks = [chunk async for chunk in engine.synthesize(text, voice=voice)]
    audio = b"".join(chunk.audio for chunk in chunks)
    words = [word for chunk in chunks for word in chunk.words]
    samples = np.frombuffer(audio, "<i2") / 32_768
    count = len(samples) * RATE // engine.sample_rate
    resampled = np.interp(np.arange(count) * engine.sample_rate / RATE, np.arange(len(samples)), samples)
    starts = [int(word.start_ms * RATE / 1000) for word in words[1:] if text[word.start - 2].isalpha()]
    return levelled(resampled, -23), starts


async def recording() -> tuple[Samples, list[Stretch]]:
    """Every sentence in every voice, and where they are."""
    engine = EspeakTextToSpeech()
    gap = np.zeros(RATE * GAP_MS // 1000)
    parts, stretches, length = [gap], [], len(gap)
    for voice in VOICES:
        for text in SENTENCES:
            spoken, _ = await sentence(engine, text, voice)
            audible = np.flatnonzero(np.abs(spoken) > 0.01)
            stretches.append(Stretch(*((length + audible[[0, -1]]) * 1000 / RATE)))
            parts += [spoken, gap]
            length += len(spoken) + len(gap)
    await engine.aclose()
    return np.concatenate(parts), stretches


async def word_boundaries() -> list[tuple[Samples, int]]:
    """Every sentence with each of its word boundaries at which nothing is audible for less than 60 ms."""
    engine = EspeakTextToSpeech()
    spoken = [await sentence(engine, text, voice) for voice in VOICES for text in SENTENCES]
    await engine.aclose()
    return [(samples, at) for samples, starts in spoken for at in starts if _quiet_ms(samples, at) < 60]


def _quiet_ms(samples: Samples, at: int) -> float:
    """How long it is silent around a sample."""
    audible = np.flatnonzero(np.abs(samples) > 0.004)
    place = int(np.searchsorted(audible, at))
    return 0 if place in (0, len(audible)) else float(audible[place] - audible[place - 1]) * 1000 / RATE


def s16le(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()


def segments(make: VoiceActivityDetectorFactory, audio: bytes, settings: SegmentationSettings) -> list[Stretch]:
    """When the starts and the stops were decided."""
    segmenter = SpeechSegmenter(make(), settings)
    found: list[Stretch] = []
    for at in range(0, len(audio), 320):
        for event in segmenter.feed(audio[at : at + 320]):
            if isinstance(event, SpeechStart):
                found.append(Stretch(segmenter.position_ms, float("inf")))
            else:
                found[-1] = Stretch(found[-1].start, segmenter.position_ms)
    segmenter.close()
    return found


def report(name: str, condition: str, found: list[Stretch], truth: list[Stretch], silence_ms: int) -> None:
    onsets: list[float] = []
    ends: list[float] = []
    false, split = 0, 0
    for segment in found:
        heard = [word for word in truth if segment.start < word.end + 100 and segment.end > word.start]
        if heard:
            onsets.append(segment.start - heard[0].start)
            ends.append(segment.end - heard[-1].end - silence_ms)
        else:
            false += 1
    for word in truth:
        split += max(0, sum(s.start < word.end + 100 and s.end > word.start for s in found) - 1)
    missed = sum(all(s.start >= word.end + 100 or s.end <= word.start for s in found) for word in truth)
    delays = f"{'-':>14} {'-':>14}"
    if onsets:
        delays = " ".join(f"{statistics.median(values):>6.0f} /{max(values):>6.0f}" for values in (onsets, ends))
    print(f"{name:8} {condition:16} {delays} {missed:>7} {split:>6} {false:>6}")


def cost(make: VoiceActivityDetectorFactory, audio: bytes) -> None:
    began = time.perf_counter()
    detector: VoiceActivityDetector = make()
    made_ms = (time.perf_counter() - began) * 1000
    size = detector.frame_samples * 2
    frames = [audio[at : at + size] for at in range(0, len(audio) - size, size)]
    began = time.process_time()
    for frame in frames:
        detector.probability(frame)
    each = (time.process_time() - began) / len(frames) * 1e6
    frame_ms = detector.frame_samples * 1000 / detector.sample_rate
    print(f"{type(detector).__name__}: made in {made_ms:.0f} ms; ", end="")
    print(f"{each:.0f} µs a frame of {frame_ms:.0f} ms = {each / frame_ms / 10:.2f} % of a core")
    detector.close()


def pauses(make: VoiceActivityDetectorFactory, spoken: Samples, at: int, pause_ms: int, noise_db: float) -> int:
    """Into how many segments a sentence falls when it stops for `pause_ms` at one sample."""
    silence = np.zeros(RATE)
    whole = np.concatenate([silence, spoken[:at], silence[: RATE * pause_ms // 1000], spoken[at:], silence])
    whole = whole + noise("white", len(whole)) * 10 ** (noise_db / 20)
    return len(segments(make, s16le(whole), SegmentationSettings()))


def main() -> None:
    speech, truth = asyncio.run(recording())
    pool = SileroPool()
    detectors: list[tuple[str, VoiceActivityDetectorFactory]] = [
        ("silero", pool),
        ("energy", EnergyVoiceActivityDetector),
    ]
    for _, make in detectors:
        cost(make, s16le(speech))
    head = (
        f"{'detector':8} {'noise':16} {'onset med/max':>14} {'end med/max':>14} {'missed':>7} {'split':>6} {'false':>6}"
    )
    for min_speech_ms in (32, 64, 96):
        settings = SegmentationSettings(min_speech_ms=min_speech_ms)
        print(f"\nmin_speech_ms={min_speech_ms}, {len(truth)} sentences in {len(speech) / RATE:.0f} s\n{head}")
        for name, make in detectors:
            for kind, snr in [("white", 50), ("white", 15), ("white", 5), ("pink", 10), ("hum", 10), ("clicks", 10)]:
                noisy = speech + noise(kind, len(speech)) * 10 ** ((-23 - snr) / 20)
                report(name, f"{kind} {snr} dB", segments(make, s16le(noisy), settings), truth, settings.silence_ms)
            for kind in ("white", "pink", "hum", "clicks"):
                alone = noise(kind, RATE * 60) * 10 ** (-35 / 20)
                report(name, f"{kind} alone 60 s", segments(make, s16le(alone), settings), [], settings.silence_ms)
    print("\nsentences cut by one pause of 400 ms before a word, with the default window of 500 ms")
    words = asyncio.run(word_boundaries())
    for name, make in detectors:
        for noise_db in (-90, -55):
            cut = sum(pauses(make, spoken, at, 400, noise_db) > 1 for spoken, at in words)
            print(f"{name}, noise at {noise_db} dB: {cut} of {len(words)}")
    pool.close()


if __name__ == "__main__":
    main()
