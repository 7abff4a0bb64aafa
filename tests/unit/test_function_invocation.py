"""Running what a model calls: each call once, beside the session, answered whatever happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
import pytest

from duologue import messages as m
from duologue.errors import HungUp, InvalidInput
from duologue.messages.base import ServerMessage
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, ToolContext, tool

Kind = TypeVar("Kind", bound=ServerMessage)

CONTINUES = msgspec.structs.replace(SCRIPTED_CAPABILITIES, continues_after_tool_results=True)
NO_CHOICE = msgspec.structs.replace(SCRIPTED_CAPABILITIES, response_options=frozenset())


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@asynccontextmanager
async def session_with(
    client: ScriptedClient, *tools: FunctionTool, settings: FunctionInvocation | None = None
) -> AsyncIterator[RealtimeSession]:
    layered = client.with_middleware(settings or FunctionInvocation())
    async with layered.create_session(SessionOptions(tools=tools)) as session:
        yield session


async def read_until(session: RealtimeSession, kind: type[Kind]) -> tuple[list[ServerMessage], Kind]:
    read: list[ServerMessage] = []
    async for message in session:
        read.append(message)
        if isinstance(message, kind):
            return read, message
    raise AssertionError(f"no {kind.__name__} among {read}")


async def settled() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


def results(client: ScriptedClient) -> list[m.FunctionResult]:
    items = [message.item for message in client.link.sent_of(m.ItemCreate)]
    return [item for item in items if isinstance(item, m.FunctionResult)]


def follow_ups(client: ScriptedClient) -> list[m.ResponseCreate]:
    return [request for request in client.link.sent_of(m.ResponseCreate) if request.follow_up]


async def outcome(
    client: ScriptedClient, *tools: FunctionTool, settings: FunctionInvocation | None = None
) -> m.FunctionResult:
    """The one result of a session whose first reply calls a function and whose second ends the turn."""
    async with session_with(client, *tools, settings=settings) as session:
        await session.respond()
        _, done = await read_until(session, m.TurnDone)
    assert done.outcome == "completed"
    assert len(follow_ups(client)) == 1
    (result,) = results(client)
    return result


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


# --- calls that are not ours ------------------------------------------------------------------------------------------

ASK_USER = FunctionTool(name="ask_user", description="Ask the person at the desk.")


def answer(call_id: str) -> m.ItemCreate:
    return m.ItemCreate(item=m.FunctionResult(call_id=call_id, output="yes"))


async def test_the_calls_of_a_declaration_are_left_to_the_reader() -> None:
    client = ScriptedClient([ScriptedReply.call("ask_user", call_id="u"), "Yes."])
    async with session_with(client, ASK_USER) as session:
        await session.respond()
        _, done = await read_until(session, m.ResponseDone)
        await settled()
        assert [call.call_id for call in done.function_calls] == ["u"]
        await session.send(answer("u"))
        await settled()
        assert len(client.link.sent) == 2
        await session.respond()
        await read_until(session, m.TurnDone)
    assert not follow_ups(client)


@pytest.mark.parametrize("reader_is_first", [True, False])
async def test_a_response_that_calls_both_kinds_is_followed_up_when_all_are_answered(reader_is_first: bool) -> None:
    release = asyncio.Event()

    @tool
    async def slow() -> None:
        await release.wait()

    reply = ScriptedReply.call("ask_user", call_id="u") + ScriptedReply.call("slow", call_id="s")
    client = ScriptedClient([reply, "Both."])
    async with session_with(client, ASK_USER, slow) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        for step in (0, 1):
            assert not follow_ups(client)
            if reader_is_first == (step == 0):
                await session.send(answer("u"))
            else:
                release.set()
                await client.link.wait_sent(m.ItemCreate, step + 1)
            await settled()
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_a_reader_that_asks_by_itself_gets_one_response() -> None:
    reply = ScriptedReply.call("ask_user", call_id="u") + ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([reply, "Once."])
    async with session_with(client, ASK_USER, add) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        await client.link.wait_sent(m.ItemCreate)
        await session.send(answer("u"))
        await session.respond()
        await read_until(session, m.TurnDone)
        await settled()
    assert len(client.link.sent_of(m.ResponseCreate)) == 2
    assert not follow_ups(client)


async def test_an_answer_that_was_refused_is_none() -> None:
    def refuse(message: m.ItemCreate) -> None:
        if isinstance(message.item, m.FunctionResult) and message.item.output == "bad":
            raise InvalidInput("no")

    reply = ScriptedReply.call("ask_user", call_id="u") + ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([reply, "Good."])
    client.on(m.ItemCreate, refuse)
    async with session_with(client, ASK_USER, add) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate)
        with pytest.raises(InvalidInput):
            await session.send(m.ItemCreate(item=m.FunctionResult(call_id="u", output="bad")))
        await settled()
        assert not follow_ups(client)
        await session.send(answer("u"))
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_an_answer_counts_although_its_sender_gave_up_waiting() -> None:
    reply = ScriptedReply.call("ask_user", call_id="u") + ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([reply, "Good."])
    async with session_with(client, ASK_USER, add) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate)
        client.link.block_sending()
        sending = asyncio.create_task(session.send(answer("u")))
        await client.link.wait_sent(m.ItemCreate, 2)
        sending.cancel()
        await asyncio.wait([sending])
        client.link.unblock_sending()
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_calls_beside_the_conversation_are_left_to_the_reader() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1})])
    async with session_with(client, add) as session:
        await session.send(m.ResponseCreate(out_of_band=True))
        _, done = await read_until(session, m.ResponseDone)
        await settled()
    assert done.function_calls
    assert not results(client)


# --- where tools are found --------------------------------------------------------------------------------------------


async def test_additional_tools_are_found() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1}), "Two."])
    assert (await outcome(client, settings=FunctionInvocation(additional_tools=(add,)))).output == "2"
    assert client.link.options.tools == ()


async def test_the_sessions_tools_come_before_additional_ones() -> None:
    @tool(name="add")
    def concatenate(a: int, b: int) -> str:
        return f"{a}{b}"

    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1}), "Eleven."])
    assert (await outcome(client, concatenate, settings=FunctionInvocation(additional_tools=(add,)))).output == "11"


async def test_the_tools_of_one_request_are_found() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1}), "Two."])
    async with session_with(client) as session:
        await session.respond(m.ResponseCreate(tools=(add,)))
        await read_until(session, m.TurnDone)
    assert [result.output for result in results(client)] == ["2"]


async def test_tools_that_an_update_brings_are_found() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1}), "Two."])
    async with session_with(client) as session:
        await session.update(SessionOptions(tools=(add,)))
        await session.respond()
        await read_until(session, m.TurnDone)
    assert [result.output for result in results(client)] == ["2"]


# --- going on ---------------------------------------------------------------------------------------------------------


async def test_no_follow_up_where_the_model_goes_on_by_itself() -> None:
    client = ScriptedClient([ScriptedReply.call("add", {"a": 1, "b": 1})], capabilities=CONTINUES)
    async with session_with(client, add) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate)
        client.link.respond("Two.")
        await read_until(session, m.TurnDone)
        await settled()
    assert len(results(client)) == 1
    assert not follow_ups(client)


async def test_a_model_that_never_stops_calling_is_stopped() -> None:
    call = ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([call, call, call, "Well, two."])
    async with session_with(client, add, settings=FunctionInvocation(maximum_iterations=2)) as session:
        await session.send_text("Add.")
        read, _ = await read_until(session, m.TurnDone)
    assert [result.is_error for result in results(client)] == [False, False, True]
    assert [request.tool_choice for request in follow_ups(client)] == [None, None, "none"]
    (report,) = [message for message in read if isinstance(message, m.ErrorReported)]
    assert report.error.code == "too_many_function_calls"


async def test_a_model_that_does_not_listen_is_answered_and_not_asked_again() -> None:
    call = ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([call, call, call, "Fine.", "Next."], capabilities=NO_CHOICE)
    async with session_with(client, add, settings=FunctionInvocation(maximum_iterations=1)) as session:
        await session.send_text("Add.")
        await client.link.wait_sent(m.ItemCreate, 4)
        await settled()
        assert [result.is_error for result in results(client)] == [False, True, True]
        assert [request.tool_choice for request in follow_ups(client)] == [None, None]
        await session.send_text("Enough.")  # the user can always go on
        read, _ = await read_until(session, m.TurnDone)
        await read_until(session, m.TurnDone)
    assert len([message for message in read if isinstance(message, m.ErrorReported)]) == 1


async def test_a_model_that_goes_on_by_itself_is_left_without_an_answer_in_the_end() -> None:
    call = ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([call], capabilities=CONTINUES)
    async with session_with(client, add, settings=FunctionInvocation(maximum_iterations=1)) as session:
        await session.send_text("Add.")
        for number in (2, 3):
            await client.link.wait_sent(m.ItemCreate, number)
            client.link.respond(call)
        await read_until(session, m.ErrorReported)
        await settled()
    assert [result.is_error for result in results(client)] == [False, True]


async def test_every_turn_is_counted_anew() -> None:
    call = ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([call, "Two.", call, "Two again."])
    async with session_with(client, add, settings=FunctionInvocation(maximum_iterations=1)) as session:
        for _ in range(2):
            await session.send_text("Add.")
            await read_until(session, m.TurnDone)
    assert [result.is_error for result in results(client)] == [False, False]


# --- among other layers -----------------------------------------------------------------------------------------------


class Watching(SessionLayer):
    """Sees everything, and hands it on a turn of the loop later, as a layer may."""

    def received(self, message: ServerMessage) -> None:
        asyncio.get_running_loop().call_soon(self.deliver, message)


async def test_a_cancelled_read_through_three_layers_loses_nothing() -> None:
    client = ScriptedClient()
    layered = client.with_middleware(wrap_sessions(Watching), FunctionInvocation(), wrap_sessions(Watching))
    async with layered.create_session() as session:
        assert isinstance(await anext(session), m.SessionCreated)
        read: list[ServerMessage] = []
        cancelled = 0
        for number in range(100):
            reading = asyncio.ensure_future(anext(session))
            await asyncio.sleep(0)
            client.link.push(m.ResumptionUpdated(handle=str(number)))
            for _ in range(number % 8):  # cancelled at every moment between being sent and being read
                await asyncio.sleep(0)
            reading.cancel()
            try:
                read.append(await reading)
            except asyncio.CancelledError:
                cancelled += 1
        client.link.push(m.SessionExpiring(seconds_left=1))
        rest, _ = await read_until(session, m.SessionExpiring)
    handles = [message.handle for message in (*read, *rest) if isinstance(message, m.ResumptionUpdated)]
    assert handles == [str(number) for number in range(100)]
    assert 0 < cancelled < 100


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InvalidInput, match="ask_user"):
        FunctionInvocation(additional_tools=(ASK_USER,))
    with pytest.raises(InvalidInput, match="above 0"):
        FunctionInvocation(timeout=0)
    with pytest.raises(InvalidInput, match="at least 1"):
        FunctionInvocation(maximum_iterations=0)
