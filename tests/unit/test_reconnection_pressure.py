"""Writers that wait, and an inbox that is full, while a connection is lost, replaced, or told what it has to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import CutOff
from duologue.link import Link
from duologue.middleware import Reconnection
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedLink
from duologue.testing.scripted import SCRIPTED_CAPABILITIES
from lasting import ManualClock, said, settled

GONE = CutOff("Gone.", provider="scripted", retryable=True)


class _Client(ScriptedClient):
    """Its connections may take nothing from their beginning."""

    blocked: tuple[int, ...] = ()

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        link = await super().open_link(options, dropped)
        if len(self.links) in self.blocked:
            self.link.block_sending()
        return link


class _Case:
    def __init__(self, *blocked: int, script: int = 9) -> None:
        self.clock = ManualClock()
        can = replace(SCRIPTED_CAPABILITIES, max_session_seconds=100.0)
        self.scripted = _Client(["Yes."] * script, capabilities=can, clock=self.clock)
        self.scripted.blocked = blocked
        settings = Reconnection(clock=self.clock, sleep=self.clock.sleep, random=lambda: 0.0, rotate_within=5.0)
        self.client: RealtimeClient = self.scripted.with_middleware(settings)

    @property
    def link(self) -> ScriptedLink:
        return self.scripted.link


def _start(session: RealtimeSession) -> list[asyncio.Task[object]]:
    """Four writers, in order: two that stream, one that says something, one that only creates an item."""
    work = [
        session.send_audio(b"\1\0" * 240),
        session.send_text("Hello"),
        session.send(m.ItemCreate(item=m.MessageItem.user("And this."))),
        session.send_audio(b"\2\0" * 240),
    ]
    return [asyncio.ensure_future(writing) for writing in work]


def _all_said(link: ScriptedLink) -> list[str]:
    """What that connection knows of what the writers said."""
    told = [message.item for message in link.sent_of(m.ItemCreate)]
    return [text for _, text in said((*(link.options.history or ()), *told)) if text in ("Hello", "And this.")]


def _check(link: ScriptedLink) -> None:
    """That connection was told everything, once."""
    assert sorted(_all_said(link)) == ["And this.", "Hello"]
    assert [message.audio[:1] for message in link.sent_of(m.InputAudioAppend)] == [b"\1", b"\2"]
    assert len(link.sent_of(m.ResponseCreate)) == 1


async def test_writers_that_wait_for_a_connection_that_is_lost_have_said_it_to_the_next() -> None:
    case = _Case()
    async with case.client.create_session() as session:
        case.link.block_sending()
        writers = _start(session)
        await settled()
        assert not any(writer.done() for writer in writers)
        case.link.hang_up(GONE)
        await case.clock.until(1)
        assert all(writer.done() for writer in writers)
        await asyncio.gather(*writers)
        assert len(case.scripted.links) == 2
        _check(case.link)


async def test_writers_that_wait_while_the_session_moves_have_said_it_to_the_next() -> None:
    """There is no quiet moment, and the time is over: the move is made in any case."""
    case = _Case()
    async with case.client.create_session() as session:
        first = case.link
        first.block_sending()
        writers = _start(session)
        await case.clock.until(89)
        assert len(case.scripted.links) == 1
        await case.clock.until(96)
        await asyncio.gather(*writers)
        assert len(case.scripted.links) == 2
        assert first.end is not None
        _check(case.link)


async def test_writers_wait_while_a_connection_is_told_the_rest_and_the_third_hears_all_once() -> None:
    """The second connection takes nothing, and is lost in turn: the replay is replayed."""
    case = _Case(2)
    async with case.client.create_session() as session:
        case.link.push(m.InputSpeechStarted(item_id="item_50"))  # what the user says is kept
        await session.send(m.ItemCreate(item=m.MessageItem.user("Earlier.")))
        case.link.hang_up(GONE)
        await case.clock.until(1)
        assert len(case.scripted.links) == 2
        assert [message.item for message in case.link.sent_of(m.ItemCreate)]  # it is being told, and takes nothing
        writers = _start(session)
        await settled()
        assert [writer.done() for writer in writers] == [True, False, False, True]  # audio waits for nobody
        case.link.hang_up(GONE)
        await case.clock.until(2)
        await asyncio.gather(*writers)
        await settled()
        assert len(case.scripted.links) == 3
        assert [text for _, text in said(item.item for item in case.link.sent_of(m.ItemCreate))].count("Earlier.") == 1
        _check(case.link)


async def test_audio_that_comes_while_a_connection_is_told_the_rest_follows_it() -> None:
    case = _Case(2)
    async with case.client.create_session() as session:
        await session.send(m.ItemCreate(item=m.MessageItem.user("Earlier.")))
        case.link.hang_up(GONE)
        await case.clock.until(1)
        for value in range(1, 6):
            await session.send_audio(bytes([value, 0]) * 240)
        case.link.unblock_sending()
        await settled()
        await session.send_audio(bytes([6, 0]) * 240)
        assert [message.audio[0] for message in case.link.sent_of(m.InputAudioAppend)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("blocked", [False, True], ids=["no connection", "one that takes nothing"])
async def test_the_session_is_closed_while_writers_wait(blocked: bool) -> None:
    case = _Case(2) if blocked else _Case()
    async with case.client.create_session() as session:
        await session.send(m.ItemCreate(item=m.MessageItem.user("Earlier.")))
        case.link.hang_up(GONE)
        if blocked:
            await case.clock.until(1)
        else:
            await settled()
        writers = _start(session)
        await settled()
        await session.aclose()
        done = await asyncio.gather(*writers, return_exceptions=True)
        assert [type(result).__name__ for result in done] == ["str", "SessionClosed", "SessionClosed", "str"]
    assert all(link.end is not None for link in case.scripted.links)


# --- a reader that does not read ---


def _fill(session: RealtimeSession, link: ScriptedLink) -> None:
    session._inbox._max_messages = 10
    link.push(*(m.InputTranscriptDelta(item_id="item_50", text="and ") for _ in range(12)))


async def _read(session: RealtimeSession, until: Callable[[m.ServerMessage], bool]) -> list[m.ServerMessage]:
    told: list[m.ServerMessage] = []
    async for message in session:
        told.append(message)
        if until(message):
            break
    return told


@pytest.mark.parametrize("cause", ["loss", "rotation"])
async def test_a_connection_that_is_opened_while_the_inbox_is_full_is_not_read_before_the_reader_goes_on(
    cause: str,
) -> None:
    case = _Case()
    async with case.client.create_session() as session:
        first = case.link
        _fill(session, first)
        await settled()
        assert first._paused
        if cause == "loss":
            first._finish(GONE)  # a writer has found out: what is not read tells nothing
            await case.clock.until(1)
        else:
            await case.clock.until(96)
        assert len(case.scripted.links) == 2
        await session.send_text("Hello")  # what is sent does not wait for the reader
        assert case.link._paused
        held = len(session._inbox)
        await settled()
        assert len(session._inbox) == held
        told = await _read(session, lambda message: isinstance(message, m.TurnDone))
        assert not case.link._paused
    restored = [message.cause for message in told if isinstance(message, m.SessionRestored)]
    assert restored == [cause]
    # Two that the old connection had not read went with it.
    assert len([message for message in told if isinstance(message, m.InputTranscriptDelta)]) == 10
