"""The microphone as an audio source."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from duologue.audio.convert import Converter
from duologue.audio.devices import LATENCY_SECONDS, device_rate, open_stream, start_stream, unavailable
from duologue.errors import DeviceUnavailable
from duologue.formats import PCM16_24K, AudioFormat

if TYPE_CHECKING:
    from typing import Self

_logger = logging.getLogger(__name__)

# What a reader may be late before the oldest audio is dropped, in chunks of 20 ms: 10 s.
_QUEUE_CHUNKS = 500
_CHUNK_MS = 20


class MicrophoneSource:
    """Records from a microphone, in chunks of about 20 ms.

    The device is opened at once and starts with the first read. If it does not take the format's rate, it is opened
    at its own and converted. A reader that is 10 s late loses the oldest audio; `dropped_ms` counts it.

    Args:
        device: Number or name of the device (see `list_devices`); None for the default one.
        format: The format of the chunks.
        latency: How much audio the device buffers, in seconds.

    Attributes:
        dropped_ms: Milliseconds of audio that were dropped, as the reader was late.

    Raises:
        DeviceUnavailable: There is no such device, or it cannot be opened. Reading raises it when the device goes.
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
        self._format = format
        rate = device_rate("input", device, format.rate)
        self._converter = Converter(AudioFormat("pcm16", rate), format)
        self._stream = open_stream(
            "input",
            device,
            rate,
            block_frames=rate * _CHUNK_MS // 1000,
            latency=latency,
            callback=self._recorded,
            finished=self._finished,
        )
        self._queue: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._closed = False
        self.dropped_ms = 0.0

    @property
    def format(self) -> AudioFormat:
        """The format of the chunks."""
        return self._format

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._loop is None and not self._closed:
            self._loop = asyncio.get_running_loop()
            self._start()
        while True:
            while self._queue:
                # The resampler may keep the whole of a short chunk.
                if chunk := self._converter.process(self._queue.popleft()):
                    return chunk
            if self._closed:
                raise StopAsyncIteration
            if self._stopped:
                raise unavailable("input", self._device, "it stopped while recording")
            self._arrived.clear()
            await self._arrived.wait()

    async def aclose(self) -> None:
        """Close the device. A read that waits ends."""
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        self._arrived.set()
        # It waits for PortAudio's thread.
        await asyncio.to_thread(self._stream.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def _start(self) -> None:
        try:
            start_stream("input", self._device, self._stream)
        except DeviceUnavailable:
            self._stopped = True
            raise

    def _recorded(self, buffer: Any, frames: int, time: object, flags: object) -> None:
        """PortAudio's thread: hand the audio to the loop."""
        self._hand_over(bytes(buffer))

    def _finished(self) -> None:
        """PortAudio's thread: the stream has ended."""
        self._hand_over(None)

    def _hand_over(self, audio: bytes | None) -> None:
        # A loop that is closed has no reader any more.
        with suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._arrive, audio)

    def _arrive(self, audio: bytes | None) -> None:
        if self._closed:
            return
        if audio is None:
            self._stopped = True
        else:
            self._queue.append(audio)
        if len(self._queue) > _QUEUE_CHUNKS:
            if not self.dropped_ms:
                _logger.warning("The microphone's reader is 10 s late; the oldest audio is dropped.")
            self.dropped_ms += self._converter.source.duration_ms(len(self._queue.popleft()))
        self._arrived.set()
