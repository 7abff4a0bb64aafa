"""How a tool wants its calls to be handled: by whoever runs them beside a session."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Literal, get_args

from duologue.errors import InvalidTool

if TYPE_CHECKING:
    from duologue.tools.function import FunctionTool

OnInterruption = Literal["finish", "cancel"]
"""What becomes of a call that runs when the user moves on: it finishes, or it is cancelled."""

Scheduling = Literal["interrupt", "when_idle", "silent"]
"""When the model speaks of a result: at once, when nobody speaks, or only if it is asked."""

ApprovalCondition = Callable[[Mapping[str, object]], "bool | Awaitable[bool]"]
"""Tells, from the arguments of a call, whether it needs an approval."""


def check_behaviour(tool: FunctionTool) -> None:
    """Raise `InvalidTool` where the settings of `tool` make no sense."""
    for name in ("timeout", "filler_after"):
        seconds = getattr(tool, name)
        if seconds is not None and not (seconds > 0 and math.isfinite(seconds)):
            what = "a timeout" if name == "timeout" else name
            raise InvalidTool(f"{tool.name}: {what} is a number of seconds above 0, not {seconds}.")
    if tool.on_interruption not in (None, *get_args(OnInterruption)):
        raise InvalidTool(f'{tool.name}: on_interruption is "finish" or "cancel", not {tool.on_interruption!r}.')
    if tool.scheduling not in get_args(Scheduling):
        raise InvalidTool(f'{tool.name}: scheduling is "interrupt", "when_idle" or "silent", not {tool.scheduling!r}.')
    if tool.background and tool.on_interruption == "cancel":
        raise InvalidTool(
            f"{tool.name}: calls in the background go on while the user speaks. Leave background out, or cancel."
        )
