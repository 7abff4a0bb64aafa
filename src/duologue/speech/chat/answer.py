"""A streamed chat completion, read into a responder's events. Pure: no connection, no SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from duologue.chat_messages import is_json_object
from duologue.content import Usage
from duologue.speech.responder import CallRequested, Finished, ResponderEvent, TextChunk

NO_ARGUMENTS = ("", "null")
"""How servers write that a function is called without arguments, other than ``{}``."""


class CallFunction(msgspec.Struct, frozen=True):
    """More of the function that a call names. Some servers send the arguments as an object, at once."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class CallDelta(msgspec.Struct, frozen=True):
    """More of a call. OpenAI sends an index always and the id at first; other servers leave out either or both."""

    index: int | None = None
    id: str | None = None
    function: CallFunction | None = None


class Delta(msgspec.Struct, frozen=True):
    """More of an answer."""

    content: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None


class Choice(msgspec.Struct, frozen=True):
    """More of one of several answers; only one was asked for."""

    delta: Delta | None = None
    finish_reason: str | None = None


class InputDetails(msgspec.Struct, frozen=True):
    """Part of `ChunkUsage`."""

    cached_tokens: int | None = None


class OutputDetails(msgspec.Struct, frozen=True):
    """Part of `ChunkUsage`."""

    reasoning_tokens: int | None = None


class ChunkUsage(msgspec.Struct, frozen=True):
    """What the answer cost so far."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class Chunk(msgspec.Struct, frozen=True):
    """What is read of a ``chat.completion.chunk``; all else is passed over."""

    choices: list[Choice] | None = None
    usage: ChunkUsage | None = None


class _Call:
    """A call that is being received."""

    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.arguments = ""

    def add(self, delta: CallDelta) -> None:
        function = delta.function or CallFunction()
        self.id = self.id or delta.id or ""
        self.name = self.name or function.name or ""
        arguments = function.arguments
        self.arguments += msgspec.json.encode(arguments).decode() if isinstance(arguments, dict) else arguments or ""

    def is_continued_by(self, delta: CallDelta) -> bool:
        """Whether `delta` is more of this call; servers differ in what they repeat."""
        if delta.id and self.id:
            return delta.id == self.id
        if delta.index is not None and self.index is not None and delta.index != self.index:
            return False
        name = delta.function.name if delta.function else None
        if not name or not self.name:
            return True
        return name == self.name and delta.index is not None and not is_json_object(self.arguments)


class AnswerReader:
    """Makes events of chunks.

    Calls come out together, at the reason of the end: before that none is known to be whole.

    Args:
        used_ids: Call ids of the conversation so far. Some servers begin anew with every answer; a call whose id
            is taken comes out without one.

    Attributes:
        began: Whether any chunk has come.
        finish_reason: Why the answer ended; None while it has not.
    """

    def __init__(self, used_ids: frozenset[str] = frozenset()) -> None:
        self.began = False
        self.finish_reason: str | None = None
        self._used_ids = used_ids
        self._calls: list[_Call] = []
        self._usage: ChunkUsage | None = None

    def read(self, chunk: Chunk) -> Iterator[ResponderEvent]:
        """Take the next chunk.

        Yields:
            The text in it; the calls, if it is the last with a choice.
        """
        self.began = True
        self._usage = chunk.usage or self._usage
        for choice in (chunk.choices or [])[:1]:
            delta = choice.delta or Delta()
            if text := delta.content or delta.refusal:
                yield TextChunk(text)
            for call in delta.tool_calls or ():
                self._gather(call)
            if choice.finish_reason and self.finish_reason is None:
                self.finish_reason = choice.finish_reason
                yield from self._requested()

    def finish(self) -> Finished:
        """The last event, once the stream is over."""
        return Finished(self._reason(), None if self._usage is None else _usage(self._usage))

    def _gather(self, delta: CallDelta) -> None:
        for call in reversed(self._calls):
            if call.is_continued_by(delta):
                break
        else:
            call = _Call(delta.index)
            self._calls.append(call)
        call.add(delta)

    def _requested(self) -> Iterator[CallRequested]:
        for call in self._calls:
            arguments = "{}" if call.arguments.strip() in NO_ARGUMENTS else call.arguments
            cut = self._reason() != "stop" and not is_json_object(arguments)
            if call.name and not cut:
                call_id = call.id if call.id not in self._used_ids else ""
                yield CallRequested(call.name, arguments, call_id or None)

    def _reason(self) -> Literal["stop", "max_output_tokens", "content_filter"]:
        match self.finish_reason:
            case "length" | "max_tokens":
                return "max_output_tokens"
            case "content_filter":
                return "content_filter"
            case _:
                return "stop"


def _usage(usage: ChunkUsage) -> Usage:
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        cached_tokens=(usage.prompt_tokens_details or InputDetails()).cached_tokens,
        reasoning_tokens=(usage.completion_tokens_details or OutputDetails()).reasoning_tokens,
    )
