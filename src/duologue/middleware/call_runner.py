"""Running one function call, and making a result of whatever comes of it."""

from __future__ import annotations

import asyncio
import logging

from duologue import messages as m
from duologue.errors import InvalidArguments, InvalidInput
from duologue.link import Link
from duologue.tools import FunctionTool, ToolContext, render_result
from duologue.tools.arguments import parse_arguments

_log = logging.getLogger(__name__)


class CallRunner:
    """Runs the calls of a session, each to a result for the model, whatever happens.

    Args:
        session: What tools get as `ToolContext.session`.
        timeout: Seconds that a call may take, unless its tool says otherwise; None for no bound.
        detailed_errors: Whether the model is told what a function raised.
    """

    def __init__(self, session: Link, *, timeout: float | None, detailed_errors: bool) -> None:
        self._session = session
        self._timeout = timeout
        self._detailed_errors = detailed_errors

    async def run(self, call: m.FunctionCall, tool: FunctionTool) -> m.FunctionResult:
        """Invoke `tool`. Only being cancelled itself is raised."""
        seconds = tool.timeout if tool.timeout is not None else self._timeout
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                value = await self._invoke(call, tool)
        except InvalidArguments as error:
            return failure(call, str(error))
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise
            return self._raised(call, error)  # by something that the function waited for
        except Exception as error:  # noqa: BLE001 - told to the model, and logged
            if limit.expired():
                _log.warning("The function %s gave no result within %g s.", call.name, seconds)
                return failure(call, f"The function {call.name} gave no result within {seconds:g} s. It was given up.")
            return self._raised(call, error)
        try:
            return m.FunctionResult(call_id=call.call_id, name=call.name, output=render_result(value))
        except InvalidInput as error:
            _log.warning("%s: %s", call.name, error)
            text = f"The function {call.name} was run to its end, but its result cannot be shown."
            return failure(call, f"{text} {error}" if self._detailed_errors else text)

    async def _invoke(self, call: m.FunctionCall, tool: FunctionTool) -> object:
        context = ToolContext(
            call_id=call.call_id,
            name=call.name,
            arguments=parse_arguments(call.arguments),
            session=self._session,
        )
        return await tool.invoke(call.arguments, context)

    def _raised(self, call: m.FunctionCall, error: BaseException) -> m.FunctionResult:
        _log.warning("The function %s raised %s.", call.name, type(error).__name__, exc_info=error)
        text = f"The function {call.name} failed."
        return failure(call, f"{text} {type(error).__name__}: {error}" if self._detailed_errors else text)


def failure(call: m.FunctionCall, text: str) -> m.FunctionResult:
    """The result of a call that came to nothing; `text` tells the model why."""
    return m.FunctionResult(call_id=call.call_id, name=call.name, output=text, is_error=True)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
