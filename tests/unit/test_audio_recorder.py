from __future__ import annotations

import asyncio
import io
import random
import wave
from collections.abc import AsyncIterator

import pytest

from duologue.audio import ConversationRecorder, Heard, MemorySink, MemorySource, resample
from duologue.errors import InvalidInput
from duologue.formats import PCM16_8K, PCM16_16K, AudioFormat

SECOND = 16_000  # bytes at 8 kHz
USER = random.Random(8).randbytes(SECOND)
ASSISTANT = random.Random(9).randbytes(SECOND)


class FakeTime:
    def __init__(self) -> None:
        self.now = 10.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def file() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def recorder(file: io.BytesIO, time: FakeTime) -> ConversationRecorder:
    return ConversationRecorder(file, rate=8000, clock=time.clock)


def channels(file: io.BytesIO) -> tuple[bytes, bytes]:
    file.seek(0)
    with wave.open(file) as recording:
        assert (recording.getnchannels(), recording.getframerate()) == (2, 8000)
        stereo = recording.readframes(recording.getnframes())
    frames = [stereo[start : start + 4] for start in range(0, len(stereo), 4)]
    return b"".join(frame[:2] for frame in frames), b"".join(frame[2:] for frame in frames)


def user(time: FakeTime, audio: bytes, format: AudioFormat = PCM16_8K) -> MemorySource:
    return MemorySource(audio, format, clock=time.clock, sleep=time.sleep)


async def test_both_sides_lie_where_they_were_in_time(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    sink = recorder.sink(MemorySink(PCM16_8K, clock=time.clock, sleep=time.sleep))
    time.now += 0.5
    heard = b"".join([chunk async for chunk in recorder.source(user(time, USER))])
    assert heard == USER
    time.now += 0.25
    sink.play(ASSISTANT, "a", 0)
    await sink.drained()
    time.now += 0.25
    recorder.close()
    left, right = channels(file)
    assert left == bytes(SECOND // 2) + USER + bytes(SECOND * 3 // 2)
    assert right == bytes(SECOND * 7 // 4) + ASSISTANT + bytes(SECOND // 4)


async def test_interrupted_audio_is_cut_where_it_stopped(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    inner = MemorySink(PCM16_8K, clock=time.clock, sleep=time.sleep)
    sink = recorder.sink(inner)
    sink.play(ASSISTANT, "a", 0)
    time.now += 0.2
    assert sink.heard == Heard("a", 0, played_ms=200, finished=False)
    assert sink.stop() == Heard("a", 0, played_ms=200, finished=False)
    time.now += 0.3
    sink.play(USER, "b", 0)
    time.now += 0.1
    await sink.aclose()
    recorder.close()
    _, right = channels(file)
    assert right == ASSISTANT[:3200] + bytes(4800) + USER[:1600]
    assert right == inner.rendered


async def test_talking_over_each_other_is_recorded_on_two_channels(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    sink = recorder.sink(MemorySink(PCM16_8K, clock=time.clock, sleep=time.sleep))
    sink.play(ASSISTANT, "a", 0)
    async for _ in recorder.source(user(time, USER)):
        pass
    recorder.close()
    assert channels(file) == (USER, ASSISTANT)


async def test_the_next_turn_lies_where_it_was_spoken_however_short_the_pause(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    for pause in (0.1, 0.9, 2.5):
        async for _ in recorder.source(user(time, USER[:1600])):
            pass
        time.now += pause
    recorder.close()
    left, _ = channels(file)
    turn = USER[:1600]
    assert left == turn + bytes(1600) + turn + bytes(14_400) + turn + bytes(40_000)


class PausingSource:
    """Two words with 3 s between them, and chunks that arrive up to 15 ms late."""

    format = PCM16_8K

    def __init__(self, time: FakeTime) -> None:
        self._time = time

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for word in range(2):
            for index in range(5):
                late = (0.0, 0.015, 0.0, 0.005, 0.01)[index] if word else 0.0
                self._time.now += 0.02 + late
                yield USER[320 * index : 320 * (index + 1)]
                self._time.now -= late
            self._time.now += 3

    async def aclose(self) -> None:
        pass


async def test_a_long_pause_is_kept_and_small_delays_leave_no_holes(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    async for _ in recorder.source(PausingSource(time)):
        pass
    recorder.close()
    left, _ = channels(file)
    word = USER[:1600]
    assert left[:1600] == word
    second = left.index(word, 1600)
    assert second == 1600 + 3 * SECOND
    assert set(left[1600:second]) == {0}


async def test_rates_are_converted(file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime) -> None:
    sink = recorder.sink(MemorySink(PCM16_16K, clock=time.clock, sleep=time.sleep))
    sink.play(ASSISTANT, "a", 0)
    async for _ in recorder.source(user(time, USER, PCM16_16K)):
        pass
    recorder.close()
    left, right = channels(file)
    # What the resamplers hold back at the very end, 2 ms, is silence here.
    assert left[:-64] == resample(USER, 16000, 8000)[:-64]
    assert right[:-64] == resample(ASSISTANT, 16000, 8000)[:-64]


async def test_memory_stays_bounded_in_a_long_silence(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    for _ in range(100):
        time.now += 1
        recorder.advance()
    assert len(file.getvalue()) >= 98 * 2 * SECOND
    recorder.close()
    assert channels(file) == (bytes(100 * SECOND), bytes(100 * SECOND))


async def test_a_sink_that_comes_later_starts_there(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    time.now += 1
    recorder.advance()
    sink = recorder.sink(MemorySink(PCM16_8K, clock=time.clock, sleep=time.sleep))
    sink.play(ASSISTANT, "a", 0)
    time.now += 1
    recorder.close()
    assert channels(file)[1] == bytes(SECOND) + ASSISTANT
    with pytest.raises(InvalidInput, match="one sink"):
        recorder.sink(sink)


async def test_after_closing_everything_still_passes(
    file: io.BytesIO, recorder: ConversationRecorder, time: FakeTime
) -> None:
    source = recorder.source(user(time, USER))
    sink = recorder.sink(MemorySink(PCM16_8K, clock=time.clock, sleep=time.sleep))
    with recorder:
        pass
    recorder.close()
    size = len(file.getvalue())
    assert b"".join([chunk async for chunk in source]) == USER
    sink.play(ASSISTANT, "a", 0)
    assert sink.heard is not None
    await source.aclose()
    assert len(file.getvalue()) == size
