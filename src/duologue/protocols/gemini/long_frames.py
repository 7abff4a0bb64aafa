"""Long frames are audio, and but for their audio they are all the same: that is seen without reading them anew."""

from __future__ import annotations

from duologue.formats import PCM16_24K
from duologue.protocols.gemini.content_frames import Blob, Content, Part
from duologue.protocols.gemini.server_frames import ServerContent, ServerFrame
from duologue.protocols.gemini.values import read_audio_type

LONG = 300
"""Bytes, from which on this pays."""

_HEAD = 300  # bytes in which the audio must begin
_KEY = b'"data":'


class AudioShape:
    """What surrounds the audio in a frame that holds nothing else, as it was read once.

    A frame that begins and ends like that, and has base64 between (which has no quotes), is the same but for its audio.
    """

    def __init__(self) -> None:
        self._head = b""
        self._tail = b"\0"

    def audio_of(self, frame: bytes) -> bytes | None:
        """The base64 in a frame of this shape; None if it is of another."""
        head, tail = self._head, self._tail
        if head and len(frame) >= LONG and frame.startswith(head) and frame.endswith(tail):
            return frame[len(head) : -len(tail)]
        return None

    def learn(self, frame: bytes, read: ServerFrame) -> None:
        """`frame` was read as `read`: note its shape, if it is nothing but audio in the usual format."""
        if frame.startswith(self._head) and self._head:
            return
        blob = _only_audio(read)
        place = frame.find(_KEY, 0, _HEAD)
        if blob is None or place < 0:
            return
        data = blob.data.encode()
        start = frame.find(data, place)
        if start >= 0 and frame.count(b'"', start, start + len(data)) == 0:
            self._head, self._tail = frame[:start], frame[start + len(data) :]


def _only_audio(read: ServerFrame) -> Blob | None:
    """The audio of a frame that tells nothing else."""
    content = read.server_content
    turn = None if content is None else content.model_turn
    if content is None or turn is None or len(turn.parts) != 1:
        return None
    blob = turn.parts[0].inline_data
    if blob is None or read_audio_type(blob.mime_type, PCM16_24K) != PCM16_24K or len(blob.data) < 16:
        return None
    alone = ServerFrame(
        server_content=ServerContent(model_turn=Content(parts=(Part(inline_data=blob),), role=turn.role))
    )
    return blob if read == alone else None
