"""What the end of a connection means: this wire tells its errors in the reason of the close."""

from __future__ import annotations

from typing import NamedTuple

from duologue.content import ErrorDetail
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, SessionEnded
from duologue.protocols.close_codes import describe_close
from duologue.transports.base import Closed


class _Reason(NamedTuple):
    """What a reason means.

    Attributes:
        words: What it says, in lower case.
        code: Google's name for such an error.
        retryable: Whether a new session may work as things are.
        hint: What it means and what to do.
    """

    words: str
    code: str
    retryable: bool
    hint: str


_REASONS = (
    _Reason("api key", "UNAUTHENTICATED", False, "Check the key: GEMINI_API_KEY, or what was given as api_key."),
    _Reason("authentication", "UNAUTHENTICATED", False, "Check the credentials; a token may have run out."),
    _Reason("unauthenticated", "UNAUTHENTICATED", False, "Check the credentials; a token may have run out."),
    _Reason("permission", "PERMISSION_DENIED", False, "The account may not use this model or project."),
    _Reason("quota", "RESOURCE_EXHAUSTED", True, "The quota is used up: wait, or ask Google for more."),
    _Reason("resource exhausted", "RESOURCE_EXHAUSTED", True, "Too much at once: wait a little, then try again."),
    _Reason("resource_exhausted", "RESOURCE_EXHAUSTED", True, "Too much at once: wait a little, then try again."),
    _Reason(
        "is not found",
        "NOT_FOUND",
        False,
        "Check the model's name, and whether it is a live model of this API version and region.",
    ),
    _Reason("not supported for bidigeneratecontent", "NOT_FOUND", False, "It is no live model: choose another."),
    _Reason(
        "handle",
        "INVALID_ARGUMENT",
        False,
        "The handle is too old, or of another model or project: open a new session with history.",
    ),
    _Reason(
        "not implemented, or supported",
        "UNIMPLEMENTED",
        False,
        "The model has no such option, or takes no audio while it waits for a function's result.",
    ),
    _Reason(
        "token count",
        "INVALID_ARGUMENT",
        False,
        "The context is full. GeminiSessionOptions(context_compression=True) lets sessions go on.",
    ),
    _Reason("unavailable", "UNAVAILABLE", True, "The service is overloaded. Wait a little, then open a new session."),
)
_EXPIRED = "The session reached the longest time that the provider allows. Open a new one with the last handle."
_BY_CODE = {
    1007: "The server does not take an option or a message as it is. The same again will fail again.",
    1008: "The service does not allow or not have this: check the key, the model and what was sent.",
    1011: "The server had an error of its own. Open a new session, with the last handle if there is one.",
}


def session_end(
    how: Closed, provider: str, *, opening: bool, going_away: bool, error: ErrorDetail | None
) -> SessionEnded:
    """The exception for the end of a session.

    Args:
        how: How the connection ended.
        provider: Whose it was.
        opening: The session was not confirmed yet.
        going_away: The server has said that it will end the connection.
        error: The last error that it has told otherwise.
    """
    close = describe_close(how)
    said = f"{how.reason} {error.message if opening and error is not None else ''}".lower()
    reason = next((known for known in _REASONS if known.words in said), None)
    hint, retryable = close.hint, close.retryable
    if how.by_peer:
        hint = _BY_CODE.get(how.code or 0, hint)
    if reason is not None:
        hint, retryable = reason.hint, reason.retryable
    kind: type[SessionEnded] = HungUp if close.orderly and how.error is None else CutOff
    if opening:
        kind = ConnectRefused
    elif "deadline expired" in said or (going_away and how.by_peer and reason is None):
        kind, hint, retryable = Expired, _EXPIRED, True
    message = how.error or how.reason or ("The provider hung up." if kind is HungUp else "The connection was lost.")
    if opening and error is not None and not how.reason:
        message = error.message
    return kind(
        message,
        provider=provider,
        code=reason.code if reason is not None else error.code if error is not None and opening else None,
        close_code=how.code,
        retryable=retryable,
        hint=hint,
        last_error=None if opening else error,
    )


def read_error(error: object, code: object, message: object, status: object) -> ErrorDetail | None:
    """The error that a frame tells, as an object or with its fields in the frame itself; None if it tells none."""
    if isinstance(error, dict):
        code, message, status = (error.get(name) for name in ("code", "message", "status"))
    elif isinstance(error, str):
        message = error
    if not isinstance(message, str) and not isinstance(status, str):
        return None
    text = message if isinstance(message, str) and message else str(status)
    name = status if isinstance(status, str) else code
    return ErrorDetail(
        message=text, type="invalid_request_error" if code == 400 else None, code=None if name is None else str(name)
    )


def kind_of(error: ErrorDetail) -> str:
    """The kind of an error, for `ErrorReported.kind`."""
    if error.code in ("RESOURCE_EXHAUSTED", "429"):
        return "rate_limited"
    if error.code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "400"):
        return "invalid_request"
    return "server" if error.code in ("INTERNAL", "UNAVAILABLE", "500", "503") else "other"
