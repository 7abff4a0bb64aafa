"""What both processes know: how often something is sent, and when it was."""

from __future__ import annotations

import struct

STAMP = struct.Struct("<q4x")  # monotonic ns, padded so that its base64 needs none
EVENTS_A_SECOND = 10  # of each kind, downwards
APPENDS_A_SECOND = 50


class Latencies:
    """How late things came, in ns."""

    def __init__(self) -> None:
        self._seen: list[int] = []

    def add(self, nanoseconds: int) -> None:
        """Note one."""
        self._seen.append(nanoseconds)

    def take(self) -> tuple[int, float, float]:
        """How many there are, their median and their 99th percentile in ms; they are then forgotten."""
        seen, self._seen = sorted(self._seen), []
        if not seen:
            return 0, 0.0, 0.0
        return len(seen), seen[len(seen) // 2] / 1e6, seen[min(len(seen) - 1, len(seen) * 99 // 100)] / 1e6
