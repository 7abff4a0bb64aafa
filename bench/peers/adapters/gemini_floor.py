"""The floor of Gemini's wire: picows' callback, typed msgspec structs, pybase64."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache

import msgspec
import picows
import pybase64

from peers.adapters import KEY
from peers.sink import Sink

_SETUP = '{"setup":{"model":"models/gemini-3.8-live"}}'
_HEAD = b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"'
_TAIL = b'"}}}'


class _Wire(msgspec.Struct, rename="camel", frozen=True, gc=False):
    pass


class _Blob(_Wire, frozen=True, gc=False):
    mime_type: str
    data: str


class _Part(_Wire, frozen=True, gc=False):
    text: str | None = None
    inline_data: _Blob | None = None


class _Content(_Wire, frozen=True, gc=False):
    parts: list[_Part]


class _Transcript(_Wire, frozen=True, gc=False):
    text: str = ""


class _ServerContent(_Wire, frozen=True, gc=False):
    model_turn: _Content | None = None
    output_transcription: _Transcript | None = None
    input_transcription: _Transcript | None = None
    interrupted: bool = False
    generation_complete: bool = False
    turn_complete: bool = False


class _SetupComplete(_Wire, frozen=True, gc=False):
    pass


class _Frame(_Wire, frozen=True, gc=False):
    server_content: _ServerContent | None = None
    setup_complete: _SetupComplete | None = None


_decode = msgspec.json.Decoder(_Frame).decode


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


class _Listener(picows.WSListener):
    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink
        self.created = asyncio.Event()
        self.room = asyncio.Event()
        self.room.set()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        message = _decode(frame.get_payload_as_memoryview())
        content = message.server_content
        if content is None:
            if message.setup_complete is not None:
                self.created.set()
            return
        if content.model_turn is not None:
            for part in content.model_turn.parts:
                if part.inline_data is not None:
                    self._sink.audio(pybase64.b64decode(part.inline_data.data, validate=True))
        if content.output_transcription is not None:
            self._sink.text(content.output_transcription.text)

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()


class _Session:
    def __init__(self, transport: picows.WSTransport, listener: _Listener) -> None:
        self._transport = transport
        self._listener = listener

    async def send_audio(self, pcm: bytes) -> None:
        self._transport.send(picows.WSMsgType.TEXT, _HEAD + pybase64.b64encode(pcm) + _TAIL)
        if not self._listener.room.is_set():
            await self._listener.room.wait()


async def connect(base_url: str, sink: Sink) -> _Session:
    transport, listener = await picows.ws_connect(
        lambda: _Listener(sink),
        base_url,
        ssl_context=_context() if base_url.startswith("wss:") else None,
        extra_headers={"x-goog-api-key": KEY},
    )
    assert isinstance(listener, _Listener)
    transport.send(picows.WSMsgType.TEXT, _SETUP.encode())
    await listener.created.wait()
    return _Session(transport, listener)
