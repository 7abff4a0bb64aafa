"""Runs the functions that a model calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput, SessionEnded, TooManyRequests
from duologue.link import FunctionInvoker, Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.call_rounds import CallRounds, Round
from duologue.middleware.call_runner import CallRunner, failure
from duologue.runtime import LayeredClient, SessionLayer
from duologue.tools import FunctionTool

_REFUSED = "The call was refused: too many function calls in a row. Answer now, with what is known."


@dataclass(frozen=True, kw_only=True)
class FunctionInvocation:
    """Middleware that runs the tools of a session: ``client.with_middleware(FunctionInvocation())``.

    A call runs as soon as it is whole, beside the session, which goes on meanwhile. Each runs once and is answered
    whatever happens: with the result, or with a text that tells the model what went wrong (no such function,
    arguments that do not fit, an exception, a timeout, a result without a JSON form). When all calls of a response are
    answered, the model is asked once to go on; not where it goes on by itself, nor after a response that was cut off.

    Tools are looked for in the session's options, then in those of single requests (`ResponseCreate.tools`), then in
    `additional_tools`. The calls of declarations without a function are left to the reader, and so is going on after
    them. Where one response calls both kinds, the model is asked when all its calls have an answer, the reader's
    included; the reader needs not ask. Calls of out-of-band responses are left to the reader altogether, as the
    conversation has no place for their results.

    A function that is not ``async`` runs in a thread, which nothing can stop: after a timeout, or the end of the
    session, it goes on to its own end, and what it returns is dropped.

    Attributes:
        additional_tools: Functions that may be called without being offered by the session's options, e.g. because a
            stored prompt offers them.
        timeout: Seconds that a call may take; None for no bound. A tool's own `timeout` wins.
        concurrent: Whether calls run side by side; else one after another, in the model's order.
        detailed_errors: Whether the model is told what a function raised, rather than only that it failed. It may
            repeat that to the user.
        maximum_iterations: How many responses of one turn may call functions. After that calls are refused, the model
            is asked once for an answer without calls, and the reader gets an `ErrorReported`.

    Raises:
        InvalidInput: A setting does not make sense.
    """

    additional_tools: tuple[FunctionTool, ...] = ()
    timeout: float | None = 60.0
    concurrent: bool = True
    detailed_errors: bool = False
    maximum_iterations: int = 16

    def __post_init__(self) -> None:
        object.__setattr__(self, "additional_tools", tuple(self.additional_tools))
        for tool in self.additional_tools:
            if not isinstance(tool, FunctionTool) or not tool.has_implementation:
                raise InvalidInput(
                    f"additional_tools takes tools with a function, and {getattr(tool, 'name', tool)!r} is none. "
                    "Put @tool above the function."
                )
        if self.timeout is not None and self.timeout <= 0:
            raise InvalidInput(f"timeout is a number of seconds above 0, or None, not {self.timeout}.")
        if self.maximum_iterations < 1:
            raise InvalidInput(f"maximum_iterations is at least 1, not {self.maximum_iterations}.")

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return LayeredClient(client, lambda link: FunctionInvocationLayer(link, self))


class FunctionInvocationLayer(SessionLayer, FunctionInvoker):
    """The layer that `FunctionInvocation` puts around a session."""

    watches = (m.ResponseCreated, m.OutputItemDone, m.ResponseDone, m.ToolCallsCancelled)

    def __init__(self, inner: Link, settings: FunctionInvocation) -> None:
        super().__init__(inner)
        self._settings = settings
        self._runner = CallRunner(self, timeout=settings.timeout, detailed_errors=settings.detailed_errors)
        self._one_at_a_time: AbstractAsyncContextManager[None] = (
            nullcontext() if settings.concurrent else asyncio.Lock()
        )
        self._additional = {tool.name: tool for tool in settings.additional_tools}
        self._of_requests: dict[str, FunctionTool] = {}
        self._rounds = CallRounds()
        self._out_of_band: set[str] = set()
        self._running: dict[str, asyncio.Task[object]] = {}  # by call id

    # --- what the reader sends ---

    async def send(self, message: ClientMessage) -> str:
        if isinstance(message, m.ResponseCreate):
            self._of_requests.update(
                {tool.name: tool for tool in message.tools or () if isinstance(tool, FunctionTool)}
            )
        accepted = True
        try:
            return await self.inner.send(message)
        except Exception:
            accepted = False
            raise
        finally:  # a sender that is cancelled while it waits has sent all the same
            if accepted and isinstance(message, m.ItemCreate) and isinstance(message.item, m.FunctionResult):
                self._close(message.item.call_id, answered=True)

    # --- what the model says ---

    def received(self, message: ServerMessage) -> None:
        self.deliver(message)
        match message:
            case m.ResponseCreated(out_of_band=True):
                self._out_of_band.add(message.response_id)
            case m.OutputItemDone(item=m.FunctionCall(status="completed") as call):
                self._take(call, message.response_id, message.turn_id)
            case m.ResponseDone():
                self._response_done(message)
            case m.ToolCallsCancelled(call_ids=call_ids):
                for call_id in call_ids:
                    if call_id in self._running:
                        self._running[call_id].cancel()
                    self._close(call_id, answered=False)
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
        if response_id in self._out_of_band:
            return
        round = self._rounds.of(response_id)
        if not round.add(call.call_id):
            return
        tool = self.options.function(call.name) or self._of_requests.get(call.name) or self._additional.get(call.name)
        if tool is not None and not tool.has_implementation:
            return
        is_new = self._rounds.number(round, turn_id)
        if round.number > self._settings.maximum_iterations:
            self._refuse(round, call, tell_reader=is_new)
        elif tool is None:
            self._start(call, self._answer(round, failure(call, self._unknown(call.name))))
        else:
            self._start(call, self._run(round, call, tool))

    # --- calls ---

    def _start(self, call: m.FunctionCall, work: Coroutine[object, object, None]) -> None:
        task = self.spawn(work, name=f"function {call.name}")
        self._running[call.call_id] = task
        task.add_done_callback(lambda done: self._forget(call.call_id, done))

    def _forget(self, call_id: str, task: asyncio.Task[object]) -> None:
        if self._running.get(call_id) is task:
            del self._running[call_id]

    async def _run(self, round: Round, call: m.FunctionCall, tool: FunctionTool) -> None:
        async with self._one_at_a_time:
            await self._answer(round, await self._runner.run(call, tool))

    async def _answer(self, round: Round, result: m.FunctionResult) -> None:
        if not round.is_open(result.call_id):
            return
        try:
            await self.inner.send(m.ItemCreate(item=result))
        except SessionEnded:
            return
        round.close(result.call_id, answered=True)
        self._go_on(round)

    def _refuse(self, round: Round, call: m.FunctionCall, *, tell_reader: bool) -> None:
        """Too many rounds. After the first one that is refused, the model is not made to go on any more."""
        is_last = round.number > self._settings.maximum_iterations + 1
        if is_last:
            round.followed_up = True
        if not is_last or not self.capabilities.continues_after_tool_results:
            self._start(call, self._answer(round, failure(call, _REFUSED)))
        if tell_reader and not is_last:
            detail = m.ErrorDetail(
                message=f"{self._settings.maximum_iterations} responses of one turn called functions, and the model "
                "wants more. Its calls are refused. FunctionInvocation(maximum_iterations=...) sets the bound.",
                code="too_many_function_calls",
            )
            self.deliver(m.ErrorReported(kind="other", error=detail))

    def _unknown(self, name: str) -> str:
        offered = [tool.name for tool in self.options.tools or () if isinstance(tool, FunctionTool)]
        return f"There is no function {name!r}. There is: {', '.join((*offered, *self._additional)) or 'none'}."

    # --- going on ---

    def _close(self, call_id: str, *, answered: bool) -> None:
        for round in self._rounds.close(call_id, answered=answered):
            self._go_on(round)

    def _go_on(self, round: Round) -> None:
        if not round.is_due():
            return
        round.followed_up = True
        can = self.capabilities
        if can.explicit_response and not can.continues_after_tool_results:
            # A reader that gives the last answer and asks at once by itself goes first; its response will do for both.
            self.spawn(self._follow_up(round), name="follow-up of function calls")

    async def _follow_up(self, round: Round) -> None:
        request = m.ResponseCreate(follow_up=True)
        if round.number > self._settings.maximum_iterations and self._can_forbid_calls():
            request = m.ResponseCreate(follow_up=True, tool_choice="none")
        # Requests beyond count come after the results too: one of them will do.
        with suppress(SessionEnded, TooManyRequests):
            await self.inner.send(request)

    def _can_forbid_calls(self) -> bool:
        return "tool_choice" in self.capabilities.response_options and "none" in self.capabilities.tool_choices
