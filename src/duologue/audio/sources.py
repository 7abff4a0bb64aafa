"""Where a session's audio comes from: the protocol, WAV files and memory."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from duologue.audio.convert import Converter
from duologue.audio.pacing import Clock, Pacer, Sleep
from duologue.audio.wav import WavFile, WavReader
from duologue.errors import InvalidAudio
from duologue.formats import AudioFormat, silent_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Self


class AudioSource(Protocol):
    """A stream of audio, read once.

    Attributes:
        format: The format of the chunks.
    """

    @property
    def format(self) -> AudioFormat: ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The chunks of the stream, each of whole samples, usually 20 ms. A cancelled read loses nothing."""
        ...

    async def aclose(self) -> None:
        """Let go of the file or device. A read that waits ends."""
        ...


class RecordedSource(ABC):
    """Plays a recording as if it were spoken now: a chunk comes when its last sample has been said.

    Subclasses give the recording in pieces of any size. What is left at the end comes as a shorter chunk.

    Args:
        format: The format of the chunks.
        chunk_ms: How long a chunk is, in milliseconds.
        realtime: Whether to keep to the speed of real speech; otherwise chunks come as fast as they are read.
        trailing_silence_ms: How much silence follows the recording, in milliseconds, e.g. for a turn to be detected.
        clock: Gives the time in seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        format: AudioFormat,
        *,
        chunk_ms: float = 20,
        realtime: bool = True,
        trailing_silence_ms: float = 0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._format = format
        self._chunk_bytes = max(format.sample_bytes, format.bytes_for(chunk_ms))
        self._pacer = Pacer(realtime=realtime, clock=clock, sleep=sleep)
        self._silence_bytes = format.bytes_for(trailing_silence_ms)
        self._buffer = bytearray()
        self._given_bytes = 0
        self._ended = False
        self._failure: InvalidAudio | None = None

    @property
    def format(self) -> AudioFormat:
        """The format of the chunks."""
        return self._format

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        size = self._fill()
        if not size:
            await self.aclose()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            raise StopAsyncIteration
        await self._pacer.reach(self._format.duration_ms(self._given_bytes + size))
        if not self._buffer:
            raise StopAsyncIteration  # It was closed meanwhile.
        chunk = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._given_bytes += size
        return chunk

    async def aclose(self) -> None:
        """End the stream."""
        self._ended = True
        self._silence_bytes = 0
        self._buffer.clear()

    @abstractmethod
    def _read(self) -> bytes:
        """Give the next piece of the recording; nothing at its end."""

    def _fill(self) -> int:
        """Make the buffer hold the next chunk; say how many bytes that is."""
        while len(self._buffer) < self._chunk_bytes and not self._ended:
            try:
                piece = self._read()
            except InvalidAudio as failure:
                # What came before it is good, and is given first.
                self._failure = failure
                piece = b""
            self._buffer += piece
            self._ended = not piece
        missing = min(self._chunk_bytes - len(self._buffer), self._silence_bytes)
        if missing > 0:
            self._buffer += silent_bytes(self._format, missing)
            self._silence_bytes -= missing
        return min(self._chunk_bytes, len(self._buffer))


class WavSource(RecordedSource):
    """A WAV file of any kind that `WavReader` takes, as a stream of chunks.

    Iteration raises `InvalidAudio` at its end if the file is cut short, after all that is there.

    Args:
        file: A path, or a file opened for reading bytes.
        format: The format to convert to; None keeps the file's rate, as s16le.
        chunk_ms: As in `RecordedSource`, and so are the others.

    Raises:
        InvalidAudio: It is no WAV file, is compressed, has a broken header, or holds no audio.
        OSError: The file cannot be read.
        MissingDependency: numpy is not installed, and it is needed for this file.
    """

    def __init__(
        self,
        file: WavFile,
        *,
        format: AudioFormat | None = None,
        chunk_ms: float = 20,
        realtime: bool = True,
        trailing_silence_ms: float = 0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._reader = WavReader(file, chunk_ms=100)
        target = format or self._reader.format
        super().__init__(
            target,
            chunk_ms=chunk_ms,
            realtime=realtime,
            trailing_silence_ms=trailing_silence_ms,
            clock=clock,
            sleep=sleep,
        )
        try:
            self._converter = Converter(self._reader.format, target)
        except BaseException:
            self._reader.close()
            raise
        self._frames = max(1, self._reader.rate // 10)

    async def aclose(self) -> None:
        """Close the file and end the stream."""
        self._reader.close()
        await super().aclose()

    def _read(self) -> bytes:
        try:
            while pcm := self._reader.read(self._frames):
                # A short piece may all stay inside the resampler.
                if converted := self._converter.process(pcm):
                    return converted
        except InvalidAudio:
            self._buffer += self._converter.flush()
            raise
        return self._converter.flush()


class MemorySource(RecordedSource):
    """Audio in memory, as a stream of chunks.

    Args:
        audio: The recording.
        format: Its format, which is also that of the chunks.
        chunk_ms: As in `RecordedSource`, and so are the others.

    Raises:
        InvalidAudio: `audio` ends inside a sample.
    """

    def __init__(
        self,
        audio: bytes,
        format: AudioFormat,
        *,
        chunk_ms: float = 20,
        realtime: bool = True,
        trailing_silence_ms: float = 0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(
            format,
            chunk_ms=chunk_ms,
            realtime=realtime,
            trailing_silence_ms=trailing_silence_ms,
            clock=clock,
            sleep=sleep,
        )
        if not format.is_aligned(len(audio)):
            raise InvalidAudio(f"{len(audio)} bytes are no whole number of samples of {format}.")
        self._audio = memoryview(audio)

    def _read(self) -> bytes:
        piece, self._audio = self._audio[: self._chunk_bytes], self._audio[self._chunk_bytes :]
        return bytes(piece)
