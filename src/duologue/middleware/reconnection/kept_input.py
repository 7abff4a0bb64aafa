"""The user's input that no answer has come of yet, kept to be sent again. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from duologue import messages as m
from duologue.formats import AudioFormat
from duologue.messages.base import ClientMessage, ServerMessage

INPUT = (m.InputAudioAppend, m.InputAudioCommit, m.InputAudioEnd, m.UserTurnStart, m.UserTurnEnd)
"""What makes up the user's turns."""

_ENDS = (m.InputAudioCommit, m.UserTurnEnd)


@dataclass(slots=True, eq=False)
class _Entry:
    message: ClientMessage
    start_ms: float
    ms: float
    format: AudioFormat | None

    @property
    def end_ms(self) -> float:
        return self.start_ms + self.ms


class KeptInput:
    """Follows what the user says, and keeps what is not an item of the conversation yet.

    Between turns only the last moments are kept: speech that has just begun, and that nobody has noticed. While
    somebody speaks, and while there is no connection, as much as the bound allows.

    Args:
        most_ms: The bound, in ms of audio.
        idle_ms: What is kept while nobody speaks, in ms; where the wire does not tell when somebody speaks, this is to
            be `most_ms`.

    Attributes:
        is_manual: The application marks the turns: audio waits for its mark, however long.
        is_cut_off: There is no connection: nobody hears what is noted.
        total_ms: All audio of the conversation so far, in ms.
        dropped_ms: What was too much to keep, and nobody has heard, in ms.
        turn: The audio of the last turn, in the format that it came in, until it has an answer.
        turn_format: That format; None: the session's own.
    """

    def __init__(self, most_ms: float, idle_ms: float) -> None:
        self.is_manual = False
        self.is_cut_off = False
        self.total_ms = 0.0
        self.dropped_ms = 0.0
        self.turn = b""
        self.turn_format: AudioFormat | None = None
        self.turn_item: str | None = None
        self._most_ms = most_ms
        self._idle_ms = idle_ms
        self._entries: deque[_Entry] = deque()
        self._kept_ms = 0.0
        self._speaking = False
        self._unheard_from: float | None = None  # where the connection broke
        self._origin = 0.0  # where the connection began to hear
        self._stopped_ms: float | None = None  # where speech stopped, on the connection's own scale

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def offset_ms(self) -> float:
        """Where what is kept begins, in ms of all audio."""
        return self._entries[0].start_ms if self._entries else self.total_ms

    @property
    def is_speaking(self) -> bool:
        """Whether the user is known to speak."""
        return self._speaking

    # --- towards the provider ---

    def note(self, message: ClientMessage, ms: float = 0.0) -> None:
        """The application sends this; `ms` of audio."""
        format = message.format if isinstance(message, m.InputAudioAppend) else None
        self._entries.append(_Entry(message, self.total_ms, ms, format))
        self.total_ms += ms
        self._kept_ms += ms
        self._trim()

    def forget(self, message: ClientMessage) -> None:
        """That was refused before it was sent."""
        for entry in reversed(self._entries):
            if entry.message is message:
                self._entries.remove(entry)
                self._kept_ms -= entry.ms
                self.total_ms -= entry.ms
                return

    def clear(self) -> None:
        """What is not committed shall be forgotten."""
        self._entries.clear()
        self._kept_ms = 0.0
        self._speaking = False

    def messages(self) -> list[ClientMessage]:
        """What is to be sent again, in order."""
        return [entry.message for entry in self._entries]

    def cut_off(self) -> None:
        """The connection broke."""
        if not self.is_cut_off:
            self.is_cut_off = True
            self._unheard_from = self.total_ms

    def moved(self, origin_ms: float) -> None:
        """Another connection has heard all that is kept, from there on."""
        self.is_cut_off, self._unheard_from = False, None
        self._origin, self._stopped_ms = origin_ms, None
        self.dropped_ms = 0.0

    # --- from the provider ---

    def received(self, message: ServerMessage) -> None:
        """Note what became of it."""
        match message:
            case m.InputSpeechStarted():
                self._speaking = True
            case m.InputSpeechStopped(audio_end_ms=end_ms):
                self._stopped_ms = None if end_ms is None else float(end_ms)
            case m.InputAudioCommitted(item_id=item_id):
                self._committed(item_id)
            case m.InputAudioCleared():
                self.clear()
            case _:
                pass

    def answered(self) -> None:
        """The last turn has its answer."""
        self.turn, self.turn_item = b"", None

    def _committed(self, item_id: str | None) -> None:
        end_ms = self._end_of_turn()
        self._speaking, self._stopped_ms = False, None
        pieces: list[bytes] = []
        while self._entries and self._entries[0].end_ms <= end_ms:
            entry = self._entries.popleft()
            self._kept_ms -= entry.ms
            if isinstance(entry.message, m.InputAudioAppend):
                pieces.append(entry.message.audio)
                self.turn_format = entry.format
            if isinstance(entry.message, _ENDS):
                break
        self.turn, self.turn_item = b"".join(pieces), item_id

    def _end_of_turn(self) -> float:
        """Up to where the turn goes that was committed, in ms of all audio."""
        is_marked = any(isinstance(entry.message, _ENDS) for entry in self._entries)
        if is_marked or self._stopped_ms is None:
            return self.total_ms
        return self._origin + self._stopped_ms + 1  # positions on the wire are whole milliseconds

    def _trim(self) -> None:
        while self._entries and self._is_too_much():
            entry = self._entries.popleft()
            self._kept_ms -= entry.ms
            if self._unheard_from is not None and entry.end_ms > self._unheard_from:
                self.dropped_ms += entry.ms

    def _is_too_much(self) -> bool:
        if self._kept_ms > self._most_ms:
            return True
        if self._speaking or self.is_manual:
            return False
        first = self._entries[0]
        if self._unheard_from is None:
            return self._kept_ms - first.ms >= self._idle_ms
        return first.end_ms <= self._unheard_from - self._idle_ms
