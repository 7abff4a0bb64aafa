"""Session options that only OpenAI's own realtime API knows."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import force_setattr, replace

from duologue.errors import InvalidInput
from duologue.options import SessionOptions

O = TypeVar("O", bound="OpenAISessionOptions")  # noqa: E741 - reads as "these options" below


class Tracing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a session shows in the provider's traces.

    Attributes:
        workflow_name: Its name there.
        group_id: What ties several sessions together.
        metadata: Strings to filter by.
    """

    workflow_name: str | None = None
    group_id: str | None = None
    metadata: dict[str, str] | None = None


class RetentionRatio(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much of a full context is kept when its oldest items are dropped.

    Attributes:
        ratio: The part that is kept, 0 to 1.
        post_instructions_tokens: Bound of the context after the instructions, in tokens.
    """

    ratio: float
    post_instructions_tokens: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise InvalidInput(f"ratio lies between 0 and 1: not {self.ratio}.")


class OpenAISessionOptions(SessionOptions, frozen=True, kw_only=True, omit_defaults=True):
    """`SessionOptions`, with what only OpenAI and Azure OpenAI know.

    Attributes:
        call_id: Join the session of a call (WebRTC or telephone) that runs elsewhere, as ``rtc_…``: its audio stays
            there; options, tools and events are shared.
        tracing: ``"auto"``, or how to trace. It cannot be changed once it is on.
        truncation: What happens when the context is full: ``"auto"`` drops the oldest items, ``"disabled"`` makes it
            an error, `RetentionRatio` drops more at once, which keeps the cache in use.
    """

    call_id: str | None = None
    tracing: Literal["auto"] | Tracing | None = None
    truncation: Literal["auto", "disabled"] | RetentionRatio | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.call_id is not None and not self.call_id.strip():
            raise InvalidInput("call_id is empty. It is the last part of the call's Location, such as rtc_123.")
        # The wire's session object takes them from `extra`; so do updates of a running session.
        fields = {"tracing": _tracing(self.tracing), "truncation": _truncation(self.truncation)}
        stated = {name: value for name, value in fields.items() if value is not None}
        force_setattr(self, "extra", {**self.extra, **stated})

    def merged(self: O, over: SessionOptions | None) -> O:
        """As `SessionOptions.merged`; also what `over` has in `extra` replaces the fields of that name."""
        if over is None:
            return self
        restated = {name: None for name in ("tracing", "truncation") if name in over.extra}
        return super(OpenAISessionOptions, replace(self, **restated)).merged(over)


def _tracing(tracing: Literal["auto"] | Tracing | None) -> Any:
    return msgspec.to_builtins(tracing) if isinstance(tracing, Tracing) else tracing


def _truncation(truncation: str | RetentionRatio | None) -> Any:
    if not isinstance(truncation, RetentionRatio):
        return truncation
    written: dict[str, Any] = {"type": "retention_ratio", "retention_ratio": truncation.ratio}
    if truncation.post_instructions_tokens is not None:
        written["token_limits"] = {"post_instructions": truncation.post_instructions_tokens}
    return written
