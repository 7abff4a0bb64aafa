"""What the end of a connection means."""

from __future__ import annotations

from duologue.content import ErrorDetail
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, SessionEnded
from duologue.protocols.close_codes import describe_close
from duologue.protocols.openai.errors import is_expiry, is_retryable, may_end_session
from duologue.transports.base import Closed

_EXPIRED_HINT = "The session reached the longest time that the provider allows. Open a new one with the history."
_REFUSED_HINT = "The provider did not accept the session. Check the model, the options and what the account may use."


def session_end(
    how: Closed, provider: str, *, opening: bool, expired: bool, error: ErrorDetail | None, was_last: bool
) -> SessionEnded:
    """The exception for the end of a session.

    Args:
        how: How the connection ended.
        provider: Whose it was.
        opening: The session was not confirmed yet.
        expired: Its time is known to be over.
        error: The last in-band error.
        was_last: Nothing but that came since.
    """
    close = describe_close(how)
    expired = expired or (error is not None and is_expiry(error)) or "expired" in how.reason.lower()
    parting = error is not None and was_last and how.by_peer and may_end_session(error)
    kind: type[SessionEnded] = HungUp if close.orderly and how.error is None else CutOff
    message = how.error or how.reason or ("The provider hung up." if kind is HungUp else "The connection was lost.")
    hint, retryable = close.hint, close.retryable
    if opening:
        kind = ConnectRefused
        if error is not None:
            message, hint, retryable = error.message, _REFUSED_HINT, is_retryable(error)
    elif expired:
        kind, hint, retryable = Expired, _EXPIRED_HINT, True
    return kind(
        message,
        provider=provider,
        code=error.code or error.type if error is not None and (opening or expired or parting) else None,
        close_code=how.code,
        retryable=retryable,
        hint=hint,
        last_error=None if opening else error,
    )
