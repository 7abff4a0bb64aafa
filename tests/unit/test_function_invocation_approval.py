"""Calls that somebody has to approve: by a callback or by the reader, in time or not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from duologue import messages as m
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.middleware.approval import Approval, Approve
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, tool
from function_calls import follow_ups, outcome, read_until, results, session_with, settled, wait_results

NO_MCP = msgspec.structs.replace(SCRIPTED_CAPABILITIES, hosted_mcp=False)
PAY = ScriptedReply.call("pay", {"amount": 9}, call_id="p")
HOSTED = m.ApprovalRequested(approval_id="mcpr_1", name="send", arguments="{}", server_label="mail")
NOT_ALLOWED = "The call was not allowed, and nothing was done."


class Bank:
    """A tool that must not run without being allowed."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.tool: FunctionTool = tool(name="pay", needs_approval=True)(self.pay)

    def pay(self, amount: int) -> str:
        self.paid.append(amount)
        return "paid"


async def nobody(question: m.ApprovalRequested) -> bool:
    await asyncio.Event().wait()
    return True


# --- a callback ---


@pytest.mark.parametrize("answer", [True, Approval(approve=True)])
async def test_a_callback_that_agrees(answer: bool | Approval) -> None:
    bank, asked = Bank(), []

    async def approve(question: m.ApprovalRequested) -> bool | Approval:
        asked.append(question)
        return answer

    client = ScriptedClient([PAY, "It is paid."])
    result = await outcome(client, bank.tool, settings=FunctionInvocation(approve=approve))
    assert (result.output, bank.paid) == ("paid", [9])
    (question,) = asked
    assert (question.approval_id, question.name, question.arguments) == ("p", "pay", '{"amount": 9}')
    assert question.server_label is None
    assert question.turn_id


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (False, NOT_ALLOWED),
        (Approval(approve=False, reason="Too much."), f"{NOT_ALLOWED} Too much."),
        (None, NOT_ALLOWED),
        ("never", NOT_ALLOWED),
    ],
)
async def test_a_callback_that_does_not_agree(answer: object, told: str) -> None:
    bank = Bank()

    async def approve(question: m.ApprovalRequested) -> bool:
        return answer  # type: ignore[return-value]

    result = await outcome(
        ScriptedClient([PAY, "I must not."]), bank.tool, settings=FunctionInvocation(approve=approve)
    )
    assert (result.is_error, result.output, bank.paid) == (True, told, [])


async def _raise_at_once(question: m.ApprovalRequested) -> bool:
    raise TimeoutError("the desk is closed")


@pytest.mark.parametrize(
    ("approve", "told"),
    [(nobody, "Nobody answered in time."), (_raise_at_once, "The question whether it may run failed.")],
)
async def test_no_answer_refuses(approve: Approve, told: str) -> None:
    bank = Bank()
    settings = FunctionInvocation(approve=approve, approval_timeout=0.01)
    result = await outcome(ScriptedClient([PAY, "I must not."]), bank.tool, settings=settings)
    assert (result.output, bank.paid) == (f"{NOT_ALLOWED} {told}", [])


async def test_the_reader_is_not_asked_where_a_callback_answers() -> None:
    bank = Bank()

    async def approve(question: m.ApprovalRequested) -> bool:
        return True

    client = ScriptedClient([PAY, "It is paid."])
    async with session_with(client, bank.tool, settings=FunctionInvocation(approve=approve)) as session:
        await session.respond()
        read, _ = await read_until(session, m.TurnDone)
    assert not any(isinstance(message, m.ApprovalRequested) for message in read)


# --- the reader ---


