"""What a server's in-band error means."""

from __future__ import annotations

import re

from msgspec.structs import replace

from duologue.content import ErrorDetail

_ACTIVE_CODES = frozenset({"conversation_already_has_active_response"})
_NOT_ACTIVE_CODES = frozenset({"response_cancel_not_active"})
_NOT_ACTIVE = re.compile(r"response (is )?not active")
_EXPIRED_CODES = frozenset({"session_expired"})
_RATE_CODES = frozenset({"rate_limit_exceeded", "insufficient_quota", "session_limit_reached"})
_RATE_TYPES = frozenset({"rate_limit_error", "rate_limit_exceeded", "session_limit_reached"})
_RETRYABLE = frozenset({"server_error", "rate_limit_exceeded", "session_expired"})
_ENDING = frozenset({"rate_limited", "server", "other"})


def classify(error: ErrorDetail) -> str:
    """The kind of an error, for `ErrorReported.kind`. Servers without codes are known by what they say."""
    if error.code in _ACTIVE_CODES or "already has an active response" in error.message.lower():
        return "response_active"
    if error.code in _RATE_CODES or error.type in _RATE_TYPES:
        return "rate_limited"
    if error.type == "server_error" or error.code == "server_error":
        return "server"
    if error.type == "invalid_request_error" or error.code in ("invalid_value", "unknown_parameter"):
        return "invalid_request"
    return "other"


def with_text(error: ErrorDetail) -> ErrorDetail:
    """`error` with words: where it has none, its code or its type stands for them."""
    if error.message:
        return error
    return replace(error, message=error.code or error.type or "The server reports an error without saying which.")


def is_nothing_to_cancel(error: ErrorDetail) -> bool:
    """Whether a cancellation came when nothing was active, which is harmless."""
    if error.code in _NOT_ACTIVE_CODES:
        return True
    said = error.message.lower()
    return "no active response" in said or ("cancel" in said and _NOT_ACTIVE.search(said) is not None)


def is_expiry(error: ErrorDetail) -> bool:
    """Whether the session has reached the longest time that the provider allows."""
    said = error.message.lower()
    return error.code in _EXPIRED_CODES or ("maximum duration" in said and "session" in said)


def is_retryable(error: ErrorDetail) -> bool:
    """Whether a new session may work as things are."""
    return error.code in _RETRYABLE or error.type in _RETRYABLE | _RATE_TYPES


def may_end_session(error: ErrorDetail) -> bool:
    """Whether it may be why the provider hangs up. What a client asked for wrongly is not."""
    return classify(error) in _ENDING
