"""Most frames are one of their kind again, with another value in it: that is seen without reading them anew."""

from __future__ import annotations

from typing import Literal

import msgspec
import pybase64

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.messages.base import FrameOutline
from duologue.protocols.gemini.content_frames import Blob, Content, Part
from duologue.protocols.gemini.server_frames import ServerContent, ServerFrame, Transcript
from duologue.protocols.gemini.values import read_audio_type

LONG = 300
"""Bytes, from which on a frame may be one of audio, and below which one of words."""

_MOST_LESSONS = 16  # who writes its frames ever differently is read as it comes
_decode = msgspec.json.Decoder(ServerFrame).decode


class _Outline(FrameOutline):
    """A frame of audio, without the audio."""

    def __init__(self, head: bytes, tail: bytes) -> None:
        self._head, self._tail = head, tail

    def filled(self, message: m.OutputAudioDelta) -> bytes:
        return self._head + pybase64.b64encode(message.audio) + self._tail


class Shape:
    """What surrounds the only value in a frame, as it was read once.

    A frame that begins and ends like that, and has one whole value between, tells the same with that value. Until one
    was read, no frame does.

    Args:
        kind: Whether the value is the model's words, as a JSON string, or audio, as base64 without the quotes.

    Attributes:
        head: What is before the value.
        tail: What is behind it.
        start: Where the value begins.
        end: Where it ends, counted from the end of the frame.
        outline: Makes a frame again of its audio.
    """

    def __init__(self, kind: Literal["words", "audio"]) -> None:
        self.head = self.tail = b"\0"
        self.start = self.end = 0
        self.outline: FrameOutline = _Outline(self.head, self.tail)
        self._holds_only, self._key, self._quotes = _KINDS[kind]
        self._lessons = _MOST_LESSONS

    def learn(self, frame: bytes, read: ServerFrame) -> None:
        """`frame` was read as `read`: note its shape, if it tells nothing else."""
        if not self._lessons or not self._holds_only(read, None):
            return
        self._lessons -= 1
        start = frame.find(b'"', frame.find(b":", frame.find(self._key))) + 1
        end = frame.find(b'"', start)
        head, tail = frame[: start - self._quotes], frame[end + self._quotes :]
        try:
            without = _decode(frame[:start] + frame[end:])
        except ValueError:
            return
        if self._holds_only(without, "") and len(head) + len(tail) < LONG:
            self.head, self.tail = head, tail
            self.start, self.end = len(head), -len(tail)
            self.outline = _Outline(head, tail)


def _only_words(read: ServerFrame, text: str | None) -> bool:
    """Whether a frame tells nothing but words of the model: any, or exactly `text`."""
    words = None if read.server_content is None else read.server_content.output_transcription
    if words is None:
        return False
    alone = Transcript(text=words.text if text is None else text)
    return read == ServerFrame(server_content=ServerContent(output_transcription=alone))


def _only_audio(read: ServerFrame, data: str | None) -> bool:
    """Whether a frame tells nothing but audio in the usual format: any, or exactly `data`."""
    content = read.server_content
    turn = None if content is None or content.output_transcription is not None else content.model_turn
    blob = None if turn is None or len(turn.parts) != 1 else turn.parts[0].inline_data
    if turn is None or blob is None or read_audio_type(blob.mime_type, PCM16_24K) != PCM16_24K:
        return False
    alone = Part(inline_data=Blob(mime_type=blob.mime_type, data=blob.data if data is None else data))
    turn = Content(parts=(alone,), role=turn.role)
    return read == ServerFrame(server_content=ServerContent(model_turn=turn))


_KINDS = {"words": (_only_words, b'"text"', 1), "audio": (_only_audio, b'"data"', 0)}
