"""Serving one call: from its question for an approval to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import SessionEnded, TooManyRequests
from duologue.link import Link
from duologue.middleware.call_background import late_items, started
from duologue.middleware.call_rounds import Round
from duologue.middleware.call_runner import CallRunner, Outcome
from duologue.middleware.filler import VoiceWatch, filler_request
from duologue.middleware.invocation import FunctionInvocationContext

if TYPE_CHECKING:
    from duologue.middleware.function_invocation import FunctionInvocation


@dataclass(kw_only=True, eq=False)
class ServedCall:
    """A call that is being answered.

    Attributes:
        call: What the model asks for.
        round: The calls that it belongs to.
        is_cancellable: Whether it is cancelled when the user moves on.
        task: What serves it.
        filler: What waits to say something meanwhile.
    """

    call: m.FunctionCall
    round: Round
    is_cancellable: bool = False
    task: asyncio.Task[object] | None = None
    filler: asyncio.Task[object] | None = None

    def cancel(self) -> None:
        """Stop serving it."""
        if self.task is not None:
            self.task.cancel()

    def stop_filler(self) -> None:
        """Say nothing more meanwhile."""
        if self.filler is not None:
            self.filler.cancel()


class CallService:
    """Serves the calls of a session.

    Args:
        link: Where answers go.
        runner: Runs the tools.
        settings: Of the middleware.
        voice: Knows whether the model speaks; None: nobody does.
        go_on: Told of calls that are answered, or that nobody waits for any more.
        spawn: Starts a task that the layer owns.
    """

    def __init__(
        self,
        link: Link,
        runner: CallRunner,
        settings: FunctionInvocation,
        voice: VoiceWatch | None,
        go_on: Callable[[Round], None],
        spawn: Callable[..., asyncio.Task[Any]],
    ) -> None:
        self._link = link
        self._runner = runner
        self._settings = settings
        self._voice = voice
        self._go_on = go_on
        self._spawn = spawn
        self._one_at_a_time: AbstractAsyncContextManager[None] = (
            nullcontext() if settings.concurrent else asyncio.Lock()
        )

    async def serve(self, served: ServedCall, invocation: FunctionInvocationContext) -> None:
        """Answer a call that the conversation waits for."""
        async with self._one_at_a_time:
            outcome = await self._runner.admit(invocation)
            if outcome is None:
                self._start_filler(served, invocation)
                try:
                    outcome = await self._runner.run(invocation)
                finally:
                    served.stop_filler()
            served.round.followed_up |= invocation.terminate
            await self.answer(served.round, outcome)

    async def answer(self, round: Round, outcome: Outcome, *, is_news: bool = True) -> None:
        """Give the model the outcome of a call, unless it has one or wants none any more.

        Args:
            round: The calls that it belongs to.
            outcome: What came of it.
            is_news: Whether it is worth going on for.
        """
        result = outcome.result
        if not round.is_open(result.call_id):
            return
        try:
            await self._link.send(m.ItemCreate(item=result))
        except SessionEnded:
            return
        round.close(result.call_id, answered=is_news, succeeded=not result.is_error, error=outcome.error)
        self._go_on(round)

    # --- in the background ---

    async def serve_in_background(self, served: ServedCall, invocation: FunctionInvocationContext) -> None:
        """Let the conversation go on while a call runs."""
        refusal = await self._runner.admit(invocation)
        if refusal is not None:
            await self.answer(served.round, refusal)
            return
        knows_background = self._link.capabilities.tool_scheduling
        if knows_background:
            served.round.close(served.call.call_id, answered=False)
            self._go_on(served.round)
        else:
            await self.answer(served.round, Outcome(started(served.call)))
        outcome = await self._runner.run(invocation, in_background=True)
        with suppress(SessionEnded):
            if knows_background:
                scheduling = "silent" if invocation.terminate else invocation.tool.scheduling
                await self._link.send(m.ItemCreate(item=replace(outcome.result, scheduling=scheduling)))
            else:
                await self._report(outcome.result, invocation)

    async def _report(self, result: m.FunctionResult, invocation: FunctionInvocationContext) -> None:
        """Bring a result that the wire has no word for."""
        scheduling = invocation.tool.scheduling
        if scheduling == "interrupt":
            await self._link.send(m.OutputAudioClear())
        for item in late_items(invocation.call, result):
            await self._link.send(m.ItemCreate(item=item))
        if scheduling != "silent" and not invocation.terminate and self._link.capabilities.explicit_response:
            with suppress(TooManyRequests):  # one of those that wait will do
                await self._link.send(m.ResponseCreate(follow_up=True))

    # --- something to say meanwhile ---

    def _start_filler(self, served: ServedCall, invocation: FunctionInvocationContext) -> None:
        text = invocation.tool.filler if invocation.tool.filler is not None else self._settings.filler
        request = filler_request(text, self._link.capabilities) if text else None
        if request is not None:
            seconds = invocation.tool.filler_after or self._settings.filler_after
            served.filler = self._spawn(
                self._fill(served.round, request, seconds), name=f"filler of {served.call.name}"
            )

    async def _fill(self, round: Round, request: m.Say | m.ResponseCreate, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self._voice is not None:
            await self._voice.silence()
        if round.filled:
            return
        round.filled = True
        with suppress(SessionEnded, TooManyRequests):
            await self._link.send(request)
