"""The decoders of one worker process: made when needed, kept for the next utterance with the same hints."""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from duologue.speech.pocketsphinx.language_model import build

if TYPE_CHECKING:
    from pocketsphinx import Decoder

MOST_FREE = 3
"""Decoders for free dictation: each holds a copy of the large language model, about 90 MiB."""
MOST_IDLE = 8
"""Decoders with hints that wait for their next utterance."""

_DISCOUNT = 0.5
_MEAN = "40,3,-1"  # where cepstral mean normalisation starts: the same for every utterance


class DecoderPool:
    """Lends decoders. Not thread-safe: a worker has one thread."""

    def __init__(self) -> None:
        self._idle: OrderedDict[int, tuple[tuple[str, ...], Decoder]] = OrderedDict()
        self._count = 0
        self._free_lent = 0

    def prewarm(self) -> None:
        """Load a decoder for free dictation, and the dictionary."""
        self.release((), _make(()), lent=False)

    def acquire(self, hints: tuple[str, ...]) -> Decoder | None:
        """A decoder that is ready to start; None when all for free dictation are lent."""
        idle = next((key for key, (known, _) in self._idle.items() if known == hints), None)
        if idle is not None:
            _, decoder = self._idle.pop(idle)
        elif hints or self._free_lent < MOST_FREE:
            decoder = _make(hints)
        else:
            return None
        if not hints:
            self._free_lent += 1
        decoder.set_cmn(_MEAN)
        return decoder

    def release(self, hints: tuple[str, ...], decoder: Decoder, *, lent: bool = True) -> None:
        """Take a decoder back."""
        if lent and not hints:
            self._free_lent -= 1
        self._count += 1
        self._idle[self._count] = (hints, decoder)
        while sum(bool(known) for known, _ in self._idle.values()) > MOST_IDLE:
            del self._idle[next(key for key, (known, _) in self._idle.items() if known)]


def _make(hints: tuple[str, ...]) -> Decoder:
    from pocketsphinx import Decoder, get_model_path

    if not hints:
        return Decoder(loglevel="FATAL", wbeam=1e-20, fwdflatwbeam=1e-20)
    arpa, dictionary = build(hints, Path(get_model_path("en-us/cmudict-en-us.dict")), _DISCOUNT)
    with tempfile.TemporaryDirectory(prefix="duologue-") as folder:
        model_file, dictionary_file = Path(folder, "hints.lm"), Path(folder, "hints.dict")
        model_file.write_text(arpa, encoding="utf-8")
        dictionary_file.write_text(dictionary, encoding="utf-8")
        return Decoder(lm=str(model_file), dict=str(dictionary_file), loglevel="FATAL", wbeam=1e-20, fwdflatwbeam=1e-20)
