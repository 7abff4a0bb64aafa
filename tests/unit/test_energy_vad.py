from __future__ import annotations

import math

import pytest

import spoken
from duologue.errors import InvalidAudio
from duologue.speech.energy import EnergyVoiceActivityDetector

FRAME = 640


def probabilities(detector: EnergyVoiceActivityDetector, audio: bytes) -> list[float]:
    return [detector.probability(audio[at : at + FRAME]) for at in range(0, len(audio) - FRAME + 1, FRAME)]


def tone(ms: int, decibels: float, offset: int = 0) -> bytes:
    peak = 32_768 * math.sqrt(2) * 10 ** (decibels / 20)
    return spoken.s16le(offset + peak * math.sin(n * 0.3) for n in range(16 * ms))


def test_silence_is_no_speech_and_a_loud_sound_is() -> None:
    detector = EnergyVoiceActivityDetector()
    assert max(probabilities(detector, spoken.silence(1000))) < 0.01
    assert min(probabilities(detector, tone(500, -25))) > 0.95


def test_a_rustle_in_digital_silence_is_no_speech() -> None:
    detector = EnergyVoiceActivityDetector()
    probabilities(detector, spoken.silence(4000))
    assert max(probabilities(detector, spoken.noise(500, -60))) < 0.1


def test_a_constant_offset_is_no_sound() -> None:
    detector = EnergyVoiceActivityDetector()
    assert max(probabilities(detector, tone(1000, -90, offset=8000))) < 0.01


def test_steady_noise_is_learnt_in_three_seconds_and_speech_stands_out_of_it() -> None:
    detector = EnergyVoiceActivityDetector()
    heard = probabilities(detector, spoken.noise(5000, -35))
    assert min(heard[:100]) > 0.9
    assert max(heard[150:]) < 0.05
    assert min(probabilities(detector, tone(200, -18))) > 0.95


def test_reset_forgets_the_noise() -> None:
    detector = EnergyVoiceActivityDetector()
    probabilities(detector, spoken.noise(4000, -35))
    detector.reset()
    assert min(probabilities(detector, spoken.noise(100, -35))) > 0.9
    detector.close()


def test_every_sample_at_the_limit_is_taken() -> None:
    detector = EnergyVoiceActivityDetector()
    assert 0 <= detector.probability(b"\x00\x80" * 320) <= 1
    assert detector.probability(b"\x00\x80\xff\x7f" * 160) > 0.99


@pytest.mark.parametrize("size", [0, 638, 639, 642])
def test_a_frame_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(InvalidAudio, match="640 bytes"):
        EnergyVoiceActivityDetector().probability(bytes(size))


async def test_speech_is_told_from_a_quiet_room() -> None:
    audio, _ = await spoken.sentence("Turn on the lights in the kitchen.")
    detector = EnergyVoiceActivityDetector()
    room = spoken.noise(1000, -55)
    heard = probabilities(detector, room + audio + room)
    speech = heard[50 : 50 + len(audio) // FRAME]
    assert sum(p > 0.5 for p in speech) > 0.7 * len(speech)
    assert max(heard[:49]) < 0.5
    assert max(heard[-40:]) < 0.5
