"""A protocol and a transport, joined: opening, frames, pressure and timers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from duologue import messages as m
from duologue.errors import ConnectRefused, CutOff, Expired, UnsupportedOperation
from duologue.inbox import Inbox
from duologue.session import RealtimeSession
from tiny_protocol import Line, read_all, settle


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
    line = Line(open_timeout=0.02)
    line.peer.answer = lambda: None
    with pytest.raises(ConnectRefused, match=r"No confirmation of the session within 0\.02 s") as raised:
        await line.link.open()
    assert raised.value.retryable
    await settle()
    assert line.peer.types == ["hello", "bye"]
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
    with pytest.raises(UnsupportedOperation, match="saying that"):
        await session.say("hi")
    ids = [await session.send(m.ResponseCreate(when="now")) for _ in range(3)]
    await settle()
    assert [event["id"] for event in line.peer.events[1:]] == ids
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
    words: list[str] = []
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
    with pytest.raises(CutOff, match=r"took nothing for 0\.01 s") as raised:
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
