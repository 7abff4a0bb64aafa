"""Where a session's audio goes: the protocol, memory and WAV files."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol

from duologue.audio.convert import Converter
from duologue.audio.pacing import Clock, Sleep
from duologue.audio.playout import Heard, PlayoutBuffer
from duologue.audio.wav import WavFile, WavWriter
from duologue.errors import InvalidInput
from duologue.formats import PCM16_24K, AudioFormat

if TYPE_CHECKING:
    from typing import Self

# How often a wait for the end of playback looks again, in seconds: more may have been queued, or all dropped.
DRAIN_POLL_SECONDS = 0.02


class AudioSink(Protocol):
    """Plays a session's audio, and knows what of it was heard.

    Attributes:
        format: The format that `play` takes.
        heard: The position now: the item that plays, or is next, or played last. None before the first `play` and
            after `stop`. It may lag behind what really sounded, as a telephone's does.
    """

    @property
    def format(self) -> AudioFormat: ...

    @property
    def heard(self) -> Heard | None: ...

    def play(self, audio: bytes, item_id: str, content_index: int) -> None:
        """Queue audio behind what is queued already. Never waits."""
        ...

    def stop(self) -> Heard | None:
        """Drop what is queued, at once; say what was heard of the item that was playing."""
        ...

    async def drained(self) -> None:
        """Wait until all that is queued was played or dropped."""
        ...

    async def aclose(self) -> None:
        """Stop, and let go of the device or file."""
        ...


class ClockedSink(ABC):
    """Plays into a recording, at the speed of a loudspeaker: a sample is rendered when its time has come.

    It needs no task. Each call first renders what has become due since the last one.

    Args:
        format: The format that `play` takes.
        realtime: Whether to keep to the speed of a loudspeaker, with silence where nothing is queued; otherwise all
            audio is rendered as soon as it is queued.
        clock: Gives the time in seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        format: AudioFormat,
        *,
        realtime: bool = True,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._buffer = PlayoutBuffer(format)
        self._realtime = realtime
        self._clock = clock
        self._sleep = sleep
        self._closed = False
        self._position_bytes = 0
        self.started_at = clock()

    @property
    def format(self) -> AudioFormat:
        """The format that `play` takes."""
        return self._buffer.format

    @property
    def heard(self) -> Heard | None:
        """What has been heard of the item that plays now; see `AudioSink`."""
        self._advance()
        return self._buffer.heard

    def play(self, audio: bytes, item_id: str, content_index: int) -> None:
        """Queue audio; see `AudioSink`.

        Raises:
            InvalidInput: The sink is closed.
        """
        if self._closed:
            raise InvalidInput("This sink is closed; nothing was played.")
        self._advance()
        self._buffer.push(audio, item_id, content_index)

    def stop(self) -> Heard | None:
        """Drop what is queued; see `AudioSink`."""
        self._advance()
        return self._buffer.clear()

    async def drained(self) -> None:
        """Wait until all that is queued was rendered or dropped."""
        self._advance()
        while self._buffer.queued_bytes:
            await self._sleep(min(self._buffer.queued_ms / 1000, DRAIN_POLL_SECONDS))
            self._advance()

    async def aclose(self) -> None:
        """Drop what is queued, and end the recording."""
        if not self._closed:
            self.stop()
            self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    @abstractmethod
    def _write(self, rendered: bytes, audible_bytes: int) -> None:
        """Record the next rendered samples, of which the first `audible_bytes` bytes are no filling silence."""

    def _advance(self) -> None:
        if self._closed:
            return
        format = self.format
        if self._realtime:
            # A float of seconds since the start may fall just short of a whole sample.
            due = int((self._clock() - self.started_at) * format.rate + 1e-6) * format.sample_bytes
        else:
            due = self._position_bytes + self._buffer.queued_bytes
        while self._position_bytes < due:
            size = min(due - self._position_bytes, format.bytes_per_second)
            audible_bytes = min(self._buffer.queued_bytes, size)
            self._write(self._buffer.render(size), audible_bytes)
            self._position_bytes += size


class MemorySink(ClockedSink):
    """Plays into memory, and can tell for every moment what was rendered.

    Args:
        format: As in `ClockedSink`, and so are the others.

    Attributes:
        started_at: The clock's time of the first sample of `rendered`, in seconds.
    """

    def __init__(
        self,
        format: AudioFormat = PCM16_24K,
        *,
        realtime: bool = True,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(format, realtime=realtime, clock=clock, sleep=sleep)
        self._recording = bytearray()
        self._audible_end: int | None = None

    @property
    def rendered(self) -> bytes:
        """All samples from `started_at` until now, with silence where nothing was queued."""
        self._advance()
        return bytes(self._recording)

    @property
    def last_audible_at(self) -> float | None:
        """The clock's time, in seconds, when the last sample that had been queued was rendered; None without one.

        Without `realtime` it is where that sample lies in the recording.
        """
        self._advance()
        if self._audible_end is None:
            return None
        return self.started_at + self._audible_end / self.format.bytes_per_second

    def _write(self, rendered: bytes, audible_bytes: int) -> None:
        if audible_bytes:
            self._audible_end = len(self._recording) + audible_bytes
        self._recording += rendered


class WavSink(ClockedSink):
    """Plays into a WAV file: what a listener would have heard, pauses and interruptions included.

    Args:
        file: A path, or a file opened for writing bytes.
        format: As in `ClockedSink`, and so are the others. The file is s16le at its rate.

    Raises:
        OSError: The file cannot be written.
        MissingDependency: numpy is not installed, and the format is G.711.
    """

    def __init__(
        self,
        file: WavFile,
        format: AudioFormat = PCM16_24K,
        *,
        realtime: bool = True,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        super().__init__(format, realtime=realtime, clock=clock, sleep=sleep)
        self._converter = Converter(format, AudioFormat("pcm16", format.rate))
        self._writer = WavWriter(file, format.rate)

    async def aclose(self) -> None:
        """Drop what is queued, and close the file."""
        await super().aclose()
        self._writer.close()

    def _write(self, rendered: bytes, audible_bytes: int) -> None:
        self._writer.write(self._converter.process(rendered))
