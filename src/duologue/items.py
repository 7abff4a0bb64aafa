"""The items of a conversation: messages, function calls and their results, MCP calls and approvals."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from duologue.content import AudioContent, Content, ErrorDetail, ImageContent, TextContent
from duologue.tools import Scheduling

Role = Literal["system", "user", "assistant"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class BaseItem(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """What every item has.

    Attributes:
        id: The item's id, at most 32 characters; None lets the provider choose.
        status: Whether the item is whole. Only a ``"completed"`` function call may be run.
    """

    id: str | None = None
    status: ItemStatus | None = None


class MessageItem(BaseItem, frozen=True, kw_only=True, tag="message", omit_defaults=True):
    """Something said or written, by the system, the user or the assistant."""

    role: Role
    content: tuple[Content, ...] = ()

    @property
    def text(self) -> str:
        """All of its text and transcripts, as one string."""
        return "".join(
            part.text if isinstance(part, TextContent) else part.transcript or ""
            for part in self.content
            if isinstance(part, TextContent | AudioContent)
        )

    @classmethod
    def user(cls, text: str, *, id: str | None = None) -> MessageItem:
        """Something that the user wrote."""
        return cls(id=id, role="user", content=(TextContent(text=text),))

    @classmethod
    def system(cls, text: str, *, id: str | None = None) -> MessageItem:
        """Something that the model shall know."""
        return cls(id=id, role="system", content=(TextContent(text=text),))

    @classmethod
    def assistant(cls, text: str, *, id: str | None = None) -> MessageItem:
        """Something that the assistant said before."""
        return cls(id=id, role="assistant", content=(TextContent(text=text),))

    @classmethod
    def image(cls, image: ImageContent, text: str = "", *, id: str | None = None) -> MessageItem:
        """A picture that the user shows, with or without words."""
        words = (TextContent(text=text),) if text else ()
        return cls(id=id, role="user", content=(*words, image))


class FunctionCall(BaseItem, frozen=True, kw_only=True, tag="function_call", omit_defaults=True):
    """The model asks the application to run a function.

    Attributes:
        call_id: What the result refers to.
        name: The function's name.
        arguments: A JSON object, as text. May be cut short unless `status` is ``"completed"``.
    """

    call_id: str
    name: str
    arguments: str = ""


class FunctionResult(BaseItem, frozen=True, kw_only=True, tag="function_result", omit_defaults=True):
    """What a function gave back (``function_call_output`` on OpenAI's wire).

    Attributes:
        call_id: The call that it answers.
        output: The result as text, usually JSON.
        name: The function's name, which some wires want repeated.
        is_error: Whether `output` tells of a failure.
        scheduling: When the model speaks of it, where `Capabilities.tool_scheduling`: ``"interrupt"``, ``"when_idle"``
            or ``"silent"``.
    """

    call_id: str
    output: str
    name: str | None = None
    is_error: bool = False
    scheduling: Scheduling | None = None


class McpToolDescription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tool of an MCP server, as the provider listed it."""

    name: str
    input_schema: dict[str, Any] = {}
    description: str | None = None
    annotations: dict[str, Any] | None = None


class McpToolList(BaseItem, frozen=True, kw_only=True, tag="mcp_tool_list", omit_defaults=True):
    """The tools of an MCP server (``mcp_list_tools`` on OpenAI's wire)."""

    server_label: str
    tools: tuple[McpToolDescription, ...] = ()


class McpCall(BaseItem, frozen=True, kw_only=True, tag="mcp_call", omit_defaults=True):
    """A tool of an MCP server that the provider runs itself.

    Attributes:
        arguments: A JSON object, as text.
        output: The result, once there is one.
        error: What went wrong, if it did.
        approval_request_id: The approval that allowed it.
    """

    server_label: str
    name: str
    arguments: str = ""
    output: str | None = None
    error: ErrorDetail | None = None
    approval_request_id: str | None = None


class McpApprovalRequest(BaseItem, frozen=True, kw_only=True, tag="mcp_approval_request", omit_defaults=True):
    """The provider asks whether it may run a tool of an MCP server."""

    server_label: str
    name: str
    arguments: str = ""


class McpApprovalResponse(BaseItem, frozen=True, kw_only=True, tag="mcp_approval_response", omit_defaults=True):
    """The application's answer to an `McpApprovalRequest`."""

    approval_request_id: str
    approve: bool
    reason: str | None = None


class ItemReference(BaseItem, frozen=True, kw_only=True, tag="item_reference", omit_defaults=True):
    """An item of the conversation, named by its `id`: only as an input of a response."""


class RawItem(BaseItem, frozen=True, kw_only=True, tag="raw", omit_defaults=True):
    """An item of a kind that this library does not know, as the provider sent it."""

    data: dict[str, Any]

    def __repr__(self) -> str:
        return f"RawItem(id={self.id!r}, {self.data.get('type', '?')})"


Item = (
    MessageItem
    | FunctionCall
    | FunctionResult
    | McpToolList
    | McpCall
    | McpApprovalRequest
    | McpApprovalResponse
    | ItemReference
    | RawItem
)
