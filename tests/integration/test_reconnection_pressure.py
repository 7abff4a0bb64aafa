"""Connections that break while the reader does not read, or while a writer waits for a provider that takes nothing."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from collections import Counter

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.middleware import Reconnection, keep_last
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import OpenAIEmulator
from duologue.testing.loopback import Cut, HalfOpen
from duologue.transports.limits import WebSocketLimits
from lasting import (
    AT_ONCE,
    CONNECTION,
    EMULATORS,
    ManualClock,
    Talker,
    add,
    lasting_client,
    repeats,
    said,
    talking,
)

OPTIONS = SessionOptions(instructions="Repeat.", tools=(add,))
IMPATIENT = replace(CONNECTION, send_timeout=1.0)
"""Gives a provider that takes nothing up soon."""
SOON = replace(
    IMPATIENT, open_timeout=2.0, limits=WebSocketLimits(close_timeout=0.3, ping_interval=0.5, dead_after=1.0)
)
"""Gives one up that is silent."""
WHOLE = dataclasses.replace(AT_ONCE, history=keep_last(characters=10**9))
"""However long the conversation is."""


def _fill(session: RealtimeSession, most: int = 20) -> asyncio.Event:
    """Let the inbox of that session count as full with so few messages; the event is set once it is."""
    inbox = session._inbox
    is_full = asyncio.Event()
    pause = inbox._pause

    def paused() -> None:
        pause()
        is_full.set()

    inbox._max_messages, inbox._pause = most, paused
    return is_full


async def _turns(talker: Talker, count: int) -> None:
    for _ in range(count):
        await talker.listen()


def _check(talker: Talker, texts: list[str]) -> None:
    """Every text was answered once, in order, and every turn has one end."""
    spoken = [(who, text) for who, text in said(talker.conversation.items) if who in ("user", "assistant")]
    assert [text for who, text in spoken if who == "user"] == texts
    assert [text for who, text in spoken if who == "assistant"] == [f"You said: {text} ." for text in texts]
    ends = Counter(message.turn_id for message in talker.seen_of(m.TurnDone))
    assert set(ends.values()) == {1}


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("wire", EMULATORS)
async def test_a_loss_that_a_full_inbox_hides_is_mended_when_the_reader_goes_on(wire: str, reset: bool) -> None:
    async with EMULATORS[wire]() as emulator, lasting_client(emulator, AT_ONCE) as client:
        async with client.create_session(OPTIONS) as session:
            talker = Talker(session)
            await talker.say("one")
            is_full = _fill(session)
            await session.send_text("two three four five six seven eight")
            await is_full.wait()
            emulator.inject(Cut(reset=reset))
            await emulator.sessions[0].wait_closed()
            await talker.listen()
            await talker.say("nine")
        _check(talker, ["one", "two three four five six seven eight", "nine"])


@pytest.mark.parametrize("wire", EMULATORS)
async def test_what_is_said_into_a_loss_that_nobody_sees_is_answered_when_the_reader_goes_on(wire: str) -> None:
    async with EMULATORS[wire]() as emulator, talking(emulator, OPTIONS) as talker:
        session = talker.session
        await talker.say("one")
        is_full = _fill(session)
        await session.send_text("two three four five six seven eight")
        await is_full.wait()
        emulator.inject(Cut())
        await emulator.sessions[0].wait_closed()
        writing = asyncio.create_task(session.send_text("nine"))
        await asyncio.sleep(0)
        await talker.listen()
        await writing
        await talker.listen()
        await talker.say("ten")
        texts = said(talker.conversation.items)
    assert [text for who, text in texts if who == "user"][-3:] == ["two three four five six seven eight", "nine", "ten"]
    answers = [text for who, text in texts if who == "assistant"]
    # Both were said before either was answered: the model sees them together.
    assert (answers[0], *answers[-2:]) == ("You said: one .", "You said: nine .", "You said: ten .")
    assert len(answers) == 4
    ends = Counter(message.turn_id for message in talker.seen_of(m.TurnDone))
    assert set(ends.values()) == {1}


@pytest.mark.parametrize("wire", EMULATORS)
async def test_a_move_at_the_deadline_while_the_inbox_is_full(wire: str) -> None:
    clock = ManualClock()
    settings = dataclasses.replace(AT_ONCE, clock=clock, sleep=clock.sleep, rotate_after=60.0, rotate_within=30.0)
    async with EMULATORS[wire]() as emulator, lasting_client(emulator, settings) as client:
        async with client.create_session(OPTIONS) as session:
            talker = Talker(session)
            await talker.say("one")
            is_full = _fill(session)
            await session.send_text("two three four five six seven eight")
            await is_full.wait()
            await clock.until(61)
            await clock.until(91)
            await emulator.wait_session(2)
            await talker.listen()
            await talker.say("nine")
        assert len(talker.seen_of(m.ConnectionLost)) == 0
        texts = said(talker.conversation.items)
    assert [text for who, text in texts if who == "user"] == ["one", "two three four five six seven eight", "nine"]
    first, second, third = (text for who, text in texts if who == "assistant")
    assert (first, third) == ("You said: one .", "You said: nine .")
    assert "You said: two three four five six seven eight .".startswith(second)  # what was heard of it by then
    ends = Counter(message.turn_id for message in talker.seen_of(m.TurnDone))
    assert list(ends.values()) == [1, 1, 1]


@pytest.mark.parametrize("wire", EMULATORS)
async def test_the_session_is_closed_while_the_inbox_is_full_and_the_connection_gone(wire: str) -> None:
    async with EMULATORS[wire]() as emulator, talking(emulator, OPTIONS) as talker:
        session = talker.session
        is_full = _fill(session)
        await session.send_text("two three four five six seven eight")
        await is_full.wait()
        emulator.inject(Cut())
        await session.aclose()
        left = [message async for message in session]
    assert left  # what has arrived can be read, and then it ends quietly


# --- a writer that waits ---


LONG = "word " * 400_000
MANY = 10
"""So many long texts are more than the sockets in between take."""


@pytest.mark.parametrize("wire", EMULATORS)
async def test_texts_that_the_provider_does_not_take_go_to_the_next_connection(wire: str) -> None:
    async with EMULATORS[wire]() as emulator, lasting_client(emulator, WHOLE, IMPATIENT) as client:
        async with client.create_session(OPTIONS) as session:
            talker = Talker(session)
            await talker.say("one")
            emulator.inject(HalfOpen())
            for number in range(MANY):
                await session.send(m.ItemCreate(item=m.MessageItem.user(f"{number} {LONG}")))
            await talker.say("two")
        assert len(talker.seen_of(m.ConnectionLost)) == 1
        texts = said(talker.conversation.items)
    assert [text[:3] for who, text in texts if who == "user"] == ["one", *(f"{n} w" for n in range(MANY)), "two"]
    assert [text for who, text in texts if who == "assistant"] == ["You said: one .", "You said: two ."]


@pytest.mark.parametrize("wire", EMULATORS)
async def test_a_connection_that_goes_silent_while_it_opens_is_replaced_in_turn(wire: str) -> None:
    begins = {"openai": "conversation.item.create", "gemini": "setup"}[wire]
    async with EMULATORS[wire]() as emulator, lasting_client(emulator, AT_ONCE, SOON) as client:
        async with client.create_session(OPTIONS) as session:
            talker = Talker(session)
            await talker.say("one")
            emulator.inject(HalfOpen(), at=begins)
            emulator.inject(Cut())
            await talker.say("two")
        assert len(emulator.sessions) >= 3
        _check(talker, ["one", "two"])
        assert talker.seen_of(m.SessionRestored)


async def test_what_the_user_says_while_there_is_no_connection_is_kept_within_its_bound_alone() -> None:
    """A long loss: what is too old to be sent again is not held by anybody."""
    clock = ManualClock()
    settings = Reconnection(
        clock=clock, sleep=clock.sleep, random=lambda: 1.0, keep_input=2.0, keep_silence=1.0, attempts=100
    )
    async with OpenAIEmulator(repeats) as emulator, talking(emulator, SessionOptions(), settings) as talker:
        session = talker.session
        emulator.refuse(503, times=100)
        emulator.inject(Cut())
        async for message in session:
            if isinstance(message, m.ConnectionLost):
                break
        second = bytes(48_000)
        for _ in range(60):
            await session.send_audio(second)
        assert _audio_held() <= 2 * len(second)


def _audio_held() -> int:
    """How much of the user's audio is held, by whoever, in bytes."""
    gc.collect()
    held = {id(thing): thing for thing in gc.get_objects() if type(thing) is m.InputAudioAppend}
    return sum(len(message.audio) for message in held.values())
