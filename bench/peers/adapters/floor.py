"""The floor: picows' callback, a typed union of msgspec structs, pybase64. Nothing that a program could leave out."""

from __future__ import annotations

from typing import Any

import msgspec
import picows
import pybase64

from peers.adapters import KEY, realtime_url
from peers.adapters.bare_socket import BareListener, BareSession, connect_bare
from peers.sink import Sink


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


class _Listener(BareListener):
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        event = _decode(frame.get_payload_as_memoryview())
        kind = type(event)
        if kind is AudioDelta:
            self._sink.audio(pybase64.b64decode(event.delta, validate=True))
        elif kind is TranscriptDelta:
            self._sink.text(event.delta)
        elif kind is Created:
            self.created.set()


class _Session(BareSession):
    head = b'{"type":"input_audio_buffer.append","audio":"'
    tail = b'"}'


async def connect(base_url: str, sink: Sink) -> BareSession:
    headers = {"Authorization": f"Bearer {KEY}"}
    transport, listener = await connect_bare(realtime_url(base_url), headers, _Listener(sink))
    await listener.created.wait()
    return _Session(transport, listener)
