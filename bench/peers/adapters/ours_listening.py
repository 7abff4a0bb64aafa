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
        match message:
            case m.OutputAudioDelta(audio=pcm):
                self._sink.audio(pcm)
            case m.OutputTranscriptDelta(text=text):
                self._sink.text(text)
            case _:
                pass

    async def send_audio(self, pcm: bytes) -> None:
        await self._session.send_audio(pcm)


async def connect(base_url: str, sink: Sink) -> Listening:
    return Listening(await client_for(base_url).create_session(), sink)
