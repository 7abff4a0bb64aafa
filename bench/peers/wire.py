"""The frames of the emulated server: OpenAI's realtime wire (GA), with the fields that its live servers send."""

from __future__ import annotations

import itertools
import json
import random
import struct
import time
import zlib
from dataclasses import dataclass
from typing import Any

import pybase64

STAMP = struct.Struct("<q4x")  # monotonic ns, padded so that its base64 needs none
_BYTES_PER_MS = 48  # pcm16 at 24 kHz
_WORDS = (" The", " weather", " in", " Oslo", " is", " fine", " and", " the", " afternoon", " will", " be", " dry", ".")
_PIECES = 16  # different pieces of audio
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Totals:
    """What a client must get out of a stream.

    Attributes:
        events: Wire events.
        audio: Bytes of PCM.
        characters: Characters of transcripts.
        audio_crc: CRC-32 of the PCM, in order.
        text_crc: CRC-32 of the transcripts in UTF-8, in order.
    """

    events: int
    audio: int
    characters: int
    audio_crc: int
    text_crc: int


def event_id() -> str:
    return f"event_E6U0{next(_numbers):017d}"


def _frame(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind, "event_id": event_id(), **fields}).encode()


# --- the session ---


def session(update: dict[str, Any] | None = None) -> dict[str, Any]:
    """The session object, with what the client asked for."""
    detection = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 200}
    pcm = {"type": "audio/pcm", "rate": 24_000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": "sess_E6U0txeK1UA23CH3RdweL",
        "model": "gpt-realtime",
        "output_modalities": ["audio"],
        "instructions": "You are a helpful, witty, and friendly AI. " * 20,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": int(time.time()) + 3_600,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": {
                    **detection,
                    "idle_timeout_ms": None,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": pcm, "voice": "alloy", "speed": 1.0},
        },
        "include": None,
        **{key: value for key, value in (update or {}).items() if key != "audio"},
    }


def session_created() -> bytes:
    return _frame("session.created", session=session())


def session_updated(update: dict[str, Any]) -> bytes:
    return _frame("session.updated", session=session(update))


# --- a response ---


class Response:
    """One response: its opening, deltas in turn (audio, then a word of its transcript), and its closing."""

    def __init__(self) -> None:
        number = next(_numbers)
        self._id = f"resp_E6U0{number:017d}"
        self._item_id = f"item_E6U0{number:017d}"
        self._part = {"item_id": self._item_id, "output_index": 0, "content_index": 0}

    def opening(self) -> list[bytes]:
        item = self._item("in_progress", [])
        return [
            _frame("response.created", response=self._response("in_progress", [])),
            _frame("response.output_item.added", response_id=self._id, output_index=0, item=item),
            _frame("conversation.item.added", previous_item_id=None, item=item),
            _frame(
                "response.content_part.added",
                response_id=self._id,
                **self._part,
                part={"type": "audio", "transcript": ""},
            ),
        ]

    def closing(self, transcript: str) -> list[bytes]:
        item = self._item("completed", [{"type": "output_audio", "transcript": transcript}])
        place = {"response_id": self._id, **self._part}
        return [
            _frame("response.output_audio.done", **place),
            _frame("response.output_audio_transcript.done", **place, transcript=transcript),
            _frame("response.content_part.done", **place, part={"type": "audio", "transcript": transcript}),
            _frame("conversation.item.done", previous_item_id=None, item=item),
            _frame("response.output_item.done", response_id=self._id, output_index=0, item=item),
            _frame("response.done", response=self._response("completed", [item])),
        ]

    def deltas(self, audio_ms: int, count: int) -> Deltas:
        """So many deltas, half of them audio."""
        return Deltas(audio_ms, count, self._id, self._item_id)

    def _item(self, status: str, content: list[dict[str, str]]) -> dict[str, Any]:
        return {"id": self._item_id, "type": "message", "status": status, "role": "assistant", "content": content}

    def _response(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        details = {"text_tokens": 16, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0}
        usage = {
            "total_tokens": 40,
            "input_tokens": 16,
            "output_tokens": 24,
            "input_token_details": details,
            "output_token_details": {"text_tokens": 10, "audio_tokens": 14},
        }
        return {
            "object": "realtime.response",
            "id": self._id,
            "status": status,
            "status_details": None,
            "output": output,
            "conversation_id": "conv_E6U0tQE9YCxDzNHVI8JCO",
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "alloy"}},
            "usage": usage if status == "completed" else None,
            "metadata": None,
        }


class Deltas:
    """The deltas of a response, built beforehand. On another wire, only `audio` and `word` differ.

    Attributes:
        transcript: Their words.
    """

    def __init__(self, audio_ms: int, count: int, response_id: str = "", item_id: str = "") -> None:
        size = audio_ms * _BYTES_PER_MS
        seeded = random.Random(size)
        self._place = f'"response_id":"{response_id}","item_id":"{item_id}","output_index":0,"content_index":0'
        self._pieces = [seeded.randbytes(size) for _ in range(min(_PIECES, count // 2))]
        self._encoded = [pybase64.b64encode(piece) for piece in self._pieces]
        self._words = [_WORDS[number % len(_WORDS)] for number in range(count // 2)]
        self.transcript = "".join(self._words)

    def frames(self) -> list[bytes]:
        audio = (self.audio(self._encoded[number % len(self._encoded)]) for number in range(len(self._words)))
        return [frame for pair in zip(audio, map(self.word, self._words), strict=True) for frame in pair]

    def stamped(self, number: int) -> bytes:
        """One delta, whose audio begins with the time at which this is called (`STAMP`)."""
        if number % 2:
            return self.word(self._words[number // 2])
        stamp = pybase64.b64encode(STAMP.pack(time.monotonic_ns()))
        return self.audio(stamp + self._encoded[number // 2 % len(self._encoded)][len(stamp) :])

    def totals(self) -> Totals:
        crc = 0
        for number in range(len(self._words)):
            crc = zlib.crc32(self._pieces[number % len(self._pieces)], crc)
        return Totals(
            events=2 * len(self._words),
            audio=len(self._pieces[0]) * len(self._words),
            characters=len(self.transcript),
            audio_crc=crc,
            text_crc=zlib.crc32(self.transcript.encode()),
        )

    def audio(self, encoded: bytes) -> bytes:
        """A frame of audio, which is given as base64."""
        head = f'{{"type":"response.output_audio.delta","event_id":"{event_id()}",{self._place},"delta":"'
        return b'%b%b"}' % (head.encode(), encoded)

    def word(self, word: str) -> bytes:
        """A frame of transcript."""
        return (
            f'{{"type":"response.output_audio_transcript.delta","event_id":"{event_id()}",{self._place},'
            f'"delta":"{word}","obfuscation":"RSqlv4AWJ4MXbp"}}'
        ).encode()
