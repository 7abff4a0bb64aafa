"""Server messages about function calls, approvals and MCP servers."""

from __future__ import annotations

from typing import Literal

from duologue.content import ErrorDetail
from duologue.messages.base import ServerMessage, tag_of


class FunctionArgumentsDelta(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """More of a call's arguments (``response.function_call_arguments.delta``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str
    text: str


class FunctionArgumentsDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """All arguments of a call; run it when its item is done (``response.function_call_arguments.done``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str
    name: str | None = None
    arguments: str


class ToolCallsCancelled(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The provider takes calls back; their results are not wanted."""

    call_ids: tuple[str, ...]


class ApprovalRequested(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """May this call run? Answer with `FunctionCallApproval`.

    Attributes:
        approval_id: What the answer refers to.
        server_label: The MCP server; None for a function of the application.
        arguments: A JSON object, as text.
    """

    approval_id: str
    name: str
    arguments: str
    server_label: str | None = None


class McpToolsListing(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The provider asks an MCP server for its tools (``mcp_list_tools.in_progress``)."""

    item_id: str


class McpToolsListed(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """It has them (``mcp_list_tools.completed``)."""

    item_id: str


class McpToolsFailed(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """It could not get them (``mcp_list_tools.failed``)."""

    item_id: str
    error: ErrorDetail | None = None


class McpArgumentsDelta(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """More of an MCP call's arguments (``response.mcp_call_arguments.delta``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    text: str
    obfuscation: str | None = None


class McpArgumentsDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """All arguments of an MCP call (``response.mcp_call_arguments.done``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    arguments: str


class McpCallProgress(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """How an MCP call stands (``response.mcp_call.in_progress``, ``.completed``, ``.failed``)."""

    item_id: str
    output_index: int = 0
    status: Literal["in_progress", "completed", "failed"]
