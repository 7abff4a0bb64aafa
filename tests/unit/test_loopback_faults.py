"""Every fault of the loopback server, as a client sees it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import get_args

import pytest
from websockets.asyncio.client import connect as connect_plain
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect as connect_blocking

from duologue.errors import InvalidInput
from duologue.testing.loopback import (
    Cut,
    Delay,
    Duplicate,
    Fault,
    Garbage,
    HalfOpen,
    Hangup,
    LoopbackConnection,
    LoopbackServer,
    Oversized,
    Reorder,
    SlowReading,
)
from duologue.transports import Closed, Frame, websocket
from duologue.transports.limits import WebSocketLimits
from loopback_guests import BOTH_CLIENTS, Guests, RawClient, tls_contexts
from websocket_receiver import Connect, Receiver, opened

HELLO = b"\x81\x05hello"  # as it goes onto the wire
NUMBERS = [str(number) for number in range(8)]


async def received(sent: list[str], *faults: Fault, count: int) -> list[Frame]:
    """Send messages past some faults, and give what arrives."""
    guests = Guests(*faults)
    async with LoopbackServer(guests.serve) as server:
        transport = await websocket.connect_websocket(server.url)
        async with opened(transport, Receiver()) as receiver:
            for message in sent:
                guests.only[0].write(message)
            await receiver.got(count)
            await guests.only[0].aclose()
            await receiver.end()
            return receiver.frames


# --- Cut ---


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "fin"])
@pytest.mark.parametrize("after_bytes", range(len(HELLO) * 2 + 1))
async def test_a_cut_at_every_byte(after_bytes: int, reset: bool) -> None:
    guests = Guests(Cut(after_bytes, reset))
    async with LoopbackServer(guests.serve) as server:
        client = RawClient(server.port)
        await asyncio.to_thread(client.shake_hands)
        connection, on_server = guests.only
        for _ in range(3):
            connection.write("hello")
        assert await asyncio.to_thread(client.read_to_end) == ((HELLO * 3)[:after_bytes], "reset" if reset else "fin")
        assert (await on_server.end()).error == "The connection was cut, as it was told to be."
        assert not connection.is_open
        await connection.wait_closed()


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "fin"])
@BOTH_CLIENTS
async def test_a_cut_in_the_middle_of_a_frame(connect: Connect, reset: bool) -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url)
        async with opened(transport, Receiver()) as receiver:
            connection, _ = guests.only
            connection.inject(Cut(after_bytes=1000, reset=reset))
            connection.write("x" * 900)
            connection.write("x" * 900)
            how = await receiver.end()
        assert (receiver.frames, how.by_peer, how.code) == (["x" * 900], False, None)
        assert how.error


async def test_a_cut_of_a_long_frame_comes_where_it_should() -> None:
    guests = Guests(Cut(after_bytes=1_000_000, reset=False))
    async with LoopbackServer(guests.serve) as server:
        client = RawClient(server.port)
        await asyncio.to_thread(client.shake_hands)
        guests.only[0].write(bytes(3_000_000))
        data, end = await asyncio.to_thread(client.read_to_end)
    assert (len(data), end) == (1_000_000, "fin")


@pytest.mark.parametrize(("after_bytes", "reset"), [(500_000, False), (5, False), (5, True)])
async def test_a_cut_below_tls(after_bytes: int, reset: bool) -> None:
    server_tls, client_tls = tls_contexts()
    guests = Guests(Cut(after_bytes, reset))
    async with LoopbackServer(guests.serve, ssl_context=server_tls) as server:
        client = await asyncio.to_thread(RawClient, server.port, client_tls)
        await asyncio.to_thread(client.shake_hands)
        guests.only[0].write(bytes(1_000_000))
        data, end = await asyncio.to_thread(client.read_to_end)
        assert len(data) == after_bytes
        assert end in ("fin", "reset")  # OpenSSL does not always tell them apart
        assert (await guests.only[1].end()).error


async def test_that_a_cut_counts_pongs() -> None:
    guests = Guests(Cut(after_bytes=6, reset=False))
    async with LoopbackServer(guests.serve) as server:
        client = RawClient(server.port)
        await asyncio.to_thread(client.shake_hands)
        client.send(b"\x89\x82\0\0\0\0ab" * 2)
        assert await asyncio.to_thread(client.read_to_end) == (b"\x8a\x02ab\x8a\x02", "fin")


# --- HalfOpen ---


async def test_that_a_half_open_connection_says_and_takes_nothing() -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server:
        limits = WebSocketLimits(ping_interval=0.05, dead_after=0.1)
        transport = await websocket.connect_websocket(server.url, limits=limits)
        async with opened(transport, Receiver()) as receiver:
            connection, on_server = guests.only
            connection.write("before")
            await receiver.got(1)
            connection.inject(HalfOpen())
            connection.write("after")
            connection.inject(Hangup(1000))
            transport.write("anybody there?")
            how = await receiver.end()
        assert how.error == "The peer is gone: it did not answer a ping in time."
        assert receiver.frames == ["before"]
        assert (on_server.frames, on_server.closed) == ([], [])
        assert connection.is_open
        await connection.aclose(1000)
        assert (await on_server.end()).code == 1000


async def test_that_a_half_open_connection_can_still_be_cut() -> None:
    guests = Guests(HalfOpen())
    async with LoopbackServer(guests.serve) as server:
        client = RawClient(server.port)
        await asyncio.to_thread(client.shake_hands)
        guests.only[0].inject(Cut())
        assert await asyncio.to_thread(client.read_to_end) == (b"", "reset")


# --- Delay ---


@BOTH_CLIENTS
async def test_that_a_delay_holds_everything_back_in_order(connect: Connect) -> None:
    guests = Guests(Delay(0.05))
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url)
        async with opened(transport, Receiver()) as receiver:
            loop = asyncio.get_running_loop()
            connection, on_server = guests.only
            began = loop.time()
            connection.write("late")
            connection.write("later")
            connection.inject(Delay(0))
            connection.write("behind them")
            await asyncio.gather(connection.aclose(4000, "bye"), receiver.end())
            assert loop.time() - began >= 0.05
        assert receiver.frames == ["late", "later", "behind them"]
        assert receiver.closed == [Closed(by_peer=True, code=4000, reason="bye")]
        assert on_server.closed == [Closed(code=4000, reason="bye")]


async def test_that_a_long_delay_holds_up_nobody_else() -> None:
    guests = Guests(Delay(3600))
    async with LoopbackServer(guests.serve, close_timeout=0.1) as server:
        transport = await websocket.connect_websocket(server.url)
        async with opened(transport, Receiver()) as receiver:
            connection, on_server = guests.only
            connection.write("some day")
            transport.write("and this way?")
            assert await on_server.got(1) == ["and this way?"]
            assert not connection.congested
            await server.aclose()
            assert (await receiver.end()).error
            assert receiver.frames == []


async def test_that_a_cut_overtakes_a_delay() -> None:
    guests = Guests(Delay(3600))
    async with LoopbackServer(guests.serve) as server:
        client = RawClient(server.port)
        await asyncio.to_thread(client.shake_hands)
        guests.only[0].write("hello")
        guests.only[0].inject(Cut(reset=False))
        assert await asyncio.to_thread(client.read_to_end) == (b"", "fin")


# --- SlowReading ---


async def test_that_slow_reading_reaches_the_client() -> None:
    guests = Guests(SlowReading(1000))
    async with LoopbackServer(guests.serve, close_timeout=0.2) as server:
        limits = WebSocketLimits(close_timeout=0.1)
        transport = await websocket.connect_websocket(server.url, limits=limits)
        async with opened(transport, Receiver()):
            connection, on_server = guests.only
            transport.write("first")
            for _ in range(64):
                transport.write("x" * (1 << 18))
            assert await on_server.got(1) == ["first"]
            assert transport.congested
            connection.write("the other way is free")
        assert on_server.frames == ["first"]


async def test_that_slow_reading_loses_nothing() -> None:
    guests = Guests(SlowReading(20_000_000))
    async with LoopbackServer(guests.serve) as server, connect_plain(server.url, proxy=None) as client:
        sent = [str(number) * 200_000 for number in range(5)]
        for message in sent:
            await client.send(message)
        assert await guests.only[1].got(5) == sent


# --- Duplicate, Reorder ---


@pytest.mark.parametrize(
    ("fault", "arriving"),
    [
        (Duplicate(), "0011223344556677"),
        (Duplicate(every=3), "0122345567"),
        (Reorder(every=1), "10325476"),
        (Reorder(), "02143657"),
        (Reorder(every=8), "01234567"),
    ],
    ids=repr,
)
async def test_the_order_of_messages(fault: Fault, arriving: str) -> None:
    frames = await received(NUMBERS, fault, count=len(arriving) - (fault in (Reorder(), Reorder(8))))
    assert frames == list(arriving)


async def test_both_together() -> None:
    assert await received(NUMBERS[:4], Reorder(every=1), Duplicate(every=2), count=6) == list("100322")


async def test_that_a_message_is_not_held_for_ever() -> None:
    assert await received(["alone"], Reorder(every=1), count=1) == ["alone"]


async def test_that_a_goodbye_releases_what_is_held() -> None:
    guests = Guests(Reorder(every=1))
    async with LoopbackServer(guests.serve) as server, connect_plain(server.url, proxy=None) as client:
        guests.only[0].write("last words")
        await client.close()
        assert [message async for message in client] == ["last words"]


# --- Garbage, Oversized ---


@BOTH_CLIENTS
@pytest.mark.parametrize("kind", ["json", "binary"])
async def test_garbage_in_a_good_frame(connect: Connect, kind: str) -> None:
    guests = Guests(Garbage(kind))  # type: ignore[arg-type]
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url)
        async with opened(transport, Receiver()) as receiver:
            connection, _ = guests.only
            connection.write("good")
            connection.write("again")
            garbage, *rest = await receiver.got(3)
        assert rest == ["good", "again"]
        assert isinstance(garbage, bytes if kind == "binary" else str)
        with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
            json.loads(garbage)


@BOTH_CLIENTS
@pytest.mark.parametrize(("kind", "code"), [("utf8", 1007), ("wire", 1002)])
async def test_garbage_that_is_no_frame(connect: Connect, kind: str, code: int) -> None:
    guests = Guests()
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url)
        async with opened(transport, Receiver()) as receiver:
            connection, on_server = guests.only
            connection.write("good")
            await receiver.got(1)
            connection.inject(Garbage(kind))  # type: ignore[arg-type]
            connection.write("lost")
            how = await receiver.end()
            assert (how.code, receiver.frames) == (code, ["good"])
            assert how.error
        assert (await on_server.end()).code == code


async def test_that_garbage_adds_up_and_precedes_a_goodbye() -> None:
    frames = await received([], Garbage(), Garbage("binary"), Garbage(), count=0)
    assert [type(frame) for frame in frames] == [str, bytes, str]


@pytest.mark.parametrize("size", [64, 1000, 3_000_000])
async def test_an_oversized_message(size: int) -> None:
    long, short = await received(["short"], Oversized(size), count=2)
    assert short == "short"
    assert isinstance(long, str)
    assert len(long) == size
    assert json.loads(long)["type"] == "oversized"


@BOTH_CLIENTS
async def test_that_a_client_can_refuse_an_oversized_message(connect: Connect) -> None:
    guests = Guests(Oversized(100_000))
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url, limits=WebSocketLimits(max_message_size=99_999))
        async with opened(transport, Receiver()) as receiver:
            guests.only[0].write("lost")
            how = await receiver.end()
    assert (receiver.frames, bool(how.error)) == ([], True)


# --- Hangup ---


@pytest.mark.parametrize("first", [True, False], ids=["before the first frame", "later"])
@BOTH_CLIENTS
async def test_a_hangup(connect: Connect, first: bool) -> None:
    fault = Hangup(4008, "no quota ü")
    guests = Guests(*[fault] * first)
    async with LoopbackServer(guests.serve) as server:
        transport = await connect(server.url)
        async with opened(transport, Receiver()) as receiver:
            connection, on_server = guests.only
            connection.write("hello")
            connection.inject(fault)
            connection.write("lost")
            how = await receiver.end()
        assert how == Closed(by_peer=True, code=4008, reason="no quota ü")
        assert receiver.frames == [] if first else ["hello"]
        assert await on_server.end() == Closed(code=4008, reason="no quota ü")
        connection.inject(fault)  # over: nothing happens
        connection.inject(Cut())


# --- values, threads ---


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cut(-1),
        lambda: Delay(-0.1),
        lambda: Delay(float("nan")),
        lambda: Delay(float("inf")),
        lambda: SlowReading(0),
        lambda: Duplicate(0),
        lambda: Reorder(0),
        lambda: Oversized(63),
        lambda: Hangup(1005),
        lambda: Hangup(5000),
    ],
)
def test_values_that_make_no_sense(make: Callable[[], Fault]) -> None:
    with pytest.raises(InvalidInput):
        make()


def test_that_every_fault_can_be_injected() -> None:
    assert set(get_args(Fault)) == {
        Cut, HalfOpen, Delay, SlowReading, Duplicate, Reorder, Garbage, Oversized, Hangup,
    }  # fmt: skip


class ServerInThread:
    """A server on an event loop of its own, for clients without one."""

    def __init__(self) -> None:
        self.connections: list[LoopbackConnection] = []
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> ServerInThread:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(5)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        async with LoopbackServer(self._serve) as server:
            self._loop = asyncio.get_running_loop()
            self.port = server.port
            self._ready.set()
            await self._done.wait()

    def _serve(self, connection: LoopbackConnection) -> None:
        class Echo(Receiver):
            def frame_received(self, frame: Frame) -> None:
                connection.write(frame)

        connection.start(Echo())
        self.connections.append(connection)


def test_that_faults_come_from_any_thread() -> None:
    with ServerInThread() as server, connect_blocking(f"ws://127.0.0.1:{server.port}", proxy=None) as client:
        client.send("one")
        assert client.recv(5) == "one"
        (connection,) = server.connections
        connection.inject(Duplicate())
        client.send("two")
        assert [client.recv(5), client.recv(5)] == ["two", "two"]
        connection.inject(Hangup(4001))
        with pytest.raises(ConnectionClosedError) as caught:
            client.recv(5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4001
    assert not connection.is_open
    connection.inject(Cut())  # the loop is closed: nothing happens
