"""Calls that run in the background, on wires that know no such thing.

The model gets a result at once, which says that the call was started, and goes on. The real result comes as a second
call with the same arguments, and its result: what every wire with function calls can carry, and what models understand
best. Both are added by the application, so that the model makes of them what it makes of any result.
"""

from __future__ import annotations

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.lifecycle import new_id
from duologue.tools import FunctionTool

_STARTED = (
    "It was started, and runs in the background. The result will come by itself: go on meanwhile, and do not call the "
    "function again for it."
)


def runs_in_background(tool: FunctionTool, can: Capabilities) -> bool:
    """Whether a call of `tool` lets the conversation go on: not where the wire has no way to bring its result later."""
    return tool.background and (can.tool_scheduling or can.text_input)


def started(call: m.FunctionCall) -> m.FunctionResult:
    """What the model is told at once."""
    return m.FunctionResult(call_id=call.call_id, name=call.name, output=_STARTED)


def late_items(call: m.FunctionCall, result: m.FunctionResult) -> tuple[m.FunctionCall, m.FunctionResult]:
    """What brings the result of a call that counts as answered."""
    call_id = new_id("call")
    return (
        m.FunctionCall(call_id=call_id, name=call.name, arguments=call.arguments or "{}", status="completed"),
        m.FunctionResult(call_id=call_id, name=call.name, output=result.output, is_error=result.is_error),
    )
