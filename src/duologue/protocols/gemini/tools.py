"""Tools, to and from the wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from duologue.errors import InvalidTool, UnsupportedOperation
from duologue.protocols.gemini.dialect import GeminiDialect
from duologue.protocols.json_values import JsonObject, as_object, as_objects, as_text
from duologue.tools import FunctionTool, Tool

_BLOCKING, _BACKGROUND = "BLOCKING", "NON_BLOCKING"


def write_tools(tools: Iterable[Tool], dialect: GeminiDialect) -> list[JsonObject]:
    """Function tools as one tool of the wire; none at all if there are none.

    Raises:
        UnsupportedOperation: A tool is no function.
    """
    declarations = []
    for tool in tools:
        if not isinstance(tool, FunctionTool):
            raise UnsupportedOperation(
                "MCP servers of its own",
                dialect.provider,
                "Run the MCP server's tools in the application, as function tools.",
            )
        declarations.append(_write_function(tool, dialect))
    return [{"functionDeclarations": declarations}] if declarations else []


def _write_function(tool: FunctionTool, dialect: GeminiDialect) -> JsonObject:
    written: JsonObject = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["parametersJsonSchema"] = tool.parameters
    if tool.background != dialect.family.background_by_default:
        written["behavior"] = _BACKGROUND if tool.background else _BLOCKING
    return written


def read_tools(value: object, dialect: GeminiDialect) -> tuple[FunctionTool, ...]:
    """The functions that a JSON array of tools declares; those that are invalid, or there already, are left out."""
    found: dict[str, FunctionTool] = {}
    for tool in as_objects(value):
        for declaration in as_objects(_either(tool, "functionDeclarations", "function_declarations")):
            try:
                function = _read_function(declaration, dialect)
            except (InvalidTool, RecursionError):
                continue
            found.setdefault(function.name, function)
    return tuple(found.values())


def _read_function(declaration: JsonObject, dialect: GeminiDialect) -> FunctionTool:
    schema = as_object(_either(declaration, "parametersJsonSchema", "parameters_json_schema"))
    if not schema:
        schema = as_object(_as_json_schema(declaration.get("parameters")))
    if schema.get("type") != "object":
        schema = {**schema, "type": "object"}
    behavior = declaration.get("behavior")
    return FunctionTool(
        name=as_text(declaration.get("name")) or "",
        description=as_text(declaration.get("description")) or "",
        parameters=schema,
        background=behavior == _BACKGROUND if behavior else dialect.family.background_by_default,
    )


def _either(data: Mapping[str, Any], *names: str) -> Any:
    return next((data[name] for name in names if name in data), None)


def _as_json_schema(schema: object) -> object:
    """Google's subset of OpenAPI as JSON schema: types in lower case, and null as a type."""
    if not isinstance(schema, dict):
        return schema
    read: JsonObject = {}
    for name, value in schema.items():
        if name == "type" and isinstance(value, str):
            read[name] = value.lower()
        elif name == "properties" and isinstance(value, dict):
            read[name] = {key: _as_json_schema(inner) for key, inner in value.items()}
        elif name == "items":
            read[name] = _as_json_schema(value)
        elif name in ("anyOf", "any_of") and isinstance(value, list):
            read["anyOf"] = [_as_json_schema(inner) for inner in value]
        elif name != "nullable":
            read[name] = value
    if schema.get("nullable") is True and isinstance(read.get("type"), str):
        read["type"] = [read["type"], "null"]
    return read
