"""The floor: picows' callback, a typed union of msgspec structs, pybase64. Nothing that a program could leave out."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import Any

import msgspec
import picows
import pybase64

from peers.adapters import KEY, realtime_url
from peers.sink import Sink

_HEAD = b'{"type":"input_audio_buffer.append","audio":"'
_TAIL = b'"}'


class _Delta(msgspec.Struct, frozen=True, gc=False):
    event_id: str
    response_id: str
    item_id: str
    output_index: int
    content_index: int
    delta: str


class AudioDelta(_Delta, frozen=True, gc=False, tag="response.output_audio.delta"):
    pass


class TranscriptDelta(_Delta, frozen=True, gc=False, tag="response.output_audio_transcript.delta"):
    pass


class Created(msgspec.Struct, frozen=True, tag="session.created"):
    event_id: str


_OTHERS = (
    "session.updated",
    "response.created",
    "response.done",
    "response.output_item.added",
    "response.output_item.done",
    "conversation.item.added",
    "conversation.item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
)


def _union() -> Any:
    union: Any = AudioDelta | TranscriptDelta | Created
    for tag in _OTHERS:
        union |= msgspec.defstruct(f"Event_{tag.replace('.', '_')}", [("event_id", str)], tag=tag, frozen=True)
    return union


_decode = msgspec.json.Decoder(_union()).decode


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
        event = _decode(frame.get_payload_as_memoryview())
        kind = type(event)
        if kind is AudioDelta:
            self._sink.audio(pybase64.b64decode(event.delta, validate=True))
        elif kind is TranscriptDelta:
            self._sink.text(event.delta)
        elif kind is Created:
            self.created.set()

    def pause_writing(self) -> None:
        self.room.clear()

    def resume_writing(self) -> None:
        self.room.set()


class FloorSession:
    def __init__(self, transport: picows.WSTransport, listener: _Listener) -> None:
        self._transport = transport
        self._listener = listener

    async def send_audio(self, pcm: bytes) -> None:
        self._transport.send(picows.WSMsgType.TEXT, _HEAD + pybase64.b64encode(pcm) + _TAIL)
        if not self._listener.room.is_set():
            await self._listener.room.wait()


async def connect(base_url: str, sink: Sink) -> FloorSession:
    transport, listener = await picows.ws_connect(
        lambda: _Listener(sink),
        realtime_url(base_url),
        ssl_context=_context() if base_url.startswith("wss:") else None,
        extra_headers={"Authorization": f"Bearer {KEY}"},
    )
    assert isinstance(listener, _Listener)
    await listener.created.wait()
    return FloorSession(transport, listener)
