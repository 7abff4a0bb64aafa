"""google-genai: ``Client().aio.live.connect``. It insists on TLS."""

from __future__ import annotations

import asyncio
import importlib
from functools import cache
from typing import Any

from peers.adapters import KEY, http_url
from peers.sink import Sink

_genai: Any = importlib.import_module("google.genai")
_types: Any = importlib.import_module("google.genai.types")


@cache
def _client(base_url: str) -> Any:
    return _genai.Client(api_key=KEY, http_options={"base_url": http_url(base_url)})


class _Session:
    def __init__(self, connecting: Any, session: Any, sink: Sink) -> None:
        self._connecting = connecting  # it ends the session when it is forgotten
        self._session = session
        self._sink = sink
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        sink = self._sink
        while True:
            async for message in self._session.receive():  # which ends with each turn
                content = message.server_content
                if content is None:
                    continue
                if content.model_turn is not None:
                    for part in content.model_turn.parts:
                        if part.inline_data is not None:
                            sink.audio(part.inline_data.data)
                if content.output_transcription is not None:
                    sink.text(content.output_transcription.text)

    async def send_audio(self, pcm: bytes) -> None:
        await self._session.send_realtime_input(audio=_types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))


async def connect(base_url: str, sink: Sink) -> _Session:
    connecting = _client(base_url).aio.live.connect(model="gemini-3.8-live", config={"response_modalities": ["AUDIO"]})
    session = await connecting.__aenter__()
    assert session.setup_complete is not None
    return _Session(connecting, session, sink)
