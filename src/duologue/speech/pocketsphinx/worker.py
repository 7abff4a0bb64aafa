"""The worker process: decodes the utterances of many sessions, a slice of each in turn.

PocketSphinx holds the interpreter's lock while it works, so it may not live in the process that serves the sessions.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from duologue.speech.pocketsphinx.decoders import DecoderPool
from duologue.speech.pocketsphinx.frames import (
    Begin,
    Cancel,
    Failed,
    Feed,
    Final,
    Finish,
    FrameReader,
    FromWorker,
    Partial,
    Ready,
    ToWorker,
    pack,
)

if TYPE_CHECKING:
    from pocketsphinx import Decoder

_BYTES_A_SECOND = 32_000
_SLICE = 1_920  # bytes: 60 ms
_PAUSE = 6_400  # bytes of quiet, 200 ms, after which the words so far are worked out, in case that was all
_SEGMENT_S = 15  # from here on a long utterance is cut at the next pause
_LONGEST_S = 30  # or here at the latest: decoding slows down with length
_QUIET = 0.1  # of the loudest slice


class _Utterance:
    """One utterance while it is decoded.

    The last step of decoding takes tens of milliseconds. So it is done early, as soon as the speaker pauses: if nothing
    follows, the words are there when they are asked for; if he goes on, the segment is decoded again from its start.
    """

    def __init__(self, begin: Begin, pool: DecoderPool) -> None:
        self.number = begin.number
        self.is_finished = False
        self._hints = begin.hints
        self._pool = pool
        self._decoder: Decoder | None = None
        self._is_open = False  # the decoder is in the middle of a segment
        self._audio = bytearray()  # not decoded yet
        self._segment = bytearray()  # of the present segment, to decode it again
        self._words: list[tuple[str, float]] = []  # of the segments that are over, with their confidence
        self._guess: tuple[str, float] | None = None  # the present segment, if it ends here
        self._quiet = 0  # bytes of quiet at the end
        self._loudest = 1
        self._last = ""

    @property
    def has_work(self) -> bool:
        """Whether a slice, or the end, is to be worked on."""
        return self.is_finished or len(self._audio) >= _SLICE

    def feed(self, audio: bytes) -> None:
        """Take audio."""
        self._audio += audio

    def work(self, reply: Callable[[FromWorker], None]) -> bool:
        """Decode a slice, if a decoder is to be had. Whether anything was done."""
        if self._decoder is None:
            self._decoder = self._pool.acquire(self._hints)
            if self._decoder is None:
                return False
        if self._audio:
            audio = bytes(self._audio[:_SLICE])
            del self._audio[: len(audio)]
            self._take(self._decoder, audio)
            self._tell(self._decoder, reply)
        return True

    @property
    def is_over(self) -> bool:
        """Whether all of it is decoded."""
        return self.is_finished and not self._audio and self._decoder is not None

    def final(self) -> Final:
        """The words."""
        self._end_segment()
        confidence = min((confidence for _, confidence in self._words), default=None)
        return Final(self.number, " ".join(text for text, _ in self._words), confidence)

    def release(self) -> None:
        """Give the decoder back."""
        if self._decoder is not None:
            if self._is_open:
                self._decoder.end_utt()
            self._pool.release(self._hints, self._decoder)
            self._decoder = None

    def _take(self, decoder: Decoder, audio: bytes) -> None:
        samples = array.array("h", audio)
        level = max(max(samples), -min(samples))
        self._loudest = max(self._loudest, level)
        is_quiet = level < self._loudest * _QUIET
        self._quiet = self._quiet + len(audio) if is_quiet else 0
        self._segment += audio
        if self._guess is None:
            self._decode(decoder, audio)
        elif not is_quiet:  # the speaker goes on
            self._guess = None
            self._audio[:0] = self._segment
            self._segment.clear()

    def _decode(self, decoder: Decoder, audio: bytes) -> None:
        if not self._is_open:
            decoder.start_utt()
            self._is_open = True
        decoder.process_raw(audio, False, False)
        seconds = len(self._segment) / _BYTES_A_SECOND
        if seconds > _LONGEST_S or (seconds > _SEGMENT_S and self._quiet):
            self._end_segment()
        elif self._quiet >= _PAUSE and len(self._audio) < _SLICE and decoder.hyp() is not None:
            self._guess = self._end_decoding(decoder)

    def _end_segment(self) -> None:
        if self._decoder is not None and self._is_open:
            self._guess = self._end_decoding(self._decoder)
        if self._guess is not None and self._guess[0]:
            self._words.append(self._guess)
        self._guess = None
        self._segment.clear()

    def _end_decoding(self, decoder: Decoder) -> tuple[str, float]:
        decoder.end_utt()
        self._is_open = False
        found = decoder.hyp()
        return (found.hypstr or "", float(found.prob)) if found is not None else ("", 0.0)

    def _tell(self, decoder: Decoder, reply: Callable[[FromWorker], None]) -> None:
        words = [text for text, _ in self._words]
        if self._guess is not None:
            words.append(self._guess[0])
        elif self._is_open and (found := decoder.hyp()) is not None:
            words.append(found.hypstr or "")
        text = " ".join(filter(None, words))
        if text != self._last:
            self._last = text
            reply(Partial(self.number, text))


class Worker:
    """Reads frames, works on the utterances in turn, and answers."""

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target
        self._reader = FrameReader()
        self._decoder = msgspec.msgpack.Decoder(ToWorker)
        self._pool = DecoderPool()
        self._utterances: dict[int, _Utterance] = {}

    def run(self, *, prewarm: bool) -> None:
        """Work until the parent closes the pipe."""
        if prewarm:
            self._pool.prewarm()
        self._reply(Ready())
        worked = False
        while self._read(wait=not worked):
            worked = self._work()

    def _read(self, *, wait: bool) -> bool:
        """Take what has arrived. False: the parent is gone."""
        while select.select([self._source], [], [], None if wait else 0)[0]:
            data = os.read(self._source, 1 << 16)
            if not data:
                return False
            for body in self._reader.feed(data):
                self._handle(self._decoder.decode(body))
            wait = False
        return True

    def _handle(self, frame: ToWorker) -> None:
        match frame:
            case Begin(number=number):
                self._utterances[number] = _Utterance(frame, self._pool)
            case Feed(number=number, audio=audio):
                if utterance := self._utterances.get(number):
                    utterance.feed(audio)
            case Finish(number=number):
                if utterance := self._utterances.get(number):
                    utterance.is_finished = True
            case Cancel(number=number):
                if utterance := self._utterances.pop(number, None):
                    utterance.release()

    def _work(self) -> bool:
        """One slice of the most urgent utterance, in turn. Whether anything was done."""
        waiting = [each for each in self._utterances.values() if each.has_work]
        for utterance in sorted(waiting, key=lambda each: not each.is_finished):
            try:
                if not utterance.work(self._reply):
                    continue
                if utterance.is_over:
                    self._reply(utterance.final())
                    self._end(utterance)
            except (RuntimeError, ValueError) as error:
                self._reply(Failed(utterance.number, f"PocketSphinx raised {type(error).__name__}."))
                self._end(utterance)
            else:
                # The next one first, next time.
                if utterance.number in self._utterances:
                    self._utterances[utterance.number] = self._utterances.pop(utterance.number)
            return True
        return False

    def _end(self, utterance: _Utterance) -> None:
        del self._utterances[utterance.number]
        utterance.release()

    def _reply(self, frame: FromWorker) -> None:
        data = memoryview(pack(frame))
        while data:
            data = data[os.write(self._target, data) :]


def main() -> None:
    """Serve the parent over standard input and output."""
    target = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not end up between the frames
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        Worker(0, target).run(prewarm="--prewarm" in sys.argv)


if __name__ == "__main__":
    main()
