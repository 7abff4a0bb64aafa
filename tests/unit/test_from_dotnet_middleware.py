"""What Microsoft.Extensions.AI's tests assert of function invocation and logging, here.

The rows of `dotnet_middleware` name these tests.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.formats import PCM16_24K
from duologue.link import FunctionInvoker
from duologue.messages.base import ServerMessage
from duologue.middleware.function_invocation import FunctionInvocation, FunctionInvocationLayer
from duologue.middleware.session_logging import TRACE, Logging, LoggingLayer
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, tool

Middleware = Callable[[RealtimeClient], RealtimeClient]


@asynccontextmanager
async def opened(
    client: ScriptedClient, *middleware: Middleware, options: SessionOptions | None = None
) -> AsyncIterator[RealtimeSession]:
    async with client.with_middleware(*middleware).create_session(options) as session:
        yield session


async def read_turn(session: RealtimeSession) -> list[ServerMessage]:
    """All messages up to the end of the turn."""
    read: list[ServerMessage] = []
    async for message in session:
        read.append(message)
        if isinstance(message, m.TurnDone):
            break
    return read


async def settled() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- function invocation ----------------------------------------------------------------------------------------------


@tool
async def get_weather(city: str) -> str:
    """Gets the weather."""
    return f"Sunny in {city}"


@tool
async def fail() -> None:
    """Fails."""
    raise OSError("Secret error info")


SEATTLE = ScriptedReply.call("get_weather", {"city": "Seattle"}, call_id="call_001")
DECLARED = FunctionTool(name="my_declaration")


async def answered(
    reply: ScriptedReply, *tools: FunctionTool, settings: FunctionInvocation
) -> tuple[m.FunctionResult, list[m.ResponseCreate]]:
    """The one result of a turn whose first response is `reply`, and the requests of that turn."""
    client = ScriptedClient([reply, "So."])
    async with opened(client, settings, options=SessionOptions(tools=tools)) as session:
        await session.respond()
        await read_turn(session)
    (result,) = (message.item for message in client.link.sent_of(m.ItemCreate))
    assert isinstance(result, m.FunctionResult)
    return result, client.link.sent_of(m.ResponseCreate)


def test_the_defaults_of_function_invocation() -> None:
    settings = FunctionInvocation()
    assert not settings.detailed_errors
    assert settings.concurrent
    assert settings.maximum_iterations == 16
    assert settings.maximum_consecutive_errors == 3
    assert settings.additional_tools == ()
    assert not settings.terminate_on_unknown_calls
    assert settings.invoker is None


def test_that_bounds_have_bounds() -> None:
    for count in (0, -1):
        with pytest.raises(InvalidInput, match="maximum_iterations"):
            FunctionInvocation(maximum_iterations=count)
    with pytest.raises(InvalidInput, match="maximum_consecutive_errors"):
        FunctionInvocation(maximum_consecutive_errors=-1)
    assert FunctionInvocation(maximum_consecutive_errors=0).maximum_consecutive_errors == 0


async def test_that_what_calls_nothing_passes() -> None:
    client = ScriptedClient()
    pushed = (
        m.ResponseCreated(response_id="r", id="evt_001"),
        m.ResponseDone(response_id="r", id="evt_002", status="completed"),
    )
    async with opened(client, FunctionInvocation()) as session:
        client.link.push(*pushed)
        read = await read_turn(session)
    assert [message.id for message in read[1:-1]] == ["evt_001", "evt_002"]
    assert client.link.sent == []


async def test_that_a_call_is_shown_run_and_answered_and_the_model_goes_on() -> None:
    client = ScriptedClient([SEATTLE, "It is sunny."])
    async with opened(client, FunctionInvocation(), options=SessionOptions(tools=(get_weather,))) as session:
        await session.respond()
        read = await read_turn(session)
    shown = [message.item for message in read if isinstance(message, m.OutputItemDone)]
    assert isinstance(shown[0], m.FunctionCall)
    result, follow_up = client.link.sent[1:]
    assert isinstance(result, m.ItemCreate)
    assert isinstance(result.item, m.FunctionResult)
    assert (result.item.call_id, result.item.output) == ("call_001", "Sunny in Seattle")
    assert isinstance(follow_up, m.ResponseCreate)
    assert follow_up.overrides() == ()


async def test_that_the_model_goes_on_once_and_after_its_response() -> None:
    client = ScriptedClient([(SEATTLE + ScriptedReply.call("get_weather", {"city": "Oslo"})).held(), "Both."])
    async with opened(client, FunctionInvocation(), options=SessionOptions(tools=(get_weather,))) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate, 2)
        await settled()
        assert len(client.link.sent_of(m.ResponseCreate)) == 1
        assert client.link.active is not None
        client.link.push(*client.link.active.end())
        await read_turn(session)
    assert len(client.link.sent_of(m.ResponseCreate)) == 2


async def test_that_an_additional_tool_is_run() -> None:
    settings = FunctionInvocation(additional_tools=(get_weather,))
    result, requests = await answered(SEATTLE, settings=settings)
    assert result.output == "Sunny in Seattle"
    assert len(requests) == 2


async def test_that_calls_beyond_the_bound_are_refused_and_all_are_shown() -> None:
    ran: list[int] = []

    @tool
    async def count() -> None:
        ran.append(1)

    client = ScriptedClient([*[ScriptedReply.call("count")] * 3, "Enough."])
    settings = FunctionInvocation(maximum_iterations=2)
    async with opened(client, settings, options=SessionOptions(tools=(count,))) as session:
        await session.respond()
        read = await read_turn(session)
    shown = [message for message in read if isinstance(message, m.ResponseDone) and message.function_calls]
    results = [message.item for message in client.link.sent_of(m.ItemCreate)]
    assert (len(shown), len(ran)) == (3, 2)
    assert [isinstance(item, m.FunctionResult) and item.is_error for item in results] == [False, False, True]


async def test_that_an_invoker_runs_the_call() -> None:
    async def invoke(context: Any) -> str:
        return f"custom {context.call.name} of {context.arguments['city']}"

    result, _ = await answered(SEATTLE, get_weather, settings=FunctionInvocation(invoker=invoke))
    assert result.output == "custom get_weather of Seattle"


@pytest.mark.parametrize("tools", [(), (fail,)])
async def test_that_the_model_is_told_of_a_function_that_is_not_there(tools: tuple[FunctionTool, ...]) -> None:
    settings = FunctionInvocation(terminate_on_unknown_calls=False)
    result, requests = await answered(SEATTLE, *tools, settings=settings)
    assert result.is_error
    assert "no function 'get_weather'" in result.output
    assert len(requests) == 2


@pytest.mark.parametrize("detailed", [True, False])
async def test_that_the_model_is_told_what_was_raised_only_if_it_shall_know(detailed: bool) -> None:
    settings = FunctionInvocation(detailed_errors=detailed)
    result, requests = await answered(ScriptedReply.call("fail"), fail, settings=settings)
    assert result.is_error
    assert "failed" in result.output
    assert ("Secret error info" in result.output) == detailed
    assert len(requests) == 2


@pytest.mark.parametrize(
    ("reply", "settings"),
    [
        (SEATTLE, FunctionInvocation(terminate_on_unknown_calls=True)),
        (ScriptedReply.call("my_declaration"), FunctionInvocation()),
    ],
    ids=["unknown", "declared"],
)
async def test_that_calls_of_the_reader_are_left_to_it_and_the_session_goes_on(
    reply: ScriptedReply, settings: FunctionInvocation
) -> None:
    client = ScriptedClient([reply])
    async with opened(client, settings, options=SessionOptions(tools=(DECLARED,))) as session:
        await session.respond()
        async for message in session:
            if isinstance(message, m.ResponseDone):
                break
        await settled()
        assert [type(message) for message in client.link.sent] == [m.ResponseCreate]
        client.link.push(m.ItemDeleted(item_id="later"))
        assert isinstance(await anext(session), m.ItemDeleted)


async def test_that_calls_of_one_response_run_together() -> None:
    barrier = asyncio.Barrier(2)

    @tool
    async def meet() -> str:
        await barrier.wait()  # passes only if both run at once
        return "done"

    client = ScriptedClient([ScriptedReply.call("meet") + ScriptedReply.call("meet"), "Both."])
    async with opened(client, FunctionInvocation(), options=SessionOptions(tools=(meet,))) as session:
        await session.respond()
        await read_turn(session)
    assert len(client.link.sent_of(m.ItemCreate)) == 2


async def test_that_too_many_errors_in_a_row_are_raised_to_the_reader() -> None:
    client = ScriptedClient([ScriptedReply.call("fail")] * 4)
    settings = FunctionInvocation(maximum_consecutive_errors=1)
    async with opened(client, settings, options=SessionOptions(tools=(fail,))) as session:
        await session.respond()
        with pytest.raises(OSError, match="Secret error info"):
            await read_turn(session)
    assert len(client.link.sent_of(m.ResponseCreate)) == 2


async def test_that_function_invocation_is_found_in_the_session() -> None:
    async with opened(ScriptedClient(), FunctionInvocation(detailed_errors=True)) as session:
        layer = session.require_service(FunctionInvocationLayer)
        assert session.require_service(FunctionInvoker) is layer
        assert session.require_service(RealtimeSession) is session


# --- logging ----------------------------------------------------------------------------------------------------------

LEVELS = pytest.mark.parametrize(("level", "count"), [(TRACE, 2), (logging.DEBUG, 1), (logging.INFO, 0)])
"""The records of a message: what it is, and what it says."""


def logged(caplog: pytest.LogCaptureFixture, name: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == f"duologue.{name}"]


@LEVELS
@pytest.mark.parametrize(
    "message", [m.SessionUpdate(options=SessionOptions(instructions="Be helpful")), m.ItemDelete(item_id="i")]
)
async def test_what_is_logged_of_a_message_that_is_sent(
    caplog: pytest.LogCaptureFixture, level: int, count: int, message: m.ClientMessage
) -> None:
    caplog.set_level(level, "duologue")
    async with opened(ScriptedClient(), Logging()) as session:
        await session.send(message)
    records = logged(caplog, "sent")
    assert len(records) == count
    assert all(message.type in record.getMessage() for record in records)
    assert ("Be helpful" in caplog.text) == (level == TRACE and isinstance(message, m.SessionUpdate))


@LEVELS
async def test_what_is_logged_of_messages_that_arrive(caplog: pytest.LogCaptureFixture, level: int, count: int) -> None:
    caplog.set_level(level, "duologue")
    client = ScriptedClient()
    async with opened(client, Logging()) as session:
        await anext(session)
        caplog.clear()
        delta = m.OutputAudioDelta(response_id="r", item_id="i", audio=bytes(960), format=PCM16_24K)
        client.link.push(m.OutputTextDelta(response_id="r", item_id="i", text="Hello"), delta)
        for _ in range(2):
            await anext(session)
    records = logged(caplog, "received")
    assert len(records) == 2 * count
    assert ("Hello" in caplog.text) == (level == TRACE)


async def test_that_a_message_that_is_refused_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(message: m.SessionUpdate) -> None:
        raise InvalidInput("Test error")

    caplog.set_level(logging.DEBUG, "duologue")
    client = ScriptedClient()
    client.on(m.SessionUpdate, refuse)
    async with opened(client, Logging()) as session:
        with pytest.raises(InvalidInput, match="Test error"):
            await session.update(SessionOptions())
    assert "did not send session_update: InvalidInput" in logged(caplog, "sent")[-1].getMessage()


async def test_that_a_message_whose_sender_is_cancelled_was_sent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "duologue")
    client = ScriptedClient()
    async with opened(client, Logging()) as session:
        client.link.block_sending()
        sending = asyncio.ensure_future(session.send(m.ItemDelete(item_id="i")))
        await client.link.wait_sent(m.ItemDelete)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        client.link.unblock_sending()
    assert [record.getMessage().split()[1:3] for record in logged(caplog, "sent")] == [["sent", "item_delete"]]


async def test_that_the_end_of_a_session_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    @tool
    async def quiet() -> None:
        raise RuntimeError("Test error")

    caplog.set_level(logging.INFO, "duologue")
    client = ScriptedClient([ScriptedReply.call("quiet")])
    settings = FunctionInvocation(maximum_consecutive_errors=0)
    async with opened(client, settings, Logging(), options=SessionOptions(tools=(quiet,))) as session:
        await session.respond()
        with pytest.raises(RuntimeError, match="Test error"):
            await read_turn(session)
    (failed,) = (record for record in logged(caplog, "session") if "closed" in record.getMessage())
    assert failed.levelno == logging.ERROR
    assert "RuntimeError" in failed.getMessage()


async def test_that_a_cancelled_read_is_no_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "duologue")
    async with opened(ScriptedClient(), Logging()) as session:
        await anext(session)
        reading = asyncio.ensure_future(anext(session))
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert session.ended is None
        assert not [record for record in logged(caplog, "session") if "closed" in record.getMessage()]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.CRITICAL])
async def test_that_logging_is_found_in_the_session_whether_or_not_it_writes(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    caplog.set_level(level, "duologue")
    async with opened(ScriptedClient(), Logging()) as session:
        assert isinstance(session.require_service(LoggingLayer), LoggingLayer)
    assert bool(caplog.records) == (level == logging.DEBUG)
