"""The beginning of a connection: a request, and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from duologue.testing.loopback.connection import LoopbackConnection
from duologue.testing.loopback.faults import Hangup
from duologue.testing.loopback.framing import Request, ServerProtocol, Subprotocol
from duologue.testing.loopback.http import (
    BadRequest,
    HandshakeRequest,
    HttpRequest,
    HttpResponse,
    Refusal,
    RequestReader,
)
from duologue.testing.loopback.wire import Wire
from duologue.transports.handshake import SILENT

_LONGEST_MESSAGE = 64 * 1024 * 1024  # bytes
_NOTHING_HERE = HttpResponse(HTTPStatus.NOT_FOUND, {"Content-Type": "text/plain"}, b"Here are WebSockets only.\n")
_FAILED = HttpResponse(HTTPStatus.INTERNAL_SERVER_ERROR, {"Content-Type": "text/plain"}, b"The server failed.\n")


class Habits(msgspec.Struct, frozen=True):
    """How a server treats its clients; `LoopbackServer` says what each means."""

    serve: Callable[[LoopbackConnection], None]
    admit: Callable[[HandshakeRequest], Refusal | str | None] | None
    answer_http: Callable[[HttpRequest], HttpResponse | None] | None
    close_timeout: float


class Opening:
    """Reads a client's request and answers it; hands the wire over if it becomes a WebSocket.

    Args:
        wire: From the client.
        habits: What is answered.
    """

    def __init__(self, wire: Wire, habits: Habits) -> None:
        self._wire = wire
        self._habits = habits
        self._reader = RequestReader()
        self._answered = False

    def bytes_received(self, data: bytes) -> None:
        """Read the request."""
        if self._answered:
            return
        try:
            request = self._reader.feed(data)
        except BadRequest as bad:
            self._answer(bad.as_response())
            return
        try:
            match request:
                case HttpRequest():
                    answer_http = self._habits.answer_http
                    self._answer((answer_http(request) if answer_http else None) or _NOTHING_HERE)
                case HandshakeRequest():
                    self._shake_hands(request)
        except Exception as error:  # noqa: BLE001 - reported
            self._report(error)
            self._answer(_FAILED)

    def _shake_hands(self, request: HandshakeRequest) -> None:
        admit = self._habits.admit
        verdict = admit(request) if admit else None
        if isinstance(verdict, Refusal):
            self._answer(verdict.as_response())
            return
        chosen = None if verdict is None else Subprotocol(verdict)
        protocol = ServerProtocol(
            select_subprotocol=lambda _protocol, _offered: chosen, max_size=_LONGEST_MESSAGE, logger=SILENT
        )
        protocol.receive_data(self._reader.head)
        received = protocol.events_received()
        if not received or not isinstance(received[0], Request):
            self._answer(BadRequest(HTTPStatus.BAD_REQUEST, "This is no handshake.").as_response())
            return
        response = protocol.accept(received[0])
        protocol.send_response(response)
        self._answered = True
        for data in protocol.data_to_send():
            if data:
                self._wire.write(data)
            else:
                self._wire.end()
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._hand_over(LoopbackConnection(request, protocol, self._wire, self._habits.close_timeout))

    def _hand_over(self, connection: LoopbackConnection) -> None:
        self._wire.user = connection
        try:
            self._habits.serve(connection)
        except Exception as error:  # noqa: BLE001 - reported
            self._report(error)
            connection.inject(Hangup(1011, "The server failed."))
        if self._reader.rest:
            connection.bytes_received(self._reader.rest)

    def _answer(self, response: HttpResponse) -> None:
        self._answered = True
        self._wire.write(response.encode())
        self._wire.end()

    def _report(self, error: Exception) -> None:
        context = {"message": "A callback of the loopback server failed.", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    def writing_paused(self) -> None:
        """The client is slow to take the answer; there is nothing more to send."""

    def writing_resumed(self) -> None:
        """It has taken it."""

    def wire_lost(self, error: str | None) -> None:
        """The client is gone."""
