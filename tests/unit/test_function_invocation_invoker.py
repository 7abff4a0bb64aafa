"""Errors that reach the reader, calls of what is not there, and invokers of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from duologue import messages as m
from duologue.errors import InvalidArguments, InvalidInput, SessionFailed
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.invocation import FunctionInvocationContext
from duologue.options import SessionOptions
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, ToolContext, tool
from function_calls import add, follow_ups, outcome, read_until, results, session_with, settled

ADD = ScriptedReply.call("add", {"a": 1, "b": 1})
FAIL = ScriptedReply.call("fail")


@tool
async def fail() -> None:
    raise OSError("disk on fire")


# --- errors in a row ---


async def test_a_function_that_fails_again_and_again_is_raised_to_the_reader() -> None:
    client = ScriptedClient([FAIL, FAIL])
    async with session_with(client, fail, settings=FunctionInvocation(maximum_consecutive_errors=1)) as session:
        await session.respond()
        with pytest.raises(OSError, match="disk on fire"):
            await read_until(session, m.TurnDone)
    assert isinstance(session.ended, SessionFailed)
    assert isinstance(session.ended.__cause__, OSError)
    assert len(results(client)) == 2
    assert len(follow_ups(client)) == 1


async def test_a_function_that_never_ends_is_raised_as_a_timeout() -> None:
    @tool(timeout=0.01)
    async def hang() -> None:
        await asyncio.Event().wait()

    client = ScriptedClient([ScriptedReply.call("hang")])
    async with session_with(client, hang, settings=FunctionInvocation(maximum_consecutive_errors=0)) as session:
        await session.respond()
        with pytest.raises(TimeoutError, match="hang gave no result within"):
            await read_until(session, m.TurnDone)


async def test_errors_in_other_turns_do_not_count() -> None:
    client = ScriptedClient([FAIL, "Sorry.", FAIL, "Sorry again."])
    async with session_with(client, fail, settings=FunctionInvocation(maximum_consecutive_errors=1)) as session:
        for _ in range(2):
            await session.send_text("Do it.")
            _, turn = await read_until(session, m.TurnDone)
            assert turn.outcome == "completed"


async def test_a_model_that_calls_badly_is_told_and_nobody_else() -> None:
    bad = ScriptedReply.call("add", {"a": "many"})
    unknown = ScriptedReply.call("subtract")
    client = ScriptedClient([bad, unknown, bad, "I cannot add."])
    async with session_with(client, add, settings=FunctionInvocation(maximum_consecutive_errors=0)) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    assert len(results(client)) == 3


@pytest.mark.parametrize("is_error", [True, False])
async def test_what_the_reader_answers_counts_too(is_error: bool) -> None:
    ask_user = FunctionTool(name="ask_user")
    client = ScriptedClient([FAIL + ScriptedReply.call("ask_user", call_id="u"), "Half of it went wrong."])
    settings = FunctionInvocation(maximum_consecutive_errors=0)
    async with session_with(client, fail, ask_user, settings=settings) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate)
        await session.send(m.ItemCreate(item=m.FunctionResult(call_id="u", output="yes", is_error=is_error)))
        if is_error:
            with pytest.raises(OSError, match="disk on fire"):
                await read_until(session, m.TurnDone)
        else:
            await read_until(session, m.TurnDone)


async def test_errors_without_bound() -> None:
    client = ScriptedClient([*[FAIL] * 6, "I give up."])
    async with session_with(client, fail, settings=FunctionInvocation(maximum_consecutive_errors=None)) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    assert len(results(client)) == 6


# --- functions that are not there ---


async def test_an_unknown_call_can_be_left_to_the_reader() -> None:
    client = ScriptedClient([ScriptedReply.call("subtract", call_id="s"), "Zero."])
    async with session_with(client, add, settings=FunctionInvocation(terminate_on_unknown_calls=True)) as session:
        await session.respond()
        _, done = await read_until(session, m.ResponseDone)
        await settled()
        assert [call.name for call in done.function_calls] == ["subtract"]
        assert client.link.sent_of(m.ItemCreate) == []
        assert not follow_ups(client)
        await session.send(m.ItemCreate(item=m.FunctionResult(call_id="s", output="0")))
        await session.respond()
        await read_until(session, m.TurnDone)
    assert not follow_ups(client)


async def test_an_unknown_call_beside_a_known_one_holds_up_the_follow_up() -> None:
    client = ScriptedClient([ADD + ScriptedReply.call("subtract", call_id="s"), "Two, and zero."])
    async with session_with(client, add, settings=FunctionInvocation(terminate_on_unknown_calls=True)) as session:
        await session.respond()
        await read_until(session, m.ResponseDone)
        await client.link.wait_sent(m.ItemCreate)
        await settled()
        assert [result.output for result in results(client)] == ["2"]
        assert not follow_ups(client)
        await session.send(m.ItemCreate(item=m.FunctionResult(call_id="s", output="0")))
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


async def test_a_function_can_tell_the_model_what_to_do_better() -> None:
    @tool
    async def find(city: str) -> None:
        raise InvalidArguments(f"{city} is not written in English.")

    result = await outcome(ScriptedClient([ScriptedReply.call("find", {"city": "Rom"}), "Rome."]), find)
    assert (result.is_error, result.output) == (True, "Rom is not written in English.")


# --- an invoker of one's own ---


async def test_an_invoker_stands_in_for_the_tool() -> None:
    seen: list[FunctionInvocationContext] = []

    async def invoke(context: FunctionInvocationContext) -> object:
        seen.append(context)
        return {"instead": context.arguments["a"]}

    client = ScriptedClient([ScriptedReply.call("add", {"a": 7, "b": 1}, call_id="c"), "Seven."])
    settings = FunctionInvocation(invoker=invoke, maximum_iterations=1)
    async with session_with(client, add, settings=settings) as session:
        await session.respond()
        read, turn = await read_until(session, m.TurnDone)
    assert [result.output for result in results(client)] == ['{"instead": 7}']
    (context,) = seen
    (first, *_) = [message for message in read if isinstance(message, m.ResponseCreated)]
    assert (context.call.call_id, context.tool, context.iteration, context.is_last) == ("c", add, 1, True)
    assert (context.response_id, context.turn_id) == (first.response_id, turn.turn_id)
    assert context.session.options.tools == (add,)


async def test_an_invoker_goes_round_the_tool() -> None:
    log: list[object] = []

    async def invoke(context: FunctionInvocationContext) -> object:
        log.append("before")
        value = await context.invoke()
        other = await context.invoke({**context.arguments, "b": 10})
        log.append(value)
        return other

    result = await outcome(ScriptedClient([ADD, "Eleven."]), add, settings=FunctionInvocation(invoker=invoke))
    assert (log, result.output) == (["before", 2], "11")


async def test_an_invoker_is_held_to_the_same_rules() -> None:
    async def invoke(context: FunctionInvocationContext) -> object:
        await asyncio.Event().wait()
        return None

    result = await outcome(
        ScriptedClient([ADD, "Sorry."]), add, settings=FunctionInvocation(invoker=invoke, timeout=0.01)
    )
    assert "gave no result within 0.01 s" in result.output


async def test_iterations_are_counted_for_the_invoker() -> None:
    seen: list[tuple[int, bool]] = []

    async def invoke(context: FunctionInvocationContext) -> object:
        seen.append((context.iteration, context.is_last))
        return None

    client = ScriptedClient([ADD, ADD, "Done."])
    async with session_with(client, add, settings=FunctionInvocation(invoker=invoke, maximum_iterations=2)) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    assert seen == [(1, False), (2, True)]


# --- the current call ---


async def test_the_current_call_is_found_on_the_loop_and_in_threads() -> None:
    found: dict[str, str | None] = {}

    def look(name: str) -> None:
        context = FunctionInvocationContext.current()
        found[name] = None if context is None else context.call.call_id

    @tool
    async def on_the_loop() -> None:
        look("loop")
        await asyncio.create_task(look_later())

    async def look_later() -> None:
        look("task")

    @tool
    def in_a_thread() -> None:
        look("thread")

    reply = ScriptedReply.call("on_the_loop", call_id="l") + ScriptedReply.call("in_a_thread", call_id="t")
    client = ScriptedClient([reply, "Done."])
    async with session_with(client, on_the_loop, in_a_thread) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    look("outside")
    assert found == {"loop": "l", "task": "l", "thread": "t", "outside": None}


def _terminating(way: str) -> tuple[FunctionTool, FunctionInvocation]:
    async def invoke(context: FunctionInvocationContext) -> object:
        context.terminate = True
        return "handed over"

    @tool
    async def hand_over() -> str:
        context = FunctionInvocationContext.current()
        assert context is not None
        context.terminate = True
        if way == "raises":
            raise OSError("broken")
        return "handed over"

    return hand_over, FunctionInvocation(invoker=invoke if way == "invoker" else None)


@pytest.mark.parametrize("way", ["invoker", "tool", "raises"])
async def test_a_call_can_end_the_loop(way: str) -> None:
    hand_over, settings = _terminating(way)
    client = ScriptedClient([ScriptedReply.call("hand_over") + ADD, "By the application."])
    async with session_with(client, hand_over, add, settings=settings) as session:
        await session.respond()
        await client.link.wait_sent(m.ItemCreate, 2)
        await settled()
        assert len(results(client)) == 2  # every call has its answer
        assert not follow_ups(client)
        await session.respond()  # the application goes on when it likes
        await read_until(session, m.TurnDone)


async def test_a_tool_context_knows_the_session_of_the_call() -> None:
    seen: list[ToolContext] = []

    @tool
    async def look(context: ToolContext) -> None:
        seen.append(context)

    async with session_with(ScriptedClient([ScriptedReply.call("look"), "Done."]), look) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    assert seen[0].session is not None
    assert seen[0].session.options is session.options


# --- settings ---


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: FunctionInvocation(maximum_consecutive_errors=-1), "at least 0"),
        (lambda: FunctionInvocation(approval_timeout=0), "approval_timeout is a number of seconds above 0, or None"),
        (lambda: FunctionInvocation(filler_after=0), "filler_after is a number of seconds above 0, not"),
        (lambda: FunctionInvocation(on_interruption="stop"), "on_interruption"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_make_no_sense_are_refused(make: Callable[[], object], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        make()


async def test_two_sessions_of_one_client_know_nothing_of_each_other() -> None:
    slow, release = asyncio.Event(), asyncio.Event()

    @tool
    async def search() -> str:
        slow.set()
        await release.wait()
        return "found"

    client = ScriptedClient([ScriptedReply.call("search", call_id="same"), "Done."])
    layered = client.with_middleware(FunctionInvocation(maximum_iterations=1))

    options = SessionOptions(tools=(search,))
    async with layered.create_session(options) as first, layered.create_session(options) as second:
        await first.respond()
        await slow.wait()
        await second.respond()
        slow.clear()
        await slow.wait()
        await first.aclose()  # its call ends with it, the other's goes on
        release.set()
        await read_until(second, m.TurnDone)
    sent = [[type(message) for message in link.sent_of(m.ItemCreate)] for link in client.links]
    assert sent == [[], [m.ItemCreate]]
