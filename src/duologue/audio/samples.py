"""Whole samples out of byte streams, and two channels in one stream."""

from __future__ import annotations


def interleave(left: bytes, right: bytes) -> bytes:
    """Make stereo s16le of two mono s16le channels of the same length."""
    if len(left) != len(right) or len(left) % 2:
        raise ValueError("Two channels of equally many whole samples are needed.")
    stereo = bytearray(2 * len(left))
    stereo[0::4], stereo[1::4] = left[0::2], left[1::2]
    stereo[2::4], stereo[3::4] = right[0::2], right[1::2]
    return bytes(stereo)


class SampleAligner:
    """Cuts a byte stream at sample boundaries: the start of a sample waits here for the rest of it.

    Args:
        sample_bytes: Bytes in one sample.
    """

    def __init__(self, sample_bytes: int) -> None:
        self._sample_bytes = sample_bytes
        self._pending = b""

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their sample."""
        return len(self._pending)

    def align(self, audio: bytes) -> bytes:
        """Take the next bytes of the stream; give all samples that are whole by now."""
        if self._pending:
            audio = self._pending + audio
        excess = len(audio) % self._sample_bytes
        if not excess:
            self._pending = b""
            return audio
        self._pending = audio[-excess:]
        return audio[:-excess]

    def reset(self) -> None:
        """Forget the incomplete sample: the next byte begins a new one."""
        self._pending = b""
