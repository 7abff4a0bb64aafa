"""Messages out of WebSocket frames (RFC 6455, sections 5.4, 5.6 and 8.1)."""

from __future__ import annotations

from duologue.transports.base import Frame

INVALID_TEXT = 1007
MESSAGE_TOO_BIG = 1009
PROTOCOL_ERROR = 1002


class ProtocolViolation(Exception):
    """The peer broke the WebSocket protocol.

    Args:
        code: The close code that says so to the peer.
        message: What it did.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class MessageAssembler:
    """Joins the fragments of a message, within a size.

    Args:
        max_size: The longest message, in bytes.
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._parts = bytearray()
        self._text = False
        self.open = False
        """Whether a message has begun and not ended."""

    def begin(self, payload: bytes, *, text: bool, final: bool) -> Frame | None:
        """The first frame of a message; gives the message if it is also the last.

        Raises:
            ProtocolViolation: It is too long, is no UTF-8, or comes within another message.
        """
        if self.open:
            raise ProtocolViolation(PROTOCOL_ERROR, "A message began before the last one had ended.")
        self._text = text
        return self._add(payload, final)

    def proceed(self, payload: bytes, *, final: bool) -> Frame | None:
        """A continuation; gives the message if it is the last.

        Raises:
            ProtocolViolation: The message is too long or no UTF-8, or there is nothing to go on with.
        """
        if not self.open:
            raise ProtocolViolation(PROTOCOL_ERROR, "A continuation came without a message to continue.")
        return self._add(payload, final)

    def _add(self, payload: bytes, final: bool) -> Frame | None:
        if len(self._parts) + len(payload) > self._max_size:
            self._parts = bytearray()
            raise ProtocolViolation(MESSAGE_TOO_BIG, f"A message is longer than {self._max_size} bytes.")
        self.open = not final
        if final and not self._parts:
            return decode(payload) if self._text else payload
        self._parts += payload
        if not final:
            return None
        whole, self._parts = bytes(self._parts), bytearray()
        return decode(whole) if self._text else whole


def decode(payload: bytes) -> str:
    """The text of a text message.

    Raises:
        ProtocolViolation: It is no UTF-8.
    """
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise not_utf8() from None


def not_utf8() -> ProtocolViolation:
    """A text message that is none."""
    return ProtocolViolation(INVALID_TEXT, "A text message is not UTF-8.")
