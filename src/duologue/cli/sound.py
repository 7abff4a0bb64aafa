"""Sources and sinks that the commands use, beside those of `duologue.audio`."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

from duologue.audio import AudioSource, ClockedSink, WavSource
from duologue.errors import InvalidAudio, InvalidInput
from duologue.formats import PCM16_24K, AudioFormat

TRAILING_SILENCE_MS = 1_000
"""Silence after a recording, in ms: twice the window by which turn detection ends a turn."""


class SilentSink(ClockedSink):
    """Plays nowhere, at the pace of a loudspeaker; or, without `realtime`, counts audio as heard when it comes."""

    def _write(self, rendered: bytes, audible_bytes: int) -> None:
        """There is nothing to keep."""


class Playlist:
    """Recordings, one after another, as one source: it waits until the next one is asked for.

    Args:
        format: The format of all of them.
        clock: Gives the time in seconds.
    """

    def __init__(self, format: AudioFormat = PCM16_24K, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._format = format
        self._clock = clock
        self._waiting: deque[_Recording] = deque()
        self._asked = asyncio.Event()
        self._closed = False
        self.started_at: float | None = None
        """When the first sample of the latest recording was said, in the clock's seconds."""

    @property
    def format(self) -> AudioFormat:
        """The format of the chunks."""
        return self._format

    async def play(self, source: AudioSource) -> None:
        """Give what `source` has, and wait until it was taken, or the playlist is closed.

        Raises:
            InvalidAudio: The recording is broken; what is good of it was given.
            InvalidInput: The playlist is closed already.
        """
        if self._closed:
            raise InvalidInput("This playlist is closed; nothing was played.")
        recording = _Recording(source)
        self._waiting.append(recording)
        self._asked.set()
        await recording.over

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._closed:
            if not self._waiting:
                self._asked.clear()
                await self._asked.wait()
                continue
            recording = self._waiting[0]
            try:
                chunk = await anext(recording.chunks)
            except StopAsyncIteration:
                self._finish(recording, None)
                continue
            except InvalidAudio as error:
                self._finish(recording, error)
                continue
            if not recording.has_begun:
                recording.has_begun = True
                self.started_at = self._clock() - self._format.duration_ms(len(chunk)) / 1000
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End the stream, and close the recordings that were not played."""
        self._closed = True
        self._asked.set()
        while self._waiting:
            recording = self._waiting[0]
            self._finish(recording, None)
            await recording.source.aclose()

    def _finish(self, recording: _Recording, error: InvalidAudio | None) -> None:
        if recording in self._waiting:
            self._waiting.remove(recording)
        if recording.over.done():
            return
        if error is None:
            recording.over.set_result(None)
        else:
            recording.over.set_exception(error)


class _Recording:
    def __init__(self, source: AudioSource) -> None:
        self.source = source
        self.chunks: AsyncIterator[bytes] = aiter(source)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.has_begun = False


def open_recording(file: Path, *, realtime: bool = True) -> WavSource:
    """The WAV file as 24 kHz speech, with silence after it for the turn to be detected.

    Raises:
        InvalidInput: It cannot be read, or is no WAV file. The text names it.
    """
    try:
        return WavSource(file, format=PCM16_24K, realtime=realtime, trailing_silence_ms=TRAILING_SILENCE_MS)
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.") from None
    except InvalidAudio as error:
        raise InvalidAudio(f"{file}: {error}") from None
