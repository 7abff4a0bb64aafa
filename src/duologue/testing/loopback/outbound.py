"""The way out of a connection, past the faults that act on it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from duologue.testing.loopback.faults import Cut, Delay, Duplicate, Garbage, Oversized, Reorder
from duologue.testing.loopback.framing import inserted
from duologue.testing.loopback.wire import Wire

_LONGEST_HOLD = 0.25  # s


class Outbound:
    """Takes encoded frames and sends them, as the faults have it.

    Messages pass `Garbage` and `Oversized` (which come before them), then `Reorder`, then `Duplicate`. Everything
    passes `Delay`, then `Cut`.

    Args:
        wire: Where they go.
        cut: Called when a `Cut` is due; nothing is sent after it.
    """

    def __init__(self, wire: Wire, cut: Callable[[Cut], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._wire = wire
        self._cut_now = cut
        self._silent = False
        self._insertions: deque[Garbage | Oversized] = deque()
        self._reorder: _EveryNth | None = None
        self._held: bytes | None = None
        self._hold_timer: asyncio.TimerHandle | None = None
        self._duplicate: _EveryNth | None = None
        self._delay = 0.0
        self._late: deque[tuple[float, bytes | None]] = deque()  # when it leaves, and what: bytes, or the end
        self._delay_timer: asyncio.TimerHandle | None = None
        self._cut: Cut | None = None
        self._left = 0  # bytes until the cut

    # --- what goes wrong ---

    def add(self, fault: Garbage | Oversized | Reorder | Duplicate | Delay | Cut) -> None:
        """Let a fault act from now on. One of a kind replaces the last; `Garbage` and `Oversized` add up."""
        match fault:
            case Garbage() | Oversized():
                self._insertions.append(fault)
            case Reorder():
                self._reorder = _EveryNth(fault.every)
            case Duplicate():
                self._duplicate = _EveryNth(fault.every)
            case Delay():
                self._delay = fault.seconds
            case Cut():
                self._cut, self._left = fault, fault.after_bytes
                if not self._left:
                    self._break(fault)

    def silence(self) -> None:
        """Send nothing any more."""
        self._silent = True
        self._insertions.clear()
        self._held = None
        self._late.clear()
        for timer in (self._hold_timer, self._delay_timer):
            if timer is not None:
                timer.cancel()

    # --- what is sent ---

    def message(self, data: bytes) -> None:
        """Send a message."""
        self._insert()
        swaps = self._reorder is not None and self._reorder.hit()
        if self._held is not None:
            self._repeat(data)
            self._release()
        elif swaps and not self._silent:
            self._held = data
            self._hold_timer = self._loop.call_later(_LONGEST_HOLD, self._release)
        else:
            self._repeat(data)

    def control(self, data: bytes) -> None:
        """Send a control frame."""
        self._post(data)

    def flush(self) -> None:
        """Keep nothing back for a message to come: there will be none."""
        self._insert()
        self._release()

    def end(self) -> None:
        """Send no more, after all this."""
        self._post(None)

    # --- the stages ---

    def _insert(self) -> None:
        while self._insertions:
            self._post(inserted(self._insertions.popleft()))

    def _release(self) -> None:
        held, self._held = self._held, None
        if self._hold_timer is not None:
            self._hold_timer.cancel()
            self._hold_timer = None
        if held is not None:
            self._repeat(held)

    def _repeat(self, data: bytes) -> None:
        self._post(data)
        if self._duplicate is not None and self._duplicate.hit():
            self._post(data)

    def _post(self, data: bytes | None) -> None:
        if self._silent:
            return
        if not self._delay and not self._late:
            self._emit(data)
            return
        due = self._loop.time() + self._delay
        if self._late:
            due = max(due, self._late[-1][0])
        self._late.append((due, data))
        if len(self._late) == 1:
            self._delay_timer = self._loop.call_at(due, self._emit_due)

    def _emit_due(self) -> None:
        now = self._loop.time()
        while self._late and self._late[0][0] <= now:  # a cut empties the queue
            self._emit(self._late.popleft()[1])
        if self._late:
            self._delay_timer = self._loop.call_at(self._late[0][0], self._emit_due)

    def _emit(self, data: bytes | None) -> None:
        if self._silent:
            return
        if data is None:
            self.silence()
            self._wire.end()
        elif self._cut is None:
            self._wire.write(data)
        elif len(data) < self._left:
            self._left -= len(data)
            self._wire.write(data)
        else:
            self._wire.write(data[: self._left])
            self._break(self._cut)

    def _break(self, fault: Cut) -> None:
        self.silence()
        self._cut_now(fault)


class _EveryNth:
    """Counts, and says when it is time."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._count = 0

    def hit(self) -> bool:
        self._count += 1
        return self._count % self._every == 0
