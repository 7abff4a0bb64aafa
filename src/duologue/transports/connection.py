"""A WebSocket connection, whatever library frames it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod

from duologue.errors import InvalidInput
from duologue.transports.assembly import ProtocolViolation
from duologue.transports.base import Closed, Frame
from duologue.transports.delivery import Delivery
from duologue.transports.keepalive import Liveness, Verdict, shared_timer
from duologue.transports.limits import WebSocketLimits

_MAX_REASON = 123  # RFC 6455, section 5.5: 125 bytes in a control frame, two of them the code
_CODES_TO_SEND = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
_GOING_AWAY = 1001
_INTERNAL_ERROR = 1011
_LOST = "The connection was lost without a goodbye."


class WebSocketTransport(Delivery):
    """An open WebSocket, as a `Transport`. Text arrives as str, binary messages as bytes.

    Attributes:
        subprotocol: The one that the server chose, if any.
        request_id: The id that the server gave the handshake, if any.
    """

    subprotocol: str | None = None
    request_id: str | None = None

    def __init__(self, limits: WebSocketLimits) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._limits = limits
        self.congested = False
        self._ending: Closed | None = None  # nothing is written any more, and why
        self._over = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._abort_timer: asyncio.TimerHandle | None = None
        self._heard = False
        self._message_came = False
        self._timer = shared_timer()
        self._liveness = Liveness(limits, loop.time())
        self.resolution = self._liveness.resolution

    # --- the transport ---

    @abstractmethod
    def write(self, frame: Frame) -> None: ...

    async def drain(self) -> None:
        while not self._room.is_set():
            await self._room.wait()

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close in an orderly way, within `close_timeout`; what was not delivered is dropped.

        Raises:
            InvalidInput: Nobody may send this `code` (RFC 6455, section 7.4).
        """
        if code not in _CODES_TO_SEND and not 3000 <= code <= 4999:
            raise InvalidInput(f"A WebSocket is not closed with code {code}; take 1000, or one of 3000 to 4999.")
        if self._over.is_set():
            self._discard()
            return
        if self._ending is None:
            self._end(Closed(code=code, reason=reason), code, reason)
        self._discard()
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            self._abort()
            raise

    # --- what the library below reports ---

    def _opened(self) -> None:
        """The handshake is done, and the peer is watched from now on."""
        if self._limits.ping_interval or self._limits.idle_timeout:
            self._timer.watch(self)

    def _message_received(self, frame: Frame) -> None:
        self._message_came = True
        self._deliver(frame)

    def _part_received(self) -> None:
        """A control frame came, or a part of a message: the peer is there."""
        self._heard = True

    def _close_received(self, code: int | None, reason: str) -> None:
        if self._ending is None:
            self._end(Closed(by_peer=True, code=code, reason=reason))

    def _violated(self, violation: ProtocolViolation) -> None:
        if self._ending is None:
            text = str(violation)
            self._end(Closed(code=violation.code, error=text), violation.code, text)

    def _receiver_failed(self, error: Exception) -> None:
        message = "The receiver of a frame failed."
        self._loop.call_exception_handler({"message": message, "exception": error})
        if self._ending is None:
            self._end(Closed(code=_INTERNAL_ERROR, error=message), _INTERNAL_ERROR, message)
        self._discard()

    def _writing_paused(self) -> None:
        self.congested = True
        self._room.clear()

    def _writing_resumed(self) -> None:
        self.congested = False
        self._room.set()

    def _lost(self, how: Closed | None = None) -> None:
        """The socket is gone."""
        if self._over.is_set():
            return
        self._ending = self._ending or how or Closed(error=_LOST)
        self._over.set()
        self._writing_resumed()
        self._timer.unwatch(self)
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        self._deliver_end(self._ending)

    # --- ends ---

    def _end(self, how: Closed, code: int | None = None, reason: str = "") -> None:
        """Part, with a goodbye if there is a `code`; cut the line if that takes too long."""
        self._ending = how
        self._abort_timer = self._loop.call_later(self._limits.close_timeout, self._abort)
        if code is not None:
            self._send_close(code, reason.encode()[:_MAX_REASON].decode(errors="ignore"))

    def _cut(self, error: str) -> None:
        if self._ending is None:
            self._ending = Closed(error=error)
        self._abort()

    def _check_queue(self) -> None:
        if self.congested and self._queued() > self._limits.max_queue:
            self._cut(f"The peer does not take what is sent: {self._queued()} bytes wait.")

    def check(self, now: float) -> None:
        """Look whether the peer is still there; the shared timer calls this."""
        message = self._message_came
        heard = message or self._heard
        verdict = self._liveness.check(now, heard=heard, message=message, deaf=self._deaf)
        self._heard = self._message_came = False
        match verdict:
            case Verdict.PING if self._ending is None:
                self._send_ping()
                self._check_queue()
            case Verdict.DEAD:
                self._cut("The peer is gone: it did not answer a ping in time.")
            case Verdict.IDLE if self._ending is None:
                error = f"No message came for {self._limits.idle_timeout:g} s."
                self._end(Closed(error=error), _GOING_AWAY, error)

    # --- what the library below does ---

    @abstractmethod
    def _send_ping(self) -> None: ...

    @abstractmethod
    def _send_close(self, code: int, reason: str) -> None: ...

    @abstractmethod
    def _queued(self) -> int:
        """Bytes that wait to be sent."""

    @abstractmethod
    def _abort(self) -> None:
        """Cut the connection at once; `_lost` follows."""
