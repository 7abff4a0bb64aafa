"""The socket of one connection: its bytes, and the ways in which it can fail."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from collections.abc import Callable
from typing import Protocol, cast

_READ_AT_ONCE = 16 * 1024  # bytes
_SLOW_STEP = 0.05  # s between two reads of a slow reader, as far as that makes whole bytes
_SLOW_RECEIVE_BUFFER = 64 * 1024  # bytes; less, and TCP itself stalls where segments are as long as on loopback
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_HIGH_WATER, _LOW_WATER = 64 * 1024, 16 * 1024


class WireUser(Protocol):
    """Whom a wire tells what happens."""

    def bytes_received(self, data: bytes) -> None:
        """Take what has arrived."""
        ...

    def writing_paused(self) -> None:
        """The client takes less than is sent."""
        ...

    def writing_resumed(self) -> None:
        """It has caught up."""
        ...

    def wire_lost(self, error: str | None) -> None:
        """The socket is closed. Called once, with the error that this side knows of."""
        ...


class Wire(asyncio.BufferedProtocol):
    """A socket that a client has opened, and TLS over it.

    Args:
        ready: Called once bytes can pass; gives the first user.
        gone: Called when the socket is closed.
        tls: For TLS.
        idle_timeout: Silence, in both directions, that ends it, in s.
    """

    def __init__(
        self,
        ready: Callable[[Wire], WireUser],
        gone: Callable[[Wire], None],
        tls: ssl.SSLContext | None,
        idle_timeout: float,
    ) -> None:
        self.user: WireUser | None = None
        self.lost = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ready = ready
        self._gone = gone
        self._tls = tls
        self._securing: asyncio.Task[None] | None = None
        self._socket: asyncio.Transport | None = None  # TCP
        self._transport: asyncio.Transport | None = None  # TLS over it, or the same
        self._buffer = memoryview(bytearray(_READ_AT_ONCE))
        self._idle_timeout = idle_timeout
        self._early = b""  # came with the end of the TLS handshake
        self._touched = self._loop.time()
        self._idle_timer: asyncio.TimerHandle | None = None
        self._aborted = False
        self._error: str | None = None
        self._wanted = True
        self._deaf = False
        self._rate: int | None = None  # bytes/s
        self._resting: asyncio.TimerHandle | None = None
        self._cutting: bool | None = None  # with a reset, or without; None: no cut is due

    # --- writing ---

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None and not self._transport.is_closing():
            self._touched = self._loop.time()
            self._transport.write(data)

    def end(self) -> None:
        """Send no more after this, and close when the client does."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    # --- reading ---

    def read(self, wanted: bool) -> None:
        """Read on, or take nothing until told to."""
        self._wanted = wanted
        self._steer()

    def read_slowly(self, bytes_per_second: int) -> None:
        """Take no more than that."""
        assert self._socket is not None
        self._rate = bytes_per_second
        if not self._socket.is_closing():
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_RECEIVE_BUFFER)

    def go_deaf(self) -> None:
        """Read nothing any more."""
        self._deaf = True
        self._steer()

    def _steer(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._wanted and not self._deaf and self._resting is None:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _rested(self) -> None:
        self._resting = None
        self._steer()

    # --- ends ---

    def cut(self, *, reset: bool) -> None:
        """Break the connection behind what was written, without a goodbye."""
        assert self._transport is not None
        self._cutting = reset
        if self.queued:
            self._transport.set_write_buffer_limits(high=0)  # `resume_writing` tells when it is empty
        else:
            self._break(reset)

    def _break(self, reset: bool) -> None:
        assert self._socket is not None
        if self._socket.is_closing():
            return
        if reset:
            self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._socket.close()
        elif self._transport is self._socket:
            self._rate, self._deaf = None, False
            self.read(True)  # closing a socket that holds unread bytes would reset it
            self._socket.write_eof()
        else:
            self._socket.close()

    def abort(self, error: str | None = None) -> None:
        """Close at once."""
        self._aborted = True
        self._error = self._error or error
        if self._securing is not None:
            self._securing.cancel()
        if self._socket is not None:
            self._socket.abort()

    @property
    def _raw(self) -> socket.socket:
        assert self._socket is not None
        return cast(socket.socket, self._socket.get_extra_info("socket"))

    # --- what asyncio calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._socket = cast(asyncio.Transport, transport)
        if self._aborted:
            self._socket.abort()
            return
        self._idle_timer = self._loop.call_later(self._idle_timeout, self._check_silence)
        if self._tls is None:
            self._open(self._socket)
        else:
            self._securing = self._loop.create_task(self._secure(self._socket, self._tls))

    async def _secure(self, plain: asyncio.Transport, tls: ssl.SSLContext) -> None:
        try:
            secure = await self._loop.start_tls(plain, self, tls, server_side=True)
        except OSError:  # the client does not trust us, does not speak TLS, or is gone
            secure = None
        except asyncio.CancelledError:
            plain.abort()
            self.connection_lost(None)
            raise
        if secure is None:
            plain.abort()
            self.connection_lost(None)
        else:
            self._open(secure)

    def _open(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(_HIGH_WATER, _LOW_WATER)
        self.user = self._ready(self)
        if self._early:
            self.user.bytes_received(self._early)

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._rate is None:
            return self._buffer
        return self._buffer[: max(1, int(self._rate * _SLOW_STEP))]

    def buffer_updated(self, nbytes: int) -> None:
        self._touched = self._loop.time()
        data = bytes(self._buffer[:nbytes])
        if self._rate is not None:
            self._resting = self._loop.call_later(nbytes / self._rate, self._rested)
            self._steer()
        if self.user is None:
            self._early += data
        elif not self._deaf:
            self.user.bytes_received(data)

    def pause_writing(self) -> None:
        if self.user is not None:
            self.user.writing_paused()

    def resume_writing(self) -> None:
        if self._cutting is not None:
            self._break(self._cutting)
        elif self.user is not None:
            self.user.writing_resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.lost.is_set():
            return
        self.lost.set()
        self._gone(self)
        for timer in (self._idle_timer, self._resting):
            if timer is not None:
                timer.cancel()
        if self.user is not None:
            self.user.wire_lost(self._error)

    def _check_silence(self) -> None:
        left = self._touched + self._idle_timeout - self._loop.time()
        if left <= 0:
            self.abort(f"Nothing came or went for {self._idle_timeout:g} s.")
        else:
            self._idle_timer = self._loop.call_later(left, self._check_silence)
