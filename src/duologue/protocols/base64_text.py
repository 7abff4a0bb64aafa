"""Bytes as base64. Standard and URL-safe alphabets are read; the standard one is written."""

from __future__ import annotations

import pybase64

_STANDARD = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes:
    """What `text` holds.

    Raises:
        ValueError: It is no base64.
    """
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        standard = text.rstrip("=").translate(_STANDARD)
        return pybase64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)


def read_base64(value: object) -> bytes | None:
    """What a JSON value holds; None if it is no base64."""
    if not isinstance(value, str):
        return None
    try:
        return decode_base64(value)
    except ValueError:
        return None


def encode_base64(data: bytes) -> str:
    """`data` as text."""
    return pybase64.b64encode_as_string(data)
