"""The user moves on while functions run: what becomes of the calls, and who answers."""

from __future__ import annotations

import asyncio

import pytest

from duologue import messages as m
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, OnInterruption, tool
from function_calls import add, follow_ups, read_until, results, session_with, settled, wait_results

CANCELLED = "The call was cancelled, because the user moved on. Call it again only if the user still wants it."


class Slow:
    """A function that runs until it is let go."""

    def __init__(self, on_interruption: OnInterruption | None = None) -> None:
        self.running, self.release = asyncio.Event(), asyncio.Event()
        self.was_cancelled = False
        self.tool: FunctionTool = tool(name="slow", on_interruption=on_interruption)(self.run)

    async def run(self) -> str:
        self.running.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return "found"


# --- a call that finishes ---


async def test_a_call_goes_on_by_default_and_its_result_waits_for_the_user() -> None:
    slow = Slow()
    client = ScriptedClient([ScriptedReply.call("slow")])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await slow.running.wait()
        client.link.push(m.InputSpeechStarted(item_id="u"))
        _, turn = await read_until(session, m.TurnDone)
        assert turn.outcome == "interrupted"
        slow.release.set()
        await client.link.wait_sent(m.ItemCreate)
        await settled()
        assert [result.output for result in results(client)] == ["found"]
        assert not follow_ups(client)  # the user speaks
        client.link.push(m.InputSpeechStopped(item_id="u"), m.InputAudioCommitted(item_id="u"))
        client.link.respond("I found it.")  # the answer to what the user said
        await read_until(session, m.TurnDone)
        await settled()
    assert not follow_ups(client)


async def test_a_result_that_comes_after_the_answer_to_the_user_is_told_then() -> None:
    slow = Slow()
    client = ScriptedClient([ScriptedReply.call("slow"), "And I found it."])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await slow.running.wait()
        client.link.hear("Still there?", respond=False)
        client.link.respond("Yes.")
        await read_until(session, m.TurnDone)
        await read_until(session, m.TurnDone)
        slow.release.set()
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_words_that_nobody_answers_do_not_swallow_the_result() -> None:
    slow = Slow()
    client = ScriptedClient([ScriptedReply.call("slow"), "I found it."])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await slow.running.wait()
        client.link.push(m.InputSpeechStarted(item_id="u"))
        await read_until(session, m.InputSpeechStarted)
        slow.release.set()
        await client.link.wait_sent(m.ItemCreate)
        client.link.push(m.InputSpeechStopped(item_id="u"), m.InputAudioCleared())
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


# --- a call that is cancelled ---


@pytest.mark.parametrize("stated", ["on the tool", "as the default"])
async def test_a_call_is_cancelled_and_the_model_told(stated: str) -> None:
    slow = Slow("cancel" if stated == "on the tool" else None)
    settings = FunctionInvocation(on_interruption="finish" if stated == "on the tool" else "cancel")
    client = ScriptedClient([ScriptedReply.call("slow", call_id="s")])
    async with session_with(client, slow.tool, settings=settings) as session:
        await session.respond()
        await slow.running.wait()
        client.link.hear("Never mind.", respond=False)
        await client.link.wait_sent(m.ItemCreate)
        await settled()
        assert slow.was_cancelled
        assert results(client) == [m.FunctionResult(call_id="s", name="slow", output=CANCELLED, is_error=True)]
        assert not follow_ups(client)


async def test_a_tool_that_finishes_does_so_whatever_the_default() -> None:
    slow = Slow("finish")
    client = ScriptedClient([ScriptedReply.call("slow"), "I found it."])
    async with session_with(client, slow.tool, settings=FunctionInvocation(on_interruption="cancel")) as session:
        await session.respond()
        await slow.running.wait()
        await session.interrupt()
        await settled()
        slow.release.set()
        await read_until(session, m.TurnDone)
    assert [result.output for result in results(client)] == ["found"]


