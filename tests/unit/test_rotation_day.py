"""A day of a session, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import CutOff
from duologue.middleware import Reconnection, keep_last
from duologue.options import SessionOptions
from duologue.testing import ScriptedClient
from duologue.testing.scripted import SCRIPTED_CAPABILITIES
from lasting import ManualClock, UnreliableClient, settled

HOUR = 3_600.0


def _client(clock: ManualClock, script: int = 0) -> ScriptedClient:
    can = replace(SCRIPTED_CAPABILITIES, max_session_seconds=HOUR)
    return ScriptedClient(["Yes."] * script, capabilities=can, clock=clock)


def _settings(clock: ManualClock) -> Reconnection:
    return Reconnection(clock=clock, sleep=clock.sleep, random=lambda: 1.0)


async def test_a_day_moves_before_every_cap() -> None:
    clock = ManualClock()
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


async def test_a_day_with_turns_and_losses_answers_every_turn_and_ends_when_it_is_closed() -> None:
    clock = ManualClock()
    client = _client(clock, script=200)
    settings = dataclasses.replace(_settings(clock), history=keep_last(items=1_000))
    async with client.with_middleware(settings).create_session() as session:
        told: list[m.ServerMessage] = []
        for step in range(24 * 6):  # a turn every ten minutes, and a loss every three hours
            await session.send_text(f"turn {step}")
            if step % 18 == 9:
                client.links[-1].hang_up(CutOff("Gone.", provider="scripted", retryable=True))
            await clock.until((step + 1) * HOUR / 6)
            while len(session._inbox):
                told.append(await anext(session))
        assert session.ended is None
        items = session.snapshot().items
        await session.aclose()
        told += [message async for message in session]
    ends = [message.turn_id for message in told if isinstance(message, m.TurnDone)]
    assert len(ends) == len(set(ends)) == 24 * 6
    spoken = [item.role for item in items if isinstance(item, m.MessageItem)]
    assert spoken == ["user", "assistant"] * (24 * 6)
    causes = [message.cause for message in told if isinstance(message, m.SessionRestored)]
    assert (causes.count("loss"), causes.count("rotation")) == (8, len(client.links) - 1 - 8)
    assert causes.count("rotation") > 20
    assert sum(link.end is None for link in client.links) == 0


async def test_a_user_who_speaks_is_waited_for_and_not_beyond_the_deadline() -> None:
    clock = ManualClock()
    client = _client(clock)
    async with client.with_middleware(_settings(clock)).create_session() as session:
        client.link.push(m.InputSpeechStarted(item_id="item_1"))
        await clock.until(0.9 * HOUR + 59)
        assert len(client.links) == 1
        await clock.until(0.9 * HOUR + 61)
        assert len(client.links) == 2
        assert session.ended is None


async def test_attempts_wait_longer_and_longer_and_come_to_an_end() -> None:
    clock = ManualClock()
    client = _client(clock)
    async with client.with_middleware(_settings(clock)).create_session() as session:
        lost = CutOff("Gone.", provider="scripted", retryable=True)
        for _ in range(9):
            client.links[-1].hang_up(lost)
            await clock.until(clock.now + 30)
        assert session.ended is lost
        assert len(client.links) == 1 + 8


def _slow(clock: ManualClock, mutable: frozenset[str]) -> UnreliableClient:
    can = replace(SCRIPTED_CAPABILITIES, max_session_seconds=HOUR, mutable_options=mutable)
    return UnreliableClient(capabilities=can, clock=clock)


@pytest.mark.parametrize("mutable", [frozenset({"instructions"}), frozenset[str]()], ids=["in place", "with the move"])
async def test_options_that_change_while_the_other_connection_is_opened_come_along(mutable: frozenset[str]) -> None:
    clock = ManualClock()
    client = _slow(clock, mutable)
    async with client.with_middleware(_settings(clock)).create_session() as session:
        client.may_open = asyncio.Event()
        await clock.until(0.9 * HOUR + 1)
        assert client.attempts == 2
        await session.update(SessionOptions(instructions="Be brief."))
        client.may_open.set()
        await settled()
        assert [link.options.instructions for link in client.links[1:]] == [None, "Be brief."]
        assert [link.end is None for link in client.links] == [False, False, True]
        await session.aclose()
        told = [message async for message in session]
    assert len([message for message in told if isinstance(message, m.SessionRestored)]) == 1
    updated = [message.options.instructions for message in told if isinstance(message, m.SessionUpdated)]
    assert updated == ["Be brief."]


async def test_an_update_that_waits_for_the_move_comes_with_a_loss_as_well() -> None:
    clock = ManualClock()
    client = _slow(clock, frozenset())
    async with client.with_middleware(_settings(clock)).create_session() as session:
        client.link.push(m.InputSpeechStarted(item_id="item_1"))
        await session.update(SessionOptions(instructions="Be brief."))
        await clock.until(10)
        assert len(client.links) == 1
        client.link.hang_up(CutOff("Gone.", provider="scripted", retryable=True))
        await clock.until(11)
        assert client.link.options.instructions == "Be brief."
        await clock.until(HOUR)  # long after the move that it has waited for
        await session.aclose()
        told = [message async for message in session]
    kinds = [type(message) for message in told if isinstance(message, m.SessionRestored | m.SessionUpdated)]
    assert kinds == [m.SessionRestored, m.SessionUpdated, m.SessionRestored]
    causes = [message.cause for message in told if isinstance(message, m.SessionRestored)]
    assert causes == ["loss", "rotation"]
