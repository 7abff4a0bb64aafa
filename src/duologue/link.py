"""The inner side of a session: what providers open and layers wrap.

Messages are *pushed* up a chain of links as they arrive, on the session's event loop, whether or not anybody reads.
Only the session at the top, which the application holds, has an inbox.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import msgspec

from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput, SessionEnded
from duologue.messages import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.snapshots.snapshot import Snapshot

Service = TypeVar("Service")


class ProviderMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at the other end.

    Attributes:
        provider: The provider's name, e.g. ``"openai"``.
        model: The model, where one is chosen.
        endpoint: The address, without secrets.
    """

    provider: str
    model: str | None = None
    endpoint: str | None = None


class Receiver(Protocol):
    """Where a link pushes what it receives."""

    def received(self, message: ServerMessage) -> None:
        """Take the next message. Called on the session's event loop, in order; never waits."""
        ...

    def ended(self, end: SessionEnded) -> None:
        """The session is over; nothing comes after. Called once."""
        ...


class Link(ABC):
    """One open session, seen from above: messages go down through `send` and are pushed up to a receiver."""

    metadata: ProviderMetadata

    @property
    @abstractmethod
    def options(self) -> SessionOptions:
        """What was asked for, overlaid with what the provider confirmed."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this session can do."""

    @property
    def dropped(self) -> tuple[str, ...]:
        """Preferences that the wire cannot carry and that were left out."""
        return ()

    @abstractmethod
    def connect(self, receiver: Receiver) -> None:
        """Push to `receiver` from now on; what has arrived before comes first. Called once."""

    @abstractmethod
    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        """Send `message` and give back its id: all or nothing. Waits while the provider is slow to take it.

        Raises:
            UnsupportedOperation: The provider cannot do that.
            SessionEnded: The session is over.
        """

    @abstractmethod
    async def drain(self) -> None:
        """Wait until everything that was sent has left, response requests that wait for their turn included.

        Raises:
            SessionEnded: The session ended before that, and not because our side asked.
        """

    @abstractmethod
    def pause_reading(self) -> None:
        """Take nothing more from the provider until `resume_reading`: the reader is far behind."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Go on taking messages."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """End the session because `error` was raised in a layer."""

    @abstractmethod
    async def aclose(self) -> None:
        """End the session in an orderly way, and everything that it owns. Harmless when it is over."""

    def get_service(self, kind: type[Service]) -> Service | None:
        """The part of this chain that is a `kind`, from here downwards."""
        return self if isinstance(self, kind) else None


def required(service: Service | None, kind: type[Service]) -> Service:
    """`service`, or an `InvalidInput` that says what is missing."""
    if service is None:
        raise InvalidInput(f"There is no {kind.__name__} in this chain. Add it with client.with_middleware(...).")
    return service


class FunctionInvoker:
    """Marks a layer that runs function tools, so that a session without one can warn."""


class SnapshotSource(ABC):
    """Marks a layer that knows the whole conversation, so that ``session.snapshot()`` can be taken."""

    @abstractmethod
    def snapshot(self, *, extra: bool = True) -> Snapshot:
        """The conversation as it stands; with `SessionOptions.extra`, or without."""
