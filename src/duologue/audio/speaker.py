"""The loudspeaker as an audio sink."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from duologue.audio.convert import Converter
from duologue.audio.devices import LATENCY_SECONDS, device_rate, open_stream, start_stream, unavailable
from duologue.audio.playout import Heard, PlayoutBuffer
from duologue.audio.sinks import DRAIN_POLL_SECONDS
from duologue.errors import InvalidInput
from duologue.formats import PCM16_24K, AudioFormat

if TYPE_CHECKING:
    from typing import Self


class SpeakerSink:
    """Plays through a loudspeaker, in a stream of its own, apart from the microphone's.

    `heard` counts what the device has taken: that sounds `latency` later, also after `stop`. If the device does not
    take the format's rate, it is opened at its own and converted.

    Args:
        device: Number or name of the device (see `list_devices`); None for the default one.
        format: The format that `play` takes.
        latency: How much audio the device buffers, in seconds. Below 0.04 it may crackle.

    Raises:
        DeviceUnavailable: There is no such device, or it cannot be opened.
        MissingDependency: sounddevice or PortAudio is not installed.
    """

    def __init__(
        self,
        device: int | str | None = None,
        format: AudioFormat = PCM16_24K,
        *,
        latency: float = LATENCY_SECONDS,
    ) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._buffer = PlayoutBuffer(format)
        self._converted = bytearray()
        self._closed = False
        self._stopped = False
        self._rate = device_rate("output", device, format.rate)
        self._converter = Converter(format, AudioFormat("pcm16", self._rate))
        self._stream = open_stream(
            "output",
            device,
            self._rate,
            block_frames=0,
            latency=latency,
            callback=self._fill,
            finished=self._finished,
        )
        start_stream("output", device, self._stream)

    @property
    def format(self) -> AudioFormat:
        """The format that `play` takes."""
        return self._buffer.format

    @property
    def heard(self) -> Heard | None:
        """What has been heard of the item that plays now; see `AudioSink`."""
        with self._lock:
            return self._buffer.heard

    def play(self, audio: bytes, item_id: str, content_index: int) -> None:
        """Queue audio; see `AudioSink`.

        Raises:
            DeviceUnavailable: The device has gone.
            InvalidInput: The sink is closed.
        """
        if self._closed:
            raise InvalidInput("This speaker is closed; nothing was played.")
        self._check()
        with self._lock:
            self._buffer.push(audio, item_id, content_index)

    def stop(self) -> Heard | None:
        """Drop what is queued; see `AudioSink`."""
        with self._lock:
            return self._buffer.clear()

    async def drained(self) -> None:
        """Wait until all that is queued has sounded or was dropped.

        Raises:
            DeviceUnavailable: The device has gone.
        """
        while not self._closed and (queued_ms := self._queued_ms()):
            self._check()
            await asyncio.sleep(min(queued_ms / 1000, DRAIN_POLL_SECONDS))
        if not self._closed:
            await asyncio.sleep(self._stream.latency)

    async def aclose(self) -> None:
        """Drop what is queued, and close the device."""
        if self._closed:
            return
        self._closed = True
        self.stop()
        # It waits for PortAudio's thread.
        await asyncio.to_thread(self._stream.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def _queued_ms(self) -> float:
        with self._lock:
            return self._buffer.queued_ms

    def _check(self) -> None:
        if self._stopped:
            raise unavailable("output", self._device, "it stopped while playing")

    def _fill(self, buffer: Any, frames: int, time: object, flags: object) -> None:
        """PortAudio's thread: give the device its next samples."""
        size = 2 * frames
        while (missing := size - len(self._converted)) > 0:
            samples = -(-missing // 2 * self.format.rate // self._rate)
            with self._lock:
                audio = self._buffer.render(max(1, samples) * self.format.sample_bytes)
            self._converted += self._converter.process(audio)
        buffer[:] = bytes(self._converted[:size])
        del self._converted[:size]

    def _finished(self) -> None:
        """PortAudio's thread: the stream has ended."""
        self._stopped = True
