"""The server on loopback: handshakes, plain requests, messages, ends."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect as connect_plain
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from duologue.errors import InvalidInput, MissingDependency
from duologue.testing.loopback import (
    HandshakeRequest,
    HttpRequest,
    HttpResponse,
    LoopbackConnection,
    LoopbackServer,
    Refusal,
)
from duologue.transports import Closed, Frame, websocket
from duologue.transports.limits import WebSocketLimits
from loopback_guests import BOTH_CLIENTS, HANDSHAKE, Guests, tls_contexts
from websocket_receiver import Connect, Receiver, opened


class Echo:
    """Sends every message back."""

    def __init__(self, connection: LoopbackConnection) -> None:
        self.connection = connection
        self.closed: list[Closed] = []
        connection.start(self)

    def frame_received(self, frame: Frame) -> None:
        self.connection.write(frame)

    def connection_closed(self, how: Closed) -> None:
        self.closed.append(how)


@asynccontextmanager
async def echoing(**options: Any) -> AsyncIterator[LoopbackServer]:
    def serve(connection: LoopbackConnection) -> None:
        Echo(connection)

    async with LoopbackServer(serve, **options) as server:
        yield server


# --- messages ---


@BOTH_CLIENTS
async def test_that_messages_come_back_as_they_went(connect: Connect) -> None:
    sent: list[Frame] = ["", "häh?", b"", bytes(range(256)), "x" * 200_000, bytes(300_000)]
    async with echoing() as server:
        transport = await connect(server.url, limits=WebSocketLimits(binary=True))
        async with opened(transport, Receiver()) as receiver:
            for frame in sent:
                transport.write(frame)
            assert await receiver.got(len(sent)) == sent


async def test_that_fragments_are_joined_and_pings_answered() -> None:
    async with echoing() as server, connect_plain(server.url, proxy=None) as client:
        await client.send(["in ", "three ", "parts"])
        assert await client.recv() == "in three parts"
        await client.send([b"\x00", b"\xff"])
        assert await client.recv() == b"\x00\xff"
        async with asyncio.timeout(5):
            await (await client.ping())


async def test_that_nothing_is_read_before_the_start_and_nothing_lost() -> None:
    waiting: asyncio.Queue[LoopbackConnection] = asyncio.Queue()
    async with LoopbackServer(waiting.put_nowait) as server, connect_plain(server.url, proxy=None) as client:
        await client.send("early")
        connection = await waiting.get()
        receiver = Receiver()
        connection.start(receiver)
        assert await receiver.got(1) == ["early"]
        connection.pause_reading()
        await client.send("later")
        connection.write("still writing")
        assert await client.recv() == "still writing"
        assert receiver.frames == ["early"]
        connection.resume_reading()
        assert await receiver.got(2) == ["early", "later"]


async def test_that_a_client_that_does_not_read_makes_the_server_wait() -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server:
        transport = await websocket.connect_websocket(server.url)
        connection, _ = guests.only
        count = 0
        while not connection.congested:
            connection.write(bytes(1 << 20))
            count += 1
        drained = asyncio.ensure_future(connection.drain())
        await asyncio.sleep(0)
        assert not drained.done()
        async with opened(transport, Receiver()) as receiver:
            await receiver.got(count)
            async with asyncio.timeout(5):
                await drained
        assert not connection.congested


async def test_that_many_are_served_at_once() -> None:
    async def talk(server: LoopbackServer, name: str) -> list[Frame]:
        transport = await websocket.connect_websocket(server.url)
        async with opened(transport, Receiver()) as receiver:
            for number in range(20):
                transport.write(f"{name} {number}")
                await receiver.got(number + 1)
            return receiver.frames

    async with echoing() as server:
        heard = await asyncio.gather(*(talk(server, str(name)) for name in range(30)))
    assert heard == [[f"{name} {number}" for number in range(20)] for name in range(30)]


# --- handshakes ---


async def test_what_a_handshake_asks_for() -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve, admit=lambda request: request.subprotocols[1]) as server:
        transport = await websocket.connect_websocket(
            f"{server.url}/v1/real%20time?model=a%26b&empty=&model=c",
            headers={"X-Thing": "  one ", "Authorization": "Bearer sk-1"},
            subprotocols=["first", "second"],
        )
        request = guests.only[0].request
        assert (request.path, request.query) == ("/v1/real%20time", {"model": "c", "empty": ""})
        assert request.headers["x-thing"] == "one"
        assert request.headers["authorization"] == "Bearer sk-1"
        assert request.subprotocols == ("first", "second")
        assert transport.subprotocol == guests.only[0].subprotocol == "second"
        assert "sk-1" not in repr(request)
        await transport.aclose()


async def test_that_none_accepts_without_a_subprotocol() -> None:
    async with echoing(admit=lambda _: None) as server:
        transport = await websocket.connect_websocket(server.url, subprotocols=["realtime"])
        assert transport.subprotocol is None
        await transport.aclose()


@BOTH_CLIENTS
async def test_that_a_refusal_arrives_whole(connect: Connect) -> None:
    refusal = Refusal(429, {"Retry-After": "7", "X-Request-Id": "req_1"}, b'{"error":"slow down"}')
    guests = Guests()
    async with LoopbackServer(guests.serve, admit=lambda _: refusal) as server:
        with pytest.raises(websocket.HandshakeRefused) as caught:
            await connect(server.url)
    error = caught.value
    assert (error.status, error.headers["retry-after"], error.request_id) == (429, "7", "req_1")
    assert error.body == '{"error":"slow down"}'
    assert not guests.all


async def test_that_a_refusal_has_its_body() -> None:
    async with echoing(admit=lambda _: Refusal(403, body=b"no entry")) as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect_plain(server.url, proxy=None)
    assert (caught.value.response.status_code, caught.value.response.body) == (403, b"no entry")


async def test_that_a_failing_callback_is_reported_and_answered() -> None:
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def fail(_: object) -> None:
        raise KeyError("lost")

    async with LoopbackServer(fail) as server:
        async with connect_plain(server.url, proxy=None) as client:
            with pytest.raises(ConnectionClosedError) as hung_up:
                await client.recv()
        assert hung_up.value.rcvd is not None
        assert hung_up.value.rcvd.code == 1011
    async with echoing(admit=fail, answer_http=fail) as server:
        with pytest.raises(InvalidStatus) as caught:
            await connect_plain(server.url, proxy=None)
        assert caught.value.response.status_code == 500
        assert (await ask(server, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 500 ")
    assert [type(context["exception"]) for context in reported] == [KeyError] * 3


# --- plain requests ---


async def ask(server: LoopbackServer, *parts: bytes) -> bytes:
    """Send a request in parts, and read all that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_that_a_request_is_answered_on_the_same_port() -> None:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse | None:
        asked.append(request)
        return HttpResponse(201, {"Content-Type": "application/json"}, json.dumps({"value": "ek_1"}).encode())

    async with echoing(answer_http=answer) as server:
        answered = await ask(
            server,
            b"POST /v1/realtime/client_secrets?a=1 HTTP/1.1\r\nHost: x\r\nContent-",
            b"Length: 11\r\nX-A: 1\r\nx-a: 2\r\n\r\n{",
            b'"a":',
            b" true}",
        )
        transport = await websocket.connect_websocket(server.url)
        await transport.aclose()
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"HTTP/1.1 201 Created"
    assert b"Content-Type: application/json" in head
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body) == {"value": "ek_1"}
    (request,) = asked
    assert (request.method, request.path, request.query) == ("POST", "/v1/realtime/client_secrets", {"a": "1"})
    assert (request.body, request.headers["x-a"]) == (b'{"a": true}', "1, 2")
    assert server.http_url == f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"\x16\x03\x01\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, 431),
        (b"POST / HTTP/1.1\r\nContent-Length: twelve\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\n", 400),
    ],
)
async def test_that_a_request_that_makes_no_sense_is_refused(request_bytes: bytes, status: int) -> None:
    async with echoing() as server:
        assert (await ask(server, request_bytes)).startswith(f"HTTP/1.1 {status} ".encode())


