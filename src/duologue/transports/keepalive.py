"""Whether the peer is still there: pings, and one timer for all connections of an event loop."""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Protocol
from weakref import WeakKeyDictionary, ref

from duologue.transports.limits import WebSocketLimits

_CHECKS_A_DEADLINE = 4
_NO_TIME = float("inf")


class Verdict(Enum):
    """What is to be done about a connection."""

    WAIT = auto()
    PING = auto()
    DEAD = auto()
    IDLE = auto()


class Liveness:
    """Judges a peer's silence. Times are in s, of any one clock.

    Args:
        now: When the connection began.
    """

    def __init__(self, limits: WebSocketLimits, now: float) -> None:
        self._ping_interval = limits.ping_interval or _NO_TIME
        self._dead_after = limits.dead_after
        self._idle_timeout = limits.idle_timeout or _NO_TIME
        self._checked = self._heard = self._message = now
        self._pinged: float | None = None
        shortest = min(self._ping_interval, self._dead_after, self._idle_timeout)
        self.resolution = shortest / _CHECKS_A_DEADLINE
        """How often to check, in s."""

    def check(self, now: float, *, heard: bool, message: bool, deaf: bool) -> Verdict:
        """Judge what happened since the last check.

        Args:
            heard: Something came from the peer.
            message: A message came, not just a pong.
            deaf: We were not reading, so silence says nothing.
        """
        late = now - self._checked >= self._dead_after + self.resolution  # our loop hung; what came is not yet read
        self._checked = now
        if deaf or late:
            heard = message = True
        if heard:
            self._heard = now
            self._pinged = None
        if message:
            self._message = now
        if now - self._message >= self._idle_timeout:
            return Verdict.IDLE
        if self._pinged is not None:
            return Verdict.DEAD if now - self._pinged >= self._dead_after else Verdict.WAIT
        if now - self._heard >= self._ping_interval:
            self._pinged = now
            return Verdict.PING
        return Verdict.WAIT


class Watched(Protocol):
    """A connection that wants to be checked now and then."""

    @property
    def resolution(self) -> float:
        """How often, in s."""
        ...

    def check(self, now: float) -> None:
        """Look whether the peer is still there."""
        ...


class SharedTimer:
    """Checks every watched connection of one event loop. It runs only while there is one."""

    def __init__(self) -> None:
        self._watched: dict[Watched, None] = {}
        self._handle: asyncio.TimerHandle | None = None
        self._period = _NO_TIME

    def watch(self, connection: Watched) -> None:
        """Check `connection` from now on."""
        self._watched[connection] = None
        if connection.resolution < self._period:
            self._arm(connection.resolution)

    def unwatch(self, connection: Watched) -> None:
        """Check it no more."""
        self._watched.pop(connection, None)
        if not self._watched:
            self._disarm()

    def _arm(self, period: float) -> None:
        self._disarm()
        self._period = period
        self._handle = asyncio.get_running_loop().call_later(period, self._tick)

    def _disarm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._period = _NO_TIME

    def _tick(self) -> None:
        now = asyncio.get_running_loop().time()
        self._arm(min(connection.resolution for connection in self._watched))
        for connection in tuple(self._watched):
            connection.check(now)


_timers: WeakKeyDictionary[asyncio.AbstractEventLoop, ref[SharedTimer]] = WeakKeyDictionary()


def shared_timer() -> SharedTimer:
    """The timer of the running event loop. It lives as long as a connection, or the loop itself, refers to it."""
    loop = asyncio.get_running_loop()
    known = _timers.get(loop)
    timer = known() if known is not None else None
    if timer is None:
        timer = SharedTimer()
        _timers[loop] = ref(timer)
    return timer
