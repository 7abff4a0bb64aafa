"""Every way in which the link of a protocol ends, and cancellation at every step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from duologue import messages as m
from duologue.errors import CutOff, Expired, HungUp, SessionClosed
from duologue.transports import Closed
from tiny_protocol import Line, read_all, settle


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """After every test: no task but the test's own."""
    yield
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


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