# --- TLS ---


@BOTH_CLIENTS
async def test_the_same_over_tls(connect: Connect) -> None:
    server_tls, client_tls = tls_contexts()
    refusals = [Refusal(401, body=b"who?")]
    async with echoing(admit=lambda _: refusals.pop() if refusals else None, ssl_context=server_tls) as server:
        assert server.url == f"wss://localhost:{server.port}"
        assert server.http_url == f"https://localhost:{server.port}"
        with pytest.raises(websocket.HandshakeRefused):
            await connect(server.url, ssl_context=client_tls)
        transport = await connect(server.url, ssl_context=client_tls)
        async with opened(transport, Receiver()) as receiver:
            transport.write("x" * 500_000)
            assert await receiver.got(1) == ["x" * 500_000]
        assert receiver.closed == [Closed(code=1000)]


async def test_that_clients_without_trust_or_without_tls_do_no_harm() -> None:
    server_tls, client_tls = tls_contexts()
    async with echoing(ssl_context=server_tls) as server:
        with pytest.raises(websocket.ConnectFailed):
            await websocket.connect_websocket(server.url, ssl_context=ssl.create_default_context())
        assert b"HTTP" not in await ask(server, b"GET / HTTP/1.1\r\n\r\n")
        stuck = socket.create_connection(("127.0.0.1", server.port))  # never begins its handshake
        transport = await websocket.connect_websocket(server.url, ssl_context=client_tls)
        async with opened(transport, Receiver()) as receiver:
            transport.write("hello")
            assert await receiver.got(1) == ["hello"]
    with stuck:
        stuck.settimeout(5)
        assert hears_the_end(stuck)


def hears_the_end(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


# --- ends ---


@BOTH_CLIENTS
async def test_that_the_server_says_goodbye(connect: Connect) -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url)
        async with opened(transport, Receiver()) as receiver:
            connection, on_server = guests.only
            connection.write("last words")
            assert connection.is_open
            await connection.aclose(4001, "enough")
            assert not connection.is_open
            await connection.wait_closed()
            assert await receiver.end() == Closed(by_peer=True, code=4001, reason="enough")
            assert receiver.frames == ["last words"]
        assert await on_server.end() == Closed(code=4001, reason="enough")
        assert server.connections == ()
        connection.write("too late")


