"""Layers for tests, and sessions with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from duologue import messages as m
from duologue.errors import SessionEnded
from duologue.link import Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from links import WireClient, WireLink


def text(words: object, response: str = "r1") -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id=response, item_id="i1", text=str(words))


async def opened(*layers: Callable[[Link], SessionLayer]) -> tuple[RealtimeSession, WireLink]:
    """A session with these layers, the outermost first; its SessionCreated is read."""
    client = WireClient()
    session = await client.with_middleware(*map(wrap_sessions, layers)).create_session()
    await anext(session)
    return session, client.link


def noting(name: str, log: list[str]) -> Callable[[Link], SessionLayer]:
    """A layer that notes all that passes."""

    class Noting(SessionLayer):
        async def send(self, message: ClientMessage) -> str:
            log.append(f"{name} sends {message.type}")
            return await self.inner.send(message)

        def received(self, message: ServerMessage) -> None:
            log.append(f"{name} gets {message.type}")
            self.deliver(message)

        def ended(self, end: SessionEnded) -> None:
            log.append(f"{name} ends")
            super().ended(end)

    return Noting


class Watches(SessionLayer):
    watches: ClassVar[tuple[type[ServerMessage], ...] | None] = None

    def __init__(self, inner: Link) -> None:
        super().__init__(inner)
        self.seen: list[str] = []

    def received(self, message: ServerMessage) -> None:
        self.seen.append(message.type)
        self.deliver(message)


class WatchesAll(Watches):
    watches = None


class WatchesSome(Watches):
    watches = (m.OutputTextDelta, m.ResponseDone)


class WatchesNothing(Watches):
    watches = ()


class WatchesServerMessages(Watches):
    watches = (m.ServerMessage,)


def seen_by(session: RealtimeSession, kind: type[Watches]) -> list[str]:
    layer = session.get_service(kind)
    assert layer is not None
    return layer.seen
