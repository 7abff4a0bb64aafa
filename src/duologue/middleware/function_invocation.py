"""Runs the functions that a model calls: the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.middleware.approval import Approve
from duologue.middleware.call_layer import FunctionInvocationLayer
from duologue.middleware.invocation import Invoker
from duologue.runtime import LayeredClient
from duologue.tools import FunctionTool, OnInterruption

__all__ = ["FunctionInvocation", "FunctionInvocationLayer"]


@dataclass(frozen=True, kw_only=True)
class FunctionInvocation:
    """Middleware that runs the tools of a session: ``client.with_middleware(FunctionInvocation())``.

    A call runs as soon as it is whole, beside the session, which goes on meanwhile. Each runs once and is answered
    whatever happens: with the result, or with a text that tells the model what went wrong (no such function,
    arguments that do not fit, an exception, a timeout, a refusal, a result without a JSON form). When all calls of a
    response are answered, the model is asked once to go on; not where it goes on by itself, nor after a response that
    was cut off. A user who speaks first wins: the results are added, and the answer comes with the user's turn.

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
        timeout: Seconds that a call may take; None for no bound. A tool's own `timeout` wins. Calls in the background
            have no other.
        concurrent: Whether calls run side by side; else one after another, in the model's order.
        detailed_errors: Whether the model is told what a function raised, rather than only that it failed. It may
            repeat that to the user.
        maximum_iterations: How many responses of one turn may call functions. After that calls are refused, the model
            is asked once for an answer without calls, and the reader gets an `ErrorReported`.
        maximum_consecutive_errors: How many responses of one turn may, in a row, call functions that all raise or take
            too long. After that the session ends, and what the last one raised is raised to the reader. None: any
            number.
        terminate_on_unknown_calls: Whether the calls of functions that are not there are left to the reader, as those
            of declarations are, rather than answered with an error.
        on_interruption: What becomes of a call when the user begins another turn while it runs, or the application
            interrupts: ``"finish"``, or ``"cancel"``, which tells the model so and has nobody go on. A tool's own
            `on_interruption` wins. Calls in the background finish.
        invoker: Runs every call in the application's own way: ``await context.invoke()``, with something around it.
        approve: Decides about calls that need an approval, of tools and of MCP servers: ``async def approve(question)``
            gives True, False or an `Approval`. None: the reader gets an `ApprovalRequested`, and answers with a
            `FunctionCallApproval`.
        approval_timeout: Seconds after which a question counts as refused; None for no bound.
        filler: What is said when a call takes long, unless its tool says otherwise: once for a response, when the model
            is silent, and not after the user has begun another turn.
        filler_after: Seconds that a call runs before that, unless its tool says otherwise.

    Raises:
        InvalidInput: A setting does not make sense.
    """

    additional_tools: tuple[FunctionTool, ...] = ()
    timeout: float | None = 60.0
    concurrent: bool = True
    detailed_errors: bool = False
    maximum_iterations: int = 16
    maximum_consecutive_errors: int | None = 3
    terminate_on_unknown_calls: bool = False
    on_interruption: OnInterruption = "finish"
    invoker: Invoker | None = None
    approve: Approve | None = None
    approval_timeout: float | None = 60.0
    filler: str | None = None
    filler_after: float = 3.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "additional_tools", tuple(self.additional_tools))
        for tool in self.additional_tools:
            if not isinstance(tool, FunctionTool) or not tool.has_implementation:
                raise InvalidInput(
                    f"additional_tools takes tools with a function, and {getattr(tool, 'name', tool)!r} is none. "
                    "Put @tool above the function."
                )
        for name in ("timeout", "approval_timeout", "filler_after"):
            seconds = getattr(self, name)
            if seconds is not None and seconds <= 0:
                bound = "" if name == "filler_after" else ", or None"
                raise InvalidInput(f"{name} is a number of seconds above 0{bound}, not {seconds}.")
        if self.maximum_iterations < 1:
            raise InvalidInput(f"maximum_iterations is at least 1, not {self.maximum_iterations}.")
        if self.maximum_consecutive_errors is not None and self.maximum_consecutive_errors < 0:
            raise InvalidInput(
                f"maximum_consecutive_errors is at least 0, or None, not {self.maximum_consecutive_errors}."
            )
        if self.on_interruption not in get_args(OnInterruption):
            raise InvalidInput(f'on_interruption is "finish" or "cancel", not {self.on_interruption!r}.')

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return LayeredClient(client, lambda link: FunctionInvocationLayer(link, self), self)
