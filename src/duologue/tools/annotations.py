"""The annotations of a function's parameters, with names resolved."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Union

from duologue.errors import InvalidTool
from duologue.tools.context import ToolContext


@dataclass(frozen=True)
class Namespace:
    """The names that a function's annotations can mean.

    Attributes:
        module: The globals of the function's module.
        local: The names of the functions and classes around it.
    """

    module: dict[str, object]
    local: dict[str, object]

    @classmethod
    def of(cls, function: Callable[..., object]) -> Namespace:
        """The namespace of `function`. Local names are found while the code around it is still running."""
        inner = innermost(function)
        module = getattr(inner, "__globals__", {})
        qualified_name = getattr(inner, "__qualname__", "")
        # Under TYPE_CHECKING only, an import of ToolContext would else make the parameter unreadable.
        local: dict[str, object] = {} if "ToolContext" in module else {"ToolContext": ToolContext}
        scopes: list[Mapping[str, object]] = [_closure(inner)]
        frame = inspect.currentframe()
        while frame is not None:
            if frame.f_globals is module and qualified_name.startswith(f"{frame.f_code.co_qualname}."):
                scopes.append(dict(frame.f_locals))
            frame = frame.f_back
        for names in reversed(scopes):
            local.update(names)
        return cls(module, local)

    def resolve(self, annotation: object) -> object:
        """The type that `annotation` means.

        Raises:
            NameError: It names what cannot be seen from here. Other errors come from evaluating it.
        """
        if annotation is inspect.Parameter.empty:
            return typing.Any

        def holder() -> None: ...

        holder.__annotations__ = {"value": annotation}
        return typing.get_type_hints(holder, self.module, self.local, include_extras=True)["value"]


def resolve_parameter(label: str, parameter: inspect.Parameter, namespace: Namespace) -> object:
    """The type of `parameter`; `Any` when it has no annotation.

    Raises:
        InvalidTool: The annotation cannot be resolved.
    """
    try:
        return namespace.resolve(parameter.annotation)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise InvalidTool(
            f"{label}: the annotation {parameter.annotation!r} of the parameter {parameter.name!r} cannot be "
            f"resolved: {error}. Import or define the type at module level, not under TYPE_CHECKING."
        ) from error


def is_context(annotation: object) -> bool:
    """Whether `annotation` is `ToolContext`, alone or optional."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return is_context(typing.get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        members = [member for member in typing.get_args(annotation) if member is not types.NoneType]
        return len(members) == 1 and is_context(members[0])
    return annotation is ToolContext


def innermost(function: Callable[..., object]) -> Callable[..., object]:
    """The function that was written down, inside partials, callable objects and decorators."""
    while isinstance(function, partial):
        function = function.func
    if not inspect.isroutine(function):
        function = type(function).__call__
    innermost: Callable[..., object] = inspect.unwrap(function)
    return innermost


def _closure(function: Callable[..., object]) -> dict[str, object]:
    code = getattr(function, "__code__", None)
    if code is None:
        return {}
    names: dict[str, object] = {}
    for name, cell in zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=True):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return names
