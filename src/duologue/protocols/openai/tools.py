"""Tools and tool choices, to and from the wire."""

from __future__ import annotations

from typing import Literal, cast

from duologue.errors import InvalidTool
from duologue.options import FunctionChoice, McpChoice, ToolChoice
from duologue.protocols.json_values import (
    JsonObject,
    as_bool,
    as_object,
    as_objects,
    as_text,
    as_texts,
    put,
    text_map,
)
from duologue.protocols.openai.dialect import Dialect
from duologue.secret import Secret
from duologue.tools import FunctionTool, McpApprovalFilter, McpServerTool, Tool

_CHOICES = frozenset({"auto", "none", "required"})


def write_tool(tool: Tool, dialect: Dialect) -> JsonObject:
    """A tool as the wire has it. The secrets of an MCP server are written out: they are for the provider."""
    if isinstance(tool, McpServerTool):
        return _write_mcp(tool, dialect)
    function: JsonObject = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = tool.parameters
    return {"type": "function", "function": function} if dialect.nested_tools else {"type": "function", **function}


def _write_mcp(tool: McpServerTool, dialect: Dialect) -> JsonObject:
    written: JsonObject = {"type": "mcp", "server_label": tool.server_label}
    for name in ("server_url", "connector_id", "tunnel_id", "server_description", "defer_loading"):
        put(written, name, getattr(tool, name))
    put(written, "authorization", tool.authorization and tool.authorization.reveal())
    if tool.headers:
        written["headers"] = {name: value.reveal() for name, value in tool.headers.items()}
    names = None if tool.allowed_tools is None else list(tool.allowed_tools)
    if tool.read_only is None:
        put(written, "allowed_tools", names)
    else:
        only: JsonObject = {"read_only": tool.read_only}
        put(only, "tool_names", names)
        written["allowed_tools"] = only
    approval = tool.require_approval
    if isinstance(approval, McpApprovalFilter):
        by_name = {"always": approval.always, "never": approval.never}
        written["require_approval"] = {
            when: list(tools) if dialect.tool_filters == "lists" else {"tool_names": list(tools)}
            for when, tools in by_name.items()
            if tools
        }
    else:
        put(written, "require_approval", approval)
    return written


def read_tools(value: object) -> tuple[Tool, ...]:
    """The tools of a JSON array, as declarations; those that are of no known kind, or invalid, are left out."""
    tools: list[Tool] = []
    names: set[str] = set()
    for data in as_objects(value):
        try:
            tool = _read_tool(data)
        except InvalidTool:
            continue
        if isinstance(tool, FunctionTool):
            if tool.name in names:
                continue
            names.add(tool.name)
        if tool is not None:
            tools.append(tool)
    return tuple(tools)


def _read_tool(data: JsonObject) -> Tool | None:
    if data.get("type") == "mcp":
        return _read_mcp(data)
    if data.get("type") != "function":
        return None
    function = as_object(data.get("function")) or data
    return FunctionTool(
        name=as_text(function.get("name")) or "",
        description=as_text(function.get("description")) or "",
        parameters=as_object(function.get("parameters")) or {"type": "object", "properties": {}},
    )


def _read_mcp(data: JsonObject) -> McpServerTool:
    allowed = data.get("allowed_tools")
    names = as_object(allowed).get("tool_names") if isinstance(allowed, dict) else allowed
    authorization = as_text(data.get("authorization"))
    headers = text_map(data.get("headers")) or {}
    return McpServerTool(
        server_label=as_text(data.get("server_label")) or "",
        server_url=as_text(data.get("server_url")),
        connector_id=as_text(data.get("connector_id")),
        tunnel_id=as_text(data.get("tunnel_id")),
        authorization=None if authorization is None else Secret.of(authorization),
        headers={name: Secret.of(header) for name, header in headers.items()},
        allowed_tools=None if names is None else as_texts(names),
        read_only=as_bool(as_object(allowed).get("read_only")),
        require_approval=_read_approval(data.get("require_approval")),
        server_description=as_text(data.get("server_description")),
        defer_loading=as_bool(data.get("defer_loading")),
    )


def _read_approval(value: object) -> Literal["always", "never"] | McpApprovalFilter | None:
    if value in ("always", "never"):
        return "always" if value == "always" else "never"
    if not isinstance(value, dict):
        return None
    return McpApprovalFilter(always=_read_names(value.get("always")), never=_read_names(value.get("never")))


def _read_names(value: object) -> tuple[str, ...]:
    return as_texts(value.get("tool_names") if isinstance(value, dict) else value)


def write_tool_choice(choice: ToolChoice, dialect: Dialect) -> str | JsonObject:
    """A tool choice as the wire has it."""
    if isinstance(choice, str):
        return choice
    if isinstance(choice, FunctionChoice):
        name = {"name": choice.name}
        return {"type": "function", "function": name} if dialect.nested_tools else {"type": "function", **name}
    written: JsonObject = {"type": "mcp", "server_label": choice.server_label}
    put(written, "name", choice.name)
    return written


def read_tool_choice(value: object) -> ToolChoice | None:
    """The tool choice that a JSON value stands for; None if it is of no known kind."""
    if isinstance(value, str):
        return cast(Literal["auto", "none", "required"], value) if value in _CHOICES else None
    data = as_object(value)
    if data.get("type") == "function":
        name = as_text(data.get("name")) or as_text(as_object(data.get("function")).get("name"))
        return FunctionChoice(name) if name else None
    label = as_text(data.get("server_label"))
    if data.get("type") == "mcp" and label:
        return McpChoice(label, as_text(data.get("name")))
    return None
