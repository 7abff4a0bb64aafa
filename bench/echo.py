"""What echo cancellation takes out, what it leaves of a user who speaks meanwhile, and what it costs.

    python bench/echo.py

An answer of espeak-ng's is played in rooms of several kinds (a decaying noise of 120 ms, half as loud as the
loudspeaker), with the loudspeaker later than reckoned by several delays. Attenuation is that of the whole answer, and
of what follows its first 2 s. "Interrupted itself": the detector of `TurnDetection` found a turn in the echo. "Users
heard": it found one that speaks over the answer, at that many dB against the echo, within 1 s. Everything is computed
from fixed seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

import numpy as np
import numpy.typing as npt

from duologue.audio import resample
from duologue.formats import AudioFormat
from duologue.middleware.turn_detection.microphone import EchoFreeMicrophone
from duologue.speech.detectors import best_available_detector_factory
from duologue.speech.espeak import EspeakTextToSpeech
from duologue.speech.segmentation import SpeechSegmenter, SpeechStart

Samples = npt.NDArray[np.float64]

SPOKEN_AT = 16_000
STORY = (
    "Well, let me tell you a long story about a fox, who lived in a forest, not far from the sea. "
    "One day it went out to look for food, and met a hare. The hare said that it had no time, and ran away."
)
QUESTION = "Stop, please. What time is it?"
RATES = (8_000, 16_000, 22_050, 24_000, 44_100, 48_000)
DELAYS = (20, 60, 180, 300)
LEVELS = (0, -6, -12)
USER_AT = 4.0
LEARNT = 2.0


def pcm(samples: Samples) -> bytes:
    audio: bytes = np.clip(np.rint(samples), -32_768, 32_767).astype("<i2").tobytes()
    return audio


async def spoken(text: str, voice: str) -> Samples:
    engine = EspeakTextToSpeech()
    audio = b"".join([chunk.audio async for chunk in engine.synthesize(text, voice=voice)])
    await engine.aclose()
    return np.frombuffer(resample(audio, engine.sample_rate, SPOKEN_AT), "<i2").astype(np.float64)


def samples_at(samples: Samples, rate: int) -> Samples:
    return np.frombuffer(resample(pcm(samples), SPOKEN_AT, rate), "<i2").astype(np.float64)


def echo_of(played: Samples, rate: int, delay_ms: int, seed: int) -> Samples:
    size = rate * 120 // 1000
    walls = np.random.default_rng(seed).standard_normal(size) * np.exp(-np.arange(size) / (size / 6))
    walls[0] = 3.0
    walls *= 0.5 / np.sqrt(np.sum(walls**2))
    late = np.concatenate((np.zeros(rate * delay_ms // 1000), played))
    echo = np.convolve(late, walls)[: len(played)]
    return np.asarray(echo + np.random.default_rng(3).normal(0, 10, len(echo)), np.float64)


def cleaned(heard: Samples, played: Samples, rate: int) -> tuple[Samples, float]:
    """What is left, and the part of real time that it took."""
    microphone = EchoFreeMicrophone(AudioFormat(rate=rate))
    microphone.loudspeaker.play(pcm(played), AudioFormat(rate=rate), 0.0)
    audio, size = pcm(heard), 2 * (rate // 50)
    begun = time.perf_counter()
    pieces = [microphone.clean(audio[at : at + size], (at + size) / 2 / rate) for at in range(0, len(audio), size)] + [
        microphone.finish()
    ]
    took = time.perf_counter() - begun
    return np.frombuffer(b"".join(pieces), "<i2").astype(np.float64), took * rate / len(heard)


def turns(samples: Samples, rate: int, begin: float) -> list[float]:
    """Where the detector hears turns begin, in s, with its ears closed up to `begin`."""
    segmenter = SpeechSegmenter(best_available_detector_factory()())
    audio = np.concatenate((np.zeros(round(begin * rate)), samples[round(begin * rate) :]))
    events = segmenter.feed(resample(pcm(audio), rate, SPOKEN_AT))
    segmenter.close()
    return [event.audio_start_ms / 1000 for event in events if isinstance(event, SpeechStart)]


def decibels(before: Samples, after: Samples) -> float:
    return 10 * float(np.log10(np.mean(before**2) / (np.mean(after**2) + 1e-9)))


async def measure(rounds: int) -> None:
    story, question = await spoken(STORY, "en-us"), await spoken(QUESTION, "en-us+f3")
    print(
        f"{'rate, Hz':>9}{'all of it, dB':>15}{'after 2 s, dB':>15}{'at worst':>10}{'interrupted itself':>20}"
        + "".join(f"{f'users heard, {level} dB':>23}" for level in LEVELS)
        + f"{'time / real time':>18}"
    )
    for rate in RATES:
        played, user = samples_at(story, rate), samples_at(question, rate)
        whole, later, costs, itself = [], [], [], 0
        heard = dict.fromkeys(LEVELS, 0)
        cases = [(delay, seed) for delay in DELAYS for seed in range(1, rounds + 1)]
        learnt, begin = round(LEARNT * rate), round(USER_AT * rate)
        for delay, seed in cases:
            echo = echo_of(played, rate, delay, seed)
            left, cost = cleaned(echo, played, rate)
            whole.append(decibels(echo, left))
            later.append(decibels(echo[learnt:], left[learnt:]))
            costs.append(cost)
            itself += bool(turns(left, rate, LEARNT))
            loudness = np.sqrt(np.mean(echo[learnt:] ** 2) / np.mean(user**2))
            for level in LEVELS:
                both = echo.copy()
                both[begin : begin + len(user)] += user * loudness * 10 ** (level / 20)
                begun = turns(cleaned(both, played, rate)[0], rate, LEARNT)
                heard[level] += any(USER_AT - 0.4 <= start <= USER_AT + 1 for start in begun)
        print(
            f"{rate:>9}{statistics.median(whole):>15.1f}{statistics.median(later):>15.1f}{min(later):>10.1f}"
            f"{f'{itself} of {len(cases)}':>20}"
            + "".join(f"{f'{heard[level]} of {len(cases)}':>23}" for level in LEVELS)
            + f"{statistics.median(costs):>18.4f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    asyncio.run(measure(1 if parser.parse_args().quick else 4))


if __name__ == "__main__":
    main()
