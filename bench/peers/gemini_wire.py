"""The frames of the emulated server on Gemini Live's wire: JSON in binary frames, as live servers send it."""

from __future__ import annotations

from typing import Any

import msgspec

from peers import wire


class _Blob(msgspec.Struct, frozen=True):
    data: str = ""


class _RealtimeInput(msgspec.Struct, frozen=True):
    audio: _Blob = _Blob()


class Sent(msgspec.Struct):
    """What is read of a client's frame; Google's SDK writes the names in snake case."""

    setup: dict[str, Any] | None = None
    camel: _RealtimeInput = msgspec.field(default=_RealtimeInput(), name="realtimeInput")
    snake: _RealtimeInput = msgspec.field(default=_RealtimeInput(), name="realtime_input")

    @property
    def audio(self) -> str:
        """The user's audio, in the base64 of the standard."""
        encoded = self.camel.audio.data or self.snake.audio.data
        return encoded.replace("-", "+").replace("_", "/")


def setup_complete() -> bytes:
    return b'{"setupComplete":{}}'


class Response(wire.Response):
    """One turn: nothing opens it; deltas in turn (audio, then a word of its transcript); and its marks."""

    def opening(self) -> list[bytes]:
        return []

    def closing(self, transcript: str) -> list[bytes]:
        usage = (
            b'"usageMetadata":{"promptTokenCount":16,"responseTokenCount":24,"totalTokenCount":40,'
            b'"promptTokensDetails":[{"modality":"TEXT","tokenCount":16}],'
            b'"responseTokensDetails":[{"modality":"AUDIO","tokenCount":24}]}'
        )
        return [
            b'{"serverContent":{"generationComplete":true}}',
            b'{"serverContent":{"turnComplete":true},%b}' % usage,
        ]

    def deltas(self, audio_ms: int, count: int) -> wire.Deltas:
        return Deltas(audio_ms, count)


class Deltas(wire.Deltas):
    """The frames of a turn."""

    def audio(self, encoded: bytes) -> bytes:
        return (
            b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"%b"}}]}}}'
            % encoded
        )

    def word(self, word: str) -> bytes:
        return b'{"serverContent":{"outputTranscription":{"text":"%b"}}}' % word.encode()
