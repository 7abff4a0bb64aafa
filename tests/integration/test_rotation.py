"""Connections that are changed ahead of time, on loopback: nobody notices but by the messages."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
from collections import Counter

import pytest

from duologue import messages as m
from duologue.errors import UnsupportedOperation
from duologue.middleware import Reconnection
from duologue.options import SessionOptions, Transcription
from duologue.testing import OpenAIEmulator
from duologue.testing.loopback import Cut
from lasting import AT_ONCE, EMULATORS, Talker, add, lasting_client, repeats, said, talking

OPTIONS = SessionOptions(instructions="Repeat.", tools=(add,))
AFTER = 1_000.0
TURNS = 200


class _Moment:
    """A time to move, which the test says."""

    def __init__(self) -> None:
        self._due = asyncio.Event()
        self.settings = dataclasses.replace(AT_ONCE, rotate_after=AFTER, sleep=self._sleep)

    def now(self) -> None:
        self._due.set()

    async def _sleep(self, seconds: float) -> None:
        if seconds != AFTER:
            await asyncio.sleep(seconds)
            return
        await self._due.wait()
        self._due.clear()


async def _until(talker: Talker, kind: type[m.SessionRestored] | type[m.SessionUpdated]) -> m.SessionRestored:
    restored: m.SessionRestored | None = None
    async for message in talker.session:
        talker.conversation.feed(message)
        assert not isinstance(message, m.ConnectionLost)
        if isinstance(message, m.SessionRestored):
            restored = message
        if isinstance(message, kind):
            assert restored is not None
            return restored
    raise AssertionError(f"no {kind.__name__}")


@pytest.mark.parametrize("wire", EMULATORS)
@pytest.mark.timeout(180)
async def test_a_long_conversation_moves_every_twenty_turns(wire: str) -> None:
    moment = _Moment()
    restored: list[m.SessionRestored] = []
    async with EMULATORS[wire]() as emulator:
        async with talking(emulator, OPTIONS, moment.settings) as talker:
            for number in range(TURNS):
                if number % 20 == 10:
                    moment.now()
                    restored.append(await _until(talker, m.SessionRestored))
                await talker.say(f"add {number} 1" if number % 7 == 3 else f"this is turn {number}")
                assert isinstance(talker.seen[-1], m.TurnDone)
                assert talker.seen[-1].outcome == "completed"
        assert len(emulator.sessions) == 1 + TURNS // 20
    assert [message.cause for message in restored] == ["rotation"] * (TURNS // 20)
    assert {message.how for message in restored} == {"native" if wire == "gemini" else "replayed"}
    assert not talker.seen_of(m.ConnectionLost)
    assert not any(message.lost_responses or message.lost_calls for message in restored)
    assert set(Counter(message.turn_id for message in talker.seen_of(m.TurnDone)).values()) == {1}
    answers = [text for who, text in said(talker.conversation.items) if who == "assistant"]
    assert answers == [
        f"The sum of these numbers is {n + 1} ." if n % 7 == 3 else f"You said: this is turn {n} ."
        for n in range(TURNS)
    ]


async def test_a_server_that_says_good_bye_is_left_at_a_quiet_moment() -> None:
    async with EMULATORS["gemini"]() as emulator:
        async with talking(emulator, OPTIONS) as talker:
            await talker.say("one")
            emulator.session.send(m.SessionExpiring(seconds_left=50))
            restored = await _until(talker, m.SessionRestored)
            await talker.say("two")
        assert len(emulator.sessions) == 2
    assert (restored.cause, restored.how, restored.asked_again) == ("rotation", "native", False)
    assert said(talker.conversation.items)[-2:] == [("user", "two"), ("assistant", "You said: two .")]


@pytest.mark.parametrize("wire", EMULATORS)
async def test_at_the_deadline_an_answer_is_begun_anew(wire: str) -> None:
    """The answer is never over: nobody plays it."""
    moment = _Moment()
    settings = dataclasses.replace(moment.settings, rotate_within=0.05)
    async with EMULATORS[wire]() as emulator:
        async with talking(emulator, OPTIONS, settings) as talker:
            await talker.say("one")
            never_played = asyncio.Event()
            await talker.session.send_text("two")
            async for message in talker.session:
                talker.conversation.feed(message)
                if isinstance(message, m.OutputAudioDelta) and not never_played.is_set():
                    await talker.session.send(m.OutputAudioPlayed(item_id=message.item_id, played_ms=0))
                    never_played.set()
                    moment.now()
                if isinstance(message, m.SessionRestored):
                    break
            await talker.say("three")
        assert len(emulator.sessions) == 2
    texts = said(talker.conversation.items)
    assert texts[-2:] == [("user", "three"), ("assistant", "You said: three .")]
    assert texts.count(("user", "two")) == 1


async def test_no_sample_is_lost_or_doubled() -> None:
    moment = _Moment()
    stream = b"".join(number.to_bytes(2, "little") * 480 for number in range(400))  # 20 ms each, and quiet enough
    options = SessionOptions(transcription=Transcription())
    async with OpenAIEmulator(repeats) as emulator:
        async with talking(emulator, options, moment.settings) as talker:
            for start in range(0, len(stream), 960):
                if start == 960 * 200:
                    moment.now()
                await talker.session.send_audio(stream[start : start + 960])
                await asyncio.sleep(0)
            restored = await _until(talker, m.SessionRestored)
            await talker.session.drain()
            await emulator.session.wait_received("input_audio_buffer.append")
            await talker.say("over")
        first, second = (
            b"".join(base64.b64decode(event["audio"]) for event in session.received_of("input_audio_buffer.append"))
            for session in emulator.sessions
        )
    offset = restored.audio_offset_ms * 48
    assert stream.startswith(first)
    assert offset <= len(first)
    assert second == stream[offset:]
    assert restored.dropped_audio_ms == 0


async def test_options_that_the_wire_cannot_change_come_with_another_connection() -> None:
    async with EMULATORS["gemini"]() as emulator:
        async with talking(emulator, OPTIONS) as talker:
            await talker.say("one")
            await talker.session.update(SessionOptions(temperature=0.5))
            restored = await _until(talker, m.SessionUpdated)
            assert talker.session.options.temperature == 0.5
            assert talker.session.options.instructions == "Repeat."
            await talker.say("two")
        setup = emulator.sessions[1].received_of("setup")[0]["setup"]
    assert restored.cause == "update"
    assert setup["generationConfig"]["temperature"] == 0.5
    assert said(talker.conversation.items)[0] == ("user", "one")


async def test_options_that_no_connection_can_change_are_refused_as_ever() -> None:
    async with EMULATORS["gemini"]() as emulator, talking(emulator, OPTIONS) as talker:
        with pytest.raises(UnsupportedOperation, match="speed"):
            await talker.session.update(SessionOptions(speed=2.0))
        with pytest.raises(UnsupportedOperation, match="kind"):
            await talker.session.update(SessionOptions(kind="translation"))
        await talker.say("one")
        assert len(emulator.sessions) == 1


async def test_a_handle_that_is_refused_is_replaced_by_the_history() -> None:
    async with EMULATORS["gemini"]() as emulator, talking(emulator, OPTIONS) as talker:
        await talker.say("one")
        emulator.fail_opening("BidiGenerateContent session not found", code=1008)  # type: ignore[attr-defined]
        emulator.inject(Cut())
        told = await talker.say("two")
    restored = next(message for message in told if isinstance(message, m.SessionRestored))
    assert restored.how == "replayed"
    assert said(talker.conversation.items)[-1] == ("assistant", "You said: two .")


@pytest.mark.parametrize("wire", EMULATORS)
async def test_a_loss_during_the_move(wire: str) -> None:
    moment = _Moment()
    async with EMULATORS[wire]() as emulator, talking(emulator, OPTIONS, moment.settings) as talker:
        await talker.say("one")
        emulator.refuse(503, times=1)
        moment.now()
        await asyncio.sleep(0)
        emulator.inject(Cut())
        await talker.say("two")
        await talker.say("three")
    assert said(talker.conversation.items)[-4:] == [
        ("user", "two"),
        ("assistant", "You said: two ."),
        ("user", "three"),
        ("assistant", "You said: three ."),
    ]


async def test_the_move_ends_with_the_session() -> None:
    settings = Reconnection(rotate_after=0.001, random=lambda: 0.0)
    async with OpenAIEmulator(repeats) as emulator:
        async with lasting_client(emulator, settings) as client, client.create_session(OPTIONS):
            await emulator.wait_session(2)
        for session in emulator.sessions:
            await session.wait_closed()
