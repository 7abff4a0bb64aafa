"""Frames of audio are long, and all alike but for an id and the audio: that is seen without parsing them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pybase64

from duologue import messages as m
from duologue.messages.base import FrameOutline
from duologue.protocols.base64_text import encode_base64
from duologue.transports.base import Frame

LONG = 600
"""Characters, from which on a frame may be audio, and below which it may be words."""

_NOTHING = "\0"  # no frame begins like that
_UNREADABLE = (msgspec.DecodeError, UnicodeError)


class _Outline(FrameOutline):
    """A frame of a part, without its id and its audio."""

    def __init__(self, head: str, middle: str, tail: str) -> None:
        self._head, self._middle, self._tail = head, middle, tail

    def filled(self, message: m.OutputAudioDelta) -> str:
        return f"{self._head}{message.id}{self._middle}{encode_base64(message.audio)}{self._tail}"


class AudioShape:
    """What the frames of one part of an answer have around its audio, as one of them was parsed.

    A frame that has the same, an id of the same length and whole base64 is the same but for these two. (An id that is
    an identifier, as Python has it, and base64 hold nothing that JSON gives a meaning to.)

    Args:
        decode: Parses a frame.
    """

    def __init__(self, decode: Callable[[Frame], Any]) -> None:
        self._decode = decode
        self._head = self._middle = self._tail = _NOTHING
        self._id_at = self._id_ends = self._audio_at = self._audio_ends = 0
        self._outline = _Outline(_NOTHING, _NOTHING, _NOTHING)
        self._first: m.OutputAudioDelta | None = None  # of the part

    def more(self, frame: Frame) -> tuple[m.OutputAudioDelta, Frame | FrameOutline] | None:
        """What `frame` says, if it is more audio of the part, and what is to be kept of it."""
        first = self._first
        if (
            first is None
            or type(frame) is not str
            or len(frame) + self._audio_ends < self._audio_at
            or frame[: self._id_at] != self._head
            or frame[self._id_ends : self._audio_at] != self._middle
            or frame[self._audio_ends :] != self._tail
        ):
            return None
        event_id = frame[self._id_at : self._id_ends]
        if not event_id.isidentifier():
            return None
        encoded = frame[self._audio_at : self._audio_ends]
        try:
            audio = pybase64.b64decode(encoded, validate=True)
        except ValueError:
            return None
        message = m.OutputAudioDelta(
            id=event_id,
            response_id=first.response_id,
            item_id=first.item_id,
            output_index=first.output_index,
            content_index=first.content_index,
            audio=audio,
            format=first.format,
        )
        return message, frame if encoded.endswith("=") else self._outline  # before padding, some bits mean nothing

    def learn(self, frame: Frame, message: m.OutputAudioDelta) -> None:
        """`frame` was read as `message`: note its shape. Once a part, as some servers write it ever differently."""
        if type(frame) is not str or (self._first is not None and _are_of_a_part(message, self._first)):
            return
        self._first = message
        self._head = _NOTHING
        if message.id is None or not message.id.isidentifier():
            return
        id_at = frame.find(f'"{message.id}"') + 1
        id_ends = id_at + len(message.id)
        audio_at = frame.find('"', frame.find(":", frame.find('"delta"', id_ends))) + 1
        audio_ends = frame.find('"', audio_at) - len(frame)
        if id_at > 0 and self._is_but_for_x(f"{frame[:id_at]}x{frame[id_ends:audio_at]}x{frame[audio_ends:]}", message):
            self._head, self._middle, self._tail = frame[:id_at], frame[id_ends:audio_at], frame[audio_ends:]
            self._outline = _Outline(self._head, self._middle, self._tail)
            self._id_at, self._id_ends, self._audio_at, self._audio_ends = id_at, id_ends, audio_at, audio_ends

    def _is_but_for_x(self, frame: str, message: m.OutputAudioDelta) -> bool:
        """Whether `frame` is read as `message` is, but for "x" as its id and its audio."""
        try:
            event = self._decode(frame)
        except _UNREADABLE:
            return False
        return bool(
            event.event_id == "x"
            and event.delta == "x"
            and _are_of_a_part(event, message)
            and event.output_index == message.output_index
        )


def _are_of_a_part(event: Any, message: m.OutputAudioDelta) -> bool:
    return bool(
        event.item_id == message.item_id
        and event.content_index == message.content_index
        and event.response_id == message.response_id
    )
