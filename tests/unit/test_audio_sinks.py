from __future__ import annotations

import asyncio
import io
import random
from pathlib import Path

import pytest

from duologue.audio import AudioSink, Heard, MemorySink, WavSink, decode_g711, read_wav
from duologue.errors import InvalidInput
from duologue.formats import PCM16_8K, PCMU

AUDIO = random.Random(6).randbytes(16_000)  # 1 s at 8 kHz
SECOND = 16_000


class FakeTime:
    def __init__(self) -> None:
        self.now = 50.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def sink(time: FakeTime) -> MemorySink:
    return MemorySink(PCM16_8K, clock=time.clock, sleep=time.sleep)


def test_samples_are_rendered_when_their_time_has_come(sink: MemorySink, time: FakeTime) -> None:
    time.now += 0.5
    sink.play(AUDIO, "a", 0)
    assert sink.rendered == bytes(SECOND // 2)
    time.now += 0.25
    assert sink.rendered == bytes(SECOND // 2) + AUDIO[: SECOND // 4]
    assert sink.heard == Heard("a", 0, played_ms=250, finished=False)
    time.now += 2
    assert sink.rendered == bytes(SECOND // 2) + AUDIO + bytes(SECOND * 5 // 4)
    assert sink.heard == Heard("a", 0, played_ms=1000, finished=True)


def test_stopping_cuts_the_audio_where_it_is(sink: MemorySink, time: FakeTime) -> None:
    sink.play(AUDIO, "a", 0)
    sink.play(AUDIO, "b", 0)
    time.now += 0.3
    assert sink.stop() == Heard("a", 0, played_ms=300, finished=False)
    assert sink.heard is None
    assert sink.stop() is None
    time.now += 0.2
    assert sink.rendered == AUDIO[: SECOND * 3 // 10] + bytes(SECOND // 5)


def test_it_knows_when_the_last_audio_was_rendered(sink: MemorySink, time: FakeTime) -> None:
    time.now += 1
    assert sink.last_audible_at is None
    sink.play(AUDIO, "a", 0)
    time.now += 0.3
    sink.stop()
    time.now += 5
    assert sink.last_audible_at == pytest.approx(sink.started_at + 1.3)
    sink.play(AUDIO, "b", 0)
    time.now += 3
    assert sink.last_audible_at == pytest.approx(sink.started_at + 7.3)


def test_many_small_steps_neither_drift_nor_tear(sink: MemorySink, time: FakeTime) -> None:
    sink.play(AUDIO, "a", 0)
    for _ in range(777):
        time.now += 0.0007
        assert sink.heard is not None
    expected = int((time.now - sink.started_at) * 8000 + 1e-6)
    assert sink.rendered == AUDIO[: 2 * expected]


async def test_draining_waits_until_all_was_rendered(sink: MemorySink, time: FakeTime) -> None:
    await sink.drained()
    assert time.now == 50
    sink.play(AUDIO[:8000], "a", 0)
    await sink.drained()
    assert time.now == pytest.approx(50.5)
    assert sink.heard == Heard("a", 0, played_ms=500, finished=True)


async def test_draining_waits_for_what_is_queued_meanwhile_and_ends_when_it_is_dropped(
    sink: MemorySink, time: FakeTime
) -> None:
    sink.play(AUDIO[:1600], "a", 0)
    draining = asyncio.create_task(sink.drained())
    await asyncio.sleep(0)
    sink.play(AUDIO, "a", 0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not draining.done()
    sink.stop()
    await draining
    assert time.now < 51


async def test_without_a_clock_all_is_rendered_at_once() -> None:
    sink = MemorySink(PCM16_8K, realtime=False)
    sink.play(AUDIO, "a", 0)
    assert sink.heard == Heard("a", 0, played_ms=1000, finished=True)
    sink.play(AUDIO[:100], "b", 0)
    await sink.drained()
    assert sink.rendered == AUDIO + AUDIO[:100]
    assert sink.stop() == Heard("b", 0, played_ms=6.25, finished=True)


async def test_a_closed_sink_keeps_its_recording_and_plays_no_more(sink: MemorySink, time: FakeTime) -> None:
    async with sink:
        sink.play(AUDIO, "a", 0)
        time.now += 0.1
    time.now += 1
    assert sink.rendered == AUDIO[:1600]
    with pytest.raises(InvalidInput, match="closed"):
        sink.play(AUDIO, "a", 0)
    await sink.aclose()
    await sink.drained()


async def test_a_wav_file_holds_what_was_heard(tmp_path: Path, time: FakeTime) -> None:
    path = tmp_path / "out.wav"
    sink: AudioSink = WavSink(path, PCM16_8K, clock=time.clock, sleep=time.sleep)
    time.now += 0.25
    sink.play(AUDIO, "a", 0)
    time.now += 0.5
    assert sink.stop() == Heard("a", 0, played_ms=500, finished=False)
    time.now += 0.25
    await sink.aclose()
    pcm, format = read_wav(path)
    assert format == PCM16_8K
    assert pcm == bytes(4000) + AUDIO[:8000] + bytes(4000)


async def test_telephone_audio_becomes_a_pcm_file() -> None:
    file = io.BytesIO()
    sink = WavSink(file, PCMU, realtime=False)
    sink.play(AUDIO, "a", 0)
    await sink.aclose()
    file.seek(0)
    assert read_wav(file)[0] == decode_g711(AUDIO, "pcmu")
