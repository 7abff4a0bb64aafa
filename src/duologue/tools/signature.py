"""How a function is called with the arguments that a model sent."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from duologue.errors import InvalidArguments, InvalidTool
from duologue.tools.annotations import Namespace, is_context, resolve_parameter
from duologue.tools.arguments import explain
from duologue.tools.context import ToolContext
from duologue.tools.schema import Argument, build_model, field_name

if TYPE_CHECKING:
    from pydantic import BaseModel

VARIADIC = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
RECEIVERS = ("self", "cls")


@dataclass(frozen=True)
class Signature:
    """The parameters of a function, told apart by who gives them.

    Attributes:
        parameters: All of them but a method's `self`, and but what a partial has bound by name.
        context_names: Those that get the `ToolContext`.
        takes_self: Whether it is a method that still lacks its instance.
        schema: The JSON schema of what a model gives.
        model: Validates what a model gives.
    """

    parameters: tuple[inspect.Parameter, ...]
    context_names: frozenset[str]
    takes_self: bool
    schema: dict[str, Any]
    model: type[BaseModel]

    @classmethod
    def of(cls, label: str, function: Callable[..., object], descriptions: Mapping[str, str]) -> Signature:
        """Read the signature of `function`.

        Args:
            label: The tool's name, for errors.
            function: What will be called.
            descriptions: Descriptions of its parameters, by name.

        Raises:
            InvalidTool: A model cannot call a function with these parameters.
        """
        parameters = _parameters(label, function)
        takes_self = _lacks_instance(function, parameters)
        if takes_self:
            parameters = parameters[1:]
        namespace = Namespace.of(function)
        context_names = set()
        arguments: dict[str, Argument] = {}
        for parameter in parameters:
            if parameter.kind in VARIADIC:
                raise InvalidTool(
                    f"{label}: {VARIADIC[parameter.kind]}{parameter.name} cannot be described to a model. "
                    "Name each parameter."
                )
            annotation = resolve_parameter(label, parameter, namespace)
            if is_context(annotation):
                context_names.add(parameter.name)
            else:
                description = descriptions.get(parameter.name, "")
                arguments[parameter.name] = Argument(annotation, parameter.default, description)
        model, schema = build_model(label, arguments, namespace.local)
        return cls(parameters, frozenset(context_names), takes_self, schema, model)

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The names of what a model gives, in order."""
        return tuple(parameter.name for parameter in self.parameters if parameter.name not in self.context_names)

    def bind(
        self, label: str, arguments: str | Mapping[str, object], context: ToolContext
    ) -> tuple[list[object], dict[str, object]]:
        """Validate `arguments`, and lay them out for the call: those by position, those by name.

        Args:
            label: The tool's name, for errors.
            arguments: A JSON object as text, or as a mapping.
            context: For the context parameters.

        Raises:
            InvalidArguments: They do not fit.
        """
        values: dict[str, object] = self._validate(label, arguments)
        by_position, by_name = [], {}
        for parameter in self.parameters:
            value = context if parameter.name in self.context_names else values[parameter.name]
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                by_position.append(value)
            else:
                by_name[parameter.name] = value
        return by_position, by_name

    def _validate(self, label: str, arguments: str | Mapping[str, object]) -> dict[str, object]:
        from pydantic import ValidationError
        from pydantic.fields import FieldInfo

        try:
            if isinstance(arguments, str):
                validated = self.model.model_validate_json(arguments if arguments.strip() else "{}")
            else:
                validated = self.model.model_validate(dict(arguments))
        except ValidationError as error:
            raise InvalidArguments(explain(label, error, self.argument_names)) from None
        defaults = {parameter.name: parameter.default for parameter in self.parameters}
        values = {}
        for position, name in enumerate(self.argument_names):
            field = field_name(position)
            given = field in validated.model_fields_set or isinstance(defaults[name], FieldInfo)
            empty = defaults[name] is inspect.Parameter.empty  # then a default is inside the annotation
            values[name] = getattr(validated, field) if given or empty else defaults[name]
        return values


def _parameters(label: str, function: Callable[..., object]) -> tuple[inspect.Parameter, ...]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError, NameError) as error:
        raise InvalidTool(f"{label}: its signature cannot be read: {error}") from error
    # What a partial has bound is the application's; it may be a secret, and no model may change it.
    bound = function.keywords if isinstance(function, functools.partial) else {}
    return tuple(parameter for parameter in parameters if parameter.name not in bound)


def _lacks_instance(function: Callable[..., object], parameters: tuple[inspect.Parameter, ...]) -> bool:
    return (
        inspect.isfunction(function)
        and bool(parameters)
        and parameters[0].name in RECEIVERS
        and parameters[0].annotation is inspect.Parameter.empty
    )
