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
def client_for(base_url: str) -> OpenAIRealtimeClient:
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
            if type(message) is m.OutputAudioDelta:  # as the floor tells them apart: a `match` costs three times that
                sink.audio(message.audio)
            elif type(message) is m.OutputTranscriptDelta:
                sink.text(message.text)

    async def send_audio(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)


async def connect(base_url: str, sink: Sink) -> Session:
    return Session(await client_for(base_url).create_session(), sink)
