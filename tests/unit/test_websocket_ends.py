"""Both WebSocket transports: every way to end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from duologue.errors import InvalidInput
from duologue.transports import Closed, Frame, websocket, websockets_transport
from duologue.transports.limits import WebSocketLimits
from websocket_receiver import Connect, Receiver
from websocket_servers import (
    BINARY,
    CLOSE,
    TEXT,
    Peer,
    close_frame,
    echo_server,
    frame,
    raw_server,
)


@pytest.fixture(params=[websocket, websockets_transport], ids=["picows", "websockets"])
def connect(request: pytest.FixtureRequest) -> Connect:
    chosen: Connect = request.param.connect_websocket
    return chosen


async def test_that_both_sides_part_when_we_close(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        payload = await peer.receive_kind(CLOSE)
        assert payload == (4001).to_bytes(2, "big") + ("€" * 41).encode()  # 123 bytes, whole characters
        peer.send(frame(TEXT, b"too late") + frame(CLOSE, payload))
        await peer.at_end()

    async with raw_server(behave) as server:
        transport = await connect(server.url)
        receiver = Receiver()
        transport.start(receiver)
        await asyncio.gather(transport.aclose(4001, "€" * 60), transport.aclose(1000, "again"))
        await transport.aclose()
        transport.write("too late")
        assert await receiver.end() == Closed(code=4001, reason="€" * 60)
        assert receiver.frames == []
        await server.all_gone()


@pytest.mark.parametrize("code", [7, 1004, 1005, 1006, 1015, 2999, 5000])
async def test_that_nobody_may_send_such_a_code(connect: Connect, code: int) -> None:
    async with echo_server() as url:
        transport = await connect(url)
        with pytest.raises(InvalidInput):
            await transport.aclose(code)
        await transport.aclose()


@pytest.mark.parametrize(
    ("goodbye", "code", "reason", "answer"),
    [
        (close_frame(1000), 1000, "", 1000),
        (close_frame(1011, "boom"), 1011, "boom", 1011),
        (close_frame(4008, "no quota ü"), 4008, "no quota ü", 4008),
        (frame(CLOSE), None, "", None),
    ],
)
async def test_that_a_goodbye_is_answered(
    connect: Connect, goodbye: bytes, code: int | None, reason: str, answer: int | None
) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.send(frame(TEXT, b"last words") + goodbye)
        payload = await peer.receive_kind(CLOSE)
        assert int.from_bytes(payload[:2], "big") == answer or (answer is None and payload in (b"", b"\x03\xe8"))
        await peer.at_end()

    async with raw_server(behave) as server:
        transport = await connect(server.url)
        receiver = Receiver()
        transport.start(receiver)
        assert await receiver.end() == Closed(by_peer=True, code=code, reason=reason)
        assert receiver.frames == ["last words"]
        transport.write("too late")
        await transport.aclose()
        await server.all_gone()


_STREAM = frame(TEXT, b"one") + frame(BINARY, bytes(130)) + close_frame(1000, "bye")


_CUTS = [*range(12), 70, *range(136, len(_STREAM))]  # in every header, and between all frames


@pytest.mark.parametrize("cut", _CUTS)
async def test_a_cut_at_any_byte(connect: Connect, cut: int) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept(then=_STREAM[:cut])

    async with raw_server(behave) as server:
        receiver = Receiver()
        transport = await connect(server.url)
        transport.start(receiver)
        how = await receiver.end()
        assert how.error
        assert not how.by_peer
        assert receiver.frames == ["one", bytes(130)][: (cut >= 5) + (cut >= 139)]
        await transport.aclose()


async def test_a_reset(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        await peer.receive()
        peer.reset()

    async with raw_server(behave) as server:
        receiver = Receiver()
        transport = await connect(server.url)
        transport.start(receiver)
        transport.write("hello")
        assert (await receiver.end()).error
        for _ in range(3):
            transport.write("too late")
        await transport.aclose()


@pytest.mark.parametrize("full", [False, True])
async def test_that_closing_is_bounded(connect: Connect, full: bool) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()
        await asyncio.Event().wait()

    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=WebSocketLimits(close_timeout=0.05))
        receiver = Receiver()
        transport.start(receiver)
        while full and not transport.congested:
            transport.write("x" * 100_000)
        await transport.aclose()
        assert await receiver.end() == Closed(code=1000)


async def test_that_a_peer_that_stays_after_its_goodbye_is_cut(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.send(close_frame(1001))
        await peer.receive_kind(CLOSE)
        await asyncio.Event().wait()

    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=WebSocketLimits(close_timeout=0.05))
        receiver = Receiver()
        transport.start(receiver)
        assert await receiver.end() == Closed(by_peer=True, code=1001)


async def test_that_a_paused_reader_can_be_closed(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept(then=frame(TEXT, b"unread") * 3)
        peer.send(frame(CLOSE, await peer.receive_kind(CLOSE)))
        await peer.at_end()

    for paused in (True, False):
        async with raw_server(behave) as server:
            transport = await connect(server.url)
            receiver = Receiver()
            if paused:
                transport.pause_reading()
                transport.start(receiver)
            await transport.aclose()
            await server.all_gone()
            assert receiver.closed == ([Closed(code=1000)] if paused else [])  # not started: nobody to tell


async def test_that_a_cancelled_close_leaves_no_socket(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        await peer.receive_kind(CLOSE)
        await peer.at_end()

    async with raw_server(behave) as server:
        transport = await connect(server.url)
        receiver = Receiver()
        transport.start(receiver)
        closing = asyncio.create_task(transport.aclose())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await receiver.end()
        await server.all_gone()


async def test_garbage_after_our_goodbye(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        await peer.receive_kind(CLOSE)
        peer.send(frame(TEXT, b"\xff") + frame(0x3, b"garbage"))
        await peer.at_end()

    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=WebSocketLimits(close_timeout=0.1))
        receiver = Receiver()
        transport.start(receiver)
        await transport.aclose()
        assert await receiver.end() == Closed(code=1000)
        await server.all_gone()
    del transport
    gc.collect()
    assert failures == []


@pytest.mark.parametrize("later", [False, True])
async def test_that_a_receiver_that_fails_is_heard_of(connect: Connect, later: bool) -> None:
    class Fails(Receiver):
        def frame_received(self, frame: Frame) -> None:
            super().frame_received(frame)
            raise ValueError("mine")

    async def behave(peer: Peer) -> None:
        await peer.accept(then=b"" if later else frame(TEXT, b"x") * 2)
        if later:
            peer.send(frame(TEXT, b"x") * 2)
        payload = await peer.receive_kind(CLOSE)
        assert int.from_bytes(payload[:2], "big") == 1011
        peer.send(frame(CLOSE, payload))
        await peer.at_end()

    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
    async with raw_server(behave) as server:
        transport = await connect(server.url)
        receiver = Fails()
        transport.start(receiver)
        assert await receiver.end() == Closed(code=1011, error="The receiver of a frame failed.")
        assert [str(failure) for failure in failures] == ["mine"]
        assert receiver.frames == ["x"]
        await server.all_gone()


async def test_that_nothing_is_left(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(1)
    caplog.set_level(1, logger="picows")
    async with echo_server() as url:
        others = asyncio.all_tasks()
        caplog.clear()
        transport = await connect(url, headers={"Authorization": "Bearer sk-secret"})
        receiver = Receiver()
        transport.start(receiver)
        transport.write("secret audio")
        await receiver.got(1)
        assert asyncio.all_tasks() == others  # a session has no task of ours
        assert "secret" not in repr(transport)
        await transport.aclose()
        left = weakref.ref(transport)
        del transport
        await asyncio.sleep(0)
        gc.collect()
        assert left() is None
        assert asyncio.all_tasks() == others
    ours = [record for record in caplog.records if "picows.server" not in record.name]
    assert not any("secret" in record.getMessage() for record in ours)


def test_a_frame_that_comes_with_the_handshake_after_giving_up() -> None:
    aborted: list[bool] = []
    wire: Any = SimpleNamespace(is_close_frame_sent=False, disconnect=lambda graceful: aborted.append(not graceful))
    message: Any = SimpleNamespace(msg_type=TEXT)
    listener = websocket._Listener(WebSocketLimits())
    listener.give_up()
    listener.on_ws_connected(wire)
    listener.on_ws_frame(wire, message)
    assert aborted == [True]
