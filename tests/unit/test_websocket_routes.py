"""Both WebSocket transports: TLS, proxies, and giving up on the way."""

from __future__ import annotations

import asyncio
import gc
import ssl
import tempfile
import traceback
from contextlib import suppress

import pytest
import trustme
from aiofastnet import openssl_compat

from duologue.errors import InvalidInput
from duologue.secret import Secret
from duologue.transports import Closed, proxy, tls, websocket, websockets_transport
from duologue.transports.handshake import ConnectFailed, Server
from websocket_receiver import Connect, Receiver, opened
from websocket_servers import Peer, connect_proxy, echo_server, raw_server, socks_proxy

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


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("turns", range(1, 25, 2))
@pytest.mark.parametrize("secure", [False, True])
async def test_that_cancelling_leaves_nothing(
    connect: Connect, turns: int, secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def behave(peer: Peer) -> None:
        with suppress(asyncio.IncompleteReadError):  # it may be gone before it has asked
            await peer.read_request()
        await peer.at_end()

    async with raw_server(behave, server_tls if secure else None) as server:
        before = asyncio.all_tasks()
        connecting = asyncio.create_task(connect(server.url, ssl_context=client_tls if secure else None))
        for _ in range(turns):
            await asyncio.sleep(0)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        await asyncio.wait_for(server.all_gone(), 2)
        left = asyncio.all_tasks() - server.tasks - before
        if left:  # the server's own, that accept
            assert not (await asyncio.wait(left, timeout=2))[1]
    gc.collect()  # a socket left open warns


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_tls(connect: Connect, host: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with echo_server(server_tls) as url:
        transport = await connect(url.replace("127.0.0.1", host), ssl_context=client_tls)
        async with opened(transport, Receiver()) as receiver:
            for message in ("x" * 300_000, "ü"):
                transport.write(message)
            assert await receiver.got(2) == ["x" * 300_000, "ü"]
        assert receiver.closed == [Closed(code=1000)]


@pytest.mark.parametrize("lacks", ["a folder for temporary files", "an OpenSSL that others can use"])
async def test_tls_where_something_is_missing(
    lacks: str,
    connect: Connect,
    server_tls: ssl.SSLContext,
    client_tls: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if lacks == "a folder for temporary files":
        monkeypatch.setattr(tempfile, "tempdir", None)
        monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/there/is/no/such/folder"])
    else:
        monkeypatch.setattr(openssl_compat, "OPENSSL_DYN_LIBS", None)
    async with echo_server(server_tls) as url:
        transport = await connect(url, ssl_context=client_tls)
        async with opened(transport, Receiver()) as receiver:
            transport.write("as ever")
            assert await receiver.got(1) == ["as ever"]


async def test_a_certificate_that_nobody_vouches_for(connect: Connect, server_tls: ssl.SSLContext) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()

    async with raw_server(behave, server_tls) as server:
        with pytest.raises(ConnectFailed, match="is not trusted") as raised:
            await connect(server.url)
        assert not raised.value.retryable


async def test_tls_to_a_server_without(connect: Connect, client_tls: ssl.SSLContext) -> None:
    async def behave(peer: Peer) -> None:
        await peer.reader.read(100)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(behave) as server:
        with pytest.raises(ConnectFailed, match="No TLS connection"):
            await connect(server.url.replace("ws:", "wss:"), ssl_context=client_tls)


@pytest.mark.parametrize("secure", [False, True])
async def test_a_proxy(connect: Connect, secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with echo_server(server_tls if secure else None) as url, connect_proxy() as way:
        address = way.url.replace("http://", "http://user:p%40ss@")
        context = client_tls if secure else None
        transport = await connect(url, proxy=Secret.of(address), ssl_context=context)
        async with opened(transport, Receiver()) as receiver:
            transport.write("through")
            assert await receiver.got(1) == ["through"]
        assert len(way.requests) == 1
        assert "Proxy-Authorization: Basic dXNlcjpwQHNz" in way.requests[0]


async def test_the_proxy_of_the_environment(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async with echo_server() as url, connect_proxy() as way:
        monkeypatch.setenv("http_proxy", way.url)
        await (await connect(url)).aclose()
        assert len(way.requests) == 1
        await (await connect(url, proxy=None)).aclose()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        await (await connect(url)).aclose()
        assert len(way.requests) == 1


@pytest.mark.parametrize(
    ("status", "retryable", "advice"),
    [
        ("407 Proxy Authentication Required", False, "Check the user and the password"),
        ("403 Forbidden", False, ""),
        ("502 Bad Gateway", True, ""),
        ("503 Service Unavailable", True, ""),
    ],
)
async def test_a_proxy_that_refuses(connect: Connect, status: str, retryable: bool, advice: str) -> None:
    async with connect_proxy(status) as way:
        with pytest.raises(ConnectFailed, match=f"through the proxy cannot be reached.*{status[:3]}") as raised:
            await connect("ws://host.invalid/", proxy=way.url.replace("//", "//user:hidden@"))
        assert "hidden" not in str(raised.value)
        assert advice in str(raised.value)
        assert raised.value.retryable is retryable


@pytest.mark.parametrize(
    ("secure", "environment", "expected"),
    [
        (True, {"https_proxy": "http://p:1"}, "http://p:1"),
        (True, {"http_proxy": "http://p:1"}, None),
        (True, {"all_proxy": "socks5h://p"}, "socks5://p:1080"),
        (True, {"https_proxy": "p:3128"}, "http://p:3128"),
        (True, {"https_proxy": "https://u:k@p"}, "https://u:k@p:443"),
        (True, {"wss_proxy": "http://q:1", "https_proxy": "http://p:1"}, "http://q:1"),
        (False, {"http_proxy": "http://p"}, "http://p:80"),
        (False, {"https_proxy": "http://p"}, None),
        (True, {"https_proxy": "http://p:1", "no_proxy": "other, .example.com"}, None),
        (True, {"https_proxy": "http://p:1", "no_proxy": "*"}, None),
        (True, {"https_proxy": "http://p:1", "no_proxy": "api.example.com:444"}, "http://p:1"),
        (True, {"https_proxy": "http://p:1", "no_proxy": "api.example.com:443"}, None),
        (True, {}, None),
    ],
)
def test_which_proxy(
    monkeypatch: pytest.MonkeyPatch, secure: bool, environment: dict[str, str], expected: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy.proxy_for(Server("api.example.com", 443 if secure else 80, secure), True) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        "http://hidden@proxy.example:3128",
        "socks5://hidden@proxy.example",
        "http://user:hidden%ff@proxy.example",
        "http://[hidden",
        "http://hidden\u2100.example",
        "http://user:hidden@proxy.example:port",
        "ftp://user:hidden@proxy.example",
        "http://",
        False,
        7,
        b"http://hidden",
    ],
)
async def test_what_is_no_proxy(connect: Connect, wrong: object) -> None:
    with pytest.raises(InvalidInput, match="proxy") as raised:
        await connect("ws://127.0.0.1:9/", proxy=wrong)
    assert "hidden" not in "".join(traceback.format_exception(raised.value)).replace(repr(wrong), "")


async def test_a_proxy_login_without_a_password(connect: Connect) -> None:
    async with echo_server() as url, connect_proxy() as way:
        await (await connect(url, proxy=way.url.replace("//", "//token:@"))).aclose()
        assert "Proxy-Authorization: Basic dG9rZW46" in way.requests[0]


async def test_a_socks_proxy(connect: Connect, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with echo_server(server_tls) as url, socks_proxy() as way:
        named = url.replace("127.0.0.1", "localhost")
        transport = await connect(named, proxy=way.url, ssl_context=client_tls)
        async with opened(transport, Receiver()) as receiver:
            transport.write("through")
            assert await receiver.got(1) == ["through"]
        assert way.requests == [named.removeprefix("wss://").rstrip("/")]  # the proxy resolves the name


async def test_a_proxy_that_is_not_there(connect: Connect) -> None:
    with pytest.raises(ConnectFailed, match=r"host\.invalid:80 through the proxy cannot be reached"):
        await connect("ws://host.invalid/", proxy="http://127.0.0.1:9")


def test_that_all_connections_share_a_context() -> None:
    assert tls.shared_context() is tls.shared_context()
    assert tls.shared_context().verify_mode is ssl.CERT_REQUIRED
