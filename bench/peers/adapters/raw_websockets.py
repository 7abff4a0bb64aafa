"""What one writes by hand: websockets, json and base64."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import websockets.asyncio.client

from peers.adapters import KEY, realtime_url
from peers.sink import Sink


class _Session:
    def __init__(self, connection: Any, sink: Sink) -> None:
        self._connection = connection
        self._sink = sink
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for frame in self._connection:
            event = json.loads(frame)
            match event["type"]:
                case "response.output_audio.delta":
                    self._sink.audio(base64.b64decode(event["delta"]))
                case "response.output_audio_transcript.delta":
                    self._sink.text(event["delta"])

    async def send_audio(self, pcm: bytes) -> None:
        event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()}
        await self._connection.send(json.dumps(event))


async def connect(base_url: str, sink: Sink) -> _Session:
    connection = await websockets.asyncio.client.connect(
        realtime_url(base_url),
        additional_headers={"Authorization": f"Bearer {KEY}"},
        compression=None,
        max_size=None,
    )
    created = json.loads(await connection.recv())
    assert created["type"] == "session.created"
    return _Session(connection, sink)
