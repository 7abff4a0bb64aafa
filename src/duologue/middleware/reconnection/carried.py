"""What of a conversation another session is told. Pure."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput

Items = tuple[m.Item, ...]
HistoryPolicy = Callable[[Items], Items | Awaitable[Items]]
"""Shortens a conversation that is too long to be sent anew: by cutting, or with a summary in place of its beginning."""

_LONGEST_ID = 32
_NO_WORDS = "(The user said something. There is no transcript of it.)"
AnyItem = TypeVar("AnyItem", bound=m.Item)


def keep_last(items: int = 200, characters: int = 100_000) -> HistoryPolicy:
    """The end of the conversation, and all that the system has said.

    Args:
        items: How many items at most, without those of the system.
        characters: How long their texts may be together, at most.
    """
    if items < 1 or characters < 1:
        raise InvalidInput("keep_last keeps at least one item and one character.")

    def policy(history: Items) -> Items:
        kept: list[m.Item] = []
        room, left = characters, items
        for item in reversed(history):
            if isinstance(item, m.MessageItem) and item.role == "system":
                kept.append(item)
            elif left > 0 and room > 0:
                kept.append(item)
                left -= 1
                room -= _length(item)
            else:
                left = 0
        return tuple(reversed(kept))

    return policy


def carried(
    items: Iterable[m.Item],
    can: Capabilities,
    *,
    audio: Mapping[str, m.AudioContent] | None = None,
    lost_calls: Iterable[str] = (),
    as_text: bool = False,
) -> Items:
    """The items as another session takes them: what was said, as far as it was heard; calls with their results.

    Args:
        items: The conversation.
        can: What the other session can do.
        audio: Speech of the user that has no transcript yet, by item id.
        lost_calls: Calls that the other session shall know nothing of.
        as_text: Whether calls and their results are told in words.
    """
    given: list[m.Item] = []
    calls: dict[str, m.FunctionCall] = {}
    lost = set(lost_calls)
    for item in items:
        match item:
            case m.MessageItem():
                said = _message(item, can, audio or {})
                if said is not None:
                    given.append(said)
            case m.FunctionCall(call_id=call_id, status=status) if status in (None, "completed"):
                calls[call_id] = item
                if call_id not in lost and not as_text:
                    given.append(_plain(item))
            case m.FunctionResult(call_id=call_id) if call_id in calls:
                told = as_text or call_id in lost
                named = replace(item, name=item.name or calls[call_id].name, scheduling=None)
                given.append(result_as_text(calls[call_id], item) if told else _plain(named))
            case _:
                pass  # what the provider ran by itself, and what only it understands
    return tuple(given)


def result_as_text(call: m.FunctionCall | None, result: m.FunctionResult) -> m.MessageItem:
    """The result of a function in words, for a model that does not know that it has called it."""
    name = call.name if call is not None else result.name or "A function"
    arguments = "" if call is None else _arguments(call.arguments)
    verb = "has failed" if result.is_error else "has returned"
    text = f"The function {name}({arguments}), which you have called, {verb}: {result.output}"
    return m.MessageItem.system(text, id=result.id if _fits(result.id) else None)


def whole(items: Sequence[m.Item]) -> Items:
    """The items without results whose call is not among those before them: a policy may have cut it off."""
    calls: set[str] = set()
    kept: list[m.Item] = []
    for item in items:
        if isinstance(item, m.FunctionCall):
            calls.add(item.call_id)
        elif isinstance(item, m.FunctionResult) and item.call_id not in calls:
            continue
        kept.append(item)
    return tuple(kept)


def same_item(one: m.Item, other: m.Item) -> bool:
    """Whether a provider that gives ids of its own means `one` when it tells of `other`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, m.MessageItem) and isinstance(other, m.MessageItem):
        return one.role == other.role and one.text == other.text
    if isinstance(one, m.FunctionCall | m.FunctionResult) and isinstance(other, m.FunctionCall | m.FunctionResult):
        return one.call_id == other.call_id
    return False


def _message(item: m.MessageItem, can: Capabilities, audio: Mapping[str, m.AudioContent]) -> m.MessageItem | None:
    parts: list[m.Content] = []
    for part in item.content:
        match part:
            case m.TextContent(text=text) if text:
                parts.append(part)
            case m.AudioContent(transcript=words) if words:
                parts.append(m.TextContent(text=words))
            case m.AudioContent() if item.role == "user":
                kept = audio.get(item.id or "") or (part if part.audio else None)
                parts.append(kept or m.TextContent(text=_NO_WORDS))
            case m.ImageContent() if can.images:
                parts.append(part)
            case _:
                pass
    return replace(_plain(item), content=tuple(parts)) if parts else None


def _plain(item: AnyItem) -> AnyItem:
    return replace(item, id=item.id if _fits(item.id) else None, status=None)


def _fits(item_id: str | None) -> bool:
    return item_id is not None and len(item_id) <= _LONGEST_ID


def _arguments(text: str) -> str:
    try:
        given = json.loads(text or "{}")
    except ValueError:
        return text
    if not isinstance(given, dict):
        return text
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in given.items())


def _length(item: m.Item) -> int:
    match item:
        case m.MessageItem():
            return len(item.text)
        case m.FunctionCall():
            return len(item.arguments)
        case m.FunctionResult():
            return len(item.output)
        case _:
            return 0
