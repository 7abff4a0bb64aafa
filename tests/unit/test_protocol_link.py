"""A protocol and a transport, joined: opening, frames, pressure, timers, and every way to end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, SessionClosed, SessionEnded, UnsupportedOperation
from duologue.inbox import Inbox
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
        self.out: list[Frame] = []
        self.active: str | None = None
        self.wanted: float | None = None
        self.ticks: list[float] = []
        self.losses = 0

    def open(self, options: SessionOptions) -> None:
        if options.voice == "impossible":
            raise UnsupportedOperation("that voice", "tiny")
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
    """A link and its peer; `MANUAL` capabilities, so that nothing is refused before it reaches the protocol."""

    def __init__(self, *, voice: str = "ours", high_water: int = 64, send_timeout: float = 5.0) -> None:
        ours, theirs = memory_pair(high_water)
        self.transport = ours
        self.peer = Peer(theirs)
        self.protocol = TinyProtocol()
        self.link = ProtocolLink(
            self.protocol,
            ours,
            SessionOptions(voice=voice),
            Capabilities(explicit_response=True, say="exact"),
            ProviderMetadata(provider="tiny"),
            open_timeout=0.02,
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


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """After every test: no task but the test's own."""
    yield
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- opening ---


async def test_that_opening_returns_when_the_provider_has_confirmed() -> None:
    line = Line()
    await line.link.open()
    assert line.peer.events == [{"type": "hello", "voice": "ours"}]
    session = RealtimeSession(line.link, on_end=lambda session: None)
    created = await anext(session)
    assert isinstance(created, m.SessionCreated)
    assert created.options.voice == session.options.voice == "theirs"
    await session.aclose()


async def test_that_a_refusal_is_raised_and_leaves_nothing() -> None:
    line = Line()
    line.peer.answer = lambda: line.peer.say("refused")
    with pytest.raises(ConnectRefused) as raised:
        await line.link.open()
    assert str(raised.value) == "tiny: It is over. (expired) Open another."
    assert isinstance(raised.value.__cause__, Expired)
    await settle()
    assert line.peer.closed is not None


async def test_that_a_close_before_the_confirmation_is_a_refusal() -> None:
    line = Line()

    def close() -> None:
        asyncio.get_running_loop().create_task(line.peer.transport.aclose(4003, "no such model"))

    line.peer.answer = close
    with pytest.raises(ConnectRefused) as raised:
        await line.link.open()
    assert str(raised.value) == "tiny: no such model (4003) Try again."
    assert (raised.value.close_code, raised.value.retryable) == (4003, True)


async def test_that_a_silent_provider_is_a_refusal() -> None:
    line = Line()
    line.peer.answer = lambda: None
    with pytest.raises(ConnectRefused, match="No confirmation of the session within 0.02 s") as raised:
        await line.link.open()
    assert raised.value.retryable
    await settle()
    assert line.peer.types == ["hello", "bye"]
    assert line.peer.closed is not None


async def test_that_what_the_protocol_cannot_open_closes_the_line() -> None:
    line = Line(voice="impossible")
    with pytest.raises(UnsupportedOperation):
        await line.link.open()
    await settle()
    assert line.peer.closed is not None


# --- frames ---


async def test_that_messages_know_their_frames() -> None:
    line = Line()
    session = await line.open()
    line.peer.say("two")
    line.peer.say("text", text="hi")
    first, second, third = [await anext(session) for _ in range(3)]
    assert (first, second) == (m.ItemDeleted(item_id="a"), m.ItemDeleted(item_id="b"))
    assert first.meta is second.meta
    assert [message.meta.sequence for message in (first, third) if message.meta] == [1, 2]
    assert third.raw_representation == {"type": "text", "text": "hi"}
    assert third.meta is not None
    assert first.meta is not None
    assert first.meta.arrived_ns <= third.meta.arrived_ns
    await session.aclose()


async def test_that_an_undecodable_frame_is_reported_and_the_session_goes_on() -> None:
    line = Line()
    session = await line.open()
    line.peer.transport.write("{nonsense")
    line.peer.say("text", text="hi")
    report = await anext(session)
    assert isinstance(report, m.ErrorReported)
    assert report.kind == "undecodable"
    assert report.raw_representation == "{nonsense"
    assert isinstance(await anext(session), m.OutputTextDelta)
    await session.aclose()


async def test_that_what_a_frame_makes_necessary_is_sent() -> None:
    line = Line()
    session = await line.open()
    line.peer.say("ping")
    await settle()
    assert line.peer.types == ["hello", "pong"]
    await session.aclose()


