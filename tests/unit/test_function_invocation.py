"""Running what a model calls: each call once, beside the session, answered whatever happens."""

from __future__ import annotations

import asyncio
import threading

import pytest

from duologue import messages as m
from duologue.middleware import FunctionInvocation
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import ToolContext, tool
from function_calls import add, follow_ups, outcome, read_until, results, session_with, settled

# --- one call ---------------------------------------------------------------------------------------------------------


async def test_a_call_is_answered_and_the_model_goes_on() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 2, "b": 3}, call_id="call_7"), "Five."])
    result = await outcome(client, add)
    assert result == m.FunctionResult(call_id="call_7", name="add", output="5")
    assert [type(message) for message in client.link.sent] == [m.ResponseCreate, m.ItemCreate, m.ResponseCreate]


async def test_a_call_that_is_told_of_many_times_runs_once() -> None:
    ran: list[int] = []

    @tool
    async def count() -> None:
        ran.append(1)

    client = ScriptedClient([ScriptedReply.call("count", call_id="again").held(), "Done."])
    async with session_with(client, count) as session:
        await session.respond()
        read, item_done = await read_until(session, m.OutputItemDone)
        client.link.push(item_done, item_done)
        await settled()
        assert client.link.active is not None
        client.link.push(*client.link.active.end(), item_done)
        await read_until(session, m.TurnDone)
        await settled()
    assert ran == [1]
    assert len(results(client)) == len(follow_ups(client)) == 1
    assert read


async def test_a_call_that_only_the_end_of_the_response_tells_of_runs() -> None:
    call = m.FunctionCall(id="item_9", status="completed", call_id="late", name="add", arguments='{"a": 1, "b": 1}')
    response = [m.ResponseCreated(response_id="r"), m.ResponseDone(response_id="r", status="completed", items=(call,))]
    client = ScriptedClient(["Two."])
    async with session_with(client, add) as session:
        client.link.push(*response)
        await read_until(session, m.TurnDone)
    assert [result.call_id for result in results(client)] == ["late"]


async def test_a_call_starts_before_its_response_is_done_and_the_follow_up_waits_for_that() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1}).held(), "Two."])
    async with session_with(client, add) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate)
        await settled()
        assert not follow_ups(client)
        assert client.link.active is not None
        client.link.push(*client.link.active.end())
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_a_tool_is_told_of_its_call_and_can_use_the_session() -> None:
    seen: list[ToolContext] = []

    @tool
    async def announce(word: str, context: ToolContext) -> str:
        seen.append(context)
        assert context.session is not None
        await context.session.send(m.ItemCreate(item=m.MessageItem.system(word)))
        return "announced"

    client = ScriptedClient([ScriptedReply.call("announce", {"word": "hear"}, call_id="c1"), "So."])
    assert (await outcome(client, announce)).output == "announced"
    assert [(context.call_id, context.name, dict(context.arguments)) for context in seen] == [
        ("c1", "announce", {"word": "hear"})
    ]
    assert client.link.sent_of(m.ItemCreate)[0].item == m.MessageItem.system("hear")


# --- what goes wrong --------------------------------------------------------------------------------------------------


async def test_what_a_tool_raises_is_kept_from_the_model_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    @tool
    async def break_down() -> None:
        raise OSError("disk /dev/sda1 on fire")

    result = await outcome(ScriptedClient([ScriptedReply.call("break_down"), "Sorry."]), break_down)
    assert (result.is_error, result.output) == (True, "The function break_down failed.")
    assert "on fire" in caplog.text


async def test_detailed_errors_tell_the_model_what_was_raised() -> None:
    @tool
    def break_down() -> None:
        raise OSError("disk on fire")

    client = ScriptedClient([ScriptedReply.call("break_down"), "Sorry."])
    result = await outcome(client, break_down, settings=FunctionInvocation(detailed_errors=True))
    assert result.output == "The function break_down failed. OSError: disk on fire"


async def test_a_tool_that_hangs_is_given_up() -> None:
    cleaned_up: list[bool] = []

    @tool
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(True)

    client = ScriptedClient([ScriptedReply.call("hang"), "Sorry."])
    result = await outcome(client, hang, settings=FunctionInvocation(timeout=0.01))
    assert (result.is_error, result.output) == (
        True,
        "The function hang gave no result within 0.01 s. It was given up.",
    )
    assert cleaned_up == [True]


async def test_a_thread_that_hangs_is_given_up_and_its_result_dropped() -> None:
    may_end, ended = threading.Event(), threading.Event()

    @tool(timeout=0.01)
    def hang() -> str:
        may_end.wait()
        ended.set()
        return "too late"

    client = ScriptedClient([ScriptedReply.call("hang"), "Sorry."])
    try:
        result = await outcome(client, hang, settings=FunctionInvocation(timeout=None))
    finally:
        may_end.set()
    assert "no result within 0.01 s" in result.output
    await asyncio.to_thread(ended.wait)
    await settled()
    assert len(results(client)) == 1


