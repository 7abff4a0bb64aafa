"""Running one function call, and making a result of whatever comes of it."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from duologue import messages as m
from duologue.errors import InvalidArguments, InvalidInput
from duologue.middleware.approval import Approval, Approvals
from duologue.middleware.invocation import FunctionInvocationContext, Invoker
from duologue.tools import render_result

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What came of a call.

    Attributes:
        result: What the model is told.
        error: What the application's code raised, if it did; not the model's own mistakes.
    """

    result: m.FunctionResult
    error: Exception | None = None


class CallRunner:
    """Runs the calls of a session, each to a result for the model, whatever happens.

    Args:
        approvals: Who is asked whether a call may run.
        invoker: Runs the tools in its own way; None: as they are.
        timeout: Seconds that a call may take, unless its tool says otherwise; None for no bound.
        detailed_errors: Whether the model is told what a function raised.
    """

    def __init__(
        self, approvals: Approvals, *, invoker: Invoker | None, timeout: float | None, detailed_errors: bool
    ) -> None:
        self._approvals = approvals
        self._invoker = invoker
        self._timeout = timeout
        self._detailed_errors = detailed_errors

    async def admit(self, invocation: FunctionInvocationContext) -> Outcome | None:
        """See whether the call may run: None if so. Arguments that do not fit need nobody's approval."""
        call, tool = invocation.call, invocation.tool
        try:
            arguments = invocation.arguments
            tool.check(call.arguments)
            if not await tool.wants_approval(arguments):
                return None
            question = m.ApprovalRequested(
                approval_id=call.call_id, name=call.name, arguments=call.arguments, turn_id=invocation.turn_id
            )
            approval = await self._approvals.decide(question)
        except InvalidArguments as error:
            return Outcome(failure(call, str(error)))
        except Exception as error:  # noqa: BLE001 - of a condition: told to the model, and logged
            return self._raised(call, error)
        return None if approval.approve else Outcome(failure(call, _refusal(approval)))

    async def run(self, invocation: FunctionInvocationContext, *, in_background: bool = False) -> Outcome:
        """Invoke the tool. Only being cancelled itself is raised.

        Args:
            invocation: The call.
            in_background: Nobody waits for it: only its tool's own timeout holds.
        """
        call, tool = invocation.call, invocation.tool
        seconds = self._timeout if tool.timeout is None and not in_background else tool.timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                invocation.enter()  # not before: the timer would keep it until its time, as part of its context
                value = await (invocation.invoke() if self._invoker is None else self._invoker(invocation))
        except InvalidArguments as error:
            return Outcome(failure(call, str(error)))
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            return self._raised(call, RuntimeError(f"Something that {call.name} waited for was cancelled."))
        except Exception as error:  # noqa: BLE001 - told to the model, and logged
            if limit.expired():
                text = f"The function {call.name} gave no result within {seconds:g} s."
                _log.warning(text)
                return Outcome(failure(call, f"{text} It was given up."), TimeoutError(text))
            return self._raised(call, error)
        try:
            return Outcome(m.FunctionResult(call_id=call.call_id, name=call.name, output=render_result(value)))
        except InvalidInput as error:
            _log.warning("%s: %s", call.name, error)
            text = f"The function {call.name} was run to its end, but its result cannot be shown."
            return Outcome(failure(call, f"{text} {error}" if self._detailed_errors else text), error)

    def _raised(self, call: m.FunctionCall, error: Exception) -> Outcome:
        _log.warning("The function %s raised %s.", call.name, type(error).__name__, exc_info=error)
        text = f"The function {call.name} failed."
        told = failure(call, f"{text} {type(error).__name__}: {error}" if self._detailed_errors else text)
        return Outcome(told, error)


def failure(call: m.FunctionCall, text: str) -> m.FunctionResult:
    """The result of a call that came to nothing; `text` tells the model why."""
    return m.FunctionResult(call_id=call.call_id, name=call.name, output=text, is_error=True)


def _refusal(approval: Approval) -> str:
    text = "The call was not allowed, and nothing was done."
    return f"{text} {approval.reason}" if approval.reason else text


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
