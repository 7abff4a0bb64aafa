"""Protocols: what the frames of a wire mean, as pure state machines."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from duologue.errors import SessionEnded
from duologue.messages import InputAudioAppend
from duologue.messages.base import FrameOutline, Message
from duologue.options import SessionOptions
from duologue.transports.base import Closed, Frame

Sent = TypeVar("Sent", bound=Message)
Received = TypeVar("Received", bound=Message)


class ProtocolState(enum.Enum):
    """Where a protocol stands."""

    OPENING = "opening"
    """The other side has not confirmed the session yet."""
    OPEN = "open"
    CLOSING = "closing"
    """The goodbye is on its way."""
    CLOSED = "closed"


class Protocol(ABC, Generic[Sent, Received]):
    """Turns messages into frames and frames into messages, for one session, in the client's or the server's role.

    No sockets, no tasks, no clock: time is an argument. What is to be sent is fetched with `frames_to_send`, after
    every call. In state `CLOSED` it has no more use for the connection, which is then hung up.

    Attributes:
        state: Where it stands. Each sets it when it is made, to `OPENING`.
        tells_turns: Whether the wire itself tells when a turn is over, so that a `TurnDone` comes from here.
    """

    state: ProtocolState
    tells_turns: bool = False

    @abstractmethod
    def open(self, options: SessionOptions) -> None:
        """Queue the opening frames."""

    @abstractmethod
    def send(self, message: Sent) -> None:
        """Queue what `message` is on this wire: all of it, or nothing.

        Raises:
            UnsupportedOperation: This wire has no way to say it.
        """

    def audio_frame(self, message: InputAudioAppend) -> Frame | None:
        """What `send` would queue for a piece of audio, where that is one frame, always; None: it has to be sent.

        Only what was sent before goes ahead of it, and that has been fetched. It is asked for many times a second.
        """
        return None

    def delta(self, frame: Frame) -> tuple[Received, Frame | FrameOutline] | None:
        """What `receive` would give for a frame that is no more than one more piece of an answer, which most are.

        With it comes what the message is to keep of the frame. None: it may be something else, and nothing was done
        with it. It is asked first, many times a second.
        """
        return None

    @abstractmethod
    def receive(self, frame: Frame) -> list[Received]:
        """What a frame means. One that cannot be read becomes an `ErrorReported`; nothing is raised."""

    @abstractmethod
    def close(self) -> None:
        """Queue the goodbye."""

    @abstractmethod
    def connection_lost(self, how: Closed) -> tuple[list[Received], SessionEnded]:
        """The connection is over: the ends of what was still open, and what it means."""

    def deadline(self) -> float | None:
        """When `tick` wants to be called, in seconds of a monotonic clock."""
        return None

    def tick(self, now: float) -> list[Received]:
        """The time is `now`."""
        return []

    @abstractmethod
    def frames_to_send(self) -> list[Frame]:
        """What is to be sent, in order; it is then forgotten here."""