async def test_a_timeout_that_the_tool_raises_is_its_own() -> None:
    @tool
    async def look_up() -> None:
        raise TimeoutError("the database")

    result = await outcome(ScriptedClient([ScriptedReply.call("look_up"), "Sorry."]), look_up)
    assert result.output == "The function look_up failed."


async def test_a_result_that_cannot_be_shown() -> None:
    @tool
    async def connect() -> object:
        return object()

    client = ScriptedClient([ScriptedReply.call("connect"), "Sorry."])
    result = await outcome(client, connect)
    assert result.is_error
    assert result.output == "The function connect was run to its end, but its result cannot be shown."
    client = ScriptedClient([ScriptedReply.call("connect"), "Sorry."])
    result = await outcome(client, connect, settings=FunctionInvocation(detailed_errors=True))
    assert "has no JSON form" in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ('{"a": 1}', "- b: "),
        ('{"a": 1, "b": "many"}', "- b: "),
        ("{cut", "not valid JSON"),
        ("[1]", "JSON object"),
    ],
)
async def test_arguments_that_do_not_fit_are_explained_to_the_model(arguments: str, complaint: str) -> None:
    result = await outcome(ScriptedClient([ScriptedReply.call("add", arguments), "Again."]), add)
    assert result.is_error
    assert complaint in result.output


async def test_an_unknown_function_is_answered_with_those_that_there_are() -> None:
    result = await outcome(ScriptedClient([ScriptedReply.call("subtract"), "Sorry."]), add)
    assert (result.is_error, result.output) == (True, "There is no function 'subtract'. There is: add.")


async def test_a_tool_that_is_cancelled_from_within_is_answered() -> None:
    @tool
    async def wait() -> None:
        waited_for = asyncio.ensure_future(asyncio.Event().wait())
        waited_for.cancel()
        await waited_for

    result = await outcome(ScriptedClient([ScriptedReply.call("wait"), "Sorry."]), wait)
    assert (result.is_error, result.output) == (True, "The function wait failed.")


# --- several calls ----------------------------------------------------------------------------------------------------


async def test_three_tools_in_one_response_run_together_and_have_one_follow_up() -> None:
    barrier = asyncio.Barrier(3)

    @tool
    async def meet(name: str) -> str:
        await barrier.wait()  # passes only if all three run at once
        return name

    calls = [ScriptedReply.call("meet", {"name": name}, call_id=name) for name in "abc"]
    client = ScriptedClient([calls[0] + calls[1] + calls[2], "All here."])
    async with session_with(client, meet) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
        await settled()
    assert {(result.call_id, result.output) for result in results(client)} == {("a", "a"), ("b", "b"), ("c", "c")}
    assert len(follow_ups(client)) == 1
    assert client.link.sent[-1] is follow_ups(client)[0]


async def test_one_after_another_keeps_the_models_order() -> None:
    log: list[str] = []

    @tool
    async def step(name: str) -> None:
        log.append(f"{name} begins")
        await settled()
        log.append(f"{name} ends")

    reply = ScriptedReply.call("step", {"name": "a"}) + ScriptedReply.call("step", {"name": "b"})
    client = ScriptedClient([reply, "Done."])
    async with session_with(client, step, settings=FunctionInvocation(concurrent=False)) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    assert log == ["a begins", "a ends", "b begins", "b ends"]
    assert len(results(client)) == 2


async def test_the_follow_up_waits_for_results_that_the_network_is_slow_to_take() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1}), "Two."])
    async with session_with(client, add) as session:
        await session.respond()
        client.link.block_sending()
        await client.link.wait_sent(m.ItemCreate)
        await settled()
        assert not follow_ups(client)
        client.link.unblock_sending()
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_audio_goes_on_both_ways_while_a_tool_runs() -> None:
    release = asyncio.Event()

    @tool
    async def search() -> str:
        await release.wait()
        return "found"

    client = ScriptedClient([ScriptedReply.call("search"), ScriptedReply.speech("Still looking.", 200), "Found."])
    async with session_with(client, search) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        await session.send_audio(bytes(960))
        client.link.hear("Well?")
        read, _ = await read_until(session, m.ResponseDone)
        assert any(isinstance(message, m.OutputAudioDelta) for message in read)
        assert client.link.sent_of(m.InputAudioAppend)
        assert not results(client)
        release.set()
        await client.link.wait_sent(m.ResponseCreate, 2)
        await read_until(session, m.ResponseDone)
    assert [result.output for result in results(client)] == ["found"]


async def test_what_the_user_says_meanwhile_is_the_follow_up() -> None:
    release = asyncio.Event()

    @tool
    async def search() -> None:
        await release.wait()

    client = ScriptedClient([ScriptedReply.call("search")])
    async with session_with(client, search) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        client.link.push(m.InputSpeechStarted(item_id="u"))
        await read_until(session, m.InputSpeechStarted)
        release.set()
        await client.link.wait_sent(m.ItemCreate)
        await settled()
        assert not follow_ups(client)
        client.link.push(m.InputSpeechStopped(item_id="u"), m.InputAudioCommitted(item_id="u"))
        client.link.respond("Here is what I found, and the answer.")
        await read_until(session, m.TurnDone)
        await settled()
    assert not follow_ups(client)
