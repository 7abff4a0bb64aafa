"""The floor of Gemini's wire: picows' callback, typed msgspec structs, pybase64."""

from __future__ import annotations

import msgspec
import picows
import pybase64

from peers.adapters import KEY
from peers.adapters.bare_socket import BareListener, BareSession, connect_bare
from peers.sink import Sink

_SETUP = '{"setup":{"model":"models/gemini-3.8-live"}}'


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


class _Listener(BareListener):
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


class _Session(BareSession):
    head = b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm;rate=16000","data":"'
    tail = b'"}}}'


async def connect(base_url: str, sink: Sink) -> BareSession:
    transport, listener = await connect_bare(base_url, {"x-goog-api-key": KEY}, _Listener(sink))
    transport.send(picows.WSMsgType.TEXT, _SETUP.encode())
    await listener.created.wait()
    return _Session(transport, listener)
