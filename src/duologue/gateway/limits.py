"""How much everybody may use, and has used. Pure: the time is an argument, in s."""

from __future__ import annotations

import msgspec

from duologue.gateway.pace import Pace

_DAY = 86_400.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much one key may use. None: no limit.

    Attributes:
        sessions: Sessions at once.
        sessions_a_minute: New sessions a minute.
        audio_seconds: Seconds of audio a day, in both directions together. They come back evenly, over a day.
    """

    sessions: int | None = None
    sessions_a_minute: float | None = None
    audio_seconds: float | None = None


class LimitReached(Exception):
    """Somebody has used what they may.

    Args:
        text: What.
        code: In one word.
        retry_after: When there is more, in s; None: when something ends.
    """

    def __init__(self, text: str, code: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.retry_after = retry_after


class _Account:
    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open = 0
        a_minute, seconds = limits.sessions_a_minute, limits.audio_seconds
        self.starts = None if a_minute is None else Pace(a_minute / 60, max(1.0, a_minute))
        self.audio = None if seconds is None else Pace(seconds / _DAY, seconds)


class Ledger:
    """What is in use, by name.

    Args:
        most_sessions: Sessions at once, of all together; None: no limit.
    """

    def __init__(self, most_sessions: int | None = None) -> None:
        self._most = most_sessions
        self._open = 0
        self._accounts: dict[str, _Account] = {}

    @property
    def sessions(self) -> int:
        """How many sessions are open."""
        return self._open

    def open(self, who: str, limits: Limits, now: float) -> None:
        """Count a new session.

        Raises:
            LimitReached: There may be no more now. Nothing was counted.
        """
        account = self._account(who, limits)
        if self._most is not None and self._open >= self._most:
            raise LimitReached("This server carries as many sessions as it can.", "server_full", 5.0)
        if limits.sessions is not None and account.open >= limits.sessions:
            raise LimitReached(f"This key has {account.open} sessions open, and may have no more.", "too_many_sessions")
        if account.audio is not None and account.audio.held(now) <= 0:
            wait = account.audio.take(0.0, now)
            raise LimitReached("The audio seconds of this key are used up.", "audio_limit_reached", max(1.0, wait))
        if account.starts is not None:
            if account.starts.held(now) < 1:
                raise LimitReached("This key opens sessions too fast.", "rate_limit_exceeded", 1.0)
            account.starts.take(1.0, now)
        account.open += 1
        self._open += 1

    def close(self, who: str) -> None:
        """A session is over."""
        account = self._accounts[who]
        account.open -= 1
        self._open -= 1
        if not account.open and account.starts is None and account.audio is None:
            del self._accounts[who]

    def charge(self, who: str, seconds: float, now: float) -> bool:
        """Count seconds of audio; whether there is more to be had."""
        audio = self._accounts[who].audio
        return audio is None or audio.take(seconds, now) == 0.0

    def _account(self, who: str, limits: Limits) -> _Account:
        account = self._accounts.get(who)
        if account is None or account.limits != limits:
            fresh = _Account(limits)
            fresh.open = 0 if account is None else account.open
            account = self._accounts[who] = fresh
        return account