@pytest.mark.parametrize("way", ["speech", "text", "interrupt", "a manual turn"])
async def test_every_way_of_moving_on_cancels(way: str) -> None:
    slow = Slow("cancel")
    client = ScriptedClient([ScriptedReply.call("slow")])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        match way:
            case "speech":
                client.link.push(m.InputSpeechStarted(item_id="u"))
            case "text":
                await session.send_text("Never mind.", respond=False)
            case "interrupt":
                await session.interrupt()
            case _:
                await session.send(m.UserTurnStart())
        await wait_results(client)
        await settled()
    assert [result.output for result in results(client)] == [CANCELLED]
    assert not follow_ups(client)


async def test_a_response_that_the_user_cuts_off_cancels_its_calls() -> None:
    slow = Slow("cancel")
    reply = (ScriptedReply.speech("Let me see.") + ScriptedReply.call("slow")).held()
    client = ScriptedClient([reply])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await slow.running.wait()
        client.link.hear("Stop.", respond=False)
        await client.link.wait_sent(m.ItemCreate)
        await settled()
    assert [result.output for result in results(client)] == [CANCELLED]


async def test_a_call_that_has_not_begun_to_run_is_answered_too() -> None:
    slow = Slow("cancel")
    client = ScriptedClient([ScriptedReply.call("slow")])
    async with session_with(client, slow.tool) as session:
        client.link.respond()  # all of it in one go: the call, and the user who speaks
        client.link.push(m.InputSpeechStarted(item_id="u"))
        await client.link.wait_sent(m.ItemCreate)
        await settled()
        assert session.ended is None
    assert not slow.running.is_set()
    assert [result.output for result in results(client)] == [CANCELLED]


async def test_a_tool_that_finishes_although_it_is_cancelled_is_answered_once() -> None:
    running = asyncio.Event()

    @tool(on_interruption="cancel")
    async def stubborn() -> str:
        running.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done all the same"

    client = ScriptedClient([ScriptedReply.call("stubborn"), "Fine."])
    async with session_with(client, stubborn) as session:
        await session.respond()
        await running.wait()
        await session.interrupt()
        await client.link.wait_sent(m.ItemCreate)
        await settled()
    assert [result.output for result in results(client)] == ["done all the same"]


async def test_a_call_is_cancelled_once_however_often_the_user_moves_on() -> None:
    slow = Slow("cancel")
    client = ScriptedClient([ScriptedReply.call("slow")])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await slow.running.wait()
        client.link.block_sending()
        interrupting = [asyncio.create_task(session.interrupt()) for _ in range(2)]
        await wait_results(client)
        client.link.unblock_sending()
        await asyncio.gather(*interrupting)
        await settled()
    assert [result.output for result in results(client)] == [CANCELLED]


async def test_the_other_calls_of_the_response_are_followed_up() -> None:
    slow = Slow("cancel")
    reply = ScriptedReply.call("slow") + ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([reply, "Two, and I stopped looking."])
    async with session_with(client, slow.tool, add) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate)
        await session.interrupt()
        await read_until(session, m.TurnDone)
    assert {result.output for result in results(client)} == {CANCELLED, "2"}
    assert len(follow_ups(client)) == 1


async def test_only_the_calls_of_the_turn_that_is_over_are_cancelled() -> None:
    slow = Slow("cancel")
    client = ScriptedClient()
    async with session_with(client, slow.tool) as session:
        client.link.hear("Search.", respond=False)
        client.link.respond(ScriptedReply.call("slow"))
        await slow.running.wait()
        client.link.push(m.TurnDone(turn_id="turn_of_long_ago", outcome="interrupted"))
        await read_until(session, m.TurnDone)
        await settled()
        assert not slow.was_cancelled
        assert not results(client)


async def test_calls_that_the_provider_takes_back_while_they_are_cancelled_are_not_answered() -> None:
    slow = Slow("cancel")
    client = ScriptedClient([ScriptedReply.call("slow", call_id="s")])
    async with session_with(client, slow.tool) as session:
        await session.respond()
        await slow.running.wait()
        client.link.push(m.InputSpeechStarted(item_id="u"), m.ToolCallsCancelled(call_ids=("s",)))
        await read_until(session, m.ToolCallsCancelled)
        await settled()
    assert slow.was_cancelled
    assert not results(client)
