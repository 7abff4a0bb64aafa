"""Where every client puts what it got out of the stream: the application, as small as can be."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable

from peers.wire import STAMP, Totals

Pcm = bytes | memoryview


class Sink:
    """Takes PCM and text. What it does with them is exchanged from one measurement to the next."""

    def __init__(self) -> None:
        self.audio: Callable[[Pcm], None] = lambda pcm: None
        self.text: Callable[[str], None] = lambda text: None

    def use(self, tally: Tally) -> None:
        self.audio, self.text = tally.audio, tally.text


class Tally:
    """Counts until everything has come.

    Args:
        totals: What one session gets.
        sessions: How many sessions share the tally.
    """

    def __init__(self, totals: Totals, sessions: int = 1) -> None:
        self._audio_left = totals.audio * sessions
        self._characters_left = totals.characters * sessions
        self._complete = asyncio.Event()

    def audio(self, pcm: Pcm) -> None:
        self._audio_left -= len(pcm)
        if self._audio_left <= 0 and self._characters_left <= 0:
            self._complete.set()

    def text(self, text: str) -> None:
        self._characters_left -= len(text)
        if self._audio_left <= 0 and self._characters_left <= 0:
            self._complete.set()

    async def complete(self, seconds: float) -> None:
        """Wait until everything has come.

        Raises:
            RuntimeError: Something is missing, or too much.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._complete.wait()
        except TimeoutError:
            pass
        if self._audio_left or self._characters_left:
            raise RuntimeError(f"{self._audio_left} bytes of audio and {self._characters_left} characters are missing")


class Checksum(Tally):
    """Also takes the checksums."""

    def __init__(self, totals: Totals) -> None:
        super().__init__(totals)
        self._totals = totals
        self._audio_crc = self._text_crc = 0

    def audio(self, pcm: Pcm) -> None:
        self._audio_crc = zlib.crc32(pcm, self._audio_crc)
        super().audio(pcm)

    def text(self, text: str) -> None:
        self._text_crc = zlib.crc32(text.encode(), self._text_crc)
        super().text(text)

    async def complete(self, seconds: float) -> None:
        await super().complete(seconds)
        if (self._audio_crc, self._text_crc) != (self._totals.audio_crc, self._totals.text_crc):
            raise RuntimeError("the checksums differ from what the server sent")


class Delays(Tally):
    """Also notes how long each piece of audio took from the server's send to here.

    Attributes:
        ns: The delays, in ns.
    """

    def __init__(self, totals: Totals, sessions: int) -> None:
        super().__init__(totals, sessions)
        self.ns: list[int] = []

    def audio(self, pcm: Pcm) -> None:
        self.ns.append(time.monotonic_ns() - STAMP.unpack_from(pcm)[0])
        super().audio(pcm)
