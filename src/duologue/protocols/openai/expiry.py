"""The end of a session's time, told ahead."""

from __future__ import annotations

from duologue import messages as m


class Expiry:
    """When the provider's cap on a session's length is reached. Pure: the clock comes in with `tick`.

    Args:
        max_seconds: The cap, in s; None: none is known.
        warn_seconds: How long ahead to tell, in s.
    """

    def __init__(self, max_seconds: float | None, warn_seconds: float = 60.0) -> None:
        self._left = max_seconds
        self._warn = warn_seconds
        self._ends_at: float | None = None
        self._told = False
        self.over = False

    def begin(self, seconds_left: float | None) -> None:
        """The session is open. `seconds_left` is what the provider itself says."""
        if seconds_left is not None and 0 < seconds_left < 7 * 86_400:
            self._left = seconds_left

    def moved(self, seconds: float) -> None:
        """The provider says anew how long the session lasts, in s from its beginning: what it says may be sooner."""
        if self._left is None or self._ends_at is None:
            self.begin(seconds)
        elif abs(seconds - self._left) > 1 and seconds > 0:
            self._ends_at += seconds - self._left
            self._left = seconds
            self._told = False

    def deadline(self) -> float | None:
        """When `tick` wants to be called: at once, to see the time, then ahead of the end, then at it."""
        if self._left is None or self.over:
            return None
        if self._ends_at is None:
            return 0.0
        return self._ends_at if self._told else self._ends_at - self._warn

    def tick(self, now: float) -> m.SessionExpiring | None:
        """The time is `now`."""
        if self._left is None:
            return None
        if self._ends_at is None:
            self._ends_at = now + self._left
        left = self._ends_at - now
        self.over = left <= 0
        if self._told or left > self._warn:
            return None
        self._told = True
        return m.SessionExpiring(seconds_left=max(0.0, left))
