"""pydantic-ai: a realtime session of an ``Agent``."""

from __future__ import annotations

import asyncio
import importlib
from functools import cache
from typing import Any

from peers.adapters import KEY, MODEL, http_url
from peers.sink import Sink

_ai: Any = importlib.import_module("pydantic_ai")
_messages: Any = importlib.import_module("pydantic_ai.messages")
_models: Any = importlib.import_module("pydantic_ai.realtime.openai")
_providers: Any = importlib.import_module("pydantic_ai.providers.openai")


@cache
def _agent(base_url: str) -> Any:
    provider = _providers.OpenAIProvider(base_url=http_url(base_url), api_key=KEY)
    return _ai.Agent().realtime(_models.OpenAIRealtimeModel(MODEL, provider=provider))


class _Session:
    """Its sessions are context managers, entered and left by one task."""

    def __init__(self, base_url: str, sink: Sink) -> None:
        self._sink = sink
        self._session: Any = None
        self.open = asyncio.Event()
        self.reader = asyncio.create_task(self._run(base_url))

    async def _run(self, base_url: str) -> None:
        async with _agent(base_url).session() as session:
            self._session = session
            self.open.set()
            async for event in session:
                if isinstance(event, _messages.PartDeltaEvent):
                    if (pcm := event.delta.audio_chunk) is not None:
                        self._sink.audio(pcm)
                    if (text := event.delta.transcript_delta) is not None:
                        self._sink.text(text)

    async def send_audio(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)


async def connect(base_url: str, sink: Sink) -> _Session:
    session = _Session(base_url, sink)
    await session.open.wait()
    return session
