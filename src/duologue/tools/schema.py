"""A validator for arguments and its JSON schema, made by pydantic from a function's parameters."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Optional

from duologue.errors import InvalidTool

if TYPE_CHECKING:
    from pydantic import BaseModel

NAMED_SCHEMAS = ("properties", "patternProperties", "dependentSchemas", "$defs")
"""Keywords whose value maps names to schemas; the names are not keywords."""
SCHEMA_VALUES = ("items", "prefixItems", "contains", "additionalProperties", "anyOf", "oneOf", "allOf", "not")
"""Keywords whose value is a schema or a list of schemas."""


class Argument(NamedTuple):
    """One argument that a model can give.

    Attributes:
        annotation: Its resolved type.
        default: Its default: a value, a pydantic `FieldInfo`, or `inspect.Parameter.empty`.
        description: What the docstring says about it.
    """

    annotation: object
    default: object
    description: str


def field_name(position: int) -> str:
    """The model's name for an argument: the names of arguments could be those of pydantic's own methods."""
    return f"argument_{position}"


def build_model(
    label: str, arguments: Mapping[str, Argument], namespace: dict[str, object]
) -> tuple[type[BaseModel], dict[str, Any]]:
    """Make the validator, and the JSON schema that goes to the model.

    The validator's fields are named by `field_name`, in order, and have the arguments' names as aliases.

    Args:
        label: The tool's name, for errors.
        arguments: The arguments by name.
        namespace: Local names that the types themselves may refer to.

    Raises:
        InvalidTool: A type has no JSON schema. The text names the argument.
    """
    try:
        return _build(arguments, namespace)
    except _build_errors() as error:
        for name, argument in arguments.items():
            _check_alone(label, name, argument, namespace)
        raise InvalidTool(f"{label}: its parameters have no JSON schema: {_first_line(error)}") from error


def _build(arguments: Mapping[str, Argument], namespace: dict[str, object]) -> tuple[type[BaseModel], dict[str, Any]]:
    from pydantic import ConfigDict, create_model

    fields: dict[str, Any] = {
        field_name(position): _field(name, argument) for position, (name, argument) in enumerate(arguments.items())
    }
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
    model.model_rebuild(_types_namespace=namespace)
    return model, _json_schema(model, arguments)


def _field(name: str, argument: Argument) -> tuple[object, object]:
    from pydantic import Field
    from pydantic.fields import FieldInfo

    annotation: Any = argument.annotation
    default = argument.default
    if isinstance(default, FieldInfo):
        return Annotated[annotation, default], Field(alias=name)
    if default is inspect.Parameter.empty:
        return annotation, Field(alias=name)
    if default is None and annotation is not typing.Any:  # models send null for what they leave out
        annotation = Optional[annotation]  # noqa: UP045 - `|` does not take every annotation
    return annotation, Field(default, alias=name)


def _json_schema(model: type[BaseModel], arguments: Mapping[str, Argument]) -> dict[str, Any]:
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

    class Generator(GenerateJsonSchema):
        def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
            """Nothing: a default without a JSON form is left out, and the function gets it all the same."""

    schema = _without_titles(model.model_json_schema(schema_generator=Generator))
    properties = schema.get("properties", {})
    for name, argument in arguments.items():
        if argument.description:
            properties[name].setdefault("description", argument.description)
    ordered = {"type": "object", "properties": properties}
    return ordered | {key: value for key, value in schema.items() if key not in ordered}


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` without the titles, which repeat names and cost tokens."""
    cleaned: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title":
            continue
        if key in NAMED_SCHEMAS:
            cleaned[key] = {name: _clean(member) for name, member in value.items()}
        elif key in SCHEMA_VALUES:
            cleaned[key] = [_clean(member) for member in value] if isinstance(value, list) else _clean(value)
        else:
            cleaned[key] = value
    return cleaned


def _clean(schema: object) -> object:
    return _without_titles(schema) if isinstance(schema, dict) else schema


def _check_alone(label: str, name: str, argument: Argument, namespace: dict[str, object]) -> None:
    try:
        _build({name: argument}, namespace)
    except _build_errors() as error:
        raise InvalidTool(
            f"{label}: the parameter {name!r} has a type that has no JSON schema, "
            f"{inspect.formatannotation(argument.annotation)}: {_first_line(error)}"
        ) from error


def _build_errors() -> tuple[type[Exception], ...]:
    """What pydantic raises for types that it cannot use."""
    from pydantic import PydanticUserError
    from pydantic_core import SchemaError

    return (PydanticUserError, SchemaError, NameError, TypeError, ValueError)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
