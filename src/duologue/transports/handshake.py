"""The opening of a WebSocket: what goes into it, and how it fails."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from logging import CRITICAL, Logger
from typing import NamedTuple
from urllib.parse import urlsplit

from duologue.errors import DuologueError, InvalidInput
from duologue.secret import Secret

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "apim-request-id", "x-ms-request-id")
_BODY_EXCERPT = 4096
_RETRYABLE = (408, 425, 429)

SILENT = Logger("duologue.transports", CRITICAL + 1)
"""For the libraries below: they log the headers of a handshake, keys included. All they have to say arrives as the
end of a connection or as an exception."""


class ConnectFailed(DuologueError):
    """There is no connection.

    Attributes:
        retryable: Whether it may work as things are.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class HandshakeRefused(ConnectFailed):
    """The server answered the handshake with something else than a WebSocket.

    Attributes:
        status: The HTTP status.
        headers: The headers of the answer, names in lower case.
        body: The beginning of its body, at most 4096 bytes; what had arrived by then.
        request_id: The id to quote to the server's support, if it gave one.
    """

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        try:
            phrase = f" {HTTPStatus(status).phrase}"
        except ValueError:
            phrase = ""
        text = f"The server refused the WebSocket: {status}{phrase}."
        if 300 <= status < 400:
            text += " Redirects are not followed, as they would carry the credentials elsewhere; use the final URL."
        super().__init__(text, retryable=_may_pass(status))
        self.status = status
        self.headers = {name.lower(): value for name, value in headers.items()}
        self.body = body[:_BODY_EXCERPT].decode(errors="replace")
        self.request_id = request_id(self.headers)


class Server(NamedTuple):
    """What a URL leads to."""

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def server_of(url: str) -> Server:
    """Read the URL of a WebSocket.

    Raises:
        InvalidInput: It is none. The text does not show it, as it may hold a key.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidInput("The URL is malformed.") from None
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise InvalidInput("The URL must begin with ws:// or wss://, and name a host.")
    if parts.fragment or "@" in parts.netloc or re.search(r"[\x00-\x20\x7f]", url):
        raise InvalidInput("The URL must have no fragment, no user name and no blanks.")
    secure = parts.scheme == "wss"
    return Server(parts.hostname, port or (443 if secure else 80), secure)


def request_headers(headers: Mapping[str, str | Secret] | None) -> list[tuple[str, str]]:
    """The headers as they go onto the wire.

    Raises:
        InvalidInput: A name or a value that no HTTP header can have.
    """
    lines = [(name, _plain(value)) for name, value in (headers or {}).items()]
    for name, value in lines:
        if not _TOKEN.fullmatch(name):
            raise InvalidInput(f"{name!r} is no name of an HTTP header.")
        if not _VALUE.fullmatch(value):
            raise InvalidInput(f"The value of the header {name} has characters other than printable ASCII.")
    return lines


def subprotocol_names(subprotocols: Sequence[str | Secret]) -> list[str]:
    """The subprotocols as they go onto the wire. Some servers take a key as one of them.

    Raises:
        InvalidInput: One is no HTTP token.
    """
    names = [_plain(name) for name in subprotocols]
    if not all(_TOKEN.fullmatch(name) for name in names):
        raise InvalidInput("A subprotocol has characters that it cannot have: blanks, commas or such.")
    return names


def request_id(headers: Mapping[str, str]) -> str | None:
    """The request id in an answer's headers, whose names are in lower case."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), None)


def refused(head: bytes, body: bytes) -> ConnectFailed:
    """What an answer other than a WebSocket's means.

    Args:
        head: The status line and the headers.
        body: What has arrived after them.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    match = re.match(r"HTTP/\d\.\d (\d{3})\b", first)
    if match is None or match[1] == "101":
        return not_a_websocket()
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = _joined_chunks(body)
    return HandshakeRefused(int(match[1]), headers, body)


def not_a_websocket() -> ConnectFailed:
    """The server's answer makes no sense."""
    return ConnectFailed(
        "The server does not speak WebSocket: its answer to the handshake is invalid.", retryable=False
    )


def stopped_by_proxy(goal: str, said: object, status: int | None) -> ConnectFailed:
    """The proxy did not let the connection through.

    Args:
        goal: The server, and how it was to be reached.
        said: What the proxy, or the library that asked it, says.
        status: The HTTP status of its answer, if it has one.
    """
    advice = " Check the user and the password in the proxy's URL." if status == 407 else ""
    return ConnectFailed(f"{goal} cannot be reached: {said}.{advice}", retryable=_may_pass(status or 0))


def hung_up(goal: str) -> ConnectFailed:
    """The server closed the connection before it had answered."""
    return ConnectFailed(f"{goal} closed the connection during the handshake.", retryable=True)


def unreachable(goal: str, timeout: float | None, error: OSError) -> ConnectFailed:
    """What a failure of the network, of a name or of TLS means.

    Args:
        goal: The server, and how it was to be reached.
    """
    match error:
        case TimeoutError():
            within = "in time" if timeout is None else f"within {timeout:g} s"
            return ConnectFailed(f"{goal} did not answer {within}.", retryable=True)
        case ssl.SSLCertVerificationError():
            return ConnectFailed(
                f"The certificate of {goal} is not trusted: {error.verify_message.rstrip('.')}. "
                "If it comes from an authority of your own, pass an ssl_context or set SSL_CERT_FILE.",
                retryable=False,
            )
        case ssl.SSLError():
            return ConnectFailed(f"No TLS connection to {goal}: {error.reason or 'it failed'}.", retryable=False)
        case socket.gaierror():
            return ConnectFailed(f"No address for {goal}: {error.strerror}.", retryable=True)
        case _:
            return ConnectFailed(f"{goal} cannot be reached: {error.strerror or 'connection lost'}.", retryable=True)


def _may_pass(status: int) -> bool:
    return status in _RETRYABLE or status >= 500


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _joined_chunks(body: bytes) -> bytes:
    """A chunked body (RFC 9112, section 7.1), as far as it has arrived."""
    joined = b""
    while match := re.match(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n", body):
        start, size = match.end(), int(match[1], 16)
        joined += body[start : start + size]
        body = body[start + size + 2 :]
    return joined
