"""The stage that answers: given the conversation, it writes text and asks for function calls."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

import msgspec

from duologue.content import Usage
from duologue.items import Item
from duologue.options import ToolChoice
from duologue.tools import Tool


class ResponderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a responder answers.

    Attributes:
        items: The conversation so far, as the user heard it; empty when the assistant shall speak first.
        instructions: The system prompt.
        tools: What may be called.
        tool_choice: Whether something must be called.
        parallel_tool_calls: Whether several calls may come at once.
        max_output_tokens: The bound of the answer; None: no bound.
        temperature: Randomness; None: the responder's own.
        understood: False when the user's last words could not be made out.
        idle: True when the user has said nothing for too long.
        spoken: Whether the answer is spoken rather than shown.
    """

    items: tuple[Item, ...] = ()
    instructions: str | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    parallel_tool_calls: bool = True
    max_output_tokens: int | None = None
    temperature: float | None = None
    understood: bool = True
    idle: bool = False
    spoken: bool = True


class TextChunk(msgspec.Struct, frozen=True, tag=True):
    """More of the answer."""

    text: str


class CallRequested(msgspec.Struct, frozen=True, tag=True):
    """A function shall be called.

    Attributes:
        name: Its name.
        arguments: A JSON object, as text.
        call_id: The responder's own id for it; None lets the engine choose.
    """

    name: str
    arguments: str
    call_id: str | None = None


class Finished(msgspec.Struct, frozen=True, tag=True):
    """The answer is over; the last event, if there is more to say than that.

    Attributes:
        reason: ``"stop"``, or why the answer is not whole.
        usage: What it cost.
    """

    reason: Literal["stop", "max_output_tokens", "content_filter"] = "stop"
    usage: Usage | None = None


ResponderEvent = TextChunk | CallRequested | Finished


class Responder(Protocol):
    """Answers for the embedded provider. One responder serves many sessions; the client owns it."""

    def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        """Phrases that the user is likely to say, as hints for speech to text; ``()`` when it may be anything."""
        ...

    def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        """Answer: events as they come. Closing the generator stops it.

        Raises:
            SpeechFailed: It cannot answer; what came before stands.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...
