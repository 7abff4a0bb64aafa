"""openai-agents: its model layer alone, ``OpenAIRealtimeWebSocketModel``."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from peers.adapters import KEY, MODEL, realtime_url
from peers.sink import Sink

_realtime: Any = importlib.import_module("agents.realtime")
_inputs: Any = importlib.import_module("agents.realtime.model_inputs")


class _Session:
    """Also the model's listener."""

    def __init__(self, sink: Sink) -> None:
        self._model = _realtime.OpenAIRealtimeWebSocketModel()
        self._model.add_listener(self)
        self._sink = sink
        self._created = asyncio.Event()

    async def on_event(self, event: Any) -> None:
        if event.type == "audio":
            self._sink.audio(event.data)
        elif event.type == "transcript_delta":
            self._sink.text(event.delta)
        elif event.type == "raw_server_event" and event.data["type"] == "session.created":
            self._created.set()

    async def open(self, base_url: str) -> None:
        settings = {"model_name": MODEL, "tracing": None}
        await self._model.connect({"url": realtime_url(base_url), "api_key": KEY, "initial_model_settings": settings})
        await self._created.wait()

    async def send_audio(self, pcm: bytes) -> None:
        await self._model.send_event(_inputs.RealtimeModelSendAudio(audio=pcm))


async def connect(base_url: str, sink: Sink) -> _Session:
    session = _Session(sink)
    await session.open(base_url)
    return session
