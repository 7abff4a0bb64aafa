"""The session and its client, as an application sees them."""

from __future__ import annotations

import asyncio
import warnings

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.client import DuologueWarning
from duologue.errors import (
    ConcurrentRead,
    CutOff,
    HungUp,
    SessionClosed,
    SessionFailed,
    UnsupportedOperation,
)
from duologue.link import FunctionInvoker
from duologue.messages.base import ServerMessage
from duologue.options import OFF, SessionOptions
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.tools import FunctionTool, tool
from links import EVERYTHING, WireClient, WireLink


def text(words: str) -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id="r1", item_id="i1", text=words)


async def read(session: RealtimeSession, count: int) -> list[ServerMessage]:
    return [await anext(session) for _ in range(count)]


# --- opening ---


async def test_that_a_session_is_entered_or_awaited() -> None:
    client = WireClient()
    async with client.create_session(SessionOptions(voice="a")) as session:
        assert isinstance(await anext(session), m.SessionCreated)
        assert session.options.voice == "a"
        assert session.ended is None
    assert isinstance(session.ended, SessionClosed)
    awaited = await client.create_session()
    assert awaited.ended is None
    await awaited.aclose()
    assert [link.hang_ups for link in client.links] == [1, 1]


async def test_that_the_clients_defaults_hold_under_the_sessions_options() -> None:
    client = WireClient(defaults=SessionOptions(voice="a", speed=1.1, turn_detection=OFF))
    async with client.create_session(SessionOptions(voice="b")) as session:
        assert session.options == SessionOptions(voice="b", speed=1.1, turn_detection=OFF)
        assert session.metadata.provider == "wire"
        assert session.capabilities is EVERYTHING
        assert session.get_service(WireLink) is client.link
        assert session.get_service(RealtimeSession) is session
        assert session.get_service(FunctionInvoker) is None


async def test_that_options_that_cannot_be_carried_open_nothing() -> None:
    client = WireClient(replace(EVERYTHING, options=EVERYTHING.options - {"voice", "instructions"}))
    with pytest.raises(UnsupportedOperation):
        await client.create_session(SessionOptions(voice="a"))
    assert client.links == []


async def test_that_preferences_are_dropped_with_a_warning() -> None:
    client = WireClient(replace(EVERYTHING, options=EVERYTHING.options - {"voice", "speed"}))
    options = SessionOptions(voice="a", speed=1.2, instructions="hi")
    with pytest.warns(DuologueWarning, match="wire has no voice, speed: left out"):
        session = await client.create_session(options, unsupported="drop")
    assert session.dropped == ("voice", "speed")
    assert session.options.voice is None
    assert session.options.instructions == "hi"
    await session.aclose()


@tool
def now() -> str:
    """The time."""
    return "noon"


class Runs(SessionLayer, FunctionInvoker):
    watches = ()


async def test_that_tools_that_nobody_runs_are_warned_of() -> None:
    client = WireClient()
    with pytest.warns(DuologueWarning, match=r"Nothing runs the tools now\. .*FunctionInvocation"):
        session = await client.create_session(SessionOptions(tools=(now,)))
    await session.aclose()


@pytest.mark.parametrize("options", [SessionOptions(tools=(FunctionTool(name="declared"),)), SessionOptions(tools=())])
async def test_that_declarations_are_not_warned_of(options: SessionOptions) -> None:
    async with WireClient().create_session(options):
        pass


async def test_that_an_invoker_runs_them() -> None:
    client = WireClient().with_middleware(wrap_sessions(Runs))
    async with client.create_session(SessionOptions(tools=(now,))) as session:
        assert isinstance(session.get_service(FunctionInvoker), Runs)


async def test_that_a_warning_made_an_error_leaves_no_session_behind() -> None:
    client = WireClient()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DuologueWarning):
            await client.create_session(SessionOptions(tools=(now,)))
    assert client.link.hang_ups == 1


# --- reading ---


async def test_that_reading_goes_on_where_it_stopped() -> None:
    client = WireClient()
    async with client.create_session() as session:
        client.link.push(text("a"), text("b"), text("c"))
        seen: list[ServerMessage] = []
        async for message in session:
            seen.append(message)
            if message == text("a"):
                break
        seen += await read(session, 1)
        async for message in session:
            seen.append(message)
            break
    assert seen[1:] == [text("a"), text("b"), text("c")]


async def test_that_a_read_that_timed_out_loses_nothing() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(session), 0)
        client.link.push(text("a"))
        assert await anext(session) == text("a")


async def test_that_there_is_one_reader_at_a_time() -> None:
    async with WireClient().create_session() as session:
        await anext(session)
        reader = asyncio.ensure_future(anext(session))
        await asyncio.sleep(0)
        with pytest.raises(ConcurrentRead):
            await anext(session)
        reader.cancel()
    assert session.ended is not None


async def test_that_iteration_ends_quietly_when_our_side_closed() -> None:
    client = WireClient()
    session = await client.create_session()
    client.link.push(text("a"))
    await session.aclose()
    assert [message async for message in session][1:] == [text("a")]
    assert [message async for message in session] == []
    await session.aclose()


async def test_that_anything_else_is_raised_after_what_has_arrived() -> None:
    client = WireClient()
    async with client.create_session() as session:
        end = HungUp("The provider is done.", provider="wire", code="bye", retryable=True)
        client.link.push(text("a"))
        client.link.cut(end)
        assert (await read(session, 2))[1] == text("a")
        for _ in range(2):
            with pytest.raises(HungUp) as raised:
                await anext(session)
            assert raised.value is end
        assert session.ended is end
        for late in (session.send_text("hello?"), session.drain()):
            with pytest.raises(HungUp):
                await late
    assert client.link.hang_ups == 1


async def test_that_a_reader_that_waits_learns_of_the_end() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        reader = asyncio.ensure_future(anext(session))
        await asyncio.sleep(0)
        client.link.cut()
        with pytest.raises(CutOff):
            await reader


async def test_that_the_end_of_another_session_is_no_quiet_end() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        client.link.fail(SessionClosed("Another session was closed."))
        with pytest.raises(SessionClosed, match="Another session"):
            await anext(session)
        assert isinstance(session.ended, SessionFailed)


async def test_what_was_raised_reaches_the_reader_and_send_names_it() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        client.link.fail(ZeroDivisionError("oops"))
        with pytest.raises(ZeroDivisionError, match="oops"):
            await anext(session)
        with pytest.raises(SessionFailed, match="ZeroDivisionError") as raised:
            await session.send_audio(b"")
        assert isinstance(raised.value.__cause__, ZeroDivisionError)
