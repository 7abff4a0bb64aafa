"""Where snapshots are kept."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import Protocol

from duologue.snapshots.snapshot import Snapshot

_TABLE = "CREATE TABLE IF NOT EXISTS snapshots (key TEXT PRIMARY KEY, document BLOB NOT NULL, saved_at REAL NOT NULL)"


class SnapshotStore(Protocol):
    """Keeps one snapshot for each key. Write your own over any database."""

    async def save(self, key: str, snapshot: Snapshot) -> None:
        """Keep it, in place of an earlier one."""
        ...

    async def load(self, key: str) -> Snapshot | None:
        """The snapshot; None if there is none.

        Raises:
            InvalidSnapshot: What is there is none.
        """
        ...

    async def delete(self, key: str) -> None:
        """Forget it. Harmless when there is none."""
        ...


class SQLiteSnapshotStore:
    """Keeps snapshots in a file. What was saved is there after a crash of the process, whole.

    Several processes may use one file. The work is done in threads, so that the event loop goes on meanwhile.

    Args:
        path: The file; it is made if it is not there.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        import sqlite3  # which costs more than all of this library, for those who have no use for it

        self._lock = threading.Lock()
        self._connection = sqlite3.connect(os.fspath(path), timeout=10.0, check_same_thread=False)
        with self._connection:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute(_TABLE)

    async def save(self, key: str, snapshot: Snapshot) -> None:
        """Keep it, in place of an earlier one."""
        await asyncio.to_thread(
            self._change,
            "INSERT OR REPLACE INTO snapshots (key, document, saved_at) VALUES (?, ?, ?)",
            (key, snapshot.to_json(), time.time()),
        )

    async def load(self, key: str) -> Snapshot | None:
        """The snapshot; None if there is none.

        Raises:
            InvalidSnapshot: What is there is none, or of another version.
        """
        document = await asyncio.to_thread(self._document, key)
        return None if document is None else Snapshot.from_json(document)

    async def delete(self, key: str) -> None:
        """Forget it. Harmless when there is none."""
        await asyncio.to_thread(self._change, "DELETE FROM snapshots WHERE key = ?", (key,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _change(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock, self._connection:
            self._connection.execute(statement, values)

    def _document(self, key: str) -> bytes | None:
        with self._lock:
            row = self._connection.execute("SELECT document FROM snapshots WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])
