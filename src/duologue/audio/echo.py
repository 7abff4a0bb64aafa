"""Echo cancellation with WebRTC's audio processing, through pywebrtc-audio."""

from __future__ import annotations

from duologue.errors import InvalidInput, MissingDependency

LOWEST_RATE = 8_000


def check_echo_cancellation() -> None:
    """Do nothing where echo can be cancelled.

    Raises:
        MissingDependency: pywebrtc-audio is not installed, or has no build for this machine.
    """
    try:
        import pywebrtc_audio  # noqa: F401
    except ImportError as error:
        raise MissingDependency("pywebrtc-audio", 'pip install "duologue[aec]"') from error


class EchoCanceller:
    """Takes what a loudspeaker plays out of what a microphone hears. It learns the room as it goes.

    What is played has to come no later than its echo, and up to 400 ms before it: how much, it finds out by itself.

    Args:
        rate: Of both, in Hz; 8,000 at least.

    Attributes:
        frame_bytes: 10 ms of s16le: `process` takes whole frames.

    Raises:
        InvalidInput: The rate is too low.
        MissingDependency: pywebrtc-audio is not installed.
    """

    def __init__(self, rate: int) -> None:
        if rate < LOWEST_RATE:
            raise InvalidInput(f"Echo cancellation takes audio of {LOWEST_RATE:,} Hz and more, not of {rate:,} Hz.")
        check_echo_cancellation()
        from pywebrtc_audio import AudioProcessor

        self.frame_bytes = 2 * (rate // 100)
        self._processor = AudioProcessor(sample_rate=rate, echo_cancellation=True)

    def process(self, microphone: bytes, loudspeaker: bytes) -> bytes:
        """The microphone's audio without the loudspeaker's: s16le, whole frames, as much of the one as of the other."""
        from duologue.audio._numpy import np, samples_of

        near, far = (samples_of(pcm).astype(np.int16, copy=False) for pcm in (microphone, loudspeaker))
        cleaned: bytes = self._processor.process(near, far).astype("<i2", copy=False).tobytes()
        return cleaned
