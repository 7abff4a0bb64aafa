"""How a client hears that what it sent was refused."""

from __future__ import annotations

from duologue import messages as m
from duologue.errors import DuologueError, TooManyRequests, UnsupportedOperation
from duologue.gateway.terms import NotAllowed
from duologue.gateway.wire import as_clients


def refusal(error: DuologueError, message_id: str | None) -> m.ErrorReported:
    """The ``error`` event for what was raised when a client's message was to be sent."""
    code, param = "invalid_value", None
    match error:
        case NotAllowed():
            code, param = error.code, error.param
        case UnsupportedOperation():
            code = "unsupported_operation"
        case TooManyRequests():
            code = "too_many_requests"
        case _:
            pass
    detail = m.ErrorDetail(message=str(error), type="invalid_request_error", code=code, param=param)
    return as_clients(m.ErrorReported(kind="invalid_request", error=detail, cause_id=message_id))
