"""Items of the conversation and their parts, to and from the wire."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, cast

from msgspec.structs import replace

from duologue.content import AudioContent, Content, ErrorDetail, ImageContent, RawContent, TextContent
from duologue.items import (
    FunctionCall,
    FunctionResult,
    Item,
    ItemReference,
    ItemStatus,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpToolDescription,
    McpToolList,
    MessageItem,
    RawItem,
    Role,
)
from duologue.protocols.base64_text import encode_base64, read_base64
from duologue.protocols.json_values import JsonObject, as_object, as_objects, as_text, put
from duologue.protocols.openai.dialect import Dialect

_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_AUDIO_PARTS = frozenset({"audio", "input_audio", "output_audio"})
_STATUSES = frozenset({"in_progress", "completed", "incomplete"})
_ROLES = frozenset({"system", "user", "assistant"})
_DATA_URI = re.compile(r"data:([^;,]*);base64,(.*)", re.DOTALL)


# --- from the wire ---


def read_item(data: JsonObject) -> Item:
    """The item that `data` describes; a `RawItem` where it is of a kind that is not known."""
    reader = _READERS.get(as_text(data.get("type")) or "")
    return RawItem(id=_id(data), status=_status(data), data=data) if reader is None else reader(data)


def read_part(data: JsonObject) -> Content:
    """The part that `data` describes; empty objects, which xAI sends, are parts of audio."""
    kind = as_text(data.get("type"))
    if kind in _TEXT_PARTS:
        return TextContent(text=as_text(data.get("text")) or "")
    if kind in _AUDIO_PARTS or not data:
        return AudioContent(audio=read_base64(data.get("audio")), transcript=as_text(data.get("transcript")))
    if kind == "input_image":
        return _read_image(data)
    return RawContent(data=data)


def _read_image(data: JsonObject) -> ImageContent:
    address = as_text(data.get("image_url")) or ""
    detail: Any = data.get("detail") if data.get("detail") in ("auto", "low", "high") else None
    inline = _DATA_URI.fullmatch(address)
    image = read_base64(inline[2]) if inline else None
    if inline is None or image is None:
        return ImageContent(url=address, detail=detail)
    return ImageContent(data=image, media_type=inline[1] or "image/png", detail=detail)


def _id(data: JsonObject) -> str | None:
    return as_text(data.get("id"))


def _status(data: JsonObject) -> ItemStatus | None:
    status = as_text(data.get("status"))
    return cast(ItemStatus, status) if status in _STATUSES else None


def _text(data: JsonObject, name: str) -> str:
    return as_text(data.get(name)) or ""


def _message(data: JsonObject) -> Item:
    role = as_text(data.get("role")) or ("assistant" if data.get("type") == "force_message" else None)
    content = tuple(read_part(part) for part in as_objects(data.get("content")))
    if role not in _ROLES:
        return RawItem(id=_id(data), status=_status(data), data=data)
    return MessageItem(id=_id(data), status=_status(data), role=cast(Role, role), content=content)


def _call(data: JsonObject) -> Item:
    return FunctionCall(
        id=_id(data),
        status=_status(data),
        call_id=_text(data, "call_id"),
        name=_text(data, "name"),
        arguments=_text(data, "arguments"),
    )


def _result(data: JsonObject) -> Item:
    return FunctionResult(
        id=_id(data), status=_status(data), call_id=_text(data, "call_id"), output=_text(data, "output")
    )


def _tool_list(data: JsonObject) -> Item:
    tools = tuple(
        McpToolDescription(
            name=_text(tool, "name"),
            input_schema=as_object(tool.get("input_schema")),
            description=as_text(tool.get("description")),
            annotations=as_object(tool.get("annotations")) or None,
        )
        for tool in as_objects(data.get("tools"))
    )
    return McpToolList(id=_id(data), status=_status(data), server_label=_text(data, "server_label"), tools=tools)


def _mcp_call(data: JsonObject) -> Item:
    error = as_object(data.get("error"))
    code = error.get("code")
    detail = ErrorDetail(
        message=as_text(error.get("message")) or "",
        type=as_text(error.get("type")),
        code=None if code is None else str(code),
    )
    return McpCall(
        id=_id(data),
        status=_status(data),
        server_label=_text(data, "server_label"),
        name=_text(data, "name"),
        arguments=_text(data, "arguments"),
        output=as_text(data.get("output")),
        error=detail if error else None,
        approval_request_id=as_text(data.get("approval_request_id")),
    )


def _approval_request(data: JsonObject) -> Item:
    return McpApprovalRequest(
        id=_id(data),
        status=_status(data),
        server_label=_text(data, "server_label"),
        name=_text(data, "name"),
        arguments=_text(data, "arguments"),
    )


def _approval_response(data: JsonObject) -> Item:
    return McpApprovalResponse(
        id=_id(data),
        status=_status(data),
        approval_request_id=_text(data, "approval_request_id"),
        approve=data.get("approve") is True,
        reason=as_text(data.get("reason")),
    )


def _reference(data: JsonObject) -> Item:
    return ItemReference(id=_id(data))


_READERS: dict[str, Callable[[JsonObject], Item]] = {
    "message": _message,
    "force_message": _message,  # xAI's: a text to be spoken as it is
    "function_call": _call,
    "function_call_output": _result,
    "mcp_list_tools": _tool_list,
    "mcp_call": _mcp_call,
    "mcp_approval_request": _approval_request,
    "mcp_approval_response": _approval_response,
    "item_reference": _reference,
}


# --- to the wire ---


def write_item(item: Item, dialect: Dialect) -> JsonObject:
    """The item as the wire has it."""
    if isinstance(item, RawItem):
        return item.data
    written: JsonObject = {"type": _ITEM_TYPES[type(item)]}
    put(written, "id", item.id)
    put(written, "status", item.status)
    match item:
        case MessageItem():
            written["role"] = item.role
            written["content"] = [write_part(part, item.role, dialect) for part in item.content]
        case FunctionCall():
            written.update(call_id=item.call_id, name=item.name, arguments=item.arguments)
        case FunctionResult():
            written.update(call_id=item.call_id, output=item.output)
        case McpToolList():
            written.update(server_label=item.server_label, tools=[_write_tool(tool) for tool in item.tools])
        case McpCall():
            written.update(server_label=item.server_label, name=item.name, arguments=item.arguments)
            put(written, "output", item.output)
            put(written, "error", _write_mcp_error(item.error))
            put(written, "approval_request_id", item.approval_request_id)
        case McpApprovalRequest():
            written.update(server_label=item.server_label, name=item.name, arguments=item.arguments)
        case McpApprovalResponse():
            written.update(approval_request_id=item.approval_request_id, approve=item.approve)
            put(written, "reason", item.reason)
        case _:
            pass
    return written


def write_added_item(item: Item, dialect: Dialect) -> JsonObject:
    """The item as a client adds it: speech that only the server has had is told in words."""
    if isinstance(item, MessageItem):
        parts = [_as_words(part, item.role) for part in item.content]
        item = replace(item, content=tuple(part for part in parts if part is not None))
    return write_item(item, dialect)


def _as_words(part: Content, role: Role) -> Content | None:
    if not isinstance(part, AudioContent) or (role == "user" and part.audio is not None):
        return part
    return TextContent(text=part.transcript) if part.transcript else None


def write_told_item(item: Item, dialect: Dialect) -> JsonObject:
    """The item as a server tells of it."""
    written = write_item(item, dialect)
    if dialect.event_names == "beta" or isinstance(item, MessageItem | FunctionCall | FunctionResult):
        return {"object": "realtime.item", **written}
    return written


_ITEM_TYPES: dict[type, str] = {
    MessageItem: "message",
    FunctionCall: "function_call",
    FunctionResult: "function_call_output",
    McpToolList: "mcp_list_tools",
    McpCall: "mcp_call",
    McpApprovalRequest: "mcp_approval_request",
    McpApprovalResponse: "mcp_approval_response",
    ItemReference: "item_reference",
}


def write_part(part: Content, role: Role, dialect: Dialect) -> JsonObject:
    """The part of a message as the wire has it."""
    match part:
        case TextContent():
            return {"type": dialect.assistant_text if role == "assistant" else "input_text", "text": part.text}
        case AudioContent():
            output = "output_audio" if dialect.event_names == "ga" else "audio"
            written: JsonObject = {"type": output if role == "assistant" else "input_audio"}
            put(written, "audio", None if part.audio is None else encode_base64(part.audio))
            put(written, "transcript", part.transcript)
            return written
        case ImageContent():
            return _write_image(part)
        case _:
            return part.data


def write_output_part(part: Content) -> JsonObject:
    """A part in ``response.content_part``, where its type has no prefix in any dialect."""
    match part:
        case TextContent():
            return {"type": "text", "text": part.text}
        case AudioContent():
            written: JsonObject = {"type": "audio"}
            put(written, "audio", None if part.audio is None else encode_base64(part.audio))
            put(written, "transcript", part.transcript)
            return written
        case ImageContent():
            return _write_image(part)
        case _:
            return part.data


def _write_image(image: ImageContent) -> JsonObject:
    written: JsonObject = {"type": "input_image", "image_url": image.data_uri()}
    put(written, "detail", image.detail)
    return written


def _write_tool(tool: McpToolDescription) -> JsonObject:
    written: JsonObject = {"name": tool.name, "input_schema": tool.input_schema}
    put(written, "description", tool.description)
    put(written, "annotations", tool.annotations)
    return written


def _write_mcp_error(error: ErrorDetail | None) -> JsonObject | None:
    if error is None:
        return None
    written: JsonObject = {"type": error.type or "tool_execution_error", "message": error.message}
    if error.code is not None:
        written["code"] = int(error.code) if error.code.isdigit() else error.code
    return written
