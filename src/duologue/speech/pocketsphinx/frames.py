"""What the engine and its worker processes say to each other: length-prefixed MessagePack over pipes."""

from __future__ import annotations

import struct

import msgspec


class Begin(msgspec.Struct, frozen=True, tag="begin", array_like=True):
    """Start an utterance; hints are whole phrases in plain words, or none for free dictation."""

    number: int
    hints: tuple[str, ...]


class Feed(msgspec.Struct, frozen=True, tag="feed", array_like=True):
    """More of its audio: s16le mono at 16 kHz."""

    number: int
    audio: bytes


class Finish(msgspec.Struct, frozen=True, tag="finish", array_like=True):
    """That was all: answer with `Final`."""

    number: int


class Cancel(msgspec.Struct, frozen=True, tag="cancel", array_like=True):
    """The utterance is not wanted any more."""

    number: int


class Ready(msgspec.Struct, frozen=True, tag="ready", array_like=True):
    """The worker has loaded its models."""


class Partial(msgspec.Struct, frozen=True, tag="partial", array_like=True):
    """The words so far."""

    number: int
    text: str


class Final(msgspec.Struct, frozen=True, tag="final", array_like=True):
    """The words of a finished utterance."""

    number: int
    text: str
    confidence: float | None


class Failed(msgspec.Struct, frozen=True, tag="failed", array_like=True):
    """The utterance could not be decoded."""

    number: int
    reason: str


ToWorker = Begin | Feed | Finish | Cancel
FromWorker = Ready | Partial | Final | Failed

_LENGTH = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()


def pack(frame: ToWorker | FromWorker) -> bytes:
    """A frame with its length before it."""
    body = _encoder.encode(frame)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Takes bytes in any pieces and gives out whole frames' bodies."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are whole now."""
        self._pending += data
        bodies = []
        while len(self._pending) >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._pending)
            end = _LENGTH.size + size
            if len(self._pending) < end:
                break
            bodies.append(bytes(self._pending[_LENGTH.size : end]))
            del self._pending[:end]
        return bodies
