"""Audio formats: what the bytes of an audio message mean."""

from __future__ import annotations

from typing import Literal

import msgspec

Encoding = Literal["pcm16", "pcmu", "pcma"]


class AudioFormat(msgspec.Struct, frozen=True):
    """The meaning of audio bytes: mono samples of one encoding, at one rate.

    Attributes:
        encoding: ``"pcm16"`` (signed 16-bit little-endian, s16le), ``"pcmu"`` (G.711 µ-law) or ``"pcma"``
            (G.711 A-law).
        rate: Samples a second, in Hz.

    On OpenAI's wire these are ``audio/pcm``, ``audio/pcmu`` and ``audio/pcma``.
    """

    encoding: Encoding = "pcm16"
    rate: int = 24_000

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"An audio rate is a positive number of Hz, not {self.rate}.")

    def __str__(self) -> str:
        return f"{self.encoding} at {self.rate} Hz"

    @property
    def sample_bytes(self) -> int:
        """Bytes in one sample: 2 for PCM, 1 for G.711."""
        return 2 if self.encoding == "pcm16" else 1

    @property
    def bytes_per_second(self) -> int:
        """Bytes in one second of audio."""
        return self.rate * self.sample_bytes

    def duration_ms(self, size: int) -> float:
        """How long `size` bytes of this format last, in milliseconds."""
        return size * 1000 / self.bytes_per_second

    def bytes_for(self, duration_ms: float) -> int:
        """How many bytes hold `duration_ms` milliseconds, rounded down to whole samples."""
        return int(duration_ms * self.rate / 1000 + 1e-9) * self.sample_bytes

    def is_aligned(self, size: int) -> bool:
        """Whether `size` bytes are whole samples."""
        return size % self.sample_bytes == 0


PCM16_8K = AudioFormat("pcm16", 8_000)
PCM16_16K = AudioFormat("pcm16", 16_000)
PCM16_24K = AudioFormat("pcm16", 24_000)
PCM16_48K = AudioFormat("pcm16", 48_000)
PCMU = AudioFormat("pcmu", 8_000)
PCMA = AudioFormat("pcma", 8_000)

# The code of the smallest positive value (ITU-T G.711, tables 1a and 2a); PCM's is plain zero.
_SILENT_BYTE = {"pcm16": b"\x00", "pcmu": b"\xff", "pcma": b"\xd5"}


def silent_bytes(format: AudioFormat, size: int) -> bytes:
    """`size` bytes of silence in `format`."""
    return _SILENT_BYTE[format.encoding] * size


def silence_of(format: AudioFormat, duration_ms: float) -> bytes:
    """Silence in `format`, rounded down to whole samples."""
    return silent_bytes(format, format.bytes_for(duration_ms))
