"""Both WebSocket transports: messages, what a peer must not do, and back-pressure."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from duologue.transports import Closed, Frame, websocket, websockets_transport
from duologue.transports.limits import WebSocketLimits
from websocket_receiver import Connect, Receiver, opened
from websocket_servers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
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


# --- messages ---


async def test_that_messages_come_back_as_they_went(connect: Connect) -> None:
    async with echo_server() as url:
        transport = await connect(url, limits=WebSocketLimits(binary=True))
        async with opened(transport, Receiver()) as receiver:
            sent: list[Frame] = ["text", "ünïcödé 🎤", "", b"\x00\xff", b"", "x" * 70_000, b"y" * 200_000]
            for message in sent:
                transport.write(message)
            assert await receiver.got(len(sent)) == sent


async def test_that_bytes_go_as_text_unless_asked_otherwise(connect: Connect) -> None:
    async with echo_server() as url:
        transport = await connect(url)
        async with opened(transport, Receiver()) as receiver:
            transport.write(b'{"type":"x"}')
            assert await receiver.got(1) == ['{"type":"x"}']


async def test_that_text_that_cannot_be_sent_harms_nothing(connect: Connect) -> None:
    async with echo_server() as url:
        transport = await connect(url)
        async with opened(transport, Receiver()) as receiver:
            with pytest.raises(UnicodeEncodeError):
                transport.write("\ud800")
            transport.write("fine")
            assert await receiver.got(1) == ["fine"]


async def test_what_comes_with_the_handshake_and_before_the_start(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept(then=frame(TEXT, b"first") + frame(TEXT, b"second"))
        peer.send(frame(TEXT, b"third") + close_frame(1000, "done"))
        await peer.at_end()

    async with raw_server(behave) as server:
        transport = await connect(server.url)
        for _ in range(5):
            await asyncio.sleep(0)
        receiver = Receiver()
        transport.start(receiver)
        assert receiver.frames == []  # never from within `start`
        assert await receiver.end() == Closed(by_peer=True, code=1000, reason="done")
        assert receiver.frames == ["first", "second", "third"]
        await server.all_gone()


async def test_that_fragments_become_one_message(connect: Connect) -> None:
    text = "zwölf Boxkämpfer".encode()

    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.send(frame(TEXT, text[:3], final=False) + frame(PING, b"amid"))  # the cut is within a character
        peer.send(frame(CONTINUATION, b"", final=False) + frame(CONTINUATION, text[3:]))
        peer.send(frame(BINARY, b"", final=False) + frame(CONTINUATION, b"\xff\xfe"))
        peer.send(frame(TEXT, b"whole"))
        assert await peer.receive() == (PONG, b"amid")
        await peer.part()

    async with raw_server(behave) as server:
        async with opened(await connect(server.url), Receiver()) as receiver:
            assert await receiver.got(3) == [text.decode(), b"\xff\xfe", "whole"]
        await server.all_gone()


async def test_that_every_byte_may_come_alone(connect: Connect) -> None:
    wire = frame(TEXT, b"one", final=False) + frame(PING) + frame(CONTINUATION, b"two") + frame(BINARY, bytes(300))

    async def behave(peer: Peer) -> None:
        await peer.accept()
        for byte in wire:
            peer.send(bytes((byte,)))
            await peer.writer.drain()
            await asyncio.sleep(0)
        await peer.part()

    async with raw_server(behave) as server, opened(await connect(server.url), Receiver()) as receiver:
        assert await receiver.got(2) == ["onetwo", bytes(300)]


async def test_that_the_memory_of_a_frame_is_our_own(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        for number in range(200):
            peer.send(frame(BINARY, bytes((number,)) * 3000))
        await peer.part()

    async with raw_server(behave) as server, opened(await connect(server.url), Receiver()) as receiver:
        assert await receiver.got(200) == [bytes((number,)) * 3000 for number in range(200)]


# --- what the peer must not do ---

_VIOLATIONS = {
    "invalid UTF-8": (frame(TEXT, b"\xc3\x28"), 1007),
    "a surrogate in UTF-8": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "invalid UTF-8 over fragments": (frame(TEXT, b"\xc3", final=False) + frame(CONTINUATION, b"\x28"), 1007),
    "a text that ends within a character": (frame(TEXT, b"\xc3"), 1007),
    "too long": (frame(TEXT, bytes(1001)), 1009),
    "too long, as announced": (frame(TEXT, bytes(100_000))[:20], 1009),
    "too long over fragments": (frame(TEXT, bytes(600), final=False) + frame(CONTINUATION, bytes(600)), 1009),
    "a continuation of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a continuation of what has ended": (frame(TEXT, b"x") + frame(CONTINUATION, b"x"), 1002),
    "a message within a message": (frame(TEXT, b"x", final=False) + frame(TEXT, b"y"), 1002),
    "an unknown opcode": (frame(0x3, b"x"), 1002),
    "a reserved bit": (frame(TEXT, b"x", reserved=4), 1002),
    "the last reserved bit": (frame(TEXT, b"x", reserved=1), 1002),
    "another reserved bit": (frame(BINARY, b"x", reserved=1), 1002),
    "a long ping": (frame(PING, bytes(126)), 1002),
    "a fragmented ping": (frame(PING, b"", final=False), 1002),
    "a masked frame": (b"\x81\x81\x00\x00\x00\x00x", 1002),
    "a close with half a code": (frame(CLOSE, b"\x03"), 1002),
    "a close with no valid code": (close_frame(1005), 1002),
}


@pytest.mark.parametrize("violation", _VIOLATIONS)
async def test_that_a_violation_ends_the_connection(connect: Connect, violation: str) -> None:
    wire, code = _VIOLATIONS[violation]

    async def behave(peer: Peer) -> None:
        await peer.accept(then=wire)
        payload = await peer.receive_kind(CLOSE)
        assert int.from_bytes(payload[:2], "big") == code
        await peer.at_end()

    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=WebSocketLimits(max_message_size=1000, close_timeout=0.1))
        receiver = Receiver()
        transport.start(receiver)
        how = await receiver.end()
        assert how.code == code
        assert how.error
        assert not how.by_peer
        await server.all_gone()


async def test_that_empty_fragments_cost_no_memory(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.send(frame(TEXT, b"a", final=False) + frame(CONTINUATION, b"", final=False) * 20_000)
        peer.send(frame(CONTINUATION, b"b"))
        await peer.part()

    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=WebSocketLimits(max_message_size=2))
        async with opened(transport, Receiver()) as receiver:
            assert await receiver.got(1) == ["ab"]


# --- the shortcut ---


@pytest.mark.parametrize("binary", [False, True])
async def test_that_the_shortcut_is_only_tried_with_whole_messages(binary: bool) -> None:
    known = "known " * 40
    tried: list[Frame] = []

    def shortcut(message: Frame) -> bool:
        tried.append(message)
        return message in (known, known.encode())

    async def behave(peer: Peer) -> None:
        await peer.accept()
        await peer.receive_kind(TEXT)
        peer.send(frame(BINARY if binary else TEXT, known.encode()) * 2)
        peer.send(frame(TEXT, b"known") + frame(PING, b"p" * 125) + frame(BINARY, b"\xff" * 300))
        peer.send(frame(TEXT, known[:200].encode(), final=False) + frame(CONTINUATION, known[200:].encode()))
        peer.send(frame(TEXT, b"unknown " * 40))
        assert await peer.receive_kind(PONG) == b"p" * 125
        await peer.part()

    async with raw_server(behave) as server:
        transport = await websocket.connect_websocket(server.url, limits=WebSocketLimits(binary=binary))
        receiver = Receiver()
        transport.start(receiver, shortcut)
        transport.write("begin")
        try:
            assert await receiver.got(4) == ["known", b"\xff" * 300, known, "unknown " * 40]
        finally:
            await transport.aclose()
    texts = [message.encode() if isinstance(message, str) else message for message in tried]
    assert texts == [known.encode()] * 2 + ([b"\xff" * 300] if binary else []) + [b"unknown " * 40]


async def test_that_the_shortcut_waits_while_reading_is_paused_and_sees_no_violation() -> None:
    tried: list[Frame] = []
    paused = asyncio.Event()

    def shortcut(message: Frame) -> bool:
        tried.append(message)
        transport.pause_reading()
        paused.set()
        return True

    async def behave(peer: Peer) -> None:
        await peer.accept()
        await peer.receive_kind(TEXT)
        peer.send(frame(TEXT, b"a" * 200) + frame(TEXT, b"b" * 200) + frame(TEXT, b"c" * 200, reserved=4))
        assert int.from_bytes((await peer.receive_kind(CLOSE))[:2], "big") == 1002
        await peer.at_end()

    async with raw_server(behave) as server:
        transport = await websocket.connect_websocket(server.url, limits=WebSocketLimits(close_timeout=0.1))
        receiver = Receiver()
        transport.start(receiver, shortcut)
        transport.write("begin")
        await paused.wait()
        assert receiver.frames == []
        transport.resume_reading()
        await receiver.end()
    assert (tried, receiver.frames) == (["a" * 200], ["b" * 200])


# --- flow ---


async def test_that_a_paused_reader_takes_nothing_and_loses_nothing(connect: Connect) -> None:
    class Pauses(Receiver):
        def frame_received(self, frame: str | bytes) -> None:
            super().frame_received(frame)
            transport.pause_reading()

    written = 0

    async def behave(peer: Peer) -> None:
        nonlocal written
        await peer.accept()
        for number in range(400):
            peer.send(frame(BINARY, number.to_bytes(2, "big") * 32_768))
            await peer.writer.drain()
            written += 1
        await peer.part()

    async with raw_server(behave) as server:
        transport = await connect(server.url)
        async with opened(transport, Pauses()) as receiver:
            await receiver.got(1)
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(receiver.frames) == 1
            for count in range(2, 401):
                transport.resume_reading()
                await receiver.got(count)
                assert len(receiver.frames) == count
                if count == 100:
                    assert written < 400
            assert [frame[:2] for frame in receiver.frames] == [number.to_bytes(2, "big") for number in range(400)]


async def test_that_a_slow_peer_congests_the_writer(connect: Connect) -> None:
    read = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()
        await read.wait()
        peer.go_on_reading()
        while await peer.receive_kind(TEXT) != b"last":
            pass
        peer.send(frame(TEXT, b"got it"))
        await peer.part()

    async with raw_server(behave) as server:
        transport = await connect(server.url)
        async with opened(transport, Receiver()) as receiver:
            await transport.drain()
            while not transport.congested:
                transport.write("x" * 100_000)
            draining = asyncio.create_task(transport.drain())
            await asyncio.sleep(0)
            assert not draining.done()
            given_up = asyncio.create_task(transport.drain())
            await asyncio.sleep(0)
            given_up.cancel()
            read.set()
            await draining
            assert not transport.congested
            transport.write("last")
            assert await receiver.got(1) == ["got it"]
        await server.all_gone()


async def test_that_a_queue_without_an_end_breaks_the_connection(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()
        await asyncio.Event().wait()

    async with raw_server(behave) as server:
        transport = await connect(server.url, limits=WebSocketLimits(max_queue=1_000_000))
        receiver = Receiver()
        transport.start(receiver)
        for _ in range(1000):
            transport.write("x" * 100_000)
        how = await receiver.end()
        assert "does not take what is sent" in (how.error or "")
        await transport.drain()
        assert not transport.congested


async def test_that_a_ping_flood_costs_no_memory(connect: Connect) -> None:
    async def behave(peer: Peer) -> None:
        await peer.accept()
        peer.stop_reading()  # takes none of the answers
        for _ in range(2000):
            peer.send(frame(PING, bytes(125)) * 200)
            await peer.writer.drain()
        peer.send(frame(TEXT, b"enough"))
        await asyncio.Event().wait()

    async with raw_server(behave) as server:
        limits = WebSocketLimits(high_water=10_000, low_water=0, max_queue=100_000, close_timeout=0.05)
        transport = await connect(server.url, limits=limits)
        async with opened(transport, Receiver()) as receiver:
            with suppress(AssertionError):  # to break the connection is an answer too
                await receiver.got(1)
            assert transport.congested or receiver.closed
            assert transport._queued() <= 200_000


async def test_that_many_senders_keep_their_messages_whole_and_in_order(connect: Connect) -> None:
    async with echo_server() as url:
        transport = await connect(url, limits=WebSocketLimits(high_water=20_000, low_water=1000))

        async def send(sender: int) -> None:
            for number in range(50):
                transport.write(f"{sender}:{number}:" + chr(97 + sender) * 5000)
                await transport.drain()

        async with opened(transport, Receiver()) as receiver:
            await asyncio.gather(*(send(sender) for sender in range(20)))
            await receiver.got(1000)
            numbers: dict[str, list[int]] = {}
            for message in receiver.frames:
                assert isinstance(message, str)
                sender, number, body = message.split(":")
                assert body == chr(97 + int(sender)) * 5000
                numbers.setdefault(sender, []).append(int(number))
            assert numbers == {str(sender): list(range(50)) for sender in range(20)}
