"""WebSocket connections, framed by picows."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)
from python_socks import ProxyError

from duologue.secret import Secret
from duologue.transports.assembly import PROTOCOL_ERROR, MessageAssembler, ProtocolViolation, not_utf8
from duologue.transports.base import Closed, Frame
from duologue.transports.connection import WebSocketTransport
from duologue.transports.dialer import Dialer
from duologue.transports.handshake import (
    SILENT,
    ConnectFailed,
    HandshakeRefused,
    hung_up,
    not_a_websocket,
    refused,
    request_headers,
    request_id,
    server_of,
    stopped_by_proxy,
    subprotocol_names,
    unreachable,
)
from duologue.transports.limits import WebSocketLimits
from duologue.transports.proxy import ProxyChoice, proxy_for
from duologue.transports.tls import is_fast_tls_sound, shared_context

if TYPE_CHECKING:
    from asyncio import Transport as SocketTransport

__all__ = ["ConnectFailed", "HandshakeRefused", "WebSocketLimits", "WebSocketTransport", "connect_websocket"]

_TEXT, _BINARY, _CONTINUATION = WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION
_PING, _CLOSE = WSMsgType.PING, WSMsgType.CLOSE
_LONGEST_CONTROL = 125  # bytes (RFC 6455, section 5.5), which picows sees to
_READ_BUFFER = 4096  # bytes; it grows with the messages, so that an idle connection stays small


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
    """Open a WebSocket. What comes before its `start` waits. Redirects are not followed.

    Args:
        url: Where to, ``ws://`` or ``wss://``.
        headers, subprotocols: Sent with the handshake; subprotocols the best first.
        ssl_context: For ``wss://``; otherwise one that all connections share, and that trusts what the system does.
        proxy: An HTTP or SOCKS proxy; True takes the environment's, None goes directly.
        connect_timeout: For the name, TCP, the proxy, TLS and the handshake together, in s.
        limits: Sizes and times of the connection.

    Raises:
        InvalidInput: The URL, a header, a subprotocol or the proxy is wrong.
        HandshakeRefused: The server answered with something else than a WebSocket.
        ConnectFailed: The server, or the proxy, could not be reached or did not answer in time.
    """
    server = server_of(url)
    offered = subprotocol_names(subprotocols)
    offer = {"Sec-WebSocket-Protocol": ", ".join(offered)} if offered else {}
    way = proxy_for(server, proxy)
    goal = f"{server} through the proxy" if way else str(server)
    tls_to_proxy = way is not None and way.startswith("https:")
    limits = limits or WebSocketLimits()
    dialer, listener = Dialer(), _Listener(limits)
    try:
        async with asyncio.timeout(connect_timeout):
            _, connected = await ws_connect(
                lambda: listener,
                url,
                ssl_context=(ssl_context or shared_context()) if server.secure else None,
                proxy=way,
                proxy_ssl_context=shared_context() if tls_to_proxy else None,
                socket_factory=lambda endpoint: dialer.dial(endpoint.host, endpoint.port),
                extra_headers=[*request_headers(headers), *offer.items()],
                max_redirects=0,
                max_frame_size=limits.max_message_size,
                enable_auto_pong=False,
                websocket_handshake_timeout=None,
                logger_name=SILENT,
                read_buffer_init_size=_READ_BUFFER,
                use_aiofastnet=None if not (server.secure or tls_to_proxy) or is_fast_tls_sound() else False,
            )
        if connected is None:  # that is how picows tells it
            raise hung_up(goal)
        return listener.connection_for(offered)
    except BaseException as error:
        dialer.hang_up()
        listener.give_up()
        if isinstance(error, WSHandshakeError | ProxyError | OSError):
            raise _failure(error, goal, connect_timeout) from None
        raise


def _failure(error: WSHandshakeError | ProxyError | OSError, goal: str, timeout: float | None) -> ConnectFailed:
    match error:
        case WSHandshakeError():
            return refused(error.raw_header or b"", error.raw_body or b"")
        case ProxyError():
            status = re.search(r"with status (\d{3})$", str(error))  # picows tells it in words alone
            return stopped_by_proxy(goal, error, int(status[1]) if status else None)
        case _:
            return unreachable(goal, timeout, error)


class PicowsTransport(WebSocketTransport):
    """A connection on picows' core."""

    def __init__(self, limits: WebSocketLimits, wire: WSTransport) -> None:
        super().__init__(limits)
        self._wire = wire
        self._socket: SocketTransport = wire.underlying_transport
        self._socket.set_write_buffer_limits(limits.high_water, limits.low_water)
        self._bytes_as = _BINARY if limits.binary else _TEXT
        # aiofastnet's TLS leaves behind what it had received, but not yet handed over, when its reading is paused; so
        # it is its socket that is not watched meanwhile.
        is_tls = self._socket.get_extra_info("ssl_object") is not None
        self._read_ready: Callable[[], object] | None = getattr(self._socket, "_read_ready", None) if is_tls else None

    def write(self, frame: Frame) -> None:
        if self._ending is None:
            self._wire.send(_TEXT if type(frame) is str else self._bytes_as, frame)
            if self.congested:
                self._check_queue()

    def _send_ping(self) -> None:
        self._wire.send_ping()

    def _send_pong(self, payload: bytes) -> None:
        if not self.congested:  # a later ping is answered instead (RFC 6455, section 5.5.3)
            self._wire.send_pong(payload)

    def _send_close(self, code: int, reason: str) -> None:
        self._wire.send_close(cast(WSCloseCode, code), reason.encode())

    def _close_received(self, code: int | None, reason: str) -> None:
        if not self._wire.is_close_frame_sent:
            self._send_close(code or WSCloseCode.OK.value, "")
        super()._close_received(code, reason)
        self._watch(True)  # though reading is paused: TLS has a goodbye of its own, which is still to come
        self._wire.disconnect()

    def _read(self, wanted: bool) -> None:
        if self._read_ready is not None:
            self._watch(wanted)
        elif self._socket.is_closing():
            return
        elif wanted:
            self._socket.resume_reading()
        else:
            self._socket.pause_reading()

    def _watch(self, wanted: bool) -> None:
        """Have the event loop look at the socket of aiofastnet's TLS, or not. Does nothing with any other."""
        if self._read_ready is None or self._socket.is_closing():
            return
        descriptor = self._socket.get_extra_info("socket").fileno()
        if wanted:
            self._loop.add_reader(descriptor, self._read_ready)
        else:
            self._loop.remove_reader(descriptor)

    def _queued(self) -> int:
        return self._socket.get_write_buffer_size()

    def _abort(self) -> None:
        self._wire.disconnect(graceful=False)


