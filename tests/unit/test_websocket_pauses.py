"""Both WebSocket transports: that a pause in reading holds nothing back, with TLS and without."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from aiofastnet import openssl_compat

from duologue.transports import Closed, Frame, websocket, websockets_transport
from duologue.transports.connection import WebSocketTransport
from duologue.transports.limits import WebSocketLimits
from websocket_receiver import Connect, Receiver, opened
from websocket_servers import TEXT, Peer, close_frame, frame, raw_server


@pytest.fixture(params=[websocket, websockets_transport], ids=["picows", "websockets"])
def connect(request: pytest.FixtureRequest) -> Connect:
    chosen: Connect = request.param.connect_websocket
    return chosen


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def contexts(authority: trustme.CA, version: ssl.TLSVersion) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server and of a client that trusts it."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    client.maximum_version = version
    return server, client


class Pausing(Receiver):
    """Pauses at the first frame and at the seventh; goes on a little later."""

    def __init__(self, transport: WebSocketTransport) -> None:
        super().__init__()
        self._transport = transport
        self._paused = False

    def frame_received(self, frame: Frame) -> None:
        assert not self._paused
        super().frame_received(frame)
        if len(self.frames) in (1, 7):
            self._paused = True
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(0.02, self._resume)

    def _resume(self) -> None:
        self._paused = False
        self._transport.resume_reading()


ENDS = {
    "no end": (b"", None),
    "a goodbye": (close_frame(1000, "done"), Closed(by_peer=True, code=1000, reason="done")),
    "a cut": (b"", Closed(error="The connection was lost without a goodbye.")),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(("count", "size"), [(10, 1000), (20, 3000), (30, 30_000)])
@pytest.mark.parametrize("openssl", ["shared", "static"])
@pytest.mark.parametrize("version", [None, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_that_nothing_is_held_back_after_a_pause(
    version: ssl.TLSVersion | None,
    openssl: str,
    count: int,
    size: int,
    end: str,
    connect: Connect,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if openssl == "static":
        monkeypatch.setattr(openssl_compat, "OPENSSL_DYN_LIBS", None)
    server_tls, client_tls = (None, None) if version is None else contexts(authority, version)
    payloads = [bytes([65 + number]) * size for number in range(count)]
    goodbye, how = ENDS[end]
    go = asyncio.Event()
    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))

    async def behave(peer: Peer) -> None:
        await peer.accept()
        await go.wait()
        peer.send(b"".join(frame(TEXT, payload) for payload in payloads) + goodbye)
        if end == "a cut":
            await peer.writer.drain()
            peer.writer.close()
        await peer.at_end()

    async with raw_server(behave, server_tls) as server:
        # The goodbye is answered at once, not only when patience ends.
        limits = WebSocketLimits(close_timeout=60) if end == "a goodbye" else None
        transport = await connect(server.url, ssl_context=client_tls, limits=limits)
        async with opened(transport, Pausing(transport)) as receiver:
            go.set()
            assert await receiver.got(count) == [payload.decode() for payload in payloads]
            if how is not None:
                assert await receiver.end() == how
    assert faults == []


@pytest.mark.parametrize("secure", [False, True])
async def test_that_who_closes_while_paused_is_told_the_end(
    secure: bool, connect: Connect, authority: trustme.CA
) -> None:
    server_tls, client_tls = contexts(authority, ssl.TLSVersion.TLSv1_3) if secure else (None, None)

    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.send(frame(TEXT, b"a" * 1000) * 10)
        await peer.writer.drain()
        peer.writer.close()
        await peer.at_end()

    class Stopping(Receiver):
        def frame_received(self, frame: Frame) -> None:
            super().frame_received(frame)
            transport.pause_reading()

    async with raw_server(behave, server_tls) as server:
        transport = await connect(server.url, ssl_context=client_tls)
        receiver = Stopping()
        transport.start(receiver)
        await receiver.got(1)
        await asyncio.sleep(0.05)  # the cut may have come, or not
        await transport.aclose()
        await receiver.end()
        assert len(receiver.frames) == 1
