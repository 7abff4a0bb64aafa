"""What this wire tells of turns, where the engine tells of responses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from duologue import messages as m
from duologue.content import TokenCounts, Usage
from duologue.conversation import Conversation
from duologue.items import FunctionResult, Item
from duologue.lifecycle import new_id
from duologue.messages.base import ServerMessage
from duologue.tools import FunctionTool, Tool

_TOKENS_PER_SECOND = 25  # of audio
_OUTCOMES: dict[str, m.TurnOutcome] = {"completed": "completed", "cancelled": "interrupted", "failed": "failed"}


class Handles:
    """Conversations that can be taken up again, by their handles."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[Item, ...]] = {}

    def keep(self, items: Iterable[Item]) -> str:
        """A handle for a conversation that stands so far."""
        handle = new_id("handle")
        self._items[handle] = tuple(items)
        return handle

    def items(self, handle: str) -> tuple[Item, ...] | None:
        """The conversation of that handle; None if there is none."""
        return self._items.get(handle)


class Turns:
    """Adds the ends of turns, interruptions, usage and handles to what the engine says. Pure, but for the clock.

    Args:
        tools: What the model may call.
        history: What the conversation begins with.
        handles: Where it can be taken up again.
        clock: Seconds of a monotonic clock.

    Attributes:
        active: The response that is being given.
        has_answered: Whether there has been one.
    """

    def __init__(
        self,
        tools: tuple[Tool, ...],
        history: tuple[Item, ...],
        handles: Handles,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.active: str | None = None
        self.has_answered = False
        self._conversation = Conversation()
        self._handles = handles
        self._clock = clock
        self._pending: set[str] = set()  # calls that the model waits for
        self._cancelled: set[str] = set()
        self._heard_s = 0.0  # seconds of the user's audio
        self._spoken_s = 0.0  # and of the model's, in this response
        self._played_at = 0.0  # when it will have been played
        self.use(tools)

    def use(self, tools: tuple[Tool, ...]) -> None:
        """The tools that may be called from now on."""
        self._background = {tool.name for tool in tools if isinstance(tool, FunctionTool) and tool.background}

    def heard(self, seconds: float) -> None:
        """The user has sent audio."""
        self._heard_s += seconds

    # --- functions ---

    def wants(self, result: FunctionResult) -> bool:
        """Whether the result still counts: not if its call was taken back."""
        self._pending.discard(result.call_id)
        return result.call_id not in self._cancelled

    @property
    def awaits_results(self) -> bool:
        """Whether the model says nothing before it has a result."""
        return bool(self._pending)

    # --- what is said ---

    def arrange(self, message: ServerMessage) -> list[ServerMessage]:
        """What a server of this wire says where the engine says `message`."""
        self._conversation.feed(message)
        match message:
            case m.ResponseCreated():
                self.active = message.response_id
                self.has_answered = True
                self._spoken_s = 0.0
                return [message, m.ResumptionUpdated(handle="", resumable=False)]
            case m.OutputAudioDelta():
                self._speak(message.format.duration_ms(len(message.audio)) / 1000)
            case m.ResponseDone():
                return self._done(message)
            case m.InputSpeechStarted():
                return [*self._barge_in(), message]
            case m.ErrorReported():
                return []
        return [message]

    def _speak(self, seconds: float) -> None:
        self._spoken_s += seconds
        self._played_at = max(self._played_at, self._clock()) + seconds

    def _done(self, done: m.ResponseDone) -> list[ServerMessage]:
        self.active = None
        if done.status != "completed":
            self._played_at = 0.0
        blocking = {call.call_id for call in done.function_calls if call.name not in self._background}
        self._pending |= blocking
        if blocking:
            return [done]
        return [done, m.UsageReported(usage=self._usage()), *self._over(_OUTCOMES.get(done.status, "incomplete"))]

    def _over(self, outcome: m.TurnOutcome) -> list[ServerMessage]:
        handle = self._handles.keep(self._conversation.items)
        return [m.TurnDone(outcome=outcome), m.ResumptionUpdated(handle=handle)]

    def _barge_in(self) -> list[ServerMessage]:
        """The user speaks: calls that are waited for are taken back, and what is being played stops."""
        said: list[ServerMessage] = []
        if self._pending:
            said.append(m.ToolCallsCancelled(call_ids=tuple(sorted(self._pending))))
            self._cancelled |= self._pending
            self._pending.clear()
        if self.active is None and self._clock() < self._played_at:
            self._played_at = 0.0
            said.append(m.Interrupted())
        return said

    def _usage(self) -> Usage:
        """Of the turn: the prompt holds all of the conversation."""
        words = sum(len(item.text.split()) for item in self._conversation.items if isinstance(item, m.MessageItem))
        heard, spoken = (round(seconds * _TOKENS_PER_SECOND) for seconds in (self._heard_s, self._spoken_s))
        return Usage(
            input_tokens=words + heard,
            output_tokens=spoken,
            total_tokens=words + heard + spoken,
            input=TokenCounts(text=words, audio=heard),
            output=TokenCounts(audio=spoken),
        )
