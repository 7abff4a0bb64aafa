"""The TCP socket below a connection."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress


class Dialer:
    """Opens one socket, and can hang up at any time, whoever reads it by then.

    Whoever is cancelled amid a handshake may have no hold on the connection yet; the socket is one.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    async def dial(self, host: str, port: int) -> socket.socket:
        """Connect to the first address of `host` that answers.

        Raises:
            OSError: None did.
        """
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            candidate = socket.socket(family, kind, protocol)
            candidate.setblocking(False)
            try:
                await loop.sock_connect(candidate, address)
            except OSError as error:
                candidate.close()
                failure = failure or error
            except BaseException:
                candidate.close()
                raise
            else:
                self._socket = candidate
                return candidate
        raise failure or OSError("the name has no address")

    def hang_up(self) -> None:
        """End the connection: its reader meets the end of the stream, and closes the socket."""
        if self._socket is not None and self._socket.fileno() != -1:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
