"""Recordings on disks that are slow, full or not there, and of processes that die."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from duologue import messages as m
from duologue.errors import InvalidInput, SessionClosed
from duologue.link import Link
from duologue.middleware.recording import Recording, read_recording
from duologue.middleware.recording.journal import Journal
from duologue.middleware.recording.writing import LineFile, LineWriter
from duologue.options import SessionOptions
from duologue.testing import ScriptedClient
from links import WireClient


class Disk:
    """A file that does as it is told."""

    def __init__(self) -> None:
        self.written = b""
        self.fails: Exception | None = None
        self.room = threading.Event()
        self.room.set()
        self.writing = threading.Event()
        self.news = threading.Condition()

    def write(self, data: bytes) -> int:
        self.writing.set()
        assert self.room.wait(10)
        if self.fails is not None:
            raise self.fails
        with self.news:
            self.written += data
            self.news.notify_all()
        return len(data)

    def wait_for(self, text: bytes) -> None:
        with self.news:
            assert self.news.wait_for(lambda: text in self.written, 10)


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "duologue recording"]


def wait_for_room(file: LineFile) -> None:
    while not file.write(b""):
        time.sleep(0.001)


async def until_no_writer() -> None:
    await asyncio.gather(*(asyncio.to_thread(thread.join, 5) for thread in writers()))


async def test_that_a_file_that_cannot_be_written_is_told_before_anything_is_opened(tmp_path: Path) -> None:
    client = ScriptedClient()
    for path in (tmp_path, tmp_path / "none" / "call.jsonl"):
        with pytest.raises(InvalidInput, match=r"cannot be written: (Is a directory|No such file)"):
            await client.with_middleware(Recording(path)).create_session()
    assert client.links == []
    assert writers() == []


async def test_that_a_full_disk_stops_the_recording_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    disk, client = Disk(), WireClient()
    session = await client.with_middleware(Recording(disk)).create_session()
    await session.send_text("one", respond=False)
    await asyncio.to_thread(disk.wait_for, b'"one"')
    disk.fails = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with caplog.at_level(logging.WARNING, "duologue.recording"):
        for number in range(20):
            await session.send_text(f"later {number}", respond=False)
        await session.aclose()
    (record,) = caplog.records
    assert "stops here, the session goes on: No space left on device." in record.getMessage()
    assert len(client.link.written) == 21
    assert b"later" not in disk.written
    await until_no_writer()


async def test_that_a_file_that_raises_anything_does_not_end_the_session(caplog: pytest.LogCaptureFixture) -> None:
    disk, client = Disk(), WireClient()
    disk.fails = ZeroDivisionError()
    with caplog.at_level(logging.WARNING, "duologue.recording"):
        session = await client.with_middleware(Recording(disk)).create_session()
        await session.send_text("one", respond=False)
        assert session.ended is None
        await session.aclose()
    (record,) = caplog.records
    assert "ZeroDivisionError" in record.getMessage()


async def test_that_a_disk_that_stalls_holds_nothing_up() -> None:
    disk, client = Disk(), WireClient()
    session = await client.with_middleware(Recording(disk)).create_session()
    disk.room.clear()
    for number in range(100):
        await session.send_text(f"word {number}", respond=False)
    assert len(client.link.written) == 100
    disk.room.set()
    await session.aclose()
    assert b'"word 99"' in disk.written


async def test_that_more_than_the_bound_is_left_out_and_told(tmp_path: Path) -> None:
    disk = Disk()
    disk.room.clear()
    file = LineWriter(max_waiting=100).open(disk)
    journal = Journal(file, lambda: 0.0)
    client = WireClient()
    link = await client.open_session(SessionOptions())
    journal.opened(link.metadata, SessionOptions(), link.capabilities)
    await asyncio.to_thread(disk.writing.wait, 5)
    for _ in range(10):
        journal.received(m.InputAudioCleared())  # the first line alone is above the bound
    disk.room.set()
    await asyncio.to_thread(wait_for_room, file)
    journal.received(m.InputAudioCommitted())
    journal.ended(SessionClosed("done"))
    await journal.closed()
    path = tmp_path / "a.jsonl"
    path.write_bytes(disk.written)
    (session,) = read_recording(path)
    assert session.lost == 10
    assert [message.type for message in session.received] == ["input_audio_committed"]
    assert session.end is not None
    await link.aclose()


async def test_that_a_disk_that_never_comes_back_does_not_keep_a_session_from_closing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("duologue.middleware.recording.writing._CLOSING_SECONDS", 0.05)
    disk, client = Disk(), WireClient()
    session = await client.with_middleware(Recording(disk)).create_session()
    disk.room.clear()
    with caplog.at_level(logging.WARNING, "duologue.recording"):
        await session.aclose()
    assert "the disk does not take it" in caplog.text
    disk.room.set()
    await until_no_writer()
    assert b'"ended"' in disk.written


async def test_that_one_thread_serves_all_sessions_and_ends_with_the_last(tmp_path: Path) -> None:
    client = WireClient().with_middleware(Recording(lambda options: tmp_path / f"{options.instructions}.jsonl"))
    assert writers() == []
    sessions = [await client.create_session(SessionOptions(instructions=str(number))) for number in range(4)]
    assert len(writers()) == 1
    for session in sessions[:3]:
        await session.aclose()
    assert len(writers()) == 1
    await sessions[3].aclose()
    await until_no_writer()
    assert writers() == []
    again = await client.create_session(SessionOptions(instructions="again"))
    assert len(writers()) == 1
    await again.aclose()
    await until_no_writer()
    assert len(os.listdir(tmp_path)) == 5


async def test_that_a_session_that_is_given_up_leaves_no_thread(tmp_path: Path) -> None:
    reached = asyncio.Event()

    class Slow(ScriptedClient):
        async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

    opening = asyncio.ensure_future(_opened(Slow(), tmp_path / "a.jsonl"))
    await reached.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await until_no_writer()
    (session,) = read_recording(tmp_path / "a.jsonl")
    assert session.end is not None
    assert session.end.error == "CancelledError"


async def _opened(client: ScriptedClient, path: Path) -> None:
    await client.with_middleware(Recording(path)).create_session()


_PROGRAM = """
import asyncio, os, signal, sys
from duologue.middleware.recording import Recording
from duologue.testing import ScriptedClient

async def main():
    client = ScriptedClient().with_middleware(Recording(sys.argv[1]))
    session = await client.create_session()
    for number in range(100_000):
        await session.send_text(f"number {number} " + "x" * 500, respond=False)
        if number == 2_000:
            print("going", flush=True)

asyncio.run(main())
"""


def test_that_a_killed_process_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"going\n"
        process.kill()
    (session,) = read_recording(path)
    numbers = [
        int(entry.message.item.text.split()[1])
        for entry in session.messages
        if isinstance(entry.message, m.ItemCreate) and isinstance(entry.message.item, m.MessageItem)
    ]
    assert session.end is None
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 1_000
    *whole, last = path.read_bytes().split(b"\n")
    assert all(line.startswith(b"{") and line.endswith(b"}") for line in whole)
    assert last == b"" or last.startswith(b"{")
