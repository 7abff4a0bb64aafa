"""The best voice activity detector that this machine has."""

from __future__ import annotations

import logging

from duologue.errors import MissingDependency
from duologue.speech.energy import EnergyVoiceActivityDetector
from duologue.speech.silero import SileroPool
from duologue.speech.stages import VoiceActivityDetector, VoiceActivityDetectorFactory

logger = logging.getLogger("duologue.speech")

_said: set[str] = set()


def best_available_detector_factory(*, most_idle: int = 4) -> VoiceActivityDetectorFactory:
    """A pool of Silero detectors with one model loaded, or the energy detector where Silero does not run.

    Blocks for the loading of one model, about 40 ms; the first one in a process takes longer. The choice goes
    once to the logger ``duologue.speech``.

    Args:
        most_idle: Models that wait for a session at most. `SileroPool.close` lets go of them.
    """
    pool = SileroPool(most_idle=most_idle)
    try:
        pool.prewarm(1)
    except MissingDependency as missing:
        _say_once(f"Voice activity is detected by loudness: {missing}")
        return EnergyVoiceActivityDetector
    _say_once("Voice activity is detected with Silero.")
    return pool


def default_voice_activity_detector() -> VoiceActivityDetector:
    """One detector of the best kind that is available, for a caller with a single stream."""
    return best_available_detector_factory(most_idle=1)()


def _say_once(what: str) -> None:
    if what not in _said:
        _said.add(what)
        logger.info(what)
