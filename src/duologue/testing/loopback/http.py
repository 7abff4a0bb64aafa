"""HTTP requests, as far as a WebSocket server needs them: one request a connection, read whole."""

from __future__ import annotations

import io
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPException, parse_headers
from urllib.parse import parse_qsl, urlsplit

import msgspec

_LONGEST_HEAD = 64 * 1024
_LONGEST_BODY = 16 * 1024 * 1024
_HEAD_END = b"\r\n\r\n"
_EMPTY: Mapping[str, str] = {}


class HandshakeRequest(msgspec.Struct, frozen=True):
    """A client that asks for a WebSocket. Its repr leaves out what may hold a key.

    Attributes:
        path: Without the query.
        query: Decoded; of a name given twice, the last.
        headers: Names in lower case; of a name given twice, the values joined by ``", "``.
        subprotocols: What the client offers, in its order.
    """

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    subprotocols: tuple[str, ...]

    def __repr__(self) -> str:
        return f"HandshakeRequest({self.path!r})"


class HttpRequest(msgspec.Struct, frozen=True):
    """A request that asks for no WebSocket. Its repr leaves out what may hold a key.

    Attributes:
        method: In upper case, e.g. ``"POST"``.
        path: Without the query.
        query: Decoded; of a name given twice, the last.
        headers: Names in lower case; of a name given twice, the values joined by ``", "``.
        body: At most 16 MiB.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    def __repr__(self) -> str:
        return f"HttpRequest({self.method!r}, {self.path!r})"


class HttpResponse(msgspec.Struct, frozen=True):
    """The answer to a request. The connection closes behind it.

    Attributes:
        status: The HTTP status, e.g. 200.
        headers: Besides ``Content-Length`` and ``Connection``, which are added.
        body: Its body.
    """

    status: int
    headers: Mapping[str, str] = _EMPTY
    body: bytes = b""

    def encode(self) -> bytes:
        """The bytes of it on the wire."""
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        fields = {**self.headers, "Content-Length": str(len(self.body)), "Connection": "close"}
        lines = (f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in fields.items()))
        return "\r\n".join(lines).encode("latin-1") + _HEAD_END + self.body


class Refusal(msgspec.Struct, frozen=True):
    """The answer to a handshake that does not become a WebSocket.

    Attributes:
        status: The HTTP status, e.g. 401.
        headers: Besides ``Content-Length`` and ``Connection``, which are added.
        body: Its body.
    """

    status: int
    headers: Mapping[str, str] = _EMPTY
    body: bytes = b""

    def as_response(self) -> HttpResponse:
        """The same, as the answer to a plain request."""
        return HttpResponse(self.status, self.headers, self.body)


class BadRequest(Exception):
    """What a client sent is no request that this server reads.

    Args:
        status: The HTTP status that says so.
        message: What is wrong, for the body of the answer.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status

    def as_response(self) -> HttpResponse:
        """The answer."""
        return HttpResponse(self.status, {"Content-Type": "text/plain"}, f"{self}\n".encode())


class RequestReader:
    """Takes bytes until a request is whole.

    Attributes:
        head: The bytes of the request line and the headers, once they are there.
        rest: What came after the head.
    """

    def __init__(self) -> None:
        self.head = b""
        self.rest = b""
        self._received = bytearray()
        self._request: HttpRequest | None = None

    def feed(self, data: bytes) -> HandshakeRequest | HttpRequest | None:
        """Take what has arrived; gives the request once it is whole.

        Raises:
            BadRequest: It is no HTTP request, or one that is too long.
        """
        if self._request is not None:
            self.rest += data
            return self._whole(self._request)
        self._received += data
        end = self._received.find(_HEAD_END)
        if max(end, len(self._received) if end < 0 else 0) > _LONGEST_HEAD:
            raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too long.")
        if end < 0:
            return None
        end += len(_HEAD_END)
        self.head, self.rest = bytes(self._received[:end]), bytes(self._received[end:])
        self._request = _read_head(self.head)
        return self._whole(self._request)

    def _whole(self, request: HttpRequest) -> HandshakeRequest | HttpRequest | None:
        if "websocket" in request.headers.get("upgrade", "").lower():
            offered = request.headers.get("sec-websocket-protocol", "").split(",")
            names = tuple(name.strip() for name in offered if name.strip())
            return HandshakeRequest(request.path, request.query, request.headers, names)
        size = _body_size(request.headers)
        return None if len(self.rest) < size else msgspec.structs.replace(request, body=self.rest[:size])


def _read_head(head: bytes) -> HttpRequest:
    first, _, lines = head.partition(b"\r\n")
    try:
        method, target, version = first.decode("ascii").split(" ")
        parsed = parse_headers(io.BytesIO(lines))
        parts = urlsplit(target)
    except (ValueError, HTTPException):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "This is no HTTP request.") from None
    if version != "HTTP/1.1":
        raise BadRequest(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "This server speaks HTTP/1.1.")
    headers: dict[str, str] = {}
    for name, value in parsed.items():
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known}, {value.strip()}"
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return HttpRequest(method.upper(), parts.path, query, headers)


def _body_size(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED, "State the length of the body; this server reads no chunks.")
    stated = headers.get("content-length", "0")
    if not (stated.isascii() and stated.isdecimal()):
        raise BadRequest(HTTPStatus.BAD_REQUEST, "The Content-Length is no number.")
    if len(stated) > 18 or int(stated) > _LONGEST_BODY:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is longer than {_LONGEST_BODY} bytes.")
    return int(stated)
