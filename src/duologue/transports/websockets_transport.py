"""WebSocket connections, framed by websockets: the way out, should picows not do."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from duologue.errors import MissingDependency
from duologue.secret import Secret
from duologue.transports.assembly import MessageAssembler, ProtocolViolation
from duologue.transports.base import Closed, Frame
from duologue.transports.connection import WebSocketTransport
from duologue.transports.dialer import Dialer
from duologue.transports.handshake import (
    SILENT,
    ConnectFailed,
    HandshakeRefused,
    hung_up,
    not_a_websocket,
    request_headers,
    request_id,
    server_of,
    stopped_by_proxy,
    subprotocol_names,
    unreachable,
)
from duologue.transports.limits import WebSocketLimits
from duologue.transports.proxy import ProxyChoice, proxy_for
from duologue.transports.tls import shared_context

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.client import ClientProtocol
    from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidProxyStatus, InvalidStatus, ProxyError
    from websockets.frames import Close, Opcode
    from websockets.frames import Frame as WireFrame
    from websockets.http11 import Response
    from websockets.protocol import Event, State
    from websockets.typing import Subprotocol
except ImportError as missing:
    raise MissingDependency("websockets", 'pip install "duologue[websockets]"') from missing

if TYPE_CHECKING:
    from asyncio import Transport as SocketTransport

__all__ = ["ConnectFailed", "HandshakeRefused", "WebSocketLimits", "WebSocketTransport", "connect_websocket"]


async def connect_websocket(
    url: str,
    *,
    headers: Mapping[str, str | Secret] | None = None,
    subprotocols: Sequence[str | Secret] = (),
    ssl_context: ssl.SSLContext | None = None,
    proxy: ProxyChoice = True,
    connect_timeout: float | None = 10.0,
    limits: WebSocketLimits | None = None,
) -> WebSocketTransport:
    """Open a WebSocket, as `duologue.transports.websocket.connect_websocket` does.

    Raises:
        InvalidInput: The URL, a header, a subprotocol or the proxy is wrong.
        HandshakeRefused: The server answered with something else than a WebSocket.
        ConnectFailed: The server, or the proxy, could not be reached or did not answer in time.
    """
    server = server_of(url)
    offered = [Subprotocol(name) for name in subprotocol_names(subprotocols)]
    extra = request_headers(headers)
    way = proxy_for(server, proxy)
    goal = f"{server} through the proxy" if way else str(server)
    limits = limits or WebSocketLimits()

    def make(protocol: ClientProtocol, **_: object) -> _Wire:
        return _Wire(protocol, limits)

    below: dict[str, Any] = {"ssl": ssl_context or shared_context()} if server.secure else {}
    if way and way.startswith("https:"):
        below["proxy_ssl"] = shared_context()
    try:
        async with asyncio.timeout(connect_timeout):
            if way is None:
                below["sock"] = await Dialer().dial(server.host, server.port)
            wire = await _Connect(
                url,
                subprotocols=offered or None,
                compression=None,
                additional_headers=extra,
                user_agent_header=None,
                proxy=way and way.replace("socks5:", "socks5h:", 1),  # the proxy resolves the name, as with picows
                open_timeout=None,
                max_size=limits.max_message_size,
                logger=SILENT,
                create_connection=cast("type[ClientConnection]", make),
                **below,
            )
        return cast(_Wire, wire).transport_above
    except InvalidStatus as error:
        answer = error.response
        raise HandshakeRefused(
            answer.status_code, dict(answer.headers.raw_items()), bytes(answer.body or b"")
        ) from None
    except ProxyError as error:
        status = error.response.status_code if isinstance(error, InvalidProxyStatus) else None
        raise stopped_by_proxy(goal, error, status) from error
    except InvalidHandshake as error:
        raise _invalid(goal, error) from None
    except OSError as error:
        raise unreachable(goal, connect_timeout, error) from error


def _invalid(goal: str, error: InvalidHandshake) -> ConnectFailed:
    cut_off = isinstance(error, InvalidMessage) and isinstance(error.__cause__, EOFError)
    return hung_up(goal) if cut_off else not_a_websocket()


class _Connect(connect):
    """Follows no redirect."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class WebsocketsTransport(WebSocketTransport):
    """A connection on the protocol of websockets."""

    def __init__(self, limits: WebSocketLimits, wire: _Wire) -> None:
        super().__init__(limits)
        self._wire = wire
        self._protocol = wire.protocol

    @property
    def _socket(self) -> SocketTransport:
        return self._wire.transport

    def write(self, frame: Frame) -> None:
        if self._ending is not None:
            return
        payload = frame.encode() if isinstance(frame, str) else frame
        if isinstance(frame, bytes) and self._limits.binary:
            self._protocol.send_binary(payload)
        else:
            self._protocol.send_text(payload)
        self._wire.send_data()
        if self.congested:
            self._check_queue()

    def _send_ping(self) -> None:
        self._protocol.send_ping(b"")
        self._wire.send_data()

    def _send_close(self, code: int, reason: str) -> None:
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._wire.send_data()

    def _read(self, wanted: bool) -> None:
        if not self._socket.is_closing():
            if wanted:
                self._socket.resume_reading()
            else:
                self._socket.pause_reading()

    def _queued(self) -> int:
        return self._socket.get_write_buffer_size()

    def _abort(self) -> None:
        self._socket.abort()


class _Wire(ClientConnection):
    """What asyncio calls: hands frames up as they come, without the queue and the task of its base."""

    def __init__(self, protocol: ClientProtocol, limits: WebSocketLimits) -> None:
        super().__init__(protocol, ping_interval=None, write_limit=(limits.high_water, limits.low_water))
        self.transport_above = WebsocketsTransport(limits, self)
        self._assembler = MessageAssembler(limits.max_message_size)

    def process_event(self, event: Event) -> None:
        above = self.transport_above
        if self.response is None:
            super().process_event(event)
            if self.protocol.handshake_exc is None:
                headers = cast(Response, event).headers
                above.subprotocol = self.protocol.subprotocol
                above.request_id = request_id({name.lower(): value for name, value in headers.raw_items()})
                above._opened()
            return
        assert isinstance(event, WireFrame)
        if above._ending is None:
            try:
                self._take(above, event)
            except ProtocolViolation as violation:
                above._violated(violation)
        elif event.opcode is Opcode.CLOSE:
            self.transport.close()

    def _take(self, above: WebsocketsTransport, frame: WireFrame) -> None:
        message: Frame | None = None
        payload = bytes(frame.data)
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY:
                message = self._assembler.begin(payload, text=frame.opcode is Opcode.TEXT, final=frame.fin)
            case Opcode.CONT:
                message = self._assembler.proceed(payload, final=frame.fin)
            case Opcode.CLOSE:
                close = Close.parse(frame.data)
                above._close_received(close.code if payload else None, close.reason)
                self.transport.close()
            case _:
                above._check_queue()  # it has answered a ping
        if message is None:
            above._part_received()
        elif above._direct is not None and above._shortcut is not None and above._shortcut(message):
            above._message_came = True
        else:
            above._message_received(message)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        broken = self.protocol.parser_exc
        if broken is not None and self.response is not None and self.transport_above._ending is None:
            sent = self.protocol.close_sent
            self.transport_above._end(Closed(code=sent.code if sent else None, error=str(broken)))

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport_above._writing_paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.transport_above._writing_resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.transport_above._lost()
