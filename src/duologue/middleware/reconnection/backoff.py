"""How long to wait before the next attempt, and when to give up. Pure: chance is an argument."""

from __future__ import annotations

from collections.abc import Callable


class Backoff:
    """Counts attempts, of one loss and of the whole session.

    The first attempt of a loss comes within `first`, then twice that, and so on: each at a moment between nothing and
    that bound, so that the clients of a server that restarts do not all come at once. A connection alone sets nothing
    back: some servers accept and hang up. Only a good event does.

    Args:
        attempts: Attempts in a row, without a good event between them.
        attempts_in_all: Attempts in the life of the session.
        first: The longest wait before the first, in s.
        longest: The longest wait of all, in s.
        random: A number from 0 to 1.
    """

    def __init__(
        self, attempts: int, attempts_in_all: int, first: float, longest: float, random: Callable[[], float]
    ) -> None:
        self._most = attempts
        self._left = attempts_in_all
        self._first = first
        self._longest = longest
        self._random = random
        self.tried = 0
        """Attempts since the last good event."""

    def next(self) -> float | None:
        """Seconds to wait before the next attempt, which counts from now on; None: no more."""
        if self.tried >= self._most or self._left <= 0:
            return None
        bound = min(self._longest, self._first * 2.0 ** min(self.tried, 64))
        self.tried += 1
        self._left -= 1
        return bound * self._random()

    def good_event(self) -> None:
        """The provider does what it is there for."""
        self.tried = 0
