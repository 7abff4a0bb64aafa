"""openai-python: ``AsyncOpenAI().realtime.connect``."""

from __future__ import annotations

import asyncio
import base64
import importlib
from functools import cache
from typing import Any

from peers.adapters import KEY, MODEL, http_url
from peers.sink import Sink

_openai: Any = importlib.import_module("openai")
importlib.import_module("openai.resources.realtime")


@cache
def _client(base_url: str) -> Any:
    return _openai.AsyncOpenAI(api_key=KEY, base_url=http_url(base_url))


class _Session:
    def __init__(self, connection: Any, sink: Sink) -> None:
        self._connection = connection
        self._sink = sink
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self._connection:
            if event.type == "response.output_audio.delta":
                self._sink.audio(base64.b64decode(event.delta))
            elif event.type == "response.output_audio_transcript.delta":
                self._sink.text(event.delta)

    async def send_audio(self, pcm: bytes) -> None:
        await self._connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())


async def connect(base_url: str, sink: Sink) -> _Session:
    connection = await _client(base_url).realtime.connect(model=MODEL).enter()
    created = await connection.recv()
    assert created.type == "session.created"
    return _Session(connection, sink)
