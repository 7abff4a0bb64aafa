"""openai-agents: its ``RealtimeSession``."""

from __future__ import annotations

import asyncio
import importlib
from typing import Any

from peers.adapters import KEY, MODEL, realtime_url
from peers.sink import Sink

_realtime: Any = importlib.import_module("agents.realtime")


class _Session:
    def __init__(self, session: Any, sink: Sink) -> None:
        self._session = session
        self._sink = sink
        self.created = asyncio.Event()
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for event in self._session:
            if event.type == "audio":
                self._sink.audio(event.audio.data)
            elif event.type == "raw_model_event":
                if event.data.type == "transcript_delta":
                    self._sink.text(event.data.delta)
                elif event.data.type == "raw_server_event" and event.data.data["type"] == "session.created":
                    self.created.set()

    async def send_audio(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)


async def connect(base_url: str, sink: Sink) -> _Session:
    runner = _realtime.RealtimeRunner(_realtime.RealtimeAgent(name="bench"), config={"tracing_disabled": True})
    session = await runner.run(
        model_config={
            "url": realtime_url(base_url),
            "api_key": KEY,
            "initial_model_settings": {"model_name": MODEL, "tracing": None},
        }
    )
    await session.enter()
    opened = _Session(session, sink)
    await opened.created.wait()
    return opened
