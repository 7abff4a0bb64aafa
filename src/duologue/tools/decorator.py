"""``@tool``: a function becomes a tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import overload

from duologue.tools.behaviour import ApprovalCondition, OnInterruption, Scheduling
from duologue.tools.function import FunctionTool


@overload
def tool(function: Callable[..., object], /) -> FunctionTool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    examples: Sequence[str] = (),
    timeout: float | None = None,
    on_interruption: OnInterruption | None = None,
    background: bool = False,
    scheduling: Scheduling = "when_idle",
    needs_approval: bool | ApprovalCondition = False,
    filler: str | None = None,
    filler_after: float | None = None,
) -> Callable[[Callable[..., object]], FunctionTool]: ...


def tool(
    function: Callable[..., object] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    examples: Sequence[str] = (),
    timeout: float | None = None,
    on_interruption: OnInterruption | None = None,
    background: bool = False,
    scheduling: Scheduling = "when_idle",
    needs_approval: bool | ApprovalCondition = False,
    filler: str | None = None,
    filler_after: float | None = None,
) -> FunctionTool | Callable[[Callable[..., object]], FunctionTool]:
    """Decorate a function to make a tool of it: ``@tool``, or ``@tool(examples=["what time is it"])``.

    Args:
        function: What to call; given by Python when used without parentheses.
        name: The tool's name; the function's own by default.
        description: What it does; by default the docstring without its sections.
        examples: Sentences that should lead to a call, with slots.
        timeout: Seconds that the invoker lets a call take.
        on_interruption: What becomes of a call when the user moves on.
        background: Whether the conversation goes on while it runs.
        scheduling: When the model speaks of a result from the background.
        needs_approval: Whether calls wait for an approval; or a function, `async` or not, that tells it from the
            arguments as the model sent them.
        filler: What is said when a call takes long.
        filler_after: Seconds after which the filler is said.

    Raises:
        InvalidTool: A model cannot call it. See `FunctionTool.from_callable`.
    """

    def decorate(function: Callable[..., object]) -> FunctionTool:
        return FunctionTool.from_callable(
            function,
            name=name,
            description=description,
            examples=examples,
            timeout=timeout,
            on_interruption=on_interruption,
            background=background,
            scheduling=scheduling,
            needs_approval=needs_approval,
            filler=filler,
            filler_after=filler_after,
        )

    return decorate if function is None else decorate(function)
