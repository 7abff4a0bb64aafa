from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from duologue.audio import MemorySource, write_wav
from duologue.cli.sound import Playlist, SilentSink, open_recording
from duologue.errors import InvalidAudio, InvalidInput
from duologue.formats import PCM16_24K

SECOND = bytes(range(240)) * 200


def source(audio: bytes) -> MemorySource:
    return MemorySource(audio, PCM16_24K, realtime=False)


async def take_all(playlist: Playlist) -> bytes:
    return b"".join([chunk async for chunk in playlist])


async def test_recordings_come_one_after_another() -> None:
    playlist = Playlist()
    taking = asyncio.create_task(take_all(playlist))
    await playlist.play(source(SECOND))
    await asyncio.gather(playlist.play(source(b"\1\0" * 500)), playlist.play(source(b"\2\0" * 500)))
    await playlist.aclose()
    assert await taking == SECOND + b"\1\0" * 500 + b"\2\0" * 500


async def test_it_tells_when_a_recording_began() -> None:
    now = 10.0
    playlist = Playlist(clock=lambda: now)
    playing = asyncio.create_task(playlist.play(source(SECOND)))
    assert playlist.started_at is None
    await anext(playlist)
    assert playlist.started_at == pytest.approx(9.98)  # the first 20 ms have been said
    now = 11.0
    await anext(playlist)
    assert playlist.started_at == pytest.approx(9.98)
    playing.cancel()


async def test_a_cancelled_read_loses_nothing() -> None:
    playlist = Playlist()
    reading = asyncio.create_task(anext(playlist))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    playing = asyncio.create_task(playlist.play(source(b"\1\0")))
    assert await anext(playlist) == b"\1\0"
    playing.cancel()


async def test_closing_ends_the_stream_and_those_who_wait() -> None:
    playlist = Playlist()
    playing = asyncio.create_task(playlist.play(source(SECOND)))
    later = asyncio.create_task(playlist.play(source(SECOND)))
    await anext(playlist)
    await playlist.aclose()
    await asyncio.gather(playing, later)
    assert await take_all(playlist) == b""
    with pytest.raises(InvalidInput):
        await playlist.play(source(SECOND))


async def test_closing_ends_a_read_that_waits() -> None:
    playlist = Playlist()
    taking = asyncio.create_task(take_all(playlist))
    await asyncio.sleep(0)
    await playlist.aclose()
    assert await taking == b""


async def test_a_recording_that_is_cut_short_is_given_and_told(tmp_path: Path) -> None:
    file = tmp_path / "cut.wav"
    write_wav(file, SECOND, 24_000)
    file.write_bytes(file.read_bytes()[:-4_000])
    playlist = Playlist()
    taking = asyncio.create_task(take_all(playlist))
    with pytest.raises(InvalidAudio, match="cut short"):
        await playlist.play(open_recording(file, realtime=False))
    await playlist.aclose()
    assert await taking == SECOND[:-4_000] + bytes(48_000)  # and a second of silence


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.wav cannot be read: No such file"):
        open_recording(tmp_path / "none.wav")
    (tmp_path / "text.wav").write_text("words")
    with pytest.raises(InvalidAudio, match=r"text\.wav: "):
        open_recording(tmp_path / "text.wav")


async def test_a_silent_sink_knows_what_was_heard() -> None:
    sink = SilentSink(PCM16_24K, realtime=False)
    sink.play(SECOND, "item", 0)
    heard = sink.heard
    assert heard is not None
    assert (heard.item_id, heard.played_ms, heard.finished) == ("item", 1_000, True)
    await sink.aclose()
