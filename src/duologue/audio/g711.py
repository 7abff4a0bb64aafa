"""G.711, the codec of telephony: 16-bit samples as 8-bit µ-law or A-law, by table."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

from duologue.errors import InvalidAudio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Law = Literal["pcmu", "pcma"]


def decode_g711(audio: bytes, law: Law) -> bytes:
    """Turn G.711 codes into s16le samples, one byte into two.

    Raises:
        MissingDependency: numpy is not installed.
    """
    from duologue.audio._numpy import np

    return _decode_table(law)[np.frombuffer(audio, np.uint8)].tobytes()


def encode_g711(pcm: bytes, law: Law) -> bytes:
    """Turn s16le samples into G.711 codes, two bytes into one.

    Raises:
        InvalidAudio: `pcm` ends with half a sample.
        MissingDependency: numpy is not installed.
    """
    from duologue.audio._numpy import np, samples_of

    if len(pcm) % 2:
        raise InvalidAudio(f"s16le audio has an even number of bytes, not {len(pcm)}.")
    return _encode_table(law)[samples_of(pcm).view(np.uint16)].tobytes()


@cache
def _decode_table(law: Law) -> NDArray[np.int16]:
    """The sample of each of the 256 codes."""
    from duologue.audio._numpy import np

    codes = np.arange(256)
    if law == "pcmu":
        codes = ~codes & 0xFF
        magnitude = ((((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)) - 0x84
        positive = codes & 0x80 == 0
    else:
        codes ^= 0x55
        segment = (codes & 0x70) >> 4
        step = ((codes & 0x0F) << 4) + 8
        magnitude = np.where(segment == 0, step, (step + 0x100) << np.maximum(segment - 1, 0))
        positive = codes & 0x80 != 0
    return np.where(positive, magnitude, -magnitude).astype("<i2")


@cache
def _encode_table(law: Law) -> NDArray[np.uint8]:
    """The code of each sample; a sample's place is its two bytes read as an unsigned number."""
    from duologue.audio._numpy import np

    # From 0 up, then the negative ones from -32768 up.
    samples = np.roll(np.arange(-(1 << 15), 1 << 15), 1 << 15)
    if law == "pcmu":
        # 14 bits with a bias, so that the segments begin at powers of two.
        value = samples >> 2
        sign = np.where(value < 0, 0x7F, 0xFF)
        value = np.minimum(np.abs(value) + 33, 8191)
        segment = np.searchsorted((64 << np.arange(8)) - 1, value)
        code = (segment << 4) | ((value >> (segment + 1)) & 0x0F)
    else:
        # 13 bits; the lowest two segments have steps of the same size.
        value = samples >> 3
        sign = np.where(value < 0, 0x55, 0xD5)
        value = np.where(value < 0, ~value, value)
        segment = np.searchsorted((32 << np.arange(8)) - 1, value)
        code = (segment << 4) | ((value >> np.maximum(segment, 1)) & 0x0F)
    codes: NDArray[np.uint8] = (code ^ sign).astype(np.uint8)
    return codes