@BOTH_CLIENTS
async def test_that_the_client_says_goodbye(connect: Connect) -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url)
        transport.start(Receiver())
        transport.write("last words")
        await transport.aclose(4002, "bye")
        connection, on_server = guests.only
        assert await on_server.end() == Closed(by_peer=True, code=4002, reason="bye")
        assert on_server.frames == ["last words"]
        await connection.wait_closed()
        await connection.aclose()


async def test_that_answers_to_what_came_with_the_goodbye_still_arrive() -> None:
    """A message and a goodbye in one read: the answer goes out before the goodbye is answered."""
    async with echoing() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(HANDSHAKE + b"\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8")
        async with asyncio.timeout(5):
            _, _, frames = (await reader.read()).partition(b"\r\n\r\n")
        assert frames == b"\x81\x02hi\x88\x02\x03\xe8"
        writer.close()
        await writer.wait_closed()


async def test_that_a_client_that_vanishes_is_noticed() -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server:
        client = await connect_plain(server.url, proxy=None)
        client.transport.abort()
        (how,) = [await receiver.end() for _, receiver in guests.all]
        assert how.error is not None
        assert (how.code, how.by_peer) == (None, False)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),
        (b"\x82\xff\0\0\0\0\x10\0\0\0\0\0\0\0", 1009),
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
    ],
)
async def test_that_a_client_that_breaks_the_protocol_is_told(frames: bytes, code: int) -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server, connect_plain(server.url, proxy=None) as client:
        client.transport.write(frames)
        with pytest.raises(ConnectionClosedError) as caught:
            await client.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == code
        how = await guests.only[1].end()
        assert how.code == code
        assert how.error


async def test_that_closing_the_server_ends_everything() -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve, close_timeout=0.2) as server:
        polite = await connect_plain(server.url, proxy=None)
        deaf = await websocket.connect_websocket(server.url)  # never started: it answers no goodbye
        silent = socket.create_connection(("127.0.0.1", server.port))  # never asks for anything
        assert {connection for connection, _ in guests.all} == set(server.connections)
    with pytest.raises(ConnectionClosedOK) as caught:
        await polite.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1001
    assert [receiver.closed for _, receiver in guests.all] == [[Closed(code=1001)]] * 2
    with silent:
        silent.settimeout(5)
        assert hears_the_end(silent)
    with pytest.raises(websocket.ConnectFailed):
        await websocket.connect_websocket(server.url)
    await server.aclose()
    await deaf.aclose()


@pytest.mark.parametrize("paused", [False, True])
async def test_that_silence_ends_a_connection(paused: bool) -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve, idle_timeout=0.25) as server:
        transport = await websocket.connect_websocket(server.url)
        connection, on_server = guests.only
        if paused:
            connection.pause_reading()
        async with opened(transport, Receiver()) as receiver:
            assert (await receiver.end()).error
        assert "0.25 s" in ((await on_server.end()).error or "")
        assert (await ask(server)) == b""  # nor does one stay that asks for nothing


async def test_that_nothing_is_left(recwarn: pytest.WarningsRecorder) -> None:
    before = asyncio.all_tasks()
    async with echoing() as server:
        transport = await websocket.connect_websocket(server.url)
        async with opened(transport, Receiver()) as receiver:
            transport.write("hello")
            await receiver.got(1)
        abandoned = await connect_plain(server.url, proxy=None)
    with pytest.raises(ConnectionClosedOK):
        await abandoned.recv()
    await abandoned.wait_closed()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    loop: Any = asyncio.get_running_loop()
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []
    gc.collect()
    assert not recwarn.list


async def test_what_a_server_does_not_take() -> None:
    def serve(_: LoopbackConnection) -> None: ...

    options: list[Callable[[], LoopbackServer]] = [
        lambda: LoopbackServer(serve, idle_timeout=0),
        lambda: LoopbackServer(serve, close_timeout=-1),
    ]
    for make in options:
        with pytest.raises(InvalidInput):
            make()
    server = LoopbackServer(serve)
    with pytest.raises(InvalidInput):
        _ = server.url
    await server.aclose()
    await server.start()
    with pytest.raises(InvalidInput):
        await server.start()
    await server.aclose()
    await server.aclose()


def test_that_requests_keep_their_keys_to_themselves() -> None:
    headers = {"authorization": "Bearer sk-1"}
    assert "sk-1" not in repr(HttpRequest("GET", "/", {"key": "sk-1"}, headers, b"sk-1"))
    assert "sk-1" not in repr(HandshakeRequest("/", {"key": "sk-1"}, headers, ("sk-1",)))


def test_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "duologue.testing.loopback.framing")
    monkeypatch.setitem(sys.modules, "websockets.frames", None)
    with pytest.raises(MissingDependency, match=r'pip install "duologue\[testing\]"'):
        importlib.import_module("duologue.testing.loopback.framing")
