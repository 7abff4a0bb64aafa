"""This project, through its public API."""

from __future__ import annotations

import asyncio
from functools import cache

from duologue import RealtimeSession
from duologue import messages as m
from duologue.providers.openai import OpenAIRealtimeClient
from peers.adapters import KEY, MODEL
from peers.sink import Sink


@cache
def _client(base_url: str) -> OpenAIRealtimeClient:
    return OpenAIRealtimeClient(MODEL, api_key=KEY, base_url=base_url)


class Session:
    """Reads a session into a sink."""

    def __init__(self, session: RealtimeSession, sink: Sink) -> None:
        self._session = session
        self._sink = sink
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        sink = self._sink
        async for message in self._session:
            match message:
                case m.OutputAudioDelta(audio=pcm):
                    sink.audio(pcm)
                case m.OutputTranscriptDelta(text=text):
                    sink.text(text)
                case _:
                    pass

    async def send_audio(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)


async def connect(base_url: str, sink: Sink) -> Session:
    return Session(await _client(base_url).create_session(), sink)
