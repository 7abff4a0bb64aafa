"""Both ends of a loopback connection, for tests: servers' ends that remember, and clients of several kinds."""

from __future__ import annotations

import socket
import ssl

import pytest
import trustme

from duologue.testing.loopback import Fault, LoopbackConnection
from duologue.transports import websocket, websockets_transport
from websocket_receiver import Receiver

BOTH_CLIENTS = pytest.mark.parametrize(
    "connect",
    [websocket.connect_websocket, websockets_transport.connect_websocket],
    ids=["picows", "websockets"],
)

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Guests:
    """The server's ends, each with a receiver that remembers.

    Args:
        faults: Injected into each, before anything is sent.
    """

    def __init__(self, *faults: Fault) -> None:
        self.all: list[tuple[LoopbackConnection, Receiver]] = []
        self._faults = faults

    def serve(self, connection: LoopbackConnection) -> None:
        receiver = Receiver()
        connection.start(receiver)
        for fault in self._faults:
            connection.inject(fault)
        self.all.append((connection, receiver))

    @property
    def only(self) -> tuple[LoopbackConnection, Receiver]:
        (guest,) = self.all
        return guest


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server on localhost, and for clients that trust it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


class RawClient:
    """A client without a library, blocking: it sees every byte. Use it in a thread."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost", suppress_ragged_eofs=False)

    def shake_hands(self) -> None:
        """Ask for a WebSocket, and read the answer up to its end."""
        self._socket.sendall(HANDSHAKE)
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = self._socket.recv(1)
            assert byte
            answer += byte
        assert answer.startswith(b"HTTP/1.1 101 ")

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read_to_end(self) -> tuple[bytes, str]:
        """What still came, and how it ended: "reset" or "fin" (with TLS, one that TLS did not announce)."""
        received = b""
        try:
            while data := self._socket.recv(1 << 16):
                received += data
        except ConnectionResetError:
            return received, "reset"
        except ssl.SSLEOFError:
            return received, "fin"
        finally:
            self._socket.close()
        assert not isinstance(self._socket, ssl.SSLSocket), "TLS ended in an orderly way"
        return received, "fin"
