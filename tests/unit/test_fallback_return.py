"""Back at the preferred provider, in the middle of a session, on a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from duologue import messages as m
from duologue.errors import CutOff, UnsupportedOperation
from duologue.messages.base import ServerMessage
from duologue.middleware import FallbackClient, Reconnection
from duologue.session import RealtimeSession
from duologue.testing import ScriptedReply
from lasting import ManualClock, UnreliableClient, said, settled

GONE = CutOff("Gone.", provider="first", retryable=True)


class _Pair:
    def __init__(self, *, move_back: bool = True) -> None:
        self.clock = ManualClock()
        self.first = UnreliableClient(["First."] * 5, provider="first", clock=self.clock)
        self.second = UnreliableClient(
            [ScriptedReply.speech("Second.", 1_000)] * 5, provider="second", clock=self.clock
        )
        settings = Reconnection(clock=self.clock, sleep=self.clock.sleep, random=lambda: 1.0)
        self.client = FallbackClient(
            [self.first, self.second], cool_down=60, move_back=move_back, clock=self.clock, reconnection=settings
        )

    async def lose_first(self) -> None:
        """The preferred provider goes down, and the other one takes over."""
        self.first.is_down()
        self.first.link.hang_up(GONE)
        await self.clock.until(self.clock.now + 1)
        assert len(self.second.links) == 1


async def _read(session: RealtimeSession) -> list[ServerMessage]:
    await session.aclose()
    return [message async for message in session]


def _restored(told: list[ServerMessage]) -> list[tuple[str, str]]:
    return [(message.cause, message.provider) for message in told if isinstance(message, m.SessionRestored)]


async def test_a_session_moves_back_at_a_quiet_moment_after_the_cool_down() -> None:
    pair = _Pair()
    async with pair.client.create_session() as session:
        await pair.lose_first()
        await session.send_text("Hello")
        await pair.clock.until(30)
        pair.first.refused = None
        pair.second.link.push(m.InputSpeechStarted(item_id="item_9"))
        await pair.clock.until(100)
        assert len(pair.first.links) == 1
        pair.second.link.push(
            m.InputSpeechStopped(item_id="item_9"),
            m.InputAudioCommitted(item_id="item_9"),
            m.TurnDone(turn_id="t", outcome="completed"),
        )
        await pair.clock.until(101)
        assert len(pair.first.links) == 2
        assert session.metadata.provider == "first"
        assert said(pair.first.link.options.history or ())[-2:] == [("user", "Hello"), ("assistant", "Second.")]
        assert pair.second.link.end is not None
        told = await _read(session)
    assert _restored(told) == [("loss", "second"), ("return", "first")]
    assert not any(message.asked_again for message in told if isinstance(message, m.SessionRestored))


async def test_one_that_is_still_down_is_asked_once_in_a_while_and_nobody_notices() -> None:
    pair = _Pair()
    async with pair.client.create_session() as session:
        await pair.lose_first()
        asked = pair.first.attempts
        await pair.clock.until(10 * 61)
        assert 8 <= pair.first.attempts - asked <= 10
        assert len(pair.second.links) == 1
        pair.first.refused = None
        await pair.clock.until(11 * 61 + 1)
        told = await _read(session)
    assert _restored(told) == [("loss", "second"), ("return", "first")]


async def test_without_it_a_session_that_is_well_stays() -> None:
    pair = _Pair(move_back=False)
    async with pair.client.create_session() as session:
        await pair.lose_first()
        pair.first.refused = None
        await pair.clock.until(3_000)
        assert len(pair.first.links) == 1
        assert _restored(await _read(session)) == [("loss", "second")]


async def test_one_that_cannot_do_what_the_session_needs_is_not_asked_again() -> None:
    pair = _Pair()
    pair.first.refused = UnsupportedOperation("pictures", "first", "Ask another.")
    async with pair.client.create_session():
        await pair.clock.until(3_000)
        assert pair.first.attempts == 1
        assert len(pair.second.links) == 1


async def test_an_answer_that_begins_meanwhile_is_not_lost_for_it() -> None:
    pair = _Pair()
    async with pair.client.create_session() as session:
        await pair.lose_first()
        pair.first.refused, pair.first.may_open = None, asyncio.Event()
        await pair.clock.until(62)  # it is being opened
        pair.second.link.push(m.InputSpeechStarted(item_id="item_9"))
        pair.first.may_open.set()
        await pair.clock.until(120)
        opened = pair.first.links[1]
        assert opened.end is None
        await pair.clock.until(130)  # a minute without a quiet moment is long enough
        assert opened.end is not None
        assert pair.second.link.end is None
        assert _restored(await _read(session)) == [("loss", "second")]


@pytest.mark.parametrize("moment", ["waiting", "opening", "opened"])
async def test_the_session_ends_while_it_is_about_to_move(moment: str) -> None:
    pair = _Pair()
    async with pair.client.create_session() as session:
        await pair.lose_first()
        pair.first.refused = None
        if moment != "waiting":
            pair.first.may_open = asyncio.Event()
            await pair.clock.until(62)
        if moment == "opened":
            assert pair.first.may_open is not None
            pair.second.link.push(m.InputSpeechStarted(item_id="item_9"))
            pair.first.may_open.set()
            await settled()
            assert len(pair.first.links) == 2
        await session.aclose()
        await settled()
    assert all(link.end is not None for link in [*pair.first.links, *pair.second.links])
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "return"]


async def test_a_loss_while_it_is_about_to_move() -> None:
    pair = _Pair()
    async with pair.client.create_session() as session:
        await pair.lose_first()
        pair.first.refused, pair.first.may_open = None, asyncio.Event()
        await pair.clock.until(62)
        pair.second.link.push(m.InputSpeechStarted(item_id="item_9"))
        pair.first.may_open.set()
        await settled()
        pair.second.link.hang_up(CutOff("Gone.", provider="second", retryable=True))
        await pair.clock.until(70)
        assert [link.end is None for link in pair.first.links] == [False, False, True]
        assert _restored(await _read(session)) == [("loss", "second"), ("loss", "first")]