async def test_that_messages_are_sent_in_order_with_their_ids() -> None:
    line = Line()
    session = await line.open()
    ids = [await session.send(m.ResponseCreate(out_of_band=False, when="now")) for _ in range(3)]
    await settle()
    assert [event["id"] for event in line.peer.events[1:]] == ids
    with pytest.raises(UnsupportedOperation, match="saying that"):
        await session.say("hi")
    await session.aclose()


@pytest.mark.parametrize("where", ["receive", "tick", "connection_lost"])
async def test_that_a_broken_protocol_ends_the_session_and_not_the_loop(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    line = Line()
    session = await line.open()
    monkeypatch.setattr(line.protocol, where, broken)
    line.protocol.wanted = 0.0 if where == "tick" else None
    if where == "connection_lost":
        line.transport.cut()
    else:
        await session.send(m.InputAudioEnd())  # has the link look at the deadline
        line.peer.say("ping")
    with pytest.raises(ZeroDivisionError, match="a defect"):
        await anext(session)
    await session.aclose()
    await settle()
    assert line.peer.closed is not None


# --- ends ---


async def test_that_a_cut_line_ends_what_is_open_first() -> None:
    line = Line()
    session = await line.open()
    line.peer.say("begin", id="r1")
    await settle()
    line.transport.cut("connection reset")
    messages, end = await read_all(session)
    assert [message.type for message in messages] == ["response_created", "response_done", "turn_done"]
    assert isinstance(end, CutOff)
    assert str(end) == "tiny: connection reset"
    with pytest.raises(CutOff):
        await session.send_text("hi")
    await session.aclose()


async def test_that_requests_that_wait_are_not_written_on_a_cut_line() -> None:
    line = Line()
    session = await line.open()
    line.peer.say("begin", id="r1")
    await settle()
    await session.respond()
    line.transport.cut()
    messages, end = await read_all(session)
    assert "error_reported" not in [message.type for message in messages]
    assert isinstance(end, CutOff)
    assert line.protocol.losses == 1
    with pytest.raises(CutOff):
        await session.drain()
    await session.aclose()


async def test_that_the_provider_may_hang_up() -> None:
    line = Line()
    session = await line.open()
    line.peer.say("text", text="bye")
    await line.peer.transport.aclose(1001, "going away")
    messages, end = await read_all(session)
    assert len(messages) == 1
    assert isinstance(end, HungUp)
    assert end.close_code == 1001
    await session.aclose()


async def test_that_a_protocol_that_is_through_hangs_up() -> None:
    line = Line()
    session = await line.open()
    line.peer.say("expired")
    await settle()
    messages, end = await read_all(session)
    assert [message.type for message in messages] == ["error_reported"]
    assert isinstance(end, Expired)
    await session.aclose()
    assert line.peer.closed is not None


async def test_that_closing_says_goodbye_and_leaves_nothing() -> None:
    line = Line()
    session = await line.open()
    line.protocol.wanted = asyncio.get_running_loop().time() + 1000
    await session.send(m.InputAudioEnd())
    timer = line.link._timer
    assert timer is not None
    await session.aclose()
    await session.aclose()
    assert timer.cancelled()
    await settle()
    assert line.peer.types == ["hello", "input_audio_end", "bye"]
    assert line.peer.closed == Closed(by_peer=True, code=1000)
    assert line.protocol.losses == 0
    line.peer.say("text", text="too late")
    messages, end = await read_all(session)
    assert messages == []
    assert isinstance(end, SessionClosed)


# --- pressure ---


async def test_that_reading_pauses_while_the_inbox_is_full() -> None:
    line = Line(high_water=4)
    await line.link.open()
    inbox = Inbox(line.link.pause_reading, line.link.resume_reading, max_messages=3)
    line.link.connect(inbox)
    for number in range(20):
        line.peer.say("text", text=str(number))
    await settle()
    assert len(inbox) == 4
    assert line.peer.transport.congested
    words = []
    while len(words) < 20:
        message = await inbox.get()
        words += [message.text] if isinstance(message, m.OutputTextDelta) else []
    assert words == [str(number) for number in range(20)]
    assert not line.peer.transport.congested
    await line.link.aclose()


async def test_that_a_sender_waits_for_a_slow_provider() -> None:
    line = Line(high_water=1)
    session = await line.open()
    line.peer.transport.pause_reading()
    sending = asyncio.create_task(session.send(m.InputAudioEnd()))
    await settle()
    assert not sending.done()
    line.peer.transport.resume_reading()
    await sending
    await settle()
    assert line.peer.types == ["hello", "input_audio_end"]
    await session.aclose()


async def test_that_a_provider_that_takes_nothing_is_cut_off() -> None:
    line = Line(high_water=1, send_timeout=0.01)
    session = await line.open()
    line.peer.say("begin", id="r1")
    await settle()
    line.peer.transport.pause_reading()
    with pytest.raises(CutOff, match="took nothing for 0.01 s") as raised:
        await session.send(m.InputAudioEnd())
    assert raised.value.retryable
    messages, end = await read_all(session)
    assert [message.type for message in messages] == ["response_created", "response_done", "turn_done"]
    assert end is raised.value
    assert line.protocol.losses == 1
    await session.aclose()


async def test_that_several_senders_that_wait_all_learn_of_the_end() -> None:
    line = Line(high_water=1, send_timeout=0.01)
    session = await line.open()
    line.peer.transport.pause_reading()
    ends = await asyncio.gather(*(session.send(m.InputAudioEnd()) for _ in range(3)), return_exceptions=True)
    assert [type(end) for end in ends] == [CutOff] * 3
    assert len(set(map(id, ends))) == 1
    await session.aclose()


async def test_that_a_sender_that_waits_may_be_closed_upon() -> None:
    line = Line(high_water=1)
    session = await line.open()
    line.peer.transport.pause_reading()
    sending = asyncio.create_task(session.send(m.InputAudioEnd(id="mine")))
    await settle()
    await session.aclose()
    assert await sending == "mine"


# --- timers ---


async def test_that_the_protocol_is_called_at_its_deadline() -> None:
    line = Line()
    session = await line.open()
    now = asyncio.get_running_loop().time()
    line.protocol.wanted = now + 1000
    await session.send(m.InputAudioEnd())
    far = line.link._timer
    await session.send(m.InputAudioEnd())
    assert line.link._timer is far
    line.protocol.wanted = now
    await session.send(m.InputAudioEnd())
    assert far is not None
    assert far.cancelled()
    assert await anext(session) == m.SessionExpiring(seconds_left=1)
    assert len(line.protocol.ticks) == 1
    assert line.protocol.ticks[0] >= now
    assert line.link._timer is None
    await session.aclose()


async def test_that_a_deadline_may_be_taken_back() -> None:
    line = Line()
    session = await line.open()
    line.protocol.wanted = asyncio.get_running_loop().time() + 1000
    await session.send(m.InputAudioEnd())
    line.protocol.wanted = None
    await session.send(m.InputAudioEnd())
    assert line.link._timer is None
    await session.aclose()


# --- cancellation ---


@pytest.mark.parametrize("turns", range(6))
async def test_that_opening_may_be_cancelled_at_any_time(turns: int) -> None:
    line = Line()
    line.peer.answer = lambda: None
    opening = asyncio.create_task(line.link.open())
    for _ in range(turns):
        await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await settle()
    if turns:
        assert isinstance(line.link.end, SessionClosed)
        assert line.peer.closed is not None


async def test_that_opening_may_be_cancelled_twice() -> None:
    line = Line()
    line.peer.answer = lambda: None
    opening = asyncio.create_task(line.link.open())
    await settle()
    opening.cancel()
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await settle()
    assert line.peer.closed is not None


@pytest.mark.parametrize("turns", range(1, 5))
async def test_that_sending_may_be_cancelled_and_takes_nothing_back(turns: int) -> None:
    line = Line(high_water=1)
    session = await line.open()
    line.peer.transport.pause_reading()
    sending = asyncio.create_task(session.send(m.InputAudioEnd()))
    for _ in range(turns):
        await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    line.peer.transport.resume_reading()
    line.peer.say("text", text="still here")
    assert isinstance(await anext(session), m.OutputTextDelta)
    assert line.peer.types == ["hello", "input_audio_end"]
    await session.aclose()


@pytest.mark.parametrize("turns", range(1, 4))
async def test_that_closing_may_be_cancelled_and_closes_all_the_same(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Line()
    session = await line.open()
    close = line.transport.aclose

    async def slowly(code: int = 1000, reason: str = "") -> None:
        await settle()
        await close(code, reason)

    monkeypatch.setattr(line.transport, "aclose", slowly)
    closing = asyncio.create_task(session.aclose())
    for _ in range(turns):
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert (await read_all(session))[0] == []
    await session.aclose()
    await settle()
    assert line.peer.closed is not None
