"""The voice activity detector of one session: made when it is needed, and not on the event loop."""

from __future__ import annotations

import asyncio

from duologue.speech.stages import VoiceActivityDetector, VoiceActivityDetectorFactory


class DetectorSlot:
    """Has a detector made ahead of its use, as loading a model takes a tenth of a second. It is a factory itself.

    Args:
        make: Makes the detector; may block.
    """

    def __init__(self, make: VoiceActivityDetectorFactory) -> None:
        self._make = make
        self._ready: VoiceActivityDetector | None = None
        self._is_used = False

    @property
    def is_empty(self) -> bool:
        """Whether whoever takes the detector now has to wait until it is made."""
        return self._ready is None and not self._is_used

    async def fill(self) -> None:
        """Make the detector in a thread. One that nobody waits for any more is closed."""
        making = asyncio.ensure_future(asyncio.to_thread(self._make))
        try:
            self._ready = await asyncio.shield(making)
        except asyncio.CancelledError:
            await asyncio.wait([making])
            if making.exception() is None:
                making.result().close()
            raise

    def __call__(self) -> VoiceActivityDetector:
        """The detector; whoever takes it closes it."""
        detector, self._ready, self._is_used = self._ready, None, True
        return self._make() if detector is None else detector

    def close(self) -> None:
        """Let go of a detector that nobody has taken."""
        detector, self._ready, self._is_used = self._ready, None, True
        if detector is not None:
            detector.close()
