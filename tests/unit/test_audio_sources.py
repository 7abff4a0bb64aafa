from __future__ import annotations

import asyncio
import io
import random
from pathlib import Path

import pytest

from duologue.audio import AudioSource, MemorySource, WavSource, decode_g711, resample, write_wav
from duologue.errors import InvalidAudio
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCMU

AUDIO = random.Random(5).randbytes(2 * 8000)  # 1 s at 8 kHz, 1/2 s at 16 kHz


class FakeTime:
    """A clock that only sleeping moves on, a little late as a real one."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 100.0
        self.late = late
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds + self.late


async def collect(source: AudioSource) -> list[bytes]:
    return [chunk async for chunk in source]


def wav(pcm: bytes, rate: int) -> io.BytesIO:
    file = io.BytesIO()
    write_wav(file, pcm, rate)
    file.seek(0)
    return file


async def test_memory_comes_in_chunks_of_20_ms() -> None:
    source = MemorySource(AUDIO[:1000], PCM16_16K, realtime=False)
    chunks = await collect(source)
    assert [len(chunk) for chunk in chunks] == [640, 360]
    assert b"".join(chunks) == AUDIO[:1000]
    assert source.format == PCM16_16K
    assert await collect(source) == []


async def test_a_chunk_comes_when_its_last_sample_was_said() -> None:
    time = FakeTime()
    source = MemorySource(AUDIO[:800], PCM16_8K, clock=time.clock, sleep=time.sleep)
    arrivals = [(round(time.now - 100, 6), len(chunk)) async for chunk in source]
    assert arrivals == [(0.02, 320), (0.04, 320), (0.05, 160)]


async def test_being_late_does_not_add_up() -> None:
    time = FakeTime(late=0.003)
    source = MemorySource(AUDIO, PCM16_8K, clock=time.clock, sleep=time.sleep)
    assert len(await collect(source)) == 50
    assert time.now - 100 == pytest.approx(1.003)


async def test_who_was_held_up_catches_up() -> None:
    time = FakeTime()
    source = MemorySource(AUDIO[:3200], PCM16_8K, clock=time.clock, sleep=time.sleep)
    await anext(source)
    time.now += 0.05
    await collect(source)
    assert time.slept == pytest.approx([0.02, 0, 0, 0.01] + [0.02] * 6)


async def test_the_clock_starts_with_the_first_read() -> None:
    time = FakeTime()
    source = MemorySource(AUDIO[:320], PCM16_8K, clock=time.clock, sleep=time.sleep)
    time.now += 60
    await anext(source)
    assert time.slept == pytest.approx([0.02])


async def test_without_pacing_it_never_waits_but_lets_others_run() -> None:
    time = FakeTime()
    source = MemorySource(AUDIO[:960], PCM16_8K, realtime=False, clock=time.clock, sleep=time.sleep)
    await collect(source)
    assert time.slept == [0, 0, 0]


async def test_a_cancelled_read_loses_nothing() -> None:
    release = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await release.wait()

    source = MemorySource(AUDIO[:960], PCM16_8K, sleep=sleep)
    reading = asyncio.create_task(anext(source))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    release.set()
    assert b"".join(await collect(source)) == AUDIO[:960]


async def test_silence_follows_and_completes_the_last_chunk() -> None:
    source = MemorySource(AUDIO[:200], PCMU, realtime=False, trailing_silence_ms=40)
    chunks = await collect(source)
    assert [len(chunk) for chunk in chunks] == [160, 160, 160, 40]
    assert b"".join(chunks) == AUDIO[:200] + b"\xff" * 320


async def test_chunks_have_the_length_that_is_asked_for() -> None:
    chunks = await collect(MemorySource(AUDIO, PCM16_8K, chunk_ms=100, realtime=False))
    assert {len(chunk) for chunk in chunks} == {1600}


async def test_half_a_sample_in_memory_is_refused() -> None:
    with pytest.raises(InvalidAudio, match="3 bytes"):
        MemorySource(b"abc", PCM16_8K)


async def test_closing_ends_the_stream() -> None:
    source = MemorySource(AUDIO, PCM16_8K, realtime=False, trailing_silence_ms=100)
    await anext(source)
    await source.aclose()
    assert await collect(source) == []


async def test_closing_ends_a_read_that_waits() -> None:
    release = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await release.wait()

    source = MemorySource(AUDIO, PCM16_8K, sleep=sleep)
    reading = asyncio.create_task(anext(source, b"the end"))
    await asyncio.sleep(0)
    await source.aclose()
    release.set()
    assert await reading == b"the end"


async def test_a_wav_file_keeps_its_rate() -> None:
    source = WavSource(wav(AUDIO, 22050), realtime=False)
    assert (source.format.encoding, source.format.rate) == ("pcm16", 22050)
    assert b"".join(await collect(source)) == AUDIO


async def test_a_wav_file_is_converted() -> None:
    source = WavSource(wav(AUDIO, 22050), format=PCM16_24K, realtime=False)
    chunks = await collect(source)
    assert b"".join(chunks) == resample(AUDIO, 22050, 24000)
    assert {len(chunk) for chunk in chunks[:-1]} == {960}


async def test_a_wav_file_as_telephone_audio_with_silence() -> None:
    source = WavSource(wav(bytes(1600), 8000), format=PCMU, realtime=False, trailing_silence_ms=60)
    audio = b"".join(await collect(source))
    assert len(audio) == 800 + 480
    assert set(decode_g711(audio, "pcmu")) == {0}


async def test_the_file_is_closed_at_the_end_and_by_closing(tmp_path: Path) -> None:
    path = tmp_path / "in.wav"
    write_wav(path, AUDIO, 8000)
    assert b"".join(await collect(WavSource(path, realtime=False))) == AUDIO
    source = WavSource(path, realtime=False)
    await anext(source)
    await source.aclose()  # a file left open would be a warning, and so an error
    assert await collect(source) == []


async def test_a_truncated_file_comes_whole_and_then_fails() -> None:
    content = wav(AUDIO, 16000).getvalue()[:-1001]
    source = WavSource(io.BytesIO(content), format=PCM16_8K, realtime=False)
    got: list[bytes] = []

    async def read() -> None:
        async for chunk in source:
            got.append(chunk)  # noqa: PERF401 (what came before the error counts)

    with pytest.raises(InvalidAudio, match="cut short"):
        await read()
    assert b"".join(got) == resample(AUDIO[:-1002], 16000, 8000)
    assert await collect(source) == []


async def test_a_file_of_another_kind_fails_at_once(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    path.write_bytes(b"ID3" + bytes(100))
    with pytest.raises(InvalidAudio, match="an MP3 file"):
        WavSource(path)
