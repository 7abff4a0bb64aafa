"""Conversations as documents: taken in one process, gone on with in another, or at another provider."""

from __future__ import annotations

from duologue.snapshots.snapshot import InvalidSnapshot, Snapshot, portable, take_snapshot
from duologue.snapshots.stores import SnapshotStore, SQLiteSnapshotStore

__all__ = ["InvalidSnapshot", "SQLiteSnapshotStore", "Snapshot", "SnapshotStore", "portable", "take_snapshot"]
