"""What a frame costs in our transports, beside the bare libraries: CPU of the client's process, on loopback."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import picows
import websockets.asyncio.client

from duologue.transports import Closed, Frame, websocket, websockets_transport

_RECEIVED = 4_000
_SENT = 8_000
_ROUNDS = 7
_DELTA = '{"type":"response.output_audio.delta","delta":"' + "A" * 6_400 + '"}'  # 100 ms of pcm16 at 24 kHz
_APPEND = '{"type":"input_audio_buffer.append","audio":"' + "A" * 1_280 + '"}'  # 20 ms

Measured = Callable[[str], Awaitable[tuple[float, float]]]


class _Server(picows.WSListener):
    """Sends so many deltas at "go"; answers "stop"."""

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.payload_size > 10:
            return
        match frame.get_payload_as_bytes():
            case b"go":
                for _ in range(_RECEIVED):
                    transport.send(picows.WSMsgType.TEXT, _DELTA)
            case b"stop":
                transport.send(picows.WSMsgType.TEXT, b"stopped")
            case _:
                transport.disconnect()


async def serve() -> None:
    server = await picows.ws_create_server(lambda request: _Server(), "127.0.0.1", 0, logger_name=_quiet())
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _quiet() -> str:
    import logging

    logging.getLogger("picows").setLevel(logging.CRITICAL)
    return "bench"


class _Counter:
    """Counts messages, and tells when there were enough."""

    def __init__(self) -> None:
        self.left = 0
        self.enough = asyncio.Event()

    def expect(self, count: int) -> None:
        self.left = count
        self.enough.clear()

    def frame_received(self, frame: Frame) -> None:
        self.left -= 1
        if not self.left:
            self.enough.set()

    def connection_closed(self, how: Closed) -> None:
        pass


async def _both(
    counter: _Counter, write: Callable[[str], None], drain: Callable[[], Awaitable[None]]
) -> tuple[float, float]:
    """CPU µs for each received and each sent frame."""
    counter.expect(_RECEIVED)
    start = time.process_time()
    write("go")
    await counter.enough.wait()
    received = (time.process_time() - start) / _RECEIVED * 1e6
    counter.expect(1)
    start = time.process_time()
    for _ in range(_SENT):
        write(_APPEND)
        await drain()
    sent = (time.process_time() - start) / _SENT * 1e6
    write("stop")
    await counter.enough.wait()
    return received, sent


async def bare_picows(url: str) -> tuple[float, float]:
    counter = _Counter()
    room = asyncio.Event()
    room.set()

    class Client(picows.WSListener):
        def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
            counter.frame_received(frame.get_payload_as_bytes())

        def pause_writing(self) -> None:
            room.clear()

        def resume_writing(self) -> None:
            room.set()

    async def drain() -> None:
        if not room.is_set():
            await room.wait()

    transport, _ = await picows.ws_connect(Client, url, logger_name=_quiet())
    try:
        return await _both(counter, lambda text: transport.send(picows.WSMsgType.TEXT, text), drain)
    finally:
        transport.disconnect()


async def bare_websockets(url: str) -> tuple[float, float]:
    async with websockets.asyncio.client.connect(url, compression=None, max_size=None, proxy=None) as connection:
        start = time.process_time()
        await connection.send("go")
        for _ in range(_RECEIVED):
            await connection.recv()
        received = (time.process_time() - start) / _RECEIVED * 1e6
        start = time.process_time()
        for _ in range(_SENT):
            await connection.send(_APPEND)
        sent = (time.process_time() - start) / _SENT * 1e6
        await connection.send("stop")
        await connection.recv()
        return received, sent


async def _ours(connect: Callable[..., Awaitable[websocket.WebSocketTransport]], url: str) -> tuple[float, float]:
    transport = await connect(url, proxy=None)
    counter = _Counter()
    transport.start(counter)

    async def drain() -> None:
        if transport.congested:
            await transport.drain()

    try:
        return await _both(counter, transport.write, drain)
    finally:
        await transport.aclose()


async def our_picows(url: str) -> tuple[float, float]:
    return await _ours(websocket.connect_websocket, url)


async def our_websockets(url: str) -> tuple[float, float]:
    return await _ours(websockets_transport.connect_websocket, url)


_CONTESTANTS: dict[str, Measured] = {
    "picows, bare": bare_picows,
    "duologue on picows": our_picows,
    "duologue on websockets": our_websockets,
    "websockets, bare": bare_websockets,
}


async def main(url: str) -> None:
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in _CONTESTANTS}
    for _ in range(_ROUNDS):
        for name, measure in _CONTESTANTS.items():
            rounds[name].append(await measure(url))
    medians = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in rounds.items()}
    floor = medians["picows, bare"]
    print(f"{'CPU µs for each frame':<28}{'100 ms received':>16}{'÷ bare':>8}{'20 ms sent':>14}{'÷ bare':>8}")
    for name, (received, sent) in medians.items():
        print(f"{name:<28}{received:>16.2f}{received / floor[0]:>8.2f}{sent:>14.2f}{sent / floor[1]:>8.2f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    else:
        with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                asyncio.run(main(f"ws://127.0.0.1:{int(server.stdout.readline())}/"))
            finally:
                server.kill()
