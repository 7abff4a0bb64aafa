"""What goes on to the reader, in order: words that have passed, and nothing more of a stopped answer. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from duologue import messages as m
from duologue.messages.base import ServerMessage, set_meta
from duologue.middleware.guardrails.answers import Answer

Cut = TypeVar("Cut", bound=ServerMessage)


class Gate:
    """Holds messages back until the words before them have passed. Where nothing is held, all go through at once."""

    def __init__(self) -> None:
        self.refused: list[m.FunctionCall] = []  # calls of stopped answers, which nobody is going to answer
        self._held: deque[tuple[ServerMessage, Answer | None, int]] = deque()  # each with the words that it needs

    def holds(self, answer: Answer) -> bool:
        """Whether anything of `answer` waits."""
        return any(owner is answer for _, owner, _ in self._held)

    def take(self, message: ServerMessage, answer: Answer | None) -> Sequence[ServerMessage]:
        """The next message, and the answer that it is part of: what goes on now."""
        needed = 0
        if answer is not None:
            if answer.is_stopped:
                return self._take_rest(message, answer)
            needed = len(answer.words)
            if needed == 0 and type(message) is m.OutputAudioDelta:
                needed = 1  # sound may come before its words
        if not self._held and (answer is None or needed <= answer.allowed):
            return (message,)
        self._held.append((message, answer, needed))
        return ()

    def _take_rest(self, message: ServerMessage, answer: Answer) -> Sequence[ServerMessage]:
        cut = self._cut(message, answer)
        return () if cut is None else self.take(cut, None)

    def _cut(self, message: ServerMessage, answer: Answer) -> ServerMessage | None:
        item = message.item if isinstance(message, m.OutputItemDone) else None
        if isinstance(item, m.FunctionCall) and item.status == "completed":
            self.refused.append(item)
        return without_unsaid(message, answer)

    def release(self) -> list[ServerMessage]:
        """What may go on now, after more words have passed or an answer was stopped."""
        released: list[ServerMessage] = []
        while self._held:
            message, answer, needed = self._held[0]
            if answer is None or needed <= answer.allowed:
                released.append(message)
            elif not answer.is_stopped:
                break
            elif (cut := self._cut(message, answer)) is not None:
                released.append(cut)
            self._held.popleft()
        return released


def without_unsaid(message: ServerMessage, answer: Answer) -> ServerMessage | None:
    """A message of a stopped answer without the words that did not go on; None if nothing is left of it."""
    match message:
        case m.OutputAudioDelta() | m.OutputTranscriptDelta() | m.OutputTextDelta():
            return None
        case m.OutputTranscriptDone(item_id=item_id, content_index=index):
            return _copied(message, text=_said(answer, item_id, index))
        case m.OutputTextDone(item_id=item_id, content_index=index):
            return _copied(message, text=_said(answer, item_id, index))
        case m.ContentPartDone(item_id=item_id, content_index=index, part=part):
            return _copied(message, part=_cut_part(part, _said(answer, item_id, index)))
        case m.OutputItemDone(item=item) | m.ItemDone(item=item):
            return _copied(message, item=_cut_item(item, answer))
        case m.ResponseDone(items=items, status=status, reason=reason):
            if status == "completed":
                status, reason = "incomplete", "content_filter"
            return _copied(
                message, items=tuple(_cut_item(item, answer) for item in items), status=status, reason=reason
            )
        case _:
            return message


def _cut_item(item: m.Item, answer: Answer) -> m.Item:
    if isinstance(item, m.MessageItem) and item.id is not None:
        content = tuple(_cut_part(part, _said(answer, item.id, index)) for index, part in enumerate(item.content))
        item = replace(item, content=content)
    return replace(item, status="incomplete") if isinstance(item, m.BaseItem) else item


def _cut_part(part: m.Content, said: str) -> m.Content:
    match part:
        case m.TextContent():
            return replace(part, text=said)
        case m.AudioContent():
            return replace(part, transcript=said, audio=None)
        case _:
            return part


def _said(answer: Answer, item_id: str, content_index: int) -> str:
    return answer.words.of_part((item_id, content_index), int(answer.allowed))


def _copied(message: Cut, **changes: object) -> Cut:
    copy = replace(message, **changes)
    if message.meta is not None:
        set_meta(copy, message.meta)
    return copy