class _Listener(WSListener):
    """What picows calls: makes messages of its frames. A frame's memory is only good during the call."""

    # CPython does not specialise reading the attributes of a Cython class's child, unless they have slots.
    __slots__ = (
        "_assembler",
        "_collecting",
        "_connection",
        "_given_up",
        "_limits",
        "_payload",
        "_within",
    )

    def __init__(self, limits: WebSocketLimits) -> None:
        super().__init__()
        self._limits = limits
        self._assembler = MessageAssembler(limits.max_message_size)
        self._within = False  # as the assembler's `open`
        self._payload: Callable[[WSFrame], Frame] = (
            WSFrame.get_payload_as_bytes if limits.binary else WSFrame.get_payload_as_utf8_text
        )
        self._connection: PicowsTransport | None = None
        self._given_up = False
        self._collecting: asyncio.Task[None] | None = None

    def connection_for(self, offered: Sequence[str]) -> PicowsTransport:
        """The connection, once the handshake is done.

        Raises:
            ConnectFailed: The server chose a subprotocol that was not offered.
        """
        assert self._connection is not None
        if self._connection.subprotocol not in (None, *offered):
            self._connection._abort()
            raise not_a_websocket()
        return self._connection

    def give_up(self) -> None:
        """Nobody waits for the connection any more, though it may be there, or about to be."""
        self._given_up = True
        if self._connection is not None:
            self._connection._abort()

    def on_ws_connected(self, transport: WSTransport) -> None:
        if self._given_up:  # reading would be paused, and the end of the stream never met
            transport.disconnect(graceful=False)
            return
        connection = self._connection = PicowsTransport(self._limits, transport)
        headers = {name.lower(): value for name, value in transport.response.headers.items()}
        connection.subprotocol = headers.get("sec-websocket-protocol")
        connection.request_id = request_id(headers)
        connection._opened()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        connection = self._connection
        if connection is None:  # given up, and this came in the same read as the handshake
            return
        if transport.is_close_frame_sent:  # by us, or by picows, which hands over what it objects to
            if frame.msg_type is _CLOSE:
                transport.disconnect()
            return
        if (
            (shortcut := connection._shortcut) is not None
            and connection._direct is not None
            and frame.fin
            and not (self._within or frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            # To ask picows for the kind of a frame costs as much as its text. What the shortcut knows, if it is
            # longer than a control frame may be, is a message.
            try:
                payload = self._payload
                message = payload(frame)
                if len(message) > _LONGEST_CONTROL and shortcut(message):
                    connection._message_came = True
                    return
            except UnicodeDecodeError:  # it is no text, or not all of it
                pass
            except Exception as error:  # noqa: BLE001 - reported
                connection._receiver_failed(error)
                return
        self._take(connection, frame)

    def _take(self, connection: PicowsTransport, frame: WSFrame) -> None:
        try:
            message = self._message_of(connection, frame)
        except UnicodeDecodeError:
            connection._violated(not_utf8())
        except ProtocolViolation as violation:
            connection._violated(violation)
        else:
            if message is None:
                connection._part_received()
            else:
                connection._message_received(message)

    def _message_of(self, connection: PicowsTransport, frame: WSFrame) -> Frame | None:
        """The message that ends with `frame`; None if there is more of it to come, or if it is a control frame."""
        kind = frame.msg_type
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise ProtocolViolation(PROTOCOL_ERROR, "A frame uses an extension that was not agreed on.")
        final = bool(frame.fin)
        if final and not self._within and kind is _TEXT:
            return frame.get_payload_as_utf8_text()
        payload = frame.get_payload_as_bytes()
        if kind is _TEXT or kind is _BINARY:
            message = self._assembler.begin(payload, text=kind is _TEXT, final=final)
        elif kind is _CONTINUATION:
            message = self._assembler.proceed(payload, final=final)
        else:
            self._control_received(connection, kind, payload)
            return None
        self._within = self._assembler.open
        return message

    def _control_received(self, connection: PicowsTransport, kind: WSMsgType, payload: bytes) -> None:
        if kind is _PING:
            connection._send_pong(payload)
        elif kind is _CLOSE:
            code = int.from_bytes(payload[:2], "big") if payload else None
            connection._close_received(code, payload[2:].decode())

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection._writing_paused()

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection._writing_resumed()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        connection = self._connection
        if connection is None:
            return
        self._collecting = asyncio.get_running_loop().create_task(_collect(transport))
        sent = transport.close_handshake.sent if transport.close_handshake is not None else None
        # A goodbye that we did not ask for is picows' own: the frames could not be read.
        connection._lost(None if sent is None else Closed(code=int(cast(int, sent.code)), error=sent.reason))


async def _collect(transport: WSTransport) -> None:
    """Fetch the violation that picows may have met, or asyncio complains that nobody did."""
    with suppress(WSProtocolError):
        await transport.wait_disconnected()