@pytest.mark.parametrize(("approve", "told"), [(True, "paid"), (False, f"{NOT_ALLOWED} Ask me tomorrow.")])
async def test_the_reader_is_asked_and_answers(approve: bool, told: str) -> None:
    bank = Bank()
    client = ScriptedClient([PAY, "So be it."], capabilities=NO_MCP)
    async with session_with(client, bank.tool) as session:
        await session.respond()
        _, question = await read_until(session, m.ApprovalRequested)
        assert (question.approval_id, question.name, question.server_label) == ("p", "pay", None)
        await settled()
        assert not bank.paid
        answer = m.FunctionCallApproval(
            approval_id="p", approve=approve, reason=None if approve else "Ask me tomorrow."
        )
        assert await session.send(answer)
        assert await session.send(msgspec.structs.replace(answer, id="mine", approve=not approve)) == "mine"  # too late
        await read_until(session, m.TurnDone)
    assert [result.output for result in results(client)] == [told]
    assert bool(bank.paid) == approve
    assert not client.link.sent_of(m.FunctionCallApproval)  # it stays on this side


async def test_an_answer_after_the_time_is_refused() -> None:
    bank = Bank()
    client = ScriptedClient([PAY, "I must not."])
    async with session_with(client, bank.tool, settings=FunctionInvocation(approval_timeout=0.01)) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
        with pytest.raises(InvalidInput, match="does not wait for an approval any more"):
            await session.send(m.FunctionCallApproval(approval_id="p", approve=True))
    assert [result.output for result in results(client)] == [f"{NOT_ALLOWED} Nobody answered in time."]
    assert not bank.paid


async def test_a_call_id_that_comes_again_is_another_question() -> None:
    bank = Bank()
    client = ScriptedClient([PAY, PAY, "It is paid twice."])
    async with session_with(client, bank.tool) as session:
        await session.respond()
        for _ in range(2):
            await read_until(session, m.ApprovalRequested)
            await session.send(m.FunctionCallApproval(approval_id="p", approve=True))
        await read_until(session, m.TurnDone)
    assert bank.paid == [9, 9]


async def test_a_question_that_the_user_left_behind_is_settled() -> None:
    bank = Bank()
    client = ScriptedClient([PAY])
    async with session_with(client, bank.tool, settings=FunctionInvocation(on_interruption="cancel")) as session:
        await session.respond()
        await read_until(session, m.ApprovalRequested)
        await session.interrupt()
        await wait_results(client)
        with pytest.raises(InvalidInput):
            await session.send(m.FunctionCallApproval(approval_id="p", approve=True))
    assert not bank.paid


async def test_other_calls_do_not_wait_for_the_answer() -> None:
    bank = Bank()

    @tool
    async def look() -> str:
        return "seen"

    client = ScriptedClient([PAY + ScriptedReply.call("look"), "All done."])
    async with session_with(client, bank.tool, look) as session:
        await session.respond()
        assert [result.output for result in await wait_results(client)] == ["seen"]
        await settled()
        assert not follow_ups(client)
        await session.send(m.FunctionCallApproval(approval_id="p", approve=True))
        await read_until(session, m.TurnDone)
    assert len(follow_ups(client)) == 1


# --- which calls ---


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_condition_tells_which_calls(is_async: bool) -> None:
    def large(arguments: Mapping[str, object]) -> bool:
        amount = arguments["amount"]
        assert isinstance(amount, int)
        return amount > 100

    async def large_later(arguments: Mapping[str, object]) -> bool:
        await asyncio.sleep(0)
        return large(arguments)

    asked: list[str] = []

    async def approve(question: m.ApprovalRequested) -> bool:
        asked.append(question.arguments)
        return False

    @tool(needs_approval=large_later if is_async else large)
    def pay(amount: int) -> str:
        return "paid"

    assert pay.needs_approval
    reply = ScriptedReply.call("pay", {"amount": 1}) + ScriptedReply.call("pay", {"amount": 101})
    client = ScriptedClient([reply, "One is paid."])
    async with session_with(client, pay, settings=FunctionInvocation(approve=approve)) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    assert sorted(result.output for result in results(client)) == [NOT_ALLOWED, "paid"]
    assert asked == ['{"amount": 101}']


