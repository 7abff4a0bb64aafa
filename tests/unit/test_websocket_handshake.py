"""Both WebSocket transports: what a handshake carries, and how it is refused."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import suppress

import pytest

from duologue.errors import InvalidInput
from duologue.secret import Secret
from duologue.transports import websocket, websockets_transport
from duologue.transports.handshake import ConnectFailed, HandshakeRefused
from duologue.transports.limits import WebSocketLimits
from tiny_protocol import settle
from websocket_receiver import Connect, Receiver, opened
from websocket_servers import TEXT, Peer, frame, raw_server

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "ws_proxy", "wss_proxy", "all_proxy", "no_proxy")


@pytest.fixture(params=[websocket, websockets_transport], ids=["picows", "websockets"])
def connect(request: pytest.FixtureRequest) -> Connect:
    chosen: Connect = request.param.connect_websocket
    return chosen


@pytest.fixture(autouse=True)
def no_proxy_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# --- what is asked for ---


async def test_the_request(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept(extra=b"Sec-WebSocket-Protocol: realtime\r\nX-Request-Id: req_7\r\n")
        await peer.part()

    async with raw_server(behave) as server:
        transport = await connect(
            server.url,
            headers={"Authorization": Secret.of("Bearer k"), "OpenAI-Beta": "realtime=v1"},
            subprotocols=["realtime", Secret.of("key.sk-1")],
        )
        assert transport.subprotocol == "realtime"
        assert transport.request_id == "req_7"
        await transport.aclose()
        await server.all_gone()

    async def look(peer: Peer) -> None:
        request = await peer.read_request()
        assert request.startswith("GET /v1/realtime?model=m HTTP/1.1\r\n")
        assert peer.header("Host") == f"127.0.0.1:{server.port}"
        assert peer.header("Authorization") == "Bearer k"
        assert peer.header("Sec-WebSocket-Protocol") == "realtime, key.sk-1"
        assert peer.header("Sec-WebSocket-Extensions") is None  # compression costs more than it saves on audio

    async with raw_server(look) as server:
        with pytest.raises(ConnectFailed, match="closed the connection during the handshake"):
            await connect(
                server.url, headers={"Authorization": Secret.of("Bearer k")}, subprotocols=["realtime", "key.sk-1"]
            )
        await server.all_gone()


async def test_a_subprotocol_that_was_not_offered(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept(extra=b"Sec-WebSocket-Protocol: other\r\n")
        await peer.at_end()

    async with raw_server(behave) as server:
        with pytest.raises(ConnectFailed, match="does not speak WebSocket"):
            await connect(server.url, subprotocols=["realtime"])
        await server.all_gone()


@pytest.mark.parametrize(
    "url",
    [
        "http://host/x?key=sk-secret",
        "ws://",
        "ws://host:port/?key=sk-secret",
        "wss://host:99999/?key=sk-secret",
        "ws://user:sk-secret@host/",
        "ws://host/#sk-secret",
        "ws://host/ ?key=sk-secret",
        "ws://host/\r\nX: sk-secret",
        "sk-secret",
    ],
)
async def test_a_url_that_is_wrong(connect: Connect, url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        await connect(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": "Bearer sk-secret\r\nX-Evil: 1"}},
        {"headers": {"Authorization": Secret.of("schlüssel sk-secret")}},
        {"headers": {"Bad Name": "sk-secret"}},
        {"subprotocols": ["a, sk-secret"]},
        {"subprotocols": [""]},
        {"proxy": "ftp://user:sk-secret@host"},
        {"proxy": "http://user:sk-secret@host:x"},
        {"proxy": "http://"},
    ],
)
async def test_options_that_are_wrong(connect: Connect, options: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as raised:
        await connect("ws://127.0.0.1:9/", **options)
    assert "secret" not in str(raised.value)


# --- refusals ---


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        ("401 Unauthorized", False),
        ("403 Forbidden", False),
        ("404 Not Found", False),
        ("429 Too Many Requests", True),
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
        ("529 Overloaded", True),  # not in http.HTTPStatus
        ("200 OK", False),
    ],
)
async def test_a_refusal(connect: Connect, status: str, retryable: bool) -> None:
    body = '{"error":{"code":"invalid_api_key"}}'

    async def behave(peer: Peer) -> None:
        await peer.read_request()
        head = f"HTTP/1.1 {status}\r\nX-Request-ID: req_1\r\nRetry-After: 3\r\nContent-Length: {len(body)}\r\n\r\n"
        peer.send((head + body).encode())
        await peer.at_end()

    async with raw_server(behave) as server:
        with pytest.raises(HandshakeRefused) as raised:
            await connect(server.url)
        await server.all_gone()
    refusal = raised.value
    assert refusal.status == int(status[:3])
    assert refusal.body == body
    assert refusal.request_id == "req_1"
    assert refusal.headers["retry-after"] == "3"
    assert refusal.retryable is retryable
    assert status[:3] in str(refusal)
    assert "invalid_api_key" not in str(refusal)


async def test_a_refusal_in_chunks(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read_request()
        peer.send(
            b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n"
        )
        await peer.at_end()

    async with raw_server(behave) as server:
        with pytest.raises(HandshakeRefused) as raised:
            await connect(server.url)
    assert raised.value.body == "hello world"


async def test_that_a_redirect_is_not_followed(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read_request()
        peer.send(f"HTTP/1.1 302 Found\r\nLocation: {target.url}\r\nContent-Length: 0\r\n\r\n".encode())
        await peer.at_end()

    async def never(peer: Peer) -> None:
        await peer.accept()

    async with raw_server(never) as target, raw_server(behave) as server:
        with pytest.raises(HandshakeRefused, match="Redirects are not followed") as raised:
            await connect(server.url, headers={"Authorization": "Bearer k"})
        assert raised.value.status == 302
        assert not raised.value.retryable
        assert target.count == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nbad header\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_websocket(connect: Connect, answer: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read_request()
        peer.send(answer)
        await peer.at_end()

    async with raw_server(behave) as server:
        with pytest.raises(ConnectFailed, match="does not speak WebSocket") as raised:
            await connect(server.url)
        assert not raised.value.retryable
        await server.all_gone()


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 101 Switching Prot"])
async def test_a_server_that_hangs_up(connect: Connect, sent: bytes) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read_request()
        peer.send(sent)
        peer.writer.close()

    async with raw_server(behave) as server:
        with pytest.raises(ConnectFailed, match="closed the connection during the handshake") as raised:
            await connect(server.url)
        assert raised.value.retryable


async def test_a_server_that_never_answers(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.read_request()
        await peer.at_end()

    async with raw_server(behave) as server:
        with pytest.raises(ConnectFailed, match=r"did not answer within 0.05 s") as raised:
            await connect(server.url, connect_timeout=0.05)
        assert raised.value.retryable
        await server.all_gone()


async def test_nobody_there(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(ConnectFailed, match=f"127.0.0.1:{port} cannot be reached"):
            await connect(f"ws://127.0.0.1:{port}/?key=sk-secret")
    with pytest.raises(ConnectFailed, match=r"No address for nowhere\.invalid"):
        await connect("ws://nowhere.invalid/")


# --- the rest ---


async def test_that_no_key_is_logged(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept(then=frame(TEXT, b"secret"))
        await peer.part()

    caplog.set_level(1)
    for name in ("picows", "picows.client", "websockets", "websockets.client", "duologue.transports"):
        caplog.set_level(1, logger=name)
    async with raw_server(behave) as server:
        transport = await connect(server.url + "&key=secret", headers={"Authorization": "Bearer secret"})
        async with opened(transport, Receiver()) as receiver:
            transport.write("secret")
            await receiver.got(1)
            assert "secret" not in repr(transport)
    assert "secret" not in caplog.text


def test_that_the_package_loads_neither_library() -> None:
    code = "import sys, duologue.transports; print([n for n in ('picows', 'websockets', 'ssl') if n in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "picows" not in out
    assert "websockets" not in out


@pytest.mark.parametrize("turns", range(1, 30))
async def test_that_cancelling_at_any_moment_leaves_no_socket(connect: Connect, turns: int) -> None:
    async def behave(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError):
            await peer.accept()
            await peer.at_end()

    async with raw_server(behave) as server:
        connecting = asyncio.ensure_future(connect(server.url, limits=WebSocketLimits(close_timeout=0.05)))
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        with suppress(asyncio.CancelledError):
            await (await connecting).aclose()
        await settle()  # the server may just be accepting
        async with asyncio.timeout(2):
            await server.all_gone()
