"""Recording a conversation: the user on the left, the assistant on the right."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from duologue.audio.convert import Converter
from duologue.audio.pacing import Clock
from duologue.audio.playout import Heard, PlayoutBuffer
from duologue.audio.samples import interleave
from duologue.audio.wav import WavFile, WavWriter
from duologue.errors import InvalidInput
from duologue.formats import AudioFormat

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from duologue.audio.sinks import AudioSink
    from duologue.audio.sources import AudioSource

# A source that pauses longer than this has its pause kept; less is the jitter of tasks.
_PAUSE_SECONDS = 1.0


class ConversationRecorder:
    """Writes a conversation to a stereo WAV file, both sides where they were in time.

    It stands between a session and its devices: use `source(...)` and `sink(...)` in the place of what they wrap. The
    user's audio lies where it arrived; the assistant's where a loudspeaker plays it, cut where it was stopped. It
    records in real time: a source that runs ahead of the clock is kept in memory until its time has come.

    Args:
        file: A path, or a file opened for writing bytes.
        rate: Samples a second in the file, in Hz.
        clock: Gives the time in seconds.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, file: WavFile, *, rate: int = 24_000, clock: Clock = time.monotonic) -> None:
        self._writer = WavWriter(file, rate, channels=2)
        self._format = AudioFormat("pcm16", rate)
        self._clock = clock
        self._started = clock()
        self._user = _Track()
        self._assistant = _Track()
        self._user_audio_end = 0
        self._playback: _Playback | None = None
        self._closed = False

    def source(self, source: AudioSource) -> AudioSource:
        """Give a source that records what is read of `source`. Several may follow one another."""
        return _RecordingSource(source, self)

    def sink(self, sink: AudioSink) -> AudioSink:
        """Give a sink that plays to `sink` and records.

        Raises:
            InvalidInput: There is one already.
        """
        if self._playback is not None:
            raise InvalidInput("A conversation is recorded with one sink.")
        self.advance()
        self._playback = _Playback(sink.format, self._format, self._seconds())
        return _RecordingSink(sink, self, self._playback)

    def close(self) -> None:
        """Write what is left, and close the file. Audio that was not played by now is not recorded."""
        if self._closed:
            return
        self.advance()
        self._closed = True
        end = max(self._user.end, self._assistant.end, self._now())
        self._user.fill(end)
        self._assistant.fill(end)
        self._write()
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def format(self) -> AudioFormat:
        """The format of each channel."""
        return self._format

    def user_spoke(self, pcm: bytes, duration_ms: float, *, begins: bool) -> None:
        """Record what a source gave just now.

        Args:
            pcm: Its audio, in the recorder's format; the converter may hold a little of it back.
            duration_ms: How long it took to say, in milliseconds.
            begins: Whether it is the source's first audio.
        """
        if self._closed:
            return
        self.advance()
        start = self._now() - int(duration_ms * self._format.rate / 1000)
        if begins or start - self._user_audio_end > _PAUSE_SECONDS * self._format.rate:
            self._user.fill(start)
        self._user.append(pcm)
        self._user_audio_end = self._user.end
        self._write()

    def advance(self) -> None:
        """Record what was played until now."""
        if self._closed:
            return
        now = self._now()
        if self._playback is None:
            self._assistant.fill(now)
        else:
            self._assistant.append(self._playback.render_until(self._seconds()))
        # What comes later than this is moved, not lost; without a bound silence would pile up in memory.
        self._user.fill(now - int(_PAUSE_SECONDS * self._format.rate))
        self._write()

    def _seconds(self) -> float:
        return self._clock() - self._started

    def _now(self) -> int:
        return int(self._seconds() * self._format.rate + 1e-6)

    def _write(self) -> None:
        size = min(len(self._user.waiting), len(self._assistant.waiting))
        if size:
            self._writer.write(interleave(self._user.take(size), self._assistant.take(size)))


class _Track:
    """One channel: what of it waits to be written, and where it ends, in samples from the start."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.end = 0

    def append(self, pcm: bytes) -> None:
        self.waiting += pcm
        self.end += len(pcm) // 2

    def fill(self, end: int) -> None:
        """Append silence up to `end`."""
        self.append(bytes(2 * max(0, end - self.end)))

    def take(self, size: int) -> bytes:
        taken = bytes(self.waiting[:size])
        del self.waiting[:size]
        return taken


class _Playback:
    """The loudspeaker's timeline, rebuilt from what is queued and when it is dropped."""

    def __init__(self, source: AudioFormat, target: AudioFormat, start_seconds: float) -> None:
        self.buffer = PlayoutBuffer(source)
        self._converter = Converter(source, target)
        self._position = int(start_seconds * source.rate)

    def render_until(self, seconds: float) -> bytes:
        """Give what has become due up to `seconds` after the start, in the target format."""
        due = int(seconds * self.buffer.format.rate + 1e-6)
        audio = self.buffer.render(max(0, due - self._position) * self.buffer.format.sample_bytes)
        self._position = max(due, self._position)
        return self._converter.process(audio)


class _RecordingSource:
    def __init__(self, source: AudioSource, recorder: ConversationRecorder) -> None:
        self._source = source
        self._chunks = aiter(source)
        self._recorder = recorder
        self._converter = Converter(source.format, recorder.format)
        self._begins = True

    @property
    def format(self) -> AudioFormat:
        return self._source.format

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        pcm, duration_ms = self._converter.process(chunk), self.format.duration_ms(len(chunk))
        self._recorder.user_spoke(pcm, duration_ms, begins=self._begins)
        self._begins = False
        return chunk

    async def aclose(self) -> None:
        await self._source.aclose()


class _RecordingSink:
    def __init__(self, sink: AudioSink, recorder: ConversationRecorder, playback: _Playback) -> None:
        self._sink = sink
        self._recorder = recorder
        self._playback = playback

    @property
    def format(self) -> AudioFormat:
        return self._sink.format

    @property
    def heard(self) -> Heard | None:
        return self._sink.heard

    def play(self, audio: bytes, item_id: str, content_index: int) -> None:
        self._sink.play(audio, item_id, content_index)
        self._recorder.advance()
        self._playback.buffer.push(audio, item_id, content_index)

    def stop(self) -> Heard | None:
        heard = self._sink.stop()
        self._recorder.advance()
        self._playback.buffer.clear()
        return heard

    async def drained(self) -> None:
        await self._sink.drained()

    async def aclose(self) -> None:
        self._recorder.advance()
        self._playback.buffer.clear()
        await self._sink.aclose()
