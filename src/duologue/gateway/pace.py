"""How fast somebody may go on: a bucket that fills as time passes. Pure: the time is an argument, in s."""

from __future__ import annotations


class Pace:
    """A bucket of tokens.

    Args:
        a_second: How fast it fills.
        burst: How much it holds; it is full at first.
    """

    def __init__(self, a_second: float, burst: float) -> None:
        self._a_second = a_second
        self._burst = burst
        self._held = burst
        self._at: float | None = None

    def held(self, now: float) -> float:
        """What it holds; below zero: what it owes."""
        if self._at is not None:
            self._held = min(self._burst, self._held + (now - self._at) * self._a_second)
        self._at = now
        return self._held

    def take(self, amount: float, now: float) -> float:
        """Take `amount`, whether it is there or not; gives how long to wait until it owes nothing, in s."""
        self._held = self.held(now) - amount
        return max(0.0, -self._held / self._a_second) if self._a_second else 0.0
