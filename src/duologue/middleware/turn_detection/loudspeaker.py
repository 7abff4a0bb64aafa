"""What a loudspeaker plays, and when. Pure: the time is an argument, in s."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from duologue.audio import Converter
from duologue.formats import AudioFormat

_KEPT = 2.0  # s of what was played: by then its echo was heard, or the microphone is off
_TOLERANCE = 0.03  # reports come a little early or late: what is played is not moved about for that


@dataclass(slots=True, eq=False)
class _Piece:
    start: int  # in samples since time 0
    pcm: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // 2


class Loudspeaker:
    """Holds the audio that is played, with the time of each sample.

    Args:
        rate: Of the audio that it gives, in Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._pieces: deque[_Piece] = deque()
        self._end = 0  # when the last sample was played, or will be
        self._converter: Converter | None = None

    def play(self, audio: bytes, format: AudioFormat, now: float) -> None:
        """More is to be played: at once, or after what is still being played."""
        if self._converter is None or self._converter.source != format:
            self._converter = Converter(format, AudioFormat(rate=self._rate))
        piece = _Piece(max(self._end, round(now * self._rate)), self._converter.process(audio))
        self._end = piece.end
        self._pieces.append(piece)
        self._forget(round((now - _KEPT) * self._rate))

    def is_to_end(self, at: float) -> None:
        """All of it will have been played at that time: the playback is late, or early."""
        late = round(at * self._rate) - self._end
        if abs(late) > _TOLERANCE * self._rate:
            self._end += late
            for piece in self._pieces:
                piece.start += late

    def stop(self, now: float) -> None:
        """Nothing is played any more."""
        self._end = min(self._end, round(now * self._rate))
        while self._pieces and self._pieces[-1].start >= self._end:
            self._pieces.pop()
        if self._pieces:
            last = self._pieces[-1]
            last.pcm = last.pcm[: 2 * max(0, self._end - last.start)]

    def played(self, start: int, samples: int) -> bytes:
        """What is played from a sample on, counted from time 0, with silence where nothing is. It goes forward only:
        what comes before that is forgotten."""
        self._forget(start)
        heard = bytearray(2 * samples)
        for piece in self._pieces:
            first, last = max(start, piece.start), min(start + samples, piece.end)
            if first < last:
                heard[2 * (first - start) : 2 * (last - start)] = piece.pcm[
                    2 * (first - piece.start) : 2 * (last - piece.start)
                ]
        return bytes(heard)

    def _forget(self, before: int) -> None:
        while self._pieces and self._pieces[0].end <= before:
            self._pieces.popleft()
