"""livekit-plugins-openai: its ``RealtimeSession``. It merges five chunks of 20 ms into one event."""

from __future__ import annotations

import asyncio
import importlib
from functools import cache
from typing import Any

from peers.adapters import KEY, MODEL, http_url
from peers.sink import Sink

_aiohttp: Any = importlib.import_module("aiohttp")
_realtime: Any = importlib.import_module("livekit.plugins.openai.realtime")
_rtc: Any = importlib.import_module("livekit.rtc")


@cache
def _model(base_url: str) -> Any:
    """The model, with more than aiohttp's hundred connections."""
    http = _aiohttp.ClientSession(connector=_aiohttp.TCPConnector(limit=0))
    return _realtime.RealtimeModel(model=MODEL, api_key=KEY, base_url=http_url(base_url), http_session=http)


class _Session:
    def __init__(self, base_url: str, sink: Sink) -> None:
        self._sink = sink
        self._tasks: set[asyncio.Task[None]] = set()
        self.created = asyncio.Event()
        self._session = _model(base_url).session()
        self._session.on("openai_server_event_received", self._greeted)
        self._session.on("generation_created", lambda generation: self._spawn(self._messages(generation)))

    def _greeted(self, event: dict[str, Any]) -> None:
        if event["type"] == "session.created":
            self._session.off("openai_server_event_received", self._greeted)
            self.created.set()

    def _spawn(self, reading: Any) -> None:
        task = asyncio.create_task(reading)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _messages(self, generation: Any) -> None:
        async for message in generation.message_stream:
            self._spawn(self._audio(message))
            self._spawn(self._text(message))

    async def _audio(self, message: Any) -> None:
        async for frame in message.audio_stream:
            self._sink.audio(frame.data.cast("b"))

    async def _text(self, message: Any) -> None:
        async for text in message.text_stream:
            self._sink.text(text)

    async def send_audio(self, pcm: bytes) -> None:
        self._session.push_audio(_rtc.AudioFrame(pcm, 24_000, 1, len(pcm) // 2))
        await asyncio.sleep(0)  # its own task sends


async def connect(base_url: str, sink: Sink) -> _Session:
    session = _Session(base_url, sink)
    await session.created.wait()
    return session
