"""A tiny protocol over a line inside the process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import CutOff, Expired, HungUp, SessionEnded, UnsupportedOperation
from duologue.link import ProviderMetadata
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols import Protocol, ProtocolState
from duologue.runtime import ProtocolLink
from duologue.session import RealtimeSession
from duologue.transports import Closed, Frame, MemoryTransport, memory_pair


class TinyProtocol(Protocol[ClientMessage, ServerMessage]):
    """Every frame is a JSON object with a `type`."""

    def __init__(self) -> None:
        self.state = ProtocolState.OPENING
        self.out: list[Frame] = []
        self.active: str | None = None
        self.wanted: float | None = None
        self.ticks: list[float] = []
        self.losses = 0

    def open(self, options: SessionOptions) -> None:
        self._put("hello", voice=options.voice)

    def send(self, message: ClientMessage) -> None:
        if isinstance(message, m.Say):
            raise UnsupportedOperation("saying that", "tiny")
        self._put(message.type, id=message.id)

    def receive(self, frame: Frame) -> list[ServerMessage]:
        try:
            event = json.loads(frame)
        except ValueError:
            return [m.ErrorReported(kind="undecodable", error=m.ErrorDetail(message="That is no JSON."))]
        match event["type"]:
            case "welcome":
                self.state = ProtocolState.OPEN
                return [m.SessionCreated(options=SessionOptions(voice=event["voice"]))]
            case "refused" | "expired" as why:
                self.state = ProtocolState.CLOSED
                error = m.ErrorDetail(message=why)
                return [m.ErrorReported(kind="server", error=error)]
            case "begin":
                self.active = event["id"]
                return [m.ResponseCreated(response_id=event["id"])]
            case "ping":
                self._put("pong")
                return []
            case "two":
                return [m.ItemDeleted(item_id="a"), m.ItemDeleted(item_id="b")]
            case _:
                return [m.OutputTextDelta(response_id="r", item_id="i", text=event["text"])]

    def close(self) -> None:
        self.state = ProtocolState.CLOSING
        self._put("bye")

    def connection_lost(self, how: Closed) -> tuple[list[ServerMessage], SessionEnded]:
        self.losses += 1
        opening, closed = self.state is ProtocolState.OPENING, self.state is ProtocolState.CLOSED
        self.state = ProtocolState.CLOSED
        ends: list[ServerMessage] = []
        if self.active is not None:
            ends.append(m.ResponseDone(response_id=self.active, status="failed"))
            self.active = None
        if closed:
            return ends, Expired("It is over.", provider="tiny", code="expired", hint="Open another.")
        kind = HungUp if how.by_peer else CutOff
        hint = "Try again." if opening else ""
        return ends, kind(how.error or how.reason, provider="tiny", close_code=how.code, hint=hint, retryable=True)

    def deadline(self) -> float | None:
        return self.wanted

    def tick(self, now: float) -> list[ServerMessage]:
        self.ticks.append(now)
        self.wanted = None
        return [m.SessionExpiring(seconds_left=1)]

    def frames_to_send(self) -> list[Frame]:
        out, self.out = self.out, []
        return out

    def _put(self, kind: str, **fields: object) -> None:
        self.out.append(json.dumps({"type": kind, **fields}))


class Peer:
    """The provider: it notes what arrives, and answers a greeting."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.events: list[dict[str, Any]] = []
        self.closed: Closed | None = None
        self.answer: Callable[[], None] = lambda: self.say("welcome", voice="theirs")

    def say(self, kind: str, **fields: object) -> None:
        self.transport.write(json.dumps({"type": kind, **fields}))

    def frame_received(self, frame: Frame) -> None:
        self.events.append(json.loads(frame))
        if self.events[-1]["type"] == "hello":
            self.answer()

    def connection_closed(self, how: Closed) -> None:
        self.closed = how

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]


class Line:
    """A link and its peer."""

    def __init__(
        self, *, voice: str = "ours", high_water: int = 64, open_timeout: float = 5.0, send_timeout: float = 5.0
    ) -> None:
        ours, theirs = memory_pair(high_water)
        self.transport = ours
        self.peer = Peer(theirs)
        self.protocol = TinyProtocol()
        options = SessionOptions(voice=voice)
        self.protocol.open(options)
        self.link = ProtocolLink(
            self.protocol,
            ours,
            options,
            Capabilities(explicit_response=True, say="exact"),
            ProviderMetadata(provider="tiny"),
            open_timeout=open_timeout,
            send_timeout=send_timeout,
        )
        theirs.start(self.peer)

    async def open(self) -> RealtimeSession:
        await self.link.open()
        session = RealtimeSession(self.link, on_end=lambda session: None)
        assert isinstance(await anext(session), m.SessionCreated)
        return session


async def settle() -> None:
    """Let everything that is scheduled happen."""
    for _ in range(10):
        await asyncio.sleep(0)


async def read_all(session: RealtimeSession) -> tuple[list[ServerMessage], SessionEnded]:
    """What is left, and the end; all must be there already."""
    messages: list[ServerMessage] = []
    async with asyncio.timeout(1):
        try:
            async for message in session:
                messages.append(message)  # noqa: PERF401 - what comes before the end counts
        except SessionEnded as end:
            return messages, end
    assert session.ended is not None
    return messages, session.ended
