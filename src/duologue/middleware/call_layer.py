"""The layer that runs the functions a model calls: which calls, and when the model is asked to go on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from duologue import messages as m
from duologue.errors import SessionEnded, TooManyRequests, UnsupportedOperation
from duologue.lifecycle import new_id
from duologue.link import FunctionInvoker, Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.approval import TOO_LATE, Approvals
from duologue.middleware.call_background import runs_in_background
from duologue.middleware.call_rounds import CallRounds, Round
from duologue.middleware.call_runner import CallRunner, Outcome, failure
from duologue.middleware.call_service import CallService, ServedCall
from duologue.middleware.call_tools import CallableTools
from duologue.middleware.filler import VoiceWatch, has_filler
from duologue.middleware.invocation import FunctionInvocationContext
from duologue.runtime import SessionLayer
from duologue.tools import FunctionTool

if TYPE_CHECKING:
    from duologue.middleware.function_invocation import FunctionInvocation

_REFUSED = "The call was refused: too many function calls in a row. Answer now, with what is known."
_CANCELLED = "The call was cancelled, because the user moved on. Call it again only if the user still wants it."

_NOTED = (m.FunctionCallApproval, m.ItemCreate, m.ResponseCreate, m.OutputAudioClear, m.UserTurnStart)
"""What the layer has to know of that the application sends."""


class FunctionInvocationLayer(SessionLayer, FunctionInvoker):
    """The layer that `FunctionInvocation` puts around a session."""

    sends = True
    watches = (
        m.ResponseCreated,
        m.OutputItemDone,
        m.ResponseDone,
        m.ToolCallsCancelled,
        m.TurnDone,
        m.ApprovalRequested,
    )

    def __init__(self, inner: Link, settings: FunctionInvocation) -> None:
        fills = settings.filler is not None or has_filler((*(inner.options.tools or ()), *settings.additional_tools))
        voice = VoiceWatch(inner) if fills else None
        super().__init__(voice or inner)
        self._settings = settings
        self._tools = CallableTools(settings.additional_tools)
        self._approvals = Approvals(settings.approve, settings.approval_timeout, self.deliver)
        runner = CallRunner(
            self._approvals,
            invoker=settings.invoker,
            timeout=settings.timeout,
            detailed_errors=settings.detailed_errors,
        )
        self._service = CallService(self.inner, runner, settings, voice, self._go_on, self.spawn)
        self._rounds = CallRounds()
        self._out_of_band: set[str] = set()
        self._running: dict[str, ServedCall] = {}  # by call id
        self._follow_ups: set[asyncio.Task[object]] = set()  # on their way

    # --- what the reader sends ---

    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        return self._send(message) if isinstance(message, _NOTED) else self.inner.send(message)

    async def _send(self, message: ClientMessage) -> str:
        match message:
            case m.FunctionCallApproval():
                return await self._send_approval(message)
            case m.ItemCreate(item=m.FunctionResult() as result):
                return await self._send_result(message, result)
            case m.ResponseCreate():
                return await self._send_request(message)
            case m.OutputAudioClear() | m.UserTurnStart():
                self._user_moves_on()
            case _:
                pass
        return await self.inner.send(message)

    async def _send_request(self, request: m.ResponseCreate) -> str:
        self._tools.note(request)
        sent = await self.inner.send(request)
        if not request.out_of_band:  # it comes after the results too, and will do for the model to go on
            for follow_up in self._follow_ups:
                follow_up.cancel()
        return sent

    async def _send_result(self, message: m.ItemCreate, result: m.FunctionResult) -> str:
        accepted = True
        try:
            return await self.inner.send(message)
        except Exception:
            accepted = False
            raise
        finally:  # a sender that is cancelled while it waits has sent all the same
            if accepted:
                for round in self._rounds.close(result.call_id, answered=True, succeeded=not result.is_error):
                    self._go_on(round)

    async def _send_approval(self, message: m.FunctionCallApproval) -> str:
        message_id = message.id or new_id("msg")
        if self._approvals.is_for_provider(message):
            message_id = await self.inner.send(message)
        self._approvals.take(message)
        return message_id

    # --- what the model says ---

    def received(self, message: ServerMessage) -> None:
        if isinstance(message, m.ApprovalRequested) and message.server_label is not None:
            # The task runs before the reader does, and so expects the answer before there can be one.
            self.spawn(self._approve_hosted(message), name=f"approval of {message.name}")
            if not self._approvals.asks_reader:
                return
        self.deliver(message)
        match message:
            case m.ResponseCreated(out_of_band=True):
                self._out_of_band.add(message.response_id)
            case m.OutputItemDone(item=m.FunctionCall(status="completed") as call):
                self._take(call, message.response_id, message.turn_id)
            case m.ResponseDone():
                self._response_done(message)
            case m.ToolCallsCancelled(call_ids=call_ids):
                self._take_back(call_ids)
            case m.TurnDone(outcome="interrupted", turn_id=turn_id):
                self._user_moves_on(turn_id)
            case _:
                pass

    def _response_done(self, done: m.ResponseDone) -> None:
        for call in done.function_calls:
            self._take(call, done.response_id, done.turn_id)
        self._out_of_band.discard(done.response_id)
        round = self._rounds.response_done(done.response_id, completed=done.status == "completed")
        if round is not None:
            self._go_on(round)

    def _take(self, call: m.FunctionCall, response_id: str, turn_id: str | None) -> None:
        """Start a call that is whole, once."""
        if response_id in self._out_of_band:
            return
        round = self._rounds.of(response_id)
        if not round.add(call.call_id):
            return
        tool = self._tools.find(call.name, self.options)
        if self._is_readers(tool):
            return
        is_new = self._rounds.number(round, turn_id)
        served = ServedCall(call=call, round=round)
        if round.number > self._settings.maximum_iterations:
            self._refuse(served, tell_reader=is_new)
        elif tool is None:
            unknown = failure(call, self._tools.explain_unknown(call.name, self.options))
            self._start(served, self._service.answer(round, Outcome(unknown)))
        else:
            self._invoke(served, tool, response_id)

    def _is_readers(self, tool: FunctionTool | None) -> bool:
        """Whether the reader answers calls of that tool; None: one that is not there."""
        return self._settings.terminate_on_unknown_calls if tool is None else not tool.has_implementation

    def _invoke(self, served: ServedCall, tool: FunctionTool, response_id: str) -> None:
        invocation = FunctionInvocationContext(
            call=served.call,
            tool=tool,
            iteration=served.round.number,
            is_last=served.round.number == self._settings.maximum_iterations,
            response_id=response_id,
            turn_id=served.round.turn_id,
            session=self,
        )
        if runs_in_background(tool, self.capabilities):
            self._start(served, self._service.serve_in_background(served, invocation))
            return
        served.is_cancellable = (tool.on_interruption or self._settings.on_interruption) == "cancel"
        self._start(served, self._service.serve(served, invocation))

    def _start(self, served: ServedCall, work: Coroutine[object, object, None]) -> None:
        self._running[served.call.call_id] = served
        served.task = self.spawn(work, name=f"function {served.call.name}")
        served.task.add_done_callback(lambda _: self._forget(served))

    def _forget(self, served: ServedCall) -> None:
        if self._running.get(served.call.call_id) is served:
            del self._running[served.call.call_id]

    # --- calls that end before their time ---

    def _refuse(self, served: ServedCall, *, tell_reader: bool) -> None:
        """Too many rounds. After the first one that is refused, the model is not made to go on any more."""
        round, most = served.round, self._settings.maximum_iterations
        is_last = round.number > most + 1
        if is_last:
            round.followed_up = True
        if not is_last or not self.capabilities.continues_after_tool_results:
            refused = Outcome(failure(served.call, _REFUSED))
            self._start(served, self._service.answer(round, refused))
        if tell_reader and not is_last:
            detail = m.ErrorDetail(
                message=f"{most} responses of one turn called functions, and the model wants more. Its calls are "
                "refused. FunctionInvocation(maximum_iterations=...) sets the bound.",
                code="too_many_function_calls",
            )
            self.deliver(m.ErrorReported(kind="other", error=detail))

    def _take_back(self, call_ids: tuple[str, ...]) -> None:
        for call_id in call_ids:
            if call_id in self._running:
                self._running[call_id].cancel()
            for round in self._rounds.close(call_id, answered=False):
                self._go_on(round)

    def _user_moves_on(self, turn_id: str | None = None) -> None:
        """The user begins another turn, or wants to hear no more of this one; None: of any."""
        for served in tuple(self._running.values()):
            if turn_id is None or served.round.turn_id == turn_id:
                served.stop_filler()
                if served.is_cancellable:
                    served.is_cancellable = False
                    served.cancel()
                    self.spawn(self._answer_cancelled(served), name=f"cancellation of {served.call.name}")

    async def _answer_cancelled(self, served: ServedCall) -> None:
        """Tell the model of a call that was cancelled, once it has stopped; that alone is nothing to go on for."""
        assert served.task is not None
        await asyncio.wait([served.task])
        await self._service.answer(served.round, Outcome(failure(served.call, _CANCELLED)), is_news=False)

    # --- approvals of the provider's own calls ---

    async def _approve_hosted(self, question: m.ApprovalRequested) -> None:
        approval = await self._approvals.decide(question)
        if self._approvals.asks_reader and approval is not TOO_LATE:
            return  # what the reader said has gone to the provider already
        answer = m.FunctionCallApproval(
            approval_id=question.approval_id, approve=approval.approve, reason=approval.reason
        )
        with suppress(SessionEnded):
            try:
                await self.inner.send(answer)
            except UnsupportedOperation:  # not every wire takes a reason
                await self.inner.send(m.FunctionCallApproval(approval_id=answer.approval_id, approve=answer.approve))

    # --- going on ---

    def _go_on(self, round: Round) -> None:
        if not round.is_due():
            return
        round.followed_up = True
        allowed = self._settings.maximum_consecutive_errors
        error = None if allowed is None else self._rounds.count_failure(round, allowed)
        can = self.capabilities
        if error is not None:
            self.fail(error)
        elif can.explicit_response and not can.continues_after_tool_results:
            # Not at once: a reader that gives the last answer and asks by itself goes first.
            follow_up = self.spawn(self._follow_up(round), name="follow-up of function calls")
            self._follow_ups.add(follow_up)
            follow_up.add_done_callback(self._follow_ups.discard)

    async def _follow_up(self, round: Round) -> None:
        can = self.capabilities
        request = m.ResponseCreate(follow_up=True)
        if round.number > self._settings.maximum_iterations and (
            "tool_choice" in can.response_options and "none" in can.tool_choices
        ):
            request = m.ResponseCreate(follow_up=True, tool_choice="none")
        # Requests beyond count come after the results too: one of them will do.
        with suppress(SessionEnded, TooManyRequests):
            await self.inner.send(request)
