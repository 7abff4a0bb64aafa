"""Whose calls they are, where tools are found, and when the model is asked to go on."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from duologue import messages as m
from duologue.errors import InvalidInput
from duologue.messages.base import ServerMessage
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, tool
from function_calls import add, follow_ups, outcome, read_until, results, session_with, settled

CONTINUES = msgspec.structs.replace(SCRIPTED_CAPABILITIES, continues_after_tool_results=True)
NO_CHOICE = msgspec.structs.replace(SCRIPTED_CAPABILITIES, response_options=frozenset())


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
