"""What was said and called, in the JSON that the conventions prescribe. Text only: never audio, never pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from duologue import messages as m


def instructions(text: str) -> str:
    """The system prompt, for ``gen_ai.system_instructions``."""
    return _json([_text(text)])


def messages(items: Iterable[m.Item]) -> str | None:
    """Items of a conversation, for ``gen_ai.input.messages``; None when there is no text in them."""
    found = [{"role": role, "parts": parts} for role, parts in map(_message, items) if parts]
    return _json(found) if found else None


def answer(items: Iterable[m.Item]) -> str | None:
    """The output of a response, as the one message that ``gen_ai.output.messages`` is; None when it has no text."""
    parts = [part for item in items for part in _message(item)[1]]
    return _json([{"role": "assistant", "parts": parts}]) if parts else None


def words(text: str) -> str:
    """The transcript of what the user said, for ``gen_ai.input.messages``."""
    return _json([{"role": "user", "parts": [_text(text)]}])


def _message(item: m.Item) -> tuple[str, list[dict[str, Any]]]:
    match item:
        case m.MessageItem(role=role):
            return role, [_text(item.text)] if item.text else []
        case m.FunctionCall(call_id=call_id, name=name, arguments=arguments):
            call = {"type": "tool_call", "id": call_id, "name": name, "arguments": _value(arguments)}
            return "assistant", [call]
        case m.FunctionResult(call_id=call_id, output=output):
            return "tool", [{"type": "tool_call_response", "id": call_id, "response": _value(output)}]
        case _:
            return "", []


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "content": text}


def _value(text: str) -> Any:
    """`text` as JSON if it is some, so that it is not JSON inside JSON."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
