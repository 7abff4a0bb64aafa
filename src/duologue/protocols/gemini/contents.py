"""Items of a conversation as contents with parts, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pybase64

from duologue.content import AudioContent, Content, ImageContent, RawContent, TextContent
from duologue.errors import UnsupportedOperation
from duologue.formats import PCM16_16K, PCM16_24K, AudioFormat
from duologue.items import FunctionCall, FunctionResult, Item, MessageItem, RawItem
from duologue.protocols.base64_text import decode_base64, encode_base64
from duologue.protocols.gemini import content_frames as wire
from duologue.protocols.gemini.values import read_audio_type, write_audio_type
from duologue.protocols.json_values import as_object
from duologue.tools import Scheduling

_SCHEDULINGS: dict[Scheduling, str] = {"interrupt": "INTERRUPT", "when_idle": "WHEN_IDLE", "silent": "SILENT"}
_SCHEDULINGS_READ: dict[str, Scheduling] = {name: meaning for meaning, name in _SCHEDULINGS.items()}


def write_item(item: Item, names: dict[str, str], provider: str) -> wire.Content:
    """An item of a history as a content. What a system message says is written as the user's: there is no such role.

    Args:
        item: The item.
        names: The names of functions by call id, for results that do not name theirs; the item's own is added.
        provider: Whose error it is, if it cannot be written.

    Raises:
        UnsupportedOperation: The wire has no such item.
    """
    if isinstance(item, MessageItem):
        parts = tuple(_write_part(part, provider) for part in item.content)
        return wire.Content(role="model" if item.role == "assistant" else "user", parts=parts)
    if isinstance(item, FunctionCall):
        names[item.call_id] = item.name
        call = wire.FunctionCall(id=item.call_id, name=item.name, args=read_arguments(item.arguments))
        return wire.Content(role="model", parts=(wire.Part(function_call=call),))
    if isinstance(item, FunctionResult):
        response = write_result(item, item.call_id, item.name or names.get(item.call_id, ""))
        return wire.Content(role="user", parts=(wire.Part(function_response=response),))
    if isinstance(item, RawItem):
        return msgspec.convert(item.data, wire.Content)
    raise UnsupportedOperation(
        f"items of kind {type(item).__name__}", provider, "Add messages, function calls and their results."
    )


def _write_part(part: Content, provider: str) -> wire.Part:
    if isinstance(part, TextContent):
        return wire.Part(text=part.text)
    if isinstance(part, AudioContent):
        if part.audio is None:
            return wire.Part(text=part.transcript or "")
        mime_type = write_audio_type(part.format or PCM16_24K)
        return wire.Part(inline_data=wire.Blob(mime_type=mime_type, data=encode_base64(part.audio)))
    if isinstance(part, ImageContent):
        return _write_image(part, provider)
    return msgspec.convert(part.data, wire.Part)


def _write_image(image: ImageContent, provider: str) -> wire.Part:
    if image.data is not None:
        return wire.Part(inline_data=wire.Blob(mime_type=image.media_type, data=encode_base64(image.data)))
    url = image.url or ""
    if url.startswith("data:") and ";base64," in url:
        mime_type, _, data = url[len("data:") :].partition(";base64,")
        return wire.Part(inline_data=wire.Blob(mime_type=mime_type, data=data))
    if url.startswith("gs://") or "generativelanguage.googleapis.com/" in url:
        return wire.Part(file_data={"fileUri": url, "mimeType": image.media_type})
    raise UnsupportedOperation(
        "pictures by their address", provider, "Fetch the picture, and give its bytes as ImageContent.data."
    )


def read_arguments(arguments: str) -> dict[str, Any]:
    """The arguments of a call as an object; what is none is its only argument."""
    try:
        value = json.loads(arguments) if arguments else {}
    except (ValueError, RecursionError):
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}


def write_result(result: FunctionResult, call_id: str | None, name: str) -> wire.FunctionResponse:
    """A result, whose text becomes an object if it is none: ``output``, or ``error``."""
    scheduling = None if result.scheduling is None else _SCHEDULINGS[result.scheduling]
    response = {"error": result.output} if result.is_error else _as_response(result.output)
    return wire.FunctionResponse(id=call_id, name=name, response=response, scheduling=scheduling)


def _as_response(output: str) -> dict[str, Any]:
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        value = output
    if isinstance(value, dict):
        return value
    return {"output": value if isinstance(value, list) else output}


# --- reading ---


def read_content(content: wire.Content) -> list[Item]:
    """The items that a content holds, in order: its messages, calls and results."""
    items: list[Item] = []
    parts: list[Content] = []
    for part in content.parts:
        item = _read_function_part(part)
        if item is None:
            parts.append(read_part(part))
            continue
        if parts:
            items.append(_message(content.role, parts))
            parts = []
        items.append(item)
    if parts or not items:
        items.append(_message(content.role, parts))
    return items


def _message(role: str | None, parts: Iterable[Content]) -> MessageItem:
    return MessageItem(role="assistant" if role == "model" else "user", content=tuple(parts))


def _read_function_part(part: wire.Part) -> Item | None:
    if part.function_call is not None:
        return read_call(part.function_call)
    return None if part.function_response is None else read_result(part.function_response)


def read_call(call: wire.FunctionCall, call_id: str | None = None) -> FunctionCall:
    """A call of a function."""
    return FunctionCall(
        call_id=call_id or call.id or "", name=call.name, arguments=write_arguments(call), status="completed"
    )


def write_arguments(call: wire.FunctionCall) -> str:
    """The arguments of a call as text."""
    return msgspec.json.encode(call.args or {}).decode()


def read_result(response: wire.FunctionResponse) -> FunctionResult:
    """The result of a function; of a response that holds nothing else, ``output`` or ``error`` alone."""
    value = as_object(response.response)
    only = next(iter(value)) if len(value) == 1 else ""
    output: Any = value[only] if only in ("output", "error") else value
    return FunctionResult(
        call_id=response.id or "",
        name=response.name,
        output=output if isinstance(output, str) else msgspec.json.encode(output).decode(),
        is_error=only == "error",
        scheduling=_SCHEDULINGS_READ.get(response.scheduling or ""),
    )


def read_part(part: wire.Part) -> Content:
    """A part that is no call and no result."""
    if part.text is not None:
        return TextContent(text=part.text)
    if part.inline_data is not None:
        return _read_blob(part.inline_data)
    file = as_object(part.file_data)
    if isinstance(file.get("fileUri"), str):
        mime_type = file.get("mimeType")
        return ImageContent(url=file["fileUri"], media_type=mime_type if isinstance(mime_type, str) else "image/png")
    return RawContent(data=msgspec.to_builtins(part))


def _read_blob(blob: wire.Blob) -> Content:
    audio = read_audio_type(blob.mime_type, PCM16_16K)
    try:
        data = decode_base64(blob.data)
    except ValueError:
        return RawContent(data={"inlineData": msgspec.to_builtins(blob)})
    if audio is not None:
        return AudioContent(audio=data, format=audio)
    return ImageContent(data=data, media_type=blob.mime_type or "image/png")


def read_audio(blob: wire.Blob, default: AudioFormat) -> tuple[bytes, AudioFormat] | None:
    """The audio of a blob with its format; None if it is of another type.

    Raises:
        ValueError: It is no base64.
    """
    audio = read_audio_type(blob.mime_type, default)
    if audio is None:
        return None
    try:
        return pybase64.b64decode(blob.data, validate=True), audio
    except ValueError:
        return decode_base64(blob.data), audio
