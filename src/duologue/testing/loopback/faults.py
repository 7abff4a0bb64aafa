"""What can go wrong with a connection, on demand."""

from __future__ import annotations

from typing import Literal

import msgspec

from duologue.errors import InvalidInput

GarbageKind = Literal["json", "utf8", "wire", "binary"]

_SMALLEST_OVERSIZED = 64


class Cut(msgspec.Struct, frozen=True):
    """The connection breaks without a goodbye, in the middle of a frame if need be.

    The client gets the bytes up to there, then an error (reset) or the end of the stream. As on any network, a reset
    takes with it what the client's socket has not taken yet.

    Attributes:
        after_bytes: How many more bytes the server sends before, pongs included; with TLS, counted before encryption.
        reset: With a TCP reset; otherwise with a plain FIN.
    """

    after_bytes: int = 0
    reset: bool = True

    def __post_init__(self) -> None:
        _require(self.after_bytes >= 0, "after_bytes must not be negative")


class HalfOpen(msgspec.Struct, frozen=True):
    """The server is gone, and the socket stays: nothing is sent, read or answered any more, pings included.

    The client sees silence. Its own frames vanish, and in the end its socket takes no more of them. The socket is
    closed with the server, by `LoopbackConnection.aclose` or after the server's `idle_timeout`.
    """


class Delay(msgspec.Struct, frozen=True):
    """Every frame leaves that much later, pongs and the goodbye included; their order is kept.

    Attributes:
        seconds: The delay of frames from now on; 0 ends it.
    """

    seconds: float

    def __post_init__(self) -> None:
        _require(0 <= self.seconds < float("inf"), "seconds must be finite and not negative")


class SlowReading(msgspec.Struct, frozen=True):
    """The server takes the client's bytes slowly, so that they pile up in the client.

    Attributes:
        bytes_per_second: How many it takes.
    """

    bytes_per_second: int

    def __post_init__(self) -> None:
        _require(self.bytes_per_second >= 1, "bytes_per_second must be positive")


class Duplicate(msgspec.Struct, frozen=True):
    """Messages arrive twice, one right after the other.

    Attributes:
        every: Each how-manieth message, counted from now.
    """

    every: int = 1

    def __post_init__(self) -> None:
        _require(self.every >= 1, "every must be positive")


class Reorder(msgspec.Struct, frozen=True):
    """Messages arrive after the one that was sent after them.

    Where none follows soon (0.25 s), or the connection closes, the message goes out alone.

    Attributes:
        every: Each how-manieth message, counted from now: with 1, they come as 2 1 4 3; with 2, as 1 3 2 5 4.
    """

    every: int = 2

    def __post_init__(self) -> None:
        _require(self.every >= 1, "every must be positive")


class Garbage(msgspec.Struct, frozen=True):
    """Before the next message, or the goodbye, comes something that makes no sense.

    Attributes:
        kind: ``"json"``: a text message that is no JSON. ``"utf8"``: a text message that is no UTF-8. ``"wire"``: bytes
            that are no WebSocket frame; the client can read nothing after them. ``"binary"``: a binary message of 256
            random-looking bytes, always the same ones.
    """

    kind: GarbageKind = "json"


class Oversized(msgspec.Struct, frozen=True):
    """Before the next message, or the goodbye, comes a very long one: JSON, of the unknown type ``oversized``.

    Attributes:
        size: Its length, in bytes.
    """

    size: int

    def __post_init__(self) -> None:
        _require(self.size >= _SMALLEST_OVERSIZED, f"size must be at least {_SMALLEST_OVERSIZED}")


class Hangup(msgspec.Struct, frozen=True):
    """The server closes the connection in an orderly way, now.

    Attributes:
        code: The WebSocket close code.
        reason: The reason that goes with it; UTF-8, cut to 123 bytes.
    """

    code: int = 1011
    reason: str = ""

    def __post_init__(self) -> None:
        allowed = 1000 <= self.code <= 1003 or 1007 <= self.code <= 1014 or 3000 <= self.code <= 4999
        _require(allowed, "code must be one that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999")


Fault = Cut | HalfOpen | Delay | SlowReading | Duplicate | Reorder | Garbage | Oversized | Hangup
"""Anything that can be injected into a connection."""


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InvalidInput(f"{otherwise[0].upper()}{otherwise[1:]}.")
