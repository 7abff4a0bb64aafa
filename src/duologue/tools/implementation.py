"""The function behind a tool, and how it is run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MethodType

from duologue.errors import InvalidTool
from duologue.tools.arguments import parse_arguments
from duologue.tools.behaviour import ApprovalCondition
from duologue.tools.context import ToolContext
from duologue.tools.signature import Signature


@dataclass(frozen=True)
class Implementation:
    """The function behind a tool.

    Attributes:
        name: The tool's name.
        function: What is called.
        signature: What it is called with.
        is_async: Whether it runs on the event loop; else it runs in a thread.
        takes_self: Whether it is a method that still lacks its instance.
        condition: Tells which calls need an approval; None: all, or none.
    """

    name: str
    function: Callable[..., object]
    signature: Signature
    is_async: bool
    takes_self: bool
    condition: ApprovalCondition | None = None

    @classmethod
    def of(
        cls,
        name: str,
        function: Callable[..., object],
        descriptions: Mapping[str, str],
        condition: ApprovalCondition | None = None,
    ) -> Implementation:
        """Prepare `function` for calls.

        Args:
            name: The tool's name.
            function: What to call.
            descriptions: Descriptions of its parameters, by name.
            condition: Tells which calls need an approval.

        Raises:
            InvalidTool: A model cannot call it.
        """
        if _is_any(function, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
            raise InvalidTool(f"{name} is a generator, and a call has one result. Return a list instead.")
        signature = Signature.of(name, function, descriptions)
        is_async = _is_any(function, inspect.iscoroutinefunction)
        return cls(name, function, signature, is_async, signature.takes_self, condition)

    def bound_to(self, instance: object) -> Implementation:
        """The method of `instance`."""
        return replace(self, function=MethodType(self.function, instance), takes_self=False)

    def bind(
        self, arguments: str | Mapping[str, object], context: ToolContext | None
    ) -> tuple[list[object], dict[str, object]]:
        """Validate `arguments`, and lay them out for the call: those by position, those by name.

        Raises:
            InvalidArguments: They do not fit.
            InvalidTool: It is a method without its instance.
        """
        if self.takes_self:
            raise InvalidTool(f"{self.name} is a method. Take the tool from an instance, not from the class.")
        parsed = parse_arguments(arguments) if isinstance(arguments, str) else arguments
        context = context or ToolContext(name=self.name, arguments=parsed)
        return self.signature.bind(self.name, arguments, context)

    async def call(self, arguments: str | Mapping[str, object], context: ToolContext | None) -> object:
        """Validate `arguments` and call the function.

        Raises:
            InvalidArguments: They do not fit. Whatever else is raised comes from the function.
        """
        by_position, by_name = self.bind(arguments, context)
        if self.is_async:
            result = self.function(*by_position, **by_name)
        else:
            result = await asyncio.to_thread(self._call_in_thread, by_position, by_name)
        return await result if inspect.isawaitable(result) else result

    def _call_in_thread(self, by_position: list[object], by_name: dict[str, object]) -> object:
        try:
            return self.function(*by_position, **by_name)
        except StopIteration as error:  # a future does not take it: the call would wait for ever
            raise RuntimeError(f"{self.name} raised StopIteration") from error


def _is_any(function: Callable[..., object], *tests: Callable[[object], bool]) -> bool:
    """Whether a test holds for a function, for what a partial calls, or for an object's ``__call__``."""
    while isinstance(function, partial):
        function = function.func
    return any(test(candidate) for test in tests for candidate in (function, type(function).__call__))
