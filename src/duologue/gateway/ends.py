"""Why a client's session is over, and how the client is told."""

from __future__ import annotations

import msgspec

from duologue.content import ErrorDetail
from duologue.errors import ConnectRefused, Expired, HungUp, MissingDependency, SessionEnded, Stopped

_MOST_BYTES = 123
"""What a WebSocket's close frame has room for, in bytes of UTF-8."""


class End(msgspec.Struct, frozen=True):
    """The end of a session.

    Attributes:
        reason: In one word, for the record of the session.
        text: What happened, as the client may know it.
        close_code: The WebSocket close code.
        error_code: The code of the ``error`` event before the close; None: there is none.
        error_type: Its type.
    """

    reason: str
    text: str = ""
    close_code: int = 1000
    error_code: str | None = None
    error_type: str = "server_error"

    @property
    def close_reason(self) -> str:
        """`text`, as far as a close frame has room for it."""
        return self.text.encode()[:_MOST_BYTES].decode(errors="ignore")

    @property
    def error(self) -> ErrorDetail | None:
        """What the client is told before the close."""
        if self.error_code is None:
            return None
        return ErrorDetail(message=self.text, type=self.error_type, code=self.error_code)


SLOW_CLIENT = End("slow_client", "The client does not take what it is sent.", 1008)
TOO_LARGE = End("too_large", "An event was larger than this server takes.", 1009)
IDLE = End("idle", "The client sent nothing for too long.", 1001, "session_idle", "invalid_request_error")
LONGEST = End("expired", "The session reached its longest time. Open a new one to go on.", 1001, "session_expired")
AUDIO_USED_UP = End(
    "audio_used_up", "The audio seconds of this key are used up.", 1008, "audio_limit_reached", "rate_limit_error"
)
GOING_AWAY = End("going_away", "The server is going away. Open a new session to go on.", 1001)
FAILED = End("failed", "The server had an error of its own.", 1011, "internal_error")


_LEFT = frozenset({1000, 1001, 1005})
_RESTART = 1012


def end_by_client(code: int) -> End:
    """The end of a session whose connection is gone, by its close code. A server that stops may close them all."""
    if code == _RESTART:
        return GOING_AWAY
    return End("client_left" if code in _LEFT else "client_lost", close_code=code)


def end_of(cause: SessionEnded) -> End:
    """What the end of the upstream's session is to the client. The upstream's own words are not for it."""
    match cause:
        case ConnectRefused():
            return End("upstream_refused", "The model's server did not accept the session.", 1011, "upstream_refused")
        case Expired():
            return LONGEST
        case Stopped():
            return End(f"stopped:{cause.code}", "A rule of this server ended the session.", 1008, "session_stopped")
        case HungUp():
            return End("upstream_hung_up", "The model's server ended the session.", 1011, "upstream_ended")
        case _:
            return End("upstream_lost", "The connection to the model's server was lost.", 1011, "upstream_lost")


def end_of_opening(error: BaseException) -> End:
    """What it is to the client that the upstream's session did not begin."""
    if isinstance(error, ConnectRefused):
        return end_of(error)
    if isinstance(error, MissingDependency):
        return End("not_installed", "This server lacks something that the session needs.", 1011, "internal_error")
    return FAILED
