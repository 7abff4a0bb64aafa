"""This project, through its public API, with a function that is called with every message."""

from __future__ import annotations

import asyncio

from duologue import RealtimeSession
from duologue import messages as m
from peers.adapters.ours import client_for
from peers.sink import Sink


class Listening:
    def __init__(self, session: RealtimeSession, sink: Sink) -> None:
        self._session = session
        self._sink = sink
        self.reader = asyncio.create_task(session.listen(self._take))

    def _take(self, message: m.ServerMessage) -> None:
        if type(message) is m.OutputAudioDelta:
            self._sink.audio(message.audio)
        elif type(message) is m.OutputTranscriptDelta:
            self._sink.text(message.text)

    async def send_audio(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)


async def connect(base_url: str, sink: Sink) -> Listening:
    return Listening(await client_for(base_url).create_session(), sink)
