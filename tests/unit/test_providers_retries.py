"""Trying again: when, how often, and after how long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duologue.errors import ConnectRefused
from duologue.providers import ConnectionSettings, MissingKey, OpenAIRealtimeClient
from realtime_server import RealtimeServer, Step, converse, never_answer, never_greet, part, realtime_server, refuse


class Pauses:
    """Waits for nothing, and notes how long it should have."""

    def __init__(self, jitter: float = 1.0) -> None:
        self.taken: list[float] = []
        self.jitter = jitter

    async def sleep(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)

    def settings(self, **given: Any) -> ConnectionSettings:
        return ConnectionSettings(sleep=self.sleep, random=lambda: self.jitter, proxy=None, **given)


def client_of(server: RealtimeServer, settings: ConnectionSettings, **given: Any) -> OpenAIRealtimeClient:
    return OpenAIRealtimeClient("m", **{"api_key": "sk-1", "base_url": server.url(), "connection": settings, **given})


async def opened_after(*steps: Step, pauses: Pauses, **given: Any) -> int:
    """How many connections it took."""
    async with realtime_server(*steps) as server:
        async with client_of(server, pauses.settings(**given)).create_session():
            pass
        return len(server.requests)


async def refused_after(*steps: Step, pauses: Pauses, **given: Any) -> int:
    """How many connections it took to give up."""
    async with realtime_server(*steps) as server:
        with pytest.raises(ConnectRefused):
            await client_of(server, pauses.settings(**given)).create_session()
        return len(server.requests)


async def test_that_an_overloaded_server_is_tried_again() -> None:
    pauses = Pauses()
    assert await opened_after(refuse(503), refuse(500), pauses=pauses) == 3
    assert pauses.taken == [0.5, 1.0]


async def test_that_three_attempts_are_enough() -> None:
    pauses = Pauses()
    assert await refused_after(refuse(503), refuse(503), refuse(503), converse, pauses=pauses) == 3
    assert pauses.taken == [0.5, 1.0]


async def test_how_pauses_grow() -> None:
    pauses = Pauses()
    assert await refused_after(*[refuse(503)] * 8, pauses=pauses, attempts=8) == 8
    assert pauses.taken == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    pauses = Pauses(jitter=0.0)
    assert await refused_after(*[refuse(503)] * 3, pauses=pauses) == 3
    assert pauses.taken == [0.375, 0.75]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 307, 200])
async def test_what_is_not_tried_again(status: int) -> None:
    pauses = Pauses()
    assert await refused_after(refuse(status), pauses=pauses) == 1
    assert pauses.taken == []


async def test_that_an_empty_account_is_not_tried_again() -> None:
    quota = {"error": {"code": "insufficient_quota", "message": "You exceeded your current quota."}}
    assert await refused_after(refuse(429, quota), pauses=Pauses()) == 1
    assert await refused_after(part(1000, "", {"type": "error", **quota}), pauses=Pauses()) == 1


async def test_that_a_server_may_ask_for_time() -> None:
    pauses = Pauses()
    assert await opened_after(refuse(429, Retry_After="4"), refuse(429, Retry_After="0"), pauses=pauses) == 3
    assert pauses.taken == [4.0, 1.0]
    pauses = Pauses()
    assert await refused_after(refuse(429, Retry_After="31"), pauses=pauses) == 1
    assert pauses.taken == []


@pytest.mark.parametrize(
    "step",
    [
        part(1011),
        part(1013),
        part(1000, "", {"type": "error", "error": {"type": "server_error", "message": "Oh."}}),
    ],
)
async def test_a_refusal_in_band(step: Step) -> None:
    pauses = Pauses()
    assert await opened_after(step, pauses=pauses) == 2
    assert pauses.taken == [0.5]


@pytest.mark.parametrize("step", [part(1008), part(4001), part(1000, "", {"type": "error", "error": {"message": ""}})])
async def test_a_refusal_in_band_that_stays(step: Step) -> None:
    assert await refused_after(step, pauses=Pauses()) == 1


async def test_a_server_that_does_not_answer() -> None:
    assert await opened_after(never_answer, pauses=Pauses(), attempts=20, connect_timeout=0.2) >= 2
    assert await opened_after(never_greet, pauses=Pauses(), attempts=20, open_timeout=0.2) >= 2


async def test_that_each_attempt_has_a_key_of_its_own() -> None:
    keys = iter(["sk-old", "sk-new"])
    async with realtime_server(refuse(503)) as server:
        client = client_of(server, Pauses().settings(), api_key=lambda: next(keys))
        async with client.create_session():
            assert server.header("Authorization") == "Bearer sk-new"


async def test_that_a_missing_key_is_not_looked_for_again() -> None:
    async with realtime_server() as server:
        with pytest.raises(MissingKey):
            await client_of(server, Pauses().settings(), api_key="").create_session()
        assert server.requests == []


async def test_that_a_key_has_to_come_in_time() -> None:
    pauses, asked = Pauses(), []

    async def fetch() -> str:
        asked.append("")
        if len(asked) < 3:
            await asyncio.Event().wait()
        return "my-private-token-4711"

    async with realtime_server() as server:
        settings = pauses.settings(connect_timeout=0.2)
        async with client_of(server, settings, api_key=fetch).create_session():
            assert server.header("Authorization") == "Bearer my-private-token-4711"
    assert pauses.taken == [0.5, 1.0]


async def test_a_key_that_never_comes() -> None:
    async def fetch() -> str:
        await asyncio.Event().wait()
        return ""

    async with realtime_server() as server:
        client = client_of(server, Pauses().settings(connect_timeout=0.01, attempts=1), api_key=fetch)
        async with asyncio.timeout(5):
            with pytest.raises(ConnectRefused, match=r"No key within 0\.01 s.*the function that fetches it") as raised:
                await client.create_session()
        assert raised.value.retryable
        assert server.requests == []


async def test_that_pauses_are_real_by_default() -> None:
    assert ConnectionSettings().sleep is asyncio.sleep
    assert 0.0 <= ConnectionSettings().random() <= 1.0
