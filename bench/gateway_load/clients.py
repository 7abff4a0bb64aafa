"""Clients that speak at real pace: bare WebSockets, cheaper than what they measure."""

from __future__ import annotations

import asyncio
import logging
import time

import picows
import pybase64

from duologue.formats import PCM16_24K
from gateway_load.stamps import APPENDS_A_SECOND, STAMP, Latencies

_AUDIO = bytes(PCM16_24K.bytes_for(1_000 / APPENDS_A_SECOND) - STAMP.size)
_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_TAIL = pybase64.b64encode(_AUDIO) + b'"}'
_TEXT = b"output_audio_transcript.delta"
_DELTA = b'"delta":"'


class Client(picows.WSListener):
    """One session.

    Args:
        downwards: Where it is noted how late things came.
    """

    def __init__(self, downwards: Latencies) -> None:
        self._downwards = downwards
        self._transport: picows.WSTransport | None = None
        self._task: asyncio.Task[None] | None = None

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        self._transport = transport
        self._task = asyncio.create_task(self._speak(transport))

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type != picows.WSMsgType.TEXT:
            return
        payload = frame.get_payload_as_bytes()
        if _TEXT in payload[:80]:
            begin = payload.index(_DELTA) + len(_DELTA)
            self._downwards.add(time.monotonic_ns() - int(payload[begin : payload.index(b'"', begin)]))

    async def _speak(self, transport: picows.WSTransport) -> None:
        due = time.monotonic()
        while True:
            due += 1 / APPENDS_A_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            stamp = pybase64.b64encode(STAMP.pack(time.monotonic_ns()))
            transport.send(picows.WSMsgType.TEXT, _HEAD + stamp + _TAIL)

    async def close(self) -> None:
        """Hang up."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.disconnect()
            await self._transport.wait_disconnected()


async def open_clients(port: int, number: int, downwards: Latencies) -> list[Client]:
    """So many more of them, begun over a second, so that they do not speak in step."""
    logging.getLogger("picows").setLevel(logging.CRITICAL)
    opened = []
    for _ in range(number):
        _, client = await picows.ws_connect(lambda: Client(downwards), f"ws://127.0.0.1:{port}/v1/realtime?model=m")
        assert isinstance(client, Client)
        opened.append(client)
        await asyncio.sleep(1 / number)
    return opened
