"""A conversation in the words of chat APIs, and back: text models go on, or prepare, what is spoken."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from duologue.content import AudioContent, Content, ImageContent, TextContent
from duologue.errors import InvalidInput
from duologue.items import FunctionCall, FunctionResult, Item, MessageItem, Role

ChatMessage = dict[str, Any]
"""A chat message, as JSON."""

NO_RESULT_YET = "There is no result yet."

_ROLES: dict[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def chat_messages(items: Sequence[Item]) -> Iterator[ChatMessage]:
    """The items as chat messages: what was said, as far as it was heard.

    Results follow their calls at once, as the API demands, even if the user spoke in between. Items that a chat
    endpoint has no words for (MCP, raw) are left out.
    """
    results = {item.call_id: item.output for item in items if isinstance(item, FunctionResult)}
    answer: ChatMessage | None = None  # of the assistant; calls that follow its text belong to it
    calls: list[FunctionCall] = []
    for item in items:
        if isinstance(item, FunctionCall):
            if item.status in (None, "completed"):
                calls.append(item)
            continue
        if isinstance(item, FunctionResult | MessageItem):
            yield from _said_and_called(answer, calls, results)
            answer, calls = None, []
        if isinstance(item, MessageItem) and (message := _message(item)):
            if item.role == "assistant":
                answer = message
            else:
                yield message
    yield from _said_and_called(answer, calls, results)


def _said_and_called(
    answer: ChatMessage | None, calls: Sequence[FunctionCall], results: dict[str, str]
) -> Iterator[ChatMessage]:
    if not calls:
        if answer:
            yield answer
        return
    requested = [
        {
            "id": call.call_id,
            "type": "function",
            # Servers parse what they are told of earlier calls, and fail if the model had not written JSON.
            "function": {"name": call.name, "arguments": call.arguments if is_json_object(call.arguments) else "{}"},
        }
        for call in calls
    ]
    yield {**(answer or {"role": "assistant", "content": None}), "tool_calls": requested}
    for call in calls:
        yield {"role": "tool", "tool_call_id": call.call_id, "content": results.get(call.call_id, NO_RESULT_YET)}


def _message(item: MessageItem) -> ChatMessage | None:
    """A chat message; None if nothing was said."""
    images = [part for part in item.content if isinstance(part, ImageContent)]
    if not images or item.role != "user":
        return {"role": item.role, "content": item.text} if item.text.strip() else None
    parts = [part for content in item.content if (part := _part(content))]
    return {"role": "user", "content": parts}


def _part(content: object) -> dict[str, Any] | None:
    match content:
        case TextContent(text=str(text)) | AudioContent(transcript=str(text)) if text:
            return {"type": "text", "text": text}
        case ImageContent():
            image = {"url": content.data_uri()}
            return {"type": "image_url", "image_url": image | ({"detail": content.detail} if content.detail else {})}
        case _:
            return None


def items_of_chat(messages: Iterable[Mapping[str, Any]]) -> Iterator[Item]:
    """Chat messages as items of a conversation, for `SessionOptions.history`.

    Raises:
        InvalidInput: A message is none.
    """
    for number, message in enumerate(messages, 1):
        role, content = message.get("role"), message.get("content")
        if role == "tool":
            text = "".join(part.text for part in _parts(content, number) if isinstance(part, TextContent))
            yield FunctionResult(call_id=_text(message, "tool_call_id", number), output=text)
            continue
        if role not in _ROLES:
            raise InvalidInput(f"Message {number} has the role {role!r}; there are: {', '.join(_ROLES)}, tool.")
        if parts := _parts(content, number):
            yield MessageItem(role=_ROLES[role], content=parts)
        for call in message.get("tool_calls") or ():
            function = call.get("function")
            if not isinstance(function, Mapping):
                raise InvalidInput(f"A call of message {number} names no function.")
            yield FunctionCall(
                call_id=_text(call, "id", number),
                name=_text(function, "name", number),
                arguments=function.get("arguments") or "{}",
                status="completed",
            )


def is_json_object(text: str) -> bool:
    """Whether `text` is a JSON object."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
    return True


def _text(source: Mapping[str, Any], name: str, number: int) -> str:
    value = source.get(name)
    if not isinstance(value, str):
        raise InvalidInput(f"Message {number} lacks its {name}.")
    return value


def _parts(content: object, number: int) -> tuple[Content, ...]:
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (TextContent(text=content),)
    if not isinstance(content, Sequence):
        raise InvalidInput(f"The content of message {number} is neither a text nor a list of parts.")
    return tuple(_read_part(part, number) for part in content)


def _read_part(part: object, number: int) -> Content:
    match part:
        case {"type": "text", "text": str(text)}:
            return TextContent(text=text)
        case {"type": "refusal", "refusal": str(text)}:
            return TextContent(text=text)
        case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
            detail = rest.get("detail")
            return _image(url, number, detail if detail in ("auto", "low", "high") else None)
        case _:
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            raise InvalidInput(f"Message {number} holds a part of kind {kind!r}; text and image_url can be read.")


def _image(url: str, number: int, detail: Any) -> ImageContent:
    if not url.startswith("data:"):
        return ImageContent(url=url, detail=detail)
    head, _, data = url.removeprefix("data:").partition(",")
    try:
        return ImageContent(
            data=base64.b64decode(data, validate=True), media_type=head.partition(";")[0] or "image/png", detail=detail
        )
    except binascii.Error as error:
        raise InvalidInput(f"The picture of message {number} is no base64.") from error
