"""What WebSocket close codes say."""

from __future__ import annotations

import msgspec

from duologue.transports.base import Closed


class CloseCode(msgspec.Struct, frozen=True):
    """What a WebSocket close code says.

    Attributes:
        orderly: The other side meant to end the session.
        retryable: A new session may work as things are.
        hint: What it means and what to do.
    """

    orderly: bool
    retryable: bool
    hint: str


_CODES = {
    1000: CloseCode(True, True, "The provider ended the session. Open a new one to go on."),
    1001: CloseCode(True, True, "The server is going away, often for maintenance. Open a new session."),
    1002: CloseCode(
        True, False, "The server saw a frame that breaks the WebSocket protocol. A proxy may be the cause."
    ),
    1003: CloseCode(True, False, "The server does not take that kind of frame."),
    1005: CloseCode(False, True, "The server gave no reason. Open a new session."),
    1006: CloseCode(False, True, "The connection broke without a goodbye. Open a new session."),
    1007: CloseCode(True, False, "The server could not make sense of what was sent. The same again will fail again."),
    1008: CloseCode(True, False, "The provider's rules forbid it: check the key, the model and what was sent."),
    1009: CloseCode(True, False, "A message was too large for the server. Send audio and images in smaller pieces."),
    1011: CloseCode(True, True, "The server had an error of its own, or missed a keep-alive. Open a new session."),
    1012: CloseCode(True, True, "The server restarts. Open a new session."),
    1013: CloseCode(True, True, "The server is overloaded. Wait a little, then open a new session."),
    1015: CloseCode(False, True, "The TLS handshake failed. Check certificates and proxies."),
}
_OURS = {
    1002: CloseCode(False, True, "What the server sent breaks the WebSocket protocol. A proxy may be the cause."),
    1007: CloseCode(False, True, "What the server sent as text is no UTF-8. A proxy may be the cause."),
    1009: CloseCode(False, False, "A message of the server was too long. Raise WebSocketLimits.max_message_size."),
}
"""Where it was our side that ended the connection, as it could not go on."""

_PROVIDERS_OWN = CloseCode(True, False, "The code is the provider's own. Its documentation tells what it means.")
_BROKEN = CloseCode(False, True, "The connection broke. Open a new session.")
_HUNG_UP = CloseCode(True, True, "The provider ended the session. Open a new one to go on.")


def describe_close(how: Closed) -> CloseCode:
    """What the end of the connection says."""
    if how.error is not None and not how.by_peer and how.code in _OURS:
        return _OURS[how.code]
    if how.code in _CODES:
        return _CODES[how.code]
    if how.code is not None and how.code >= 3000:
        return _PROVIDERS_OWN
    return _HUNG_UP if how.by_peer else _BROKEN
