"""What has arrived and was not read yet: the only queue between a provider and the reader."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from types import TracebackType

from duologue import messages as m
from duologue.errors import SessionEnded, SessionFailed
from duologue.messages.base import Arrival, Meta

MAX_BYTES = 32 * 2**20
MAX_MESSAGES = 100_000
_OVERHEAD = 200  # bytes that a message without a payload is reckoned to hold


class MessageBuffer(ABC):
    """What a reader will get. It protects memory: it never drops and never blocks the sender, but says when it is full.

    Subclasses bring the reader, who waits for `_wake`, and gets what `_take` or `_ending` gives.

    Args:
        pause: Called when it holds more than `max_bytes` or `max_messages`.
        resume: Called when it is half empty again.
        on_end: Called when nothing more will come.
    """

    def __init__(
        self,
        pause: Callable[[], object],
        resume: Callable[[], object],
        on_end: Callable[[], object] = lambda: None,
        *,
        max_bytes: int = MAX_BYTES,
        max_messages: int = MAX_MESSAGES,
    ) -> None:
        self._pause = pause
        self._resume = resume
        self._on_end = on_end
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._messages: deque[tuple[m.ServerMessage, int]] = deque()  # each with its size
        self._bytes = 0
        self._paused = False
        self._traceback: TracebackType | None = None  # where a layer raised
        self.end: SessionEnded | None = None
        """Why nothing more will come."""

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def size(self) -> int:
        """About how many bytes are held."""
        return self._bytes

    def received(self, message: m.ServerMessage) -> None:
        """Add a message; an interruption goes ahead, and the audio that it makes stale goes."""
        self._put(message)
        self._wake()

    def ended(self, end: SessionEnded) -> None:
        """After what is held, reading raises `end`."""
        self.end = end
        if end.__cause__ is not None:
            self._traceback = end.__cause__.__traceback__
        self._on_end()
        self._wake()

    @abstractmethod
    def _wake(self) -> None:
        """There is something for a reader that waits."""

    def _put(self, message: m.ServerMessage) -> None:
        if type(message) is m.Interrupted:
            self._put_ahead(message)
        else:
            size = size_of(message)
            self._messages.append((message, size))
            self._bytes += size
        if (self._bytes > self._max_bytes or len(self._messages) > self._max_messages) and not self._paused:
            self._paused = True
            self._pause()

    def _take(self) -> m.ServerMessage:
        message, size = self._messages.popleft()
        self._bytes -= size
        if self._paused:
            self._resume_with_room()
        return message

    def _resume_with_room(self) -> None:
        if self._bytes * 2 < self._max_bytes and len(self._messages) * 2 < self._max_messages:
            self._paused = False
            self._resume()

    def _put_back(self, message: m.ServerMessage) -> None:
        size = size_of(message)
        self._messages.appendleft((message, size))
        self._bytes += size

    def _put_ahead(self, interruption: m.Interrupted) -> None:
        stale = interruption.response_id
        kept = [
            (message, size)
            for message, size in self._messages
            if not (type(message) is m.OutputAudioDelta and (stale is None or message.response_id == stale))
        ]
        place = next((index for index, (message, _) in enumerate(kept) if type(message) not in _STAYS_AHEAD), len(kept))
        kept.insert(place, (interruption, size_of(interruption)))
        self._messages = deque(kept)
        self._bytes = sum(size for _, size in kept)

    def _ending(self) -> BaseException:
        """What a reader gets when nothing is left: what a layer raised comes as it is."""
        assert self.end is not None
        if isinstance(self.end, SessionFailed) and self.end.__cause__ is not None:
            return self.end.__cause__.with_traceback(self._traceback)
        return self.end.with_traceback(None)


# SessionCreated is always the first message, and interruptions keep their order.
_STAYS_AHEAD = (m.SessionCreated, m.Interrupted)


def size_of(message: m.ServerMessage) -> int:
    """About how many bytes a message holds, its frame included."""
    size = _OVERHEAD + len(message.audio) if type(message) is m.OutputAudioDelta else _OVERHEAD
    meta: Meta | Arrival | None = getattr(message, "_meta", None)  # without the property: it is done for every message
    frame = None if meta is None else meta[2] if isinstance(meta, tuple) else meta.frame
    return size + len(frame) if isinstance(frame, (str, bytes)) else size
