"""Writes lines to files beside the event loop, which a slow disk must not hold up."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import queue
import threading
from collections import deque
from concurrent.futures import Future
from os import PathLike
from typing import Protocol

from duologue.errors import InvalidInput

MAX_WAITING = 32 * 2**20
"""Bytes of a session that may wait for their file: some minutes of audio both ways."""
_CLOSING_SECONDS = 5.0  # that the end of a session waits for its file

_log = logging.getLogger("duologue.recording")


class BinaryWriter(Protocol):
    """A binary file of the application's. Another thread writes to it; closing it stays with the application."""

    def write(self, data: bytes, /) -> object:
        """Write all of `data`."""
        ...


Target = str | PathLike[str] | BinaryWriter


class LineFile:
    """The lines of one session on their way to their file. Made by `LineWriter`; used by the session's event loop."""

    def __init__(self, target: Target, wake: queue.SimpleQueue[LineFile], max_waiting: int) -> None:
        self.name = str(os.fspath(target)) if isinstance(target, str | PathLike) else repr(target)
        self._file: BinaryWriter = _open(target) if isinstance(target, str | PathLike) else target
        self._wake = wake
        self._max_waiting = max_waiting
        self._lines: deque[bytes | None] = deque()  # None: the end
        self._queued = 0  # bytes; only the loop counts these,
        self._written = 0  # and only the thread those
        self._broken = False
        self._closed: Future[None] = Future()
        self._closed.set_running_or_notify_cancel()  # who waits for it must not cancel it

    def write(self, line: bytes, *, always: bool = False) -> bool:
        """Have `line` written soon; False if too much waits already, unless it is to be taken `always`."""
        if self._broken:
            return True
        if not always and self._queued - self._written > self._max_waiting:
            return False
        self._queued += len(line)
        self._lines.append(line)
        self._wake.put(self)
        return True

    def close(self) -> None:
        """Close the file after the last line. Called once."""
        self._lines.append(None)
        self._wake.put(self)

    async def closed(self) -> None:
        """Wait until all is written and the file is closed, unless that takes more than a few seconds."""
        await asyncio.wait([asyncio.wrap_future(self._closed)], timeout=_CLOSING_SECONDS)
        if not self._closed.done():
            _log.warning("The recording %s is still being written: the disk does not take it.", self.name)

    # --- the thread's side ---

    def write_out(self) -> bool:
        """Write all that waits; whether that was the last."""
        lines: list[bytes] = []
        is_last = False
        while self._lines and not is_last:
            line = self._lines.popleft()
            if line is None:
                is_last = True
            else:
                lines.append(line)
        data = b"".join(lines)
        if data and not self._broken:
            self._try_to_write(data)
        self._written += len(data)
        if is_last:
            if isinstance(self._file, io.FileIO):
                self._file.close()
            self._closed.set_result(None)
        return is_last

    def _try_to_write(self, data: bytes) -> None:
        """The session does not end because its recording does."""
        try:
            _write_whole(self._file, data)
        except Exception as error:  # noqa: BLE001 - files of an application raise what they like
            self._broken = True
            reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            _log.warning("The recording %s stops here, the session goes on: %s.", self.name, reason)


class LineWriter:
    """Writes the lines of many sessions in one thread, which lives as long as one of them is open.

    Args:
        max_waiting: Bytes of one session that may wait for their file.
    """

    def __init__(self, *, max_waiting: int = MAX_WAITING) -> None:
        self._max_waiting = max_waiting
        self._wake: queue.SimpleQueue[LineFile] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0

    def open(self, target: Target) -> LineFile:
        """A file to write lines to; one that exists grows.

        Raises:
            InvalidInput: It cannot be written.
        """
        file = LineFile(target, self._wake, self._max_waiting)
        with self._lock:
            self._open += 1
            if self._open == 1:
                threading.Thread(target=self._run, name="duologue recording", daemon=True).start()
        return file

    def _run(self) -> None:
        while True:
            if self._wake.get().write_out():
                with self._lock:
                    self._open -= 1
                    if not self._open:
                        return


def _open(target: str | PathLike[str]) -> io.FileIO:
    try:
        file = io.FileIO(os.fspath(target), "a+")
        try:
            _end_torn_line(file)
        except OSError:
            file.close()
            raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidInput(f"The recording {os.fspath(target)} cannot be written: {reason}.") from None
    return file


def _end_torn_line(file: io.FileIO) -> None:
    """Begin on a line of our own, even if a process died in the middle of the last one."""
    size = file.seek(0, os.SEEK_END)
    if size:
        file.seek(size - 1)
        if file.read(1) != b"\n":
            file.write(b"\n")


def _write_whole(file: BinaryWriter, data: bytes) -> None:
    if not isinstance(file, io.FileIO):
        file.write(data)
        if callable(flush := getattr(file, "flush", None)):
            flush()
        return
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]