async def test_a_condition_that_raises_lets_nothing_run() -> None:
    ran: list[int] = []

    @tool(needs_approval=lambda arguments: arguments["missing"] is None)
    def pay(amount: int) -> None:
        ran.append(amount)

    result = await outcome(ScriptedClient([PAY, "Sorry."]), pay)
    assert (result.output, ran) == ("The function pay failed.", [])


@pytest.mark.parametrize("arguments", ['{"amount": "much"}', '{"amount": 9'])
async def test_nobody_is_asked_about_arguments_that_do_not_fit(arguments: str) -> None:
    bank = Bank()

    async def approve(question: m.ApprovalRequested) -> bool:
        raise AssertionError("asked")

    client = ScriptedClient([ScriptedReply.call("pay", arguments), "Sorry."])
    result = await outcome(client, bank.tool, settings=FunctionInvocation(approve=approve))
    assert result.is_error
    assert "not allowed" not in result.output


# --- the calls of MCP servers ---


@pytest.mark.parametrize("answer", [True, Approval(approve=False, reason="No mail today.")])
async def test_a_callback_answers_for_mcp_servers(answer: bool | Approval) -> None:
    async def approve(question: m.ApprovalRequested) -> bool | Approval:
        assert question.server_label == "mail"
        return answer

    client = ScriptedClient()
    async with session_with(client, settings=FunctionInvocation(approve=approve)) as session:
        client.link.push(HOSTED, m.ResumptionUpdated(handle="h"))
        (sent,) = await client.link.wait_sent(m.FunctionCallApproval)
        read, _ = await read_until(session, m.ResumptionUpdated)
    expected = answer if isinstance(answer, Approval) else Approval(approve=answer)
    assert (sent.approval_id, sent.approve, sent.reason) == ("mcpr_1", expected.approve, expected.reason)
    assert HOSTED not in read


async def test_the_reader_answers_for_mcp_servers_over_the_wire() -> None:
    client = ScriptedClient()
    async with session_with(client, settings=FunctionInvocation()) as session:
        client.link.push(HOSTED)
        _, question = await read_until(session, m.ApprovalRequested)
        await session.send(m.FunctionCallApproval(id="mine", approval_id=question.approval_id, approve=True))
        await settled()
        assert len(asyncio.all_tasks()) == 1  # nothing waits any more
    assert client.link.sent == [m.FunctionCallApproval(id="mine", approval_id="mcpr_1", approve=True)]


async def test_an_mcp_call_that_nobody_answers_for_is_refused() -> None:
    client = ScriptedClient()
    async with session_with(client, settings=FunctionInvocation(approval_timeout=0.01)) as session:
        client.link.push(HOSTED)
        await read_until(session, m.ApprovalRequested)
        (sent,) = await client.link.wait_sent(m.FunctionCallApproval)
    assert (sent.approve, sent.reason) == (False, "Nobody answered in time.")


async def test_a_wire_without_reasons_gets_the_answer_without_one() -> None:
    def no_reasons(message: m.FunctionCallApproval) -> None:
        if message.reason is not None:
            raise UnsupportedOperation("a reason", "scripted")

    async def refuse(question: m.ApprovalRequested) -> Approval:
        return Approval(approve=False, reason="No mail today.")

    client = ScriptedClient()
    client.on(m.FunctionCallApproval, no_reasons)
    async with session_with(client, settings=FunctionInvocation(approve=refuse)) as session:
        client.link.push(HOSTED)
        (sent,) = await client.link.wait_sent(m.FunctionCallApproval)
        assert session.ended is None
    assert (sent.approve, sent.reason) == (False, None)


async def test_an_answer_to_no_question_is_the_providers_business() -> None:
    client = ScriptedClient(capabilities=NO_MCP)
    async with session_with(client) as session:
        with pytest.raises(UnsupportedOperation):
            await session.send(m.FunctionCallApproval(approval_id="whose", approve=True))
