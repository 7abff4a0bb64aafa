"""A responder's request in the words of ``POST /chat/completions``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from duologue.content import AudioContent, ImageContent, TextContent
from duologue.errors import SpeechFailed
from duologue.items import FunctionCall, FunctionResult, Item, MessageItem
from duologue.options import FunctionChoice, McpChoice
from duologue.speech.responder import ResponderRequest
from duologue.tools import FunctionTool

Message = dict[str, Any]
"""A chat message, as JSON."""

SPEAK_FIRST = "Nobody has said anything yet. Begin the conversation."
UNCLEAR = (
    "The user's last words could not be made out; what is written of them may be wrong. Say so in a few words, and "
    "ask for them again."
)
IDLE = "The user has been silent for a while. Ask in a few words whether they are still there."
NO_RESULT_YET = "There is no result yet."


def messages_of(request: ResponderRequest, spoken_hint: str | None) -> list[Message]:
    """The conversation as chat messages.

    What stands before the first word of the conversation is one system message, because many models take no
    second one. Results follow their calls at once, as the API demands, even if the user spoke in between. Items
    that a chat endpoint has no words for (MCP, raw) are left out.

    Args:
        request: What to answer.
        spoken_hint: Added to the instructions when the answer is spoken.
    """
    hint = spoken_hint if request.spoken else None
    messages = _joined([*_system(request.instructions, hint), *_conversation(request.items)])
    if request.idle:
        messages += _system(IDLE)
    elif not request.understood:
        messages += _system(UNCLEAR)
    elif all(message["role"] == "system" for message in messages):
        messages += _system(SPEAK_FIRST)
    return messages


def tools_of(request: ResponderRequest) -> dict[str, Any]:
    """The parameters that are about tools; none if none may be called.

    Values that every endpoint takes as its default are left out: some refuse to be told.

    Raises:
        SpeechFailed: The choice is a tool of an MCP server.
    """
    choice = request.tool_choice
    if isinstance(choice, McpChoice):
        raise SpeechFailed(
            f"A chat endpoint cannot call tools of the MCP server {choice.server_label!r}. Use a FunctionTool, or "
            "another tool_choice."
        )
    tools = [_declaration(tool) for tool in request.tools if isinstance(tool, FunctionTool)]
    if not tools or choice == "none":
        return {}
    parameters: dict[str, Any] = {"tools": tools}
    if isinstance(choice, FunctionChoice):
        parameters["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice == "required":
        parameters["tool_choice"] = choice
    if not request.parallel_tool_calls:
        parameters["parallel_tool_calls"] = False
    return parameters


def is_json_object(text: str) -> bool:
    """Whether `text` is a JSON object."""
    try:
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return False
    return True


def _declaration(tool: FunctionTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _system(*texts: str | None) -> list[Message]:
    return [{"role": "system", "content": text} for text in texts if text and text.strip()]


def _joined(messages: Sequence[Message]) -> list[Message]:
    """`messages` with one system message at the beginning instead of several."""
    leading = 0
    while leading < len(messages) and messages[leading]["role"] == "system":
        leading += 1
    head = "\n\n".join(message["content"] for message in messages[:leading])
    return [*_system(head), *messages[leading:]]


def _conversation(items: Sequence[Item]) -> Iterator[Message]:
    results = {item.call_id: item.output for item in items if isinstance(item, FunctionResult)}
    answer: Message | None = None  # of the assistant; calls that follow its text belong to it
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
    answer: Message | None, calls: Sequence[FunctionCall], results: dict[str, str]
) -> Iterator[Message]:
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


def _message(item: MessageItem) -> Message | None:
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
