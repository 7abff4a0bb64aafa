"""Waiting that Ctrl-C gets through."""

from __future__ import annotations

import os
import threading
import time

# A wait for a lock can be interrupted on POSIX. On Windows it cannot, so there it is made of short ones.
_LONGEST = 0.1 if os.name == "nt" else threading.TIMEOUT_MAX


def wait_for(lock: threading.Lock, timeout: float | None = None) -> bool:
    """Acquire `lock`, and say whether that worked out within `timeout` seconds. None: however long it takes."""
    if timeout is None:
        while not lock.acquire(timeout=_LONGEST):
            pass
        return True
    deadline = time.monotonic() + timeout
    while True:
        left = max(0.0, deadline - time.monotonic())
        if lock.acquire(timeout=min(left, _LONGEST)):
            return True
        if left <= _LONGEST:
            return False
