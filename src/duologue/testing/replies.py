"""What a scripted model answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from duologue import messages as m
from duologue.formats import AudioFormat, silence_of
from duologue.lifecycle import ResponseBuilder
from duologue.messages.base import ServerMessage

DELTA_MS = 100  # the longest audio delta

Step = Callable[[ResponseBuilder, AudioFormat | None], list[ServerMessage]]
"""One thing that a response does; the format is that of its audio, None where it is text only."""


@dataclass(frozen=True, kw_only=True)
class ScriptedReply:
    """One response of a scripted model: what it says and calls, and how it ends.

    Make it with `text`, `speech`, `audio` and `call`, and join them with ``+``::

        ScriptedReply.text("Let me see.") + ScriptedReply.call("get_weather", {"city": "Oslo"})

    Attributes:
        steps: What it does, in order.
        status: How it ends.
        reason: Why it is not complete.
        error: What went wrong.
        usage: What it cost.
        is_held: It does not end by itself: see `held`.
    """

    steps: tuple[Step, ...] = ()
    status: m.ResponseStatus = "completed"
    reason: str | None = None
    error: m.ErrorDetail | None = None
    usage: m.Usage | None = None
    is_held: bool = False

    @classmethod
    def text(cls, text: str) -> ScriptedReply:
        """Words, a delta each: text, or the transcript where the response speaks (without a sound, here)."""
        words = re.findall(r"\S+\s*", text) or [text]
        return cls(steps=(lambda response, _: [message for word in words for message in response.text(word)],))

    @classmethod
    def audio(cls, audio: bytes, text: str = "") -> ScriptedReply:
        """Sound in the session's output format, with its transcript before it. A text response has the words alone."""
        return cls.text(text) + cls(steps=(lambda response, format: _deltas(response, format, audio),))

    @classmethod
    def speech(cls, text: str, duration_ms: float = 1000) -> ScriptedReply:
        """Words, with silence of `duration_ms` milliseconds for their sound."""

        def sound(response: ResponseBuilder, format: AudioFormat | None) -> list[ServerMessage]:
            if format is None:
                return []
            return _deltas(response, format, silence_of(format, duration_ms))

        return cls.text(text) + cls(steps=(sound,))

    @classmethod
    def call(
        cls, name: str, arguments: Mapping[str, object] | str = "{}", *, call_id: str | None = None
    ) -> ScriptedReply:
        """A function call. `arguments` are JSON, or a text that stands as it is, fit or not."""
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments), ensure_ascii=False)
        return cls(steps=(lambda response, _: response.function_call(name, text, call_id),))

    def __add__(self, other: ScriptedReply) -> ScriptedReply:
        """Both, one after the other, in one response that ends as the second does."""
        return replace(other, steps=self.steps + other.steps)

    def ending(
        self,
        status: m.ResponseStatus,
        *,
        reason: str | None = None,
        error: m.ErrorDetail | None = None,
        usage: m.Usage | None = None,
    ) -> ScriptedReply:
        """This reply, with another end."""
        return replace(self, status=status, reason=reason, error=error, usage=usage)

    def held(self) -> ScriptedReply:
        """This reply, left open: the response is active until it is cancelled or the test ends it, with
        ``link.push(*link.active.end())``."""
        return replace(self, is_held=True)

    def messages(self, response: ResponseBuilder, format: AudioFormat | None) -> list[ServerMessage]:
        """What the provider sends for it."""
        messages = response.start()
        for step in self.steps:
            messages += step(response, format)
        if not self.is_held:
            messages += response.end(self.status, reason=self.reason, error=self.error, usage=self.usage)
        return messages


def _deltas(response: ResponseBuilder, format: AudioFormat | None, audio: bytes) -> list[ServerMessage]:
    if format is None:
        return []
    size = format.bytes_for(DELTA_MS)
    return [message for start in range(0, len(audio), size) for message in response.audio(audio[start : start + size])]
