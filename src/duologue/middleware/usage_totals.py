"""What a session has used, and how near that is to a limit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from duologue import messages as m
from duologue.messages.base import ServerMessage

Crossing = Literal["warned", "reached"]


@dataclass(frozen=True, kw_only=True)
class UsageTotals:
    """What a session has used so far: ``session.get_service(UsageTotals)``.

    Attributes:
        tokens: What the responses have cost, those beside the conversation included.
        transcription: What transcripts of the user have cost, which providers bill apart.
        input_audio_seconds: The audio that was sent; None where no limit makes it worth counting.
        output_audio_seconds: The audio that was received; None where no limit makes it worth counting.
        session_seconds: How long the session has been open.
        responses: How many responses have begun.
        function_calls: How many calls of functions the model has asked for.
    """

    tokens: m.Usage
    transcription: m.Usage
    input_audio_seconds: float | None
    output_audio_seconds: float | None
    session_seconds: float
    responses: int
    function_calls: int


class Gauge:
    """One limit and what is used of it. It tells once that the warning is due, and once that the limit is reached.

    Args:
        name: The limit's name.
        limit: The bound; infinity counts only.
        warn_at: The part of the limit at which to warn; None: never.
    """

    __slots__ = ("_next", "limit", "name", "used")

    def __init__(self, name: str, limit: float, warn_at: float | None) -> None:
        self.name = name
        self.limit = limit
        self.used = 0.0
        self._next = limit if warn_at is None else limit * warn_at

    def add(self, amount: float) -> Crossing | None:
        """So much more is used."""
        self.used += amount
        return None if self.used < self._next else self._cross()

    def rise(self, used: float) -> Crossing | None:
        """So much is used in all."""
        return self.add(used - self.used)

    def _cross(self) -> Crossing:
        if self.used < self.limit:
            self._next = self.limit
            return "warned"
        self._next = float("inf")
        return "reached"


class TokenCount:
    """Adds up usage as providers tell it.

    What `ResponseDone` and `InputTranscriptCompleted` say adds up. A `UsageReported` of a response is how that response
    stands: it takes the place of the report before it, and `ResponseDone.usage` takes its place. A `UsageReported`
    without a response adds up.
    """

    def __init__(self) -> None:
        self.transcription = m.Usage()
        self._settled = m.Usage()
        self._standing: dict[str, m.Usage] = {}  # of responses that are not done, by their id

    @property
    def responses(self) -> m.Usage:
        """What all responses have cost so far."""
        return sum(self._standing.values(), self._settled)

    def feed(self, message: ServerMessage) -> bool:
        """Note a message: whether it told of any tokens of responses."""
        match message:
            case m.ResponseDone(response_id=response_id, usage=usage):
                standing = self._standing.pop(response_id, None)
                self._settled += usage or standing or m.Usage()
                return usage is not None
            case m.UsageReported(response_id=None, usage=usage):
                self._settled += usage
                return True
            case m.UsageReported(response_id=str(response_id), usage=usage):
                self._standing[response_id] = usage
                return True
            case m.InputTranscriptCompleted(usage=m.Usage() as usage):
                self.transcription += usage
            case _:
                pass
        return False


def token_totals(usage: m.Usage) -> dict[str, int]:
    """The numbers that limits are set on, by the name of the limit. What was not told is 0."""
    both = (usage.input_tokens or 0) + (usage.output_tokens or 0)
    return {
        "total_tokens": max(usage.total_tokens or 0, both),
        "input_tokens": usage.input_tokens or 0,
        "output_tokens": usage.output_tokens or 0,
        "input_audio_tokens": usage.input.audio or 0,
        "output_audio_tokens": usage.output.audio or 0,
    }
