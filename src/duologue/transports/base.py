"""Transports: frames over something like a socket. What the frames mean is not their concern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

Frame = bytes | str
"""One message of the wire: text as str or as UTF-8 bytes, binary as bytes."""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """How a connection ended.

    Attributes:
        by_peer: The other side closed it in an orderly way.
        code: The WebSocket close code, if there was one.
        reason: What the other side gave as the reason.
        error: What broke it, if it broke.
    """

    by_peer: bool = False
    code: int | None = None
    reason: str = ""
    error: str | None = None


class FrameReceiver(Protocol):
    """Where a transport pushes what arrives."""

    def frame_received(self, frame: Frame) -> None:
        """Take the next whole frame; never waits."""
        ...

    def connection_closed(self, how: Closed) -> None:
        """The connection is over, whoever ended it. Called once."""
        ...


class Transport(Protocol):
    """An open connection that carries frames both ways."""

    def start(self, receiver: FrameReceiver, shortcut: Callable[[Frame], bool] | None = None) -> None:
        """Push to `receiver` from now on; what has arrived before comes first.

        Args:
            receiver: Takes every frame.
            shortcut: Asked first, where that is easy: it takes the frames that it knows, and gives whether it did.
        """
        ...

    def write(self, frame: Frame) -> None:
        """Queue a frame, whole and in order; never waits. After the end it is ignored: the receiver knows."""
        ...

    @property
    def congested(self) -> bool:
        """Whether `drain` would wait."""
        ...

    async def drain(self) -> None:
        """Wait until the queue is short enough to write on."""
        ...

    def pause_reading(self) -> None:
        """Take nothing more from the peer, until `resume_reading`."""
        ...

    def resume_reading(self) -> None:
        """Go on reading."""
        ...

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close in an orderly way, within a bounded time."""
        ...
