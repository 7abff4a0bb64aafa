"""A responder's request in the words of ``POST /chat/completions``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from duologue.chat_messages import ChatMessage, chat_messages
from duologue.errors import SpeechFailed
from duologue.options import FunctionChoice, McpChoice
from duologue.speech.responder import ResponderRequest
from duologue.tools import FunctionTool

SPEAK_FIRST = "Nobody has said anything yet. Begin the conversation."
UNCLEAR = (
    "The user's last words could not be made out; what is written of them may be wrong. Say so in a few words, and "
    "ask for them again."
)
IDLE = "The user has been silent for a while. Ask in a few words whether they are still there."


def messages_of(request: ResponderRequest, spoken_hint: str | None) -> list[ChatMessage]:
    """The conversation as chat messages.

    What stands before the first word of the conversation is one system message, because many models take no
    second one. Results follow their calls at once, as the API demands, even if the user spoke in between. Items
    that a chat endpoint has no words for (MCP, raw) are left out.

    Args:
        request: What to answer.
        spoken_hint: Added to the instructions when the answer is spoken.
    """
    hint = spoken_hint if request.spoken else None
    messages = _joined([*_system(request.instructions, hint), *chat_messages(request.items)])
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


def _declaration(tool: FunctionTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _system(*texts: str | None) -> list[ChatMessage]:
    return [{"role": "system", "content": text} for text in texts if text and text.strip()]


def _joined(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """`messages` with one system message at the beginning instead of several."""
    leading = 0
    while leading < len(messages) and messages[leading]["role"] == "system":
        leading += 1
    head = "\n\n".join(message["content"] for message in messages[:leading])
    return [*_system(head), *messages[leading:]]
