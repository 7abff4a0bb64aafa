"""The TCP socket below a connection."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NamedTuple

_HEAD_START = 0.25  # s that an address has before the next one is tried beside it (RFC 8305, section 5)


class Dialer:
    """Opens one socket, and can hang up at any time, whoever reads it by then.

    Whoever is cancelled amid a handshake may have no hold on the connection yet; the socket is one.
    """

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    async def dial(self, host: str, port: int) -> socket.socket:
        """Connect to whichever address of `host` answers first; each has a head start over the next.

        Raises:
            OSError: None did.
        """
        addresses = _families_in_turn(await _resolve(host, port))
        try:
            if len(addresses) == 1:
                return await self._try(addresses[0])
            return await self._race(deque(addresses))
        except BaseException:
            if self._socket is not None:
                self._socket.close()
            raise

    async def _race(self, waiting: deque[_Address]) -> socket.socket:
        failure: BaseException | None = None
        running: set[asyncio.Task[socket.socket]] = set()
        try:
            while waiting or running:
                if waiting:
                    running.add(asyncio.get_running_loop().create_task(self._try(waiting.popleft())))
                done, running = await asyncio.wait(
                    running, timeout=_HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
                )
                for attempt in done:
                    error = attempt.exception()  # of all, or asyncio complains that nobody asked
                    failure = failure or error
                if self._socket is not None:
                    return self._socket
        finally:
            for attempt in running:
                attempt.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        raise failure or OSError("the name has no address")

    async def _try(self, address: _Address) -> socket.socket:
        """The first to connect is the one; all others close what they have."""
        candidate = socket.socket(address.family, address.kind, address.protocol)
        try:
            candidate.setblocking(False)
            await asyncio.get_running_loop().sock_connect(candidate, address.address)
            if self._socket is None:
                self._socket = candidate
            return self._socket
        finally:
            if candidate is not self._socket:
                candidate.close()

    def hang_up(self) -> None:
        """End the connection: its reader meets the end of the stream, and closes the socket."""
        if self._socket is not None and self._socket.fileno() != -1:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class _Address(NamedTuple):
    family: int
    kind: int
    protocol: int
    address: Any  # a tuple of the family's own


async def _resolve(host: str, port: int) -> list[_Address]:
    loop = asyncio.get_running_loop()
    try:  # an address needs no thread to be looked up in
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [_Address(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _families_in_turn(addresses: Iterable[_Address]) -> list[_Address]:
    """IPv6 and IPv4 alternating, so that one that leads nowhere holds nobody up; otherwise as the resolver has them."""
    families: dict[int, list[_Address]] = {}
    for address in addresses:
        families.setdefault(address.family, []).append(address)
    ranks = itertools.zip_longest(*families.values())
    return [address for rank in ranks for address in rank if address is not None]
