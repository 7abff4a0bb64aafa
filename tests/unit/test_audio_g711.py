from __future__ import annotations

import warnings

import pytest

from duologue.audio import decode_g711, encode_g711
from duologue.errors import InvalidAudio

with warnings.catch_warnings():
    # The standard library's is deprecated; from 3.13 on it comes from audioop-lts.
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

EVERY_SAMPLE = b"".join(value.to_bytes(2, "little", signed=True) for value in range(-32768, 32768))
EVERY_CODE = bytes(range(256))


def test_mu_law_equals_audioop_on_every_value() -> None:
    assert encode_g711(EVERY_SAMPLE, "pcmu") == audioop.lin2ulaw(EVERY_SAMPLE, 2)
    assert decode_g711(EVERY_CODE, "pcmu") == audioop.ulaw2lin(EVERY_CODE, 2)


def test_a_law_equals_audioop_on_every_value() -> None:
    assert encode_g711(EVERY_SAMPLE, "pcma") == audioop.lin2alaw(EVERY_SAMPLE, 2)
    assert decode_g711(EVERY_CODE, "pcma") == audioop.alaw2lin(EVERY_CODE, 2)


def test_nothing_gives_nothing() -> None:
    assert decode_g711(b"", "pcmu") == b""
    assert encode_g711(b"", "pcma") == b""


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(InvalidAudio, match="even number of bytes, not 3"):
        encode_g711(b"abc", "pcmu")
