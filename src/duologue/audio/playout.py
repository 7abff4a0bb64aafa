"""What is queued for a listener, what was rendered of it, and so what the listener has heard."""

from __future__ import annotations

from collections import deque

import msgspec

from duologue.audio.samples import SampleAligner
from duologue.errors import InvalidAudio
from duologue.formats import AudioFormat, silent_bytes


class Heard(msgspec.Struct, frozen=True):
    """How much of an item's audio was played to the listener.

    Attributes:
        item_id: The item that the audio belongs to.
        content_index: The part of the item.
        played_ms: Milliseconds of its audio that were rendered.
        finished: Whether all audio that was queued for it was rendered.
    """

    item_id: str
    content_index: int
    played_ms: float
    finished: bool


class PlayoutBuffer:
    """A queue of audio between a session and a loudspeaker: `push` on one side, `render` on the other.

    Items play one after another. The clock is whoever calls `render`. Not thread-safe.

    Args:
        format: The format that audio is pushed and rendered in.
    """

    def __init__(self, format: AudioFormat) -> None:
        self.format = format
        self._queue: deque[tuple[tuple[str, int], memoryview]] = deque()
        self._queued_bytes = 0
        self._rendered_bytes = 0
        # Bytes rendered of every item, so that one which is pushed again is counted on from where it was.
        self._positions: dict[tuple[str, int], int] = {}
        self._pushed: tuple[str, int] | None = None
        self._rendered: tuple[str, int] | None = None
        self._aligner = SampleAligner(format.sample_bytes)

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait to be rendered."""
        return self._queued_bytes

    @property
    def queued_ms(self) -> float:
        """Milliseconds of audio that wait to be rendered."""
        return self.format.duration_ms(self._queued_bytes)

    @property
    def rendered_bytes(self) -> int:
        """Bytes of pushed audio rendered so far, of all items; silence does not count."""
        return self._rendered_bytes

    @property
    def heard(self) -> Heard | None:
        """The item that plays now, or is next; with nothing queued, the one that played last. None after `clear`."""
        key = self._queue[0][0] if self._queue else self._rendered
        if key is None:
            return None
        played_ms = self.format.duration_ms(self._positions.get(key, 0))
        return Heard(*key, played_ms=played_ms, finished=not self._queue)

    def push(self, audio: bytes, item_id: str, content_index: int) -> None:
        """Queue audio of an item. It may be cut anywhere; what begins a sample waits for the rest of it."""
        key = (item_id, content_index)
        if key != self._pushed:
            self._aligner.reset()
            self._pushed = key
        if audio := self._aligner.align(audio):
            self._queue.append((key, memoryview(audio)))
            self._queued_bytes += len(audio)

    def render(self, size: int) -> bytes:
        """Take the next `size` bytes to play; where the queue ends, silence.

        Raises:
            InvalidAudio: `size` is no whole number of samples.
        """
        if not self.format.is_aligned(size):
            raise InvalidAudio(f"{size} bytes are no whole number of samples of {self.format}.")
        parts: list[bytes | memoryview] = []
        missing = size
        while missing and self._queue:
            key, audio = self._queue.popleft()
            if len(audio) > missing:
                self._queue.appendleft((key, audio[missing:]))
                audio = audio[:missing]
            parts.append(audio)
            missing -= len(audio)
            self._positions[key] = self._positions.get(key, 0) + len(audio)
            self._rendered = key
        self._queued_bytes -= size - missing
        self._rendered_bytes += size - missing
        parts.append(silent_bytes(self.format, missing))
        return b"".join(parts)

    def clear(self) -> Heard | None:
        """Drop what is queued.

        Returns:
            What was heard of the item that was playing (see `heard`); None if nothing was pushed since the last
            `clear`.
        """
        heard = self.heard
        self._queue.clear()
        self._queued_bytes = 0
        self._aligner.reset()
        self._rendered = None
        return heard
