"""Calls in the background: the conversation goes on, and the result comes later."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.invocation import FunctionInvocationContext
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, Scheduling, ToolContext, tool
from function_calls import add, follow_ups, read_until, results, session_with, settled, wait_results

KNOWS_BACKGROUND = msgspec.structs.replace(
    SCRIPTED_CAPABILITIES, tool_scheduling=True, tool_cancellation=True, continues_after_tool_results=True
)
RESULTS_ONLY = msgspec.structs.replace(SCRIPTED_CAPABILITIES, text_input=False)

REPORT = ScriptedReply.call("report", {"month": 5}, call_id="r")


class Report:
    """A function that runs in the background until it is let go."""

    def __init__(
        self, scheduling: Scheduling = "when_idle", timeout: float | None = None, *, needs_approval: bool = False
    ) -> None:
        self.running, self.release = asyncio.Event(), asyncio.Event()
        self.was_cancelled = False
        self.tool: FunctionTool = tool(
            name="report", background=True, scheduling=scheduling, timeout=timeout, needs_approval=needs_approval
        )(self.run)

    async def run(self, month: int) -> str:
        self.running.set()
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return f"the report of month {month}"


# --- wires that know no such thing ---


async def test_the_model_is_told_at_once_and_the_result_comes_as_a_call_of_its_own() -> None:
    report = Report()
    client = ScriptedClient([REPORT, "I am on it.", "Here it is."])
    async with session_with(client, report.tool) as session:
        await session.send_text("Make the report.")
        read, turn = await read_until(session, m.TurnDone)
        assert turn.outcome == "completed"
        (started,) = results(client)
        assert (started.call_id, started.is_error) == ("r", False)
        assert started.output.startswith("It was started")
        assert len(follow_ups(client)) == 1
        report.release.set()
        late, _ = await read_until(session, m.TurnDone)
    *_, call, result = [message.item for message in client.link.sent_of(m.ItemCreate)]
    assert isinstance(call, m.FunctionCall)
    assert isinstance(result, m.FunctionResult)
    assert call.call_id == result.call_id != "r"
    assert (call.name, call.arguments, call.status) == ("report", '{"month": 5}', "completed")
    assert (result.name, result.output, result.is_error) == ("report", "the report of month 5", False)
    assert len(follow_ups(client)) == 2
    conversation = Conversation()
    for message in (*read, *late):
        conversation.feed(message)
    assert not conversation.open_calls


async def test_the_result_waits_until_nobody_speaks() -> None:
    report = Report()
    client = ScriptedClient([REPORT, "I am on it.", ScriptedReply.text("Oslo lies in Norway.").held(), "Here it is."])
    async with session_with(client, report.tool) as session:
        await session.send_text("Make the report.")
        await read_until(session, m.TurnDone)
        await session.send_text("Where is Oslo?")
        await read_until(session, m.ResponseCreated)
        report.release.set()
        await wait_results(client, 2)
        await settled()
        assert len(follow_ups(client)) == 1  # the model speaks
        client.link.push(m.InputSpeechStarted(item_id="u"))
        assert client.link.active is not None
        client.link.push(*client.link.active.end("cancelled", reason="turn_detected"))
        await read_until(session, m.TurnDone)
        await settled()
        assert len(follow_ups(client)) == 1  # the user does
        client.link.push(m.InputSpeechStopped(item_id="u"), m.InputAudioCleared())
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 2


async def test_a_silent_result_is_only_added() -> None:
    report = Report("silent")
    client = ScriptedClient([REPORT, "I am on it."])
    async with session_with(client, report.tool) as session:
        await session.send_text("Make the report.")
        await read_until(session, m.TurnDone)
        report.release.set()
        await wait_results(client, 2)
        await settled()
    assert len(follow_ups(client)) == 1


async def test_an_urgent_result_stops_the_model() -> None:
    report = Report("interrupt")
    client = ScriptedClient([REPORT, "I am on it.", ScriptedReply.speech("Once upon a time").held(), "Here it is."])
    async with session_with(client, report.tool, add) as session:
        await session.send_text("Make the report.")
        await read_until(session, m.TurnDone)
        await session.send_text("Tell me a story.")
        await read_until(session, m.OutputAudioDelta)
        report.release.set()
        read, done = await read_until(session, m.ResponseDone)
        assert any(isinstance(message, m.Interrupted) for message in read)
        assert done.status == "cancelled"
        _, done = await read_until(session, m.ResponseDone)
    assert [item.text for item in done.items if isinstance(item, m.MessageItem)] == ["Here it is."]


async def test_the_rest_of_the_response_does_not_wait_for_it() -> None:
    report = Report()
    client = ScriptedClient([REPORT + ScriptedReply.call("add", {"a": 1, "b": 1}), "Two; the report is on its way."])
    async with session_with(client, report.tool, add, settings=FunctionInvocation(concurrent=False)) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
        assert not report.release.is_set()
    assert len(follow_ups(client)) == 1
    assert report.was_cancelled


async def test_a_failure_in_the_background_is_told_too() -> None:
    @tool(background=True)
    async def report() -> None:
        await asyncio.sleep(0)
        raise OSError("no paper")

    client = ScriptedClient([ScriptedReply.call("report"), "I am on it.", "It failed."])
    async with session_with(client, report, settings=FunctionInvocation(maximum_consecutive_errors=0)) as session:
        await session.respond()
        await wait_results(client, 2)
        await client.link.wait_sent(m.ResponseCreate, 2)
        await read_until(session, m.TurnDone)
    _, result = results(client)
    assert (result.is_error, result.output) == (True, "The function report failed.")


async def test_it_has_only_its_own_timeout() -> None:
    patient, hasty = Report(), Report(timeout=0.01)
    for report, expected in ((patient, "the report of month 5"), (hasty, "gave no result within 0.01 s")):
        client = ScriptedClient([REPORT, "I am on it.", "Here it is."])
        async with session_with(client, report.tool, settings=FunctionInvocation(timeout=1e-6)) as session:
            await session.send_text("Make the report.")
            await read_until(session, m.TurnDone)
            if report is patient:
                await settled()  # longer than the timeout of the others
                report.release.set()
            await wait_results(client, 2)
        assert expected in results(client)[1].output


async def test_the_user_does_not_stop_it() -> None:
    report = Report()
    client = ScriptedClient([REPORT, "I am on it.", "Yes?", "Here it is."])
    async with session_with(client, report.tool, settings=FunctionInvocation(on_interruption="cancel")) as session:
        await session.send_text("Make the report.")
        await session.send_text("Wait.")
        await session.interrupt()
        await read_until(session, m.TurnDone)
        report.release.set()
        await wait_results(client, 2)
    assert not report.was_cancelled


async def test_arguments_and_approval_come_before_the_start() -> None:
    report = Report(needs_approval=True)
    bad = ScriptedReply.call("report", {"month": "may"})
    client = ScriptedClient([bad, REPORT, "I must not."])

    async def approve(question: m.ApprovalRequested) -> bool:
        assert question.arguments == '{"month": 5}'  # of the other call nobody is asked
        return False

    async with session_with(client, report.tool, settings=FunctionInvocation(approve=approve)) as session:
        await session.send_text("Make the report.")
        await read_until(session, m.TurnDone)
    first, second = results(client)
    assert "month" in first.output
    assert second.output == "The call was not allowed, and nothing was done."
    assert not report.running.is_set()


async def test_a_terminated_call_is_reported_without_a_word() -> None:
    @tool(background=True)
    async def report(context: ToolContext) -> str:
        invocation = FunctionInvocationContext.current()
        assert invocation is not None
        invocation.terminate = True
        return "done"

    client = ScriptedClient([ScriptedReply.call("report"), "I am on it."])
    async with session_with(client, report) as session:
        await session.respond()
        await wait_results(client, 2)
        await read_until(session, m.TurnDone)
        await settled()
    assert len(follow_ups(client)) == 1


async def test_where_only_results_can_be_added_it_runs_as_any_other() -> None:
    report = Report()
    client = ScriptedClient([REPORT, "Here it is."], capabilities=RESULTS_ONLY)
    async with session_with(client, report.tool) as session:
        await session.respond()
        await report.running.wait()
        await read_until(session, m.ResponseDone)
        await settled()
        assert not results(client)
        report.release.set()
        await read_until(session, m.TurnDone)
    assert [result.output for result in results(client)] == ["the report of month 5"]


# --- wires that know it ---


@pytest.mark.parametrize("scheduling", ["interrupt", "when_idle", "silent"])
async def test_a_wire_with_scheduling_gets_the_result_alone(scheduling: Scheduling) -> None:
    report = Report(scheduling)
    client = ScriptedClient([REPORT], capabilities=KNOWS_BACKGROUND)
    async with session_with(client, report.tool) as session:
        await session.send_text("Make the report.")
        await report.running.wait()
        await read_until(session, m.ResponseDone)
        await settled()
        assert not results(client)
        report.release.set()
        await wait_results(client)
        await settled()
        sent = client.link.sent[-1]
    assert sent == m.ItemCreate(
        id=sent.id,
        item=m.FunctionResult(call_id="r", name="report", output="the report of month 5", scheduling=scheduling),
    )
    assert not follow_ups(client)


async def test_a_terminated_call_is_silent_there() -> None:
    async def invoke(context: FunctionInvocationContext) -> object:
        context.terminate = True
        return "done"

    report = Report("interrupt")
    client = ScriptedClient([REPORT], capabilities=KNOWS_BACKGROUND)
    async with session_with(client, report.tool, settings=FunctionInvocation(invoker=invoke)) as session:
        await session.respond()
        (result,) = await wait_results(client)
    assert (result.output, result.scheduling) == ("done", "silent")


@pytest.mark.parametrize("approved_late", [True, False])
async def test_the_other_calls_are_followed_up_there(approved_late: bool) -> None:
    report = Report(needs_approval=approved_late)
    asks = msgspec.structs.replace(KNOWS_BACKGROUND, continues_after_tool_results=False)
    reply = REPORT + ScriptedReply.call("add", {"a": 1, "b": 1})
    client = ScriptedClient([reply, "Two; the report is on its way."], capabilities=asks)
    async with session_with(client, report.tool, add) as session:
        await session.respond()
        await wait_results(client)
        if approved_late:
            await settled()
            assert not follow_ups(client)
            await session.send(m.FunctionCallApproval(approval_id="r", approve=True))
        await read_until(session, m.TurnDone)
        assert not report.release.is_set()
    assert len(follow_ups(client)) == 1


async def test_a_provider_can_take_it_back() -> None:
    report = Report()
    client = ScriptedClient([REPORT], capabilities=KNOWS_BACKGROUND)
    async with session_with(client, report.tool) as session:
        await session.respond()
        await report.running.wait()
        client.link.push(m.ToolCallsCancelled(call_ids=("r",)))
        await read_until(session, m.ToolCallsCancelled)
        await settled()
        assert report.was_cancelled
    assert not results(client)


async def test_the_end_of_the_session_stops_it() -> None:
    report = Report()
    client = ScriptedClient([REPORT, "I am on it."])
    before = asyncio.all_tasks()
    async with session_with(client, report.tool) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    assert report.was_cancelled
    assert asyncio.all_tasks() == before


def test_scheduling_is_part_of_a_results_json() -> None:
    message = m.ItemCreate(item=m.FunctionResult(call_id="c", output="1", scheduling="silent"))
    assert m.client_from_json(m.to_json(message)) == message
    assert b"scheduling" not in m.to_json(m.ItemCreate(item=m.FunctionResult(call_id="c", output="1")))
