"""One call of a function, as an invoker sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property

from duologue import messages as m
from duologue.link import Link
from duologue.tools import FunctionTool, ToolContext
from duologue.tools.arguments import parse_arguments

_current: ContextVar[FunctionInvocationContext | None] = ContextVar("duologue_function_invocation", default=None)


@dataclass(kw_only=True, eq=False)
class FunctionInvocationContext:
    """A call that is being served: what `FunctionInvocation.invoker` gets, and what `current` finds.

    Attributes:
        call: What the model asks for.
        tool: The tool that serves it.
        iteration: Which response of the turn it is that calls functions, from 1.
        is_last: Whether the calls of the next such response will be refused.
        response_id: The response that holds the call.
        turn_id: The turn that it belongs to.
        session: The session that it came from.
        terminate: Set it to True, and the model is not asked to go on after this call: the result is added to the
            conversation, and the application, or the user, goes on.
    """

    call: m.FunctionCall
    tool: FunctionTool
    iteration: int
    is_last: bool
    response_id: str
    turn_id: str | None
    session: Link
    terminate: bool = False

    @cached_property
    def arguments(self) -> Mapping[str, object]:
        """The arguments as the model sent them, parsed but not converted.

        Raises:
            InvalidArguments: They are cut, or no JSON object. An invoker never sees such a call.
        """
        return parse_arguments(self.call.arguments)

    async def invoke(self, arguments: Mapping[str, object] | None = None) -> object:
        """Run the tool, and give back what its function returned.

        Args:
            arguments: In place of the model's.

        Raises:
            InvalidArguments: They do not fit.
        """
        given = self.arguments if arguments is None else arguments
        context = ToolContext(call_id=self.call.call_id, name=self.call.name, arguments=given, session=self.session)
        return await self.tool.invoke(self.call.arguments if arguments is None else arguments, context)

    @staticmethod
    def current() -> FunctionInvocationContext | None:
        """The call that the running code serves; None outside of one. Functions in threads find it, too."""
        return _current.get()

    def enter(self) -> None:
        """Make this the current call, of the running task and of what it starts."""
        _current.set(self)


Invoker = Callable[[FunctionInvocationContext], Awaitable[object]]
"""Runs a call in the application's own way, e.g. ``await context.invoke()`` with something around it."""
