"""One WebSocket, as the server holds it."""

from __future__ import annotations

import asyncio

import msgspec

from duologue.testing.loopback.faults import Cut, Delay, Fault, HalfOpen, Hangup, SlowReading
from duologue.testing.loopback.framing import Event, Opcode, ServerProtocol, State, WireFrame, encode
from duologue.testing.loopback.http import HandshakeRequest
from duologue.testing.loopback.outbound import Outbound
from duologue.testing.loopback.wire import Wire
from duologue.transports.assembly import MessageAssembler, ProtocolViolation
from duologue.transports.base import Closed, Frame
from duologue.transports.connection import WebSocketTransport
from duologue.transports.limits import WebSocketLimits

_LONGEST_QUEUE = 1 << 30  # bytes; an `Oversized` fault may be long
_NO_CODE = 1005  # RFC 6455, section 7.1.5


class LoopbackConnection(WebSocketTransport):
    """A `Transport` in the server's role: str goes as a text message, bytes as a binary one, and they arrive as such.

    Fragments are joined, pings and goodbyes are answered. Nothing is read before `start`. It belongs to the server's
    event loop; `inject`, `is_open`, `request` and `subprotocol` may be used from any thread.

    Attributes:
        request: What the client asked for.
        subprotocol: The one that the server chose, if any.
    """

    def __init__(self, request: HandshakeRequest, protocol: ServerProtocol, wire: Wire, close_timeout: float) -> None:
        limits = WebSocketLimits(max_queue=_LONGEST_QUEUE, ping_interval=None, close_timeout=close_timeout)
        super().__init__(limits)
        self.request = request
        self.subprotocol = protocol.subprotocol
        self._close_timeout = close_timeout
        self._protocol = protocol
        self._wire = wire
        self._outbound = Outbound(wire, self._cut_off)
        self._assembler = MessageAssembler(limits.max_message_size)
        self._half_open = False
        self._opened()

    @property
    def is_open(self) -> bool:
        """Whether messages can still be written: neither side has said goodbye, and the connection has not broken."""
        return self._ending is None

    async def wait_closed(self) -> None:
        """Wait until the connection is over and its socket closed."""
        await self._over.wait()

    def inject(self, fault: Fault) -> None:
        """Have something go wrong; several faults act together.

        May be called from any thread: at once on the connection's event loop, otherwise as soon as the loop gets to it.
        Does nothing once the connection is over.
        """
        if _running_loop() is self._loop:
            self._apply(fault)
        elif not self._over.is_set():
            self._loop.call_soon_threadsafe(self._apply, fault)

    def _apply(self, fault: Fault) -> None:
        if self._over.is_set():
            return
        match fault:
            case HalfOpen():
                self._half_open = True
                self._outbound.silence()
                self._wire.go_deaf()
            case Hangup(code=code, reason=reason):
                if self._ending is None and not self._half_open:
                    self._end(Closed(code=code, reason=reason), code, reason)
                    self._discard()
            case SlowReading(bytes_per_second=rate):
                self._wire.read_slowly(rate)
            case Delay(seconds=seconds):
                self._limits = msgspec.structs.replace(self._limits, close_timeout=self._close_timeout + seconds)
                self._outbound.add(fault)
            case _:
                self._outbound.add(fault)

    def _cut_off(self, cut: Cut) -> None:
        if self._ending is None:
            self._end(Closed(error="The connection was cut, as it was told to be."))
        self._discard()
        self._wire.cut(reset=cut.reset)

    # --- what the wire tells ---

    def bytes_received(self, data: bytes) -> None:
        """Read frames."""
        protocol = self._protocol
        protocol.receive_data(data)
        for event in protocol.events_received():
            self._event_received(event)
        failure = protocol.parser_exc
        if failure is not None and self._ending is None:
            code = protocol.close_sent.code if protocol.close_sent is not None else None
            self._end(Closed(code=code, error=f"The client broke the WebSocket protocol: {failure}."))
        self._forward()

    def writing_paused(self) -> None:
        """The client takes less than is sent."""
        self._writing_paused()

    def writing_resumed(self) -> None:
        """It has caught up."""
        self._writing_resumed()

    def wire_lost(self, error: str | None) -> None:
        """The socket is closed."""
        self._outbound.silence()
        self._lost(Closed(error=error) if error else None)

    def _event_received(self, event: Event) -> None:
        if self._ending is not None or not isinstance(event, WireFrame):
            return
        try:
            match event.opcode:
                case Opcode.TEXT | Opcode.BINARY:
                    is_text = event.opcode is Opcode.TEXT
                    message = self._assembler.begin(bytes(event.data), text=is_text, final=event.fin)
                case Opcode.CONT:
                    message = self._assembler.proceed(bytes(event.data), final=event.fin)
                case Opcode.CLOSE:
                    self._goodbye_received()
                    return
                case _:
                    return
        except ProtocolViolation as violation:
            self._violated(violation)
        else:
            if message is not None:
                self._message_received(message)

    def _goodbye_received(self) -> None:
        goodbye = self._protocol.close_rcvd
        assert goodbye is not None
        self._close_received(None if goodbye.code == _NO_CODE else goodbye.code, goodbye.reason)

    # --- what the transport asks for ---

    def write(self, frame: Frame) -> None:
        if self._ending is None:
            self._outbound.message(encode(frame))
            if self.congested:
                self._check_queue()

    def _send_ping(self) -> None:
        self._protocol.send_ping(b"")
        self._forward()

    def _send_close(self, code: int, reason: str) -> None:
        if self._half_open:
            self._abort()
        elif self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
            self._forward()

    def _forward(self) -> None:
        """Send what the protocol has to say."""
        if self._protocol.close_sent is not None:
            self._outbound.flush()
        for data in self._protocol.data_to_send():
            if data:
                self._outbound.control(data)
            else:
                self._outbound.end()

    def _read(self, wanted: bool) -> None:
        self._wire.read(wanted)

    def _queued(self) -> int:
        return self._wire.queued

    def _abort(self) -> None:
        self._wire.abort()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
