"""A day of a session, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import heapq
import itertools

from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import CutOff
from duologue.middleware import Reconnection
from duologue.testing import ScriptedClient
from duologue.testing.scripted import SCRIPTED_CAPABILITIES

HOUR = 3_600.0


class _Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        waker = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), waker))
        await waker

    async def until(self, moment: float) -> None:
        await _settled()
        while self._sleepers and self._sleepers[0][0] <= moment:
            self.now, _, waker = heapq.heappop(self._sleepers)
            if not waker.done():
                waker.set_result(None)
            await _settled()
        self.now = moment


async def _settled() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def _client(clock: _Clock, script: int = 0) -> ScriptedClient:
    can = replace(SCRIPTED_CAPABILITIES, max_session_seconds=HOUR)
    return ScriptedClient(["Yes."] * script, capabilities=can, clock=clock)


def _settings(clock: _Clock) -> Reconnection:
    return Reconnection(clock=clock, sleep=clock.sleep, random=lambda: 1.0)


async def test_a_day_moves_before_every_cap() -> None:
    clock = _Clock()
    client = _client(clock)
    async with client.with_middleware(_settings(clock)).create_session() as session:
        for hour in range(24):
            await clock.until((hour + 1) * HOUR)
            assert session.ended is None
        assert len(client.links) == 1 + int(24 / 0.9)
        assert sum(link.end is None for link in client.links) == 1
        await session.aclose()
        told = [message async for message in session]
    restored = [message for message in told if isinstance(message, m.SessionRestored)]
    assert [message.cause for message in restored] == ["rotation"] * (len(client.links) - 1)
    assert not any(isinstance(message, m.ConnectionLost) for message in told)


async def test_a_user_who_speaks_is_waited_for_and_not_beyond_the_deadline() -> None:
    clock = _Clock()
    client = _client(clock)
    async with client.with_middleware(_settings(clock)).create_session() as session:
        client.link.push(m.InputSpeechStarted(item_id="item_1"))
        await clock.until(0.9 * HOUR + 59)
        assert len(client.links) == 1
        await clock.until(0.9 * HOUR + 61)
        assert len(client.links) == 2
        assert session.ended is None


async def test_attempts_wait_longer_and_longer_and_come_to_an_end() -> None:
    clock = _Clock()
    client = _client(clock)
    async with client.with_middleware(_settings(clock)).create_session() as session:
        lost = CutOff("Gone.", provider="scripted", retryable=True)
        for _ in range(9):
            client.links[-1].hang_up(lost)
            await clock.until(clock.now + 30)
        assert session.ended is lost
        assert len(client.links) == 1 + 8
