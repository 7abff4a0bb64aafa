"""How things end, in words of low cardinality."""

from __future__ import annotations

import asyncio

from duologue import messages as m
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, SessionClosed, SessionEnded, SessionFailed

_REASONS: dict[type[BaseException], str] = {
    SessionClosed: "closed",
    HungUp: "hung_up",
    CutOff: "cut_off",
    Expired: "expired",
    ConnectRefused: "refused",
    SessionFailed: "failed",
    asyncio.CancelledError: "cancelled",
}
_FINISH_REASONS = {"max_output_tokens": "length"}


def end_reason(end: BaseException) -> str:
    """Why a session is over; what was raised before there was one is ``"refused"``."""
    return next((reason for kind, reason in _REASONS.items() if isinstance(end, kind)), "refused")


def end_error(end: BaseException) -> str | None:
    """The ``error.type`` of a session's end; None if our side asked for it."""
    if isinstance(end, SessionClosed | asyncio.CancelledError):
        return None
    if isinstance(end, SessionEnded) and end.code:
        return end.code
    return type(end.__cause__ if isinstance(end, SessionFailed) and end.__cause__ else end).__name__


def detail_error(error: m.ErrorDetail | None, otherwise: str) -> str:
    """The ``error.type`` of what a provider reports."""
    return (error and (error.code or error.type)) or otherwise


def finish_reason(done: m.ResponseDone) -> str:
    """Why the model stopped, in the words of the conventions as far as they have some."""
    if done.status == "completed":
        return "tool_call" if done.function_calls else "stop"
    if done.status == "failed" or done.reason is None:
        return "error"
    return _FINISH_REASONS.get(done.reason, done.reason)
