"""Calls that end before their time: with their response, with the provider, with the session."""

from __future__ import annotations

import asyncio

import pytest

from duologue import messages as m
from duologue.errors import HungUp
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import ToolContext, tool
from function_calls import add, follow_ups, read_until, results, session_with, settled

# --- responses that are cut off, calls that are taken back ------------------------------------------------------------


async def test_a_cancelled_response_has_its_whole_calls_answered_and_no_follow_up() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1}, call_id="whole").held()])
    async with session_with(client, add) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate)
        await session.send(m.ResponseCancel())
        _, turn = await read_until(session, m.TurnDone)
        await settled()
    assert turn.outcome == "interrupted"
    assert [result.call_id for result in results(client)] == ["whole"]
    assert not follow_ups(client)


@pytest.mark.parametrize("status", ["incomplete", "in_progress", None])
async def test_a_call_that_is_not_whole_does_not_run(status: m.ItemStatus | None) -> None:
    call = m.FunctionCall(id="i", status=status, call_id="half", name="add", arguments='{"a": 1, "b"')
    client = ScriptedClient()
    async with session_with(client, add) as session:
        client.link.push(
            m.ResponseCreated(response_id="r"),
            m.OutputItemDone(response_id="r", item=call),
            m.ResponseDone(response_id="r", status="cancelled", items=(call,)),
        )
        await read_until(session, m.TurnDone)
        await settled()
    assert client.link.sent == []


async def test_calls_that_the_provider_takes_back_are_stopped_and_not_answered() -> None:
    stopped: list[str] = []

    @tool
    async def wait(name: str) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.append(name)
            raise
        return name

    both = ScriptedReply.call("wait", {"name": "a"}, call_id="a") + ScriptedReply.call(
        "wait", {"name": "b"}, call_id="b"
    )
    client = ScriptedClient([both])
    async with session_with(client, wait) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        client.link.push(m.ToolCallsCancelled(call_ids=("a", "b", "c")))
        await read_until(session, m.ToolCallsCancelled)
        await settled()
        assert stopped == ["a", "b"]
    assert not results(client)
    assert not follow_ups(client)


async def test_a_tool_that_ignores_being_taken_back_is_not_answered_either() -> None:
    @tool
    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "I did it anyway"
        return ""

    reply = ScriptedReply.call("stubborn", call_id="s") + ScriptedReply.call("add", {"a": 1, "b": 1}, call_id="kept")
    client = ScriptedClient([reply, "Two."])
    async with session_with(client, stubborn, add) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        client.link.push(m.ToolCallsCancelled(call_ids=("s",)))
        await read_until(session, m.TurnDone)
    assert [result.call_id for result in results(client)] == ["kept"]
    assert len(follow_ups(client)) == 1


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_closing_the_session_ends_running_tools_before_it_returns() -> None:
    log: list[str] = []
    running = asyncio.Event()

    @tool
    async def work() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("cleaned up")

    before = asyncio.all_tasks()
    client = ScriptedClient([ScriptedReply.call("work")])
    async with session_with(client, work) as session:
        await session.respond()
        await running.wait()
    assert log == ["cleaned up"]
    assert not results(client)
    assert asyncio.all_tasks() == before


async def test_the_providers_end_stops_tools_quietly() -> None:
    running, stopped = asyncio.Event(), asyncio.Event()

    @tool
    async def work() -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    client = ScriptedClient([ScriptedReply.call("work")])
    before = asyncio.all_tasks()
    async with session_with(client, work) as session:
        await session.respond()
        await running.wait()
        client.link.hang_up()
        with pytest.raises(HungUp):
            await read_until(session, m.TurnDone)
        await stopped.wait()
    assert asyncio.all_tasks() == before


async def test_a_tool_that_ends_after_the_session_is_dropped_quietly() -> None:
    running = asyncio.Event()

    @tool
    async def stubborn() -> str:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late"
        return ""

    client = ScriptedClient([ScriptedReply.call("stubborn")])
    async with session_with(client, stubborn) as session:
        await session.respond()
        await running.wait()
    assert not results(client)


async def test_a_tool_can_close_its_own_session() -> None:
    @tool
    async def hang_up(context: ToolContext) -> None:
        assert context.session is not None
        await context.session.aclose()

    client = ScriptedClient([ScriptedReply.call("hang_up")])
    async with session_with(client, hang_up) as session:
        await session.respond()
        read = [message async for message in session]
    assert isinstance(read[0], m.SessionCreated)
