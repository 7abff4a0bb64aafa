"""Sessions over connections that break, on loopback: nothing is lost of the conversation, and nothing is said twice."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import random
from collections import Counter
from typing import Any

import pytest

from duologue import messages as m
from duologue.errors import ConnectRefused, CutOff, HungUp
from duologue.options import SessionOptions, Transcription
from duologue.testing import OpenAIEmulator
from duologue.testing.emulation import Emulator
from duologue.testing.loopback import Cut, Hangup
from duologue.tools import FunctionTool
from lasting import (
    AT_ONCE,
    AUDIO,
    EMULATORS,
    Halting,
    Talker,
    add,
    alive,
    client_of,
    lasting_client,
    read_all,
    repeats,
    said,
    talking,
    weight,
)

OPTIONS = SessionOptions(instructions="Repeat.", tools=(add,))
SPOKEN = SessionOptions(transcription=Transcription())
TURNS = 200


def _script(seed: int) -> list[tuple[str, bool]]:
    """What is said in each turn, and whether the answer to it is interrupted."""
    chance = random.Random(seed)
    turns: list[tuple[str, bool]] = []
    for number in range(TURNS):
        kind = chance.random()
        if kind < 0.2:
            turns.append((f"add {number} {chance.randrange(100)}", False))
        else:
            turns.append((f"this is turn {number}", kind > 0.9))
    return turns


async def _talk(emulator: Emulator[Any], seed: int, *, cuts: bool) -> tuple[Talker, list[int]]:
    """A long conversation, and what the session holds on to at the middle and at the end of it."""
    chance = random.Random(seed + 1)
    held: list[int] = []
    async with lasting_client(emulator) as client, client.create_session(OPTIONS) as session:
        talker = Talker(session)
        for number, (text, interrupt) in enumerate(_script(seed)):
            if cuts and not interrupt and number % 4 == 1:
                emulator.inject(Cut(after_bytes=chance.randrange(20_000), reset=chance.random() < 0.5))
            told = await talker.say(text, interrupt=interrupt)
            done = told[-1]
            assert isinstance(done, m.TurnDone)
            assert done.outcome == ("interrupted" if interrupt else "completed"), (number, told)
            if number in (TURNS // 2, TURNS - 1):
                held.append(weight(session))
    return talker, held


@pytest.mark.parametrize("wire", EMULATORS)
@pytest.mark.timeout(180)
async def test_a_long_conversation_is_the_same_with_cuts_as_without(wire: str) -> None:
    async with EMULATORS[wire]() as whole, EMULATORS[wire]() as broken:
        before = alive()
        uncut, _ = await _talk(whole, 7, cuts=False)
        tasks, objects = len(asyncio.all_tasks()), alive()
        cut, held = await _talk(broken, 7, cuts=True)
        assert len(asyncio.all_tasks()) <= tasks
        assert (alive() - objects) - (objects - before) == Counter()  # nothing is left of forty connections
        middle, end = held
        assert end < middle + TURNS // 2  # not one object a turn is kept
    assert len(broken.sessions) > 20
    assert said(cut.conversation.items) == said(uncut.conversation.items)
    turns = Counter(message.turn_id for message in cut.seen_of(m.TurnDone))
    assert len(turns) == TURNS
    assert set(turns.values()) == {1}
    assert len(cut.seen_of(m.SessionRestored)) == len(cut.seen_of(m.ConnectionLost)) == len(broken.sessions) - 1
    assert len(cut.seen_of(m.SessionCreated)) == 1
    created = Counter(message.response_id for message in cut.seen_of(m.ResponseCreated))  # type: ignore[attr-defined]
    done = Counter(message.response_id for message in cut.seen_of(m.ResponseDone))  # type: ignore[attr-defined]
    assert created == done
    assert set(created.values()) == {1}


@pytest.mark.parametrize("wire", EMULATORS)
async def test_the_reader_is_told_how_it_went(wire: str) -> None:
    async with EMULATORS[wire]() as emulator:
        async with talking(emulator, OPTIONS) as talker:
            await talker.say("one")
            emulator.inject(Cut(), at=AUDIO[wire], nth=2)
            told = await talker.say("two")
        lost = next(message for message in told if isinstance(message, m.ConnectionLost))
        restored = next(message for message in told if isinstance(message, m.SessionRestored))
    assert lost.error is not None
    assert lost.error.type == "CutOff"
    assert restored.how == ("native" if wire == "gemini" else "replayed")
    assert restored.cause == "loss"
    assert restored.asked_again
    assert restored.provider == wire
    assert restored.lost_responses == (lost.response_id,)
    answers = [message for message in told if isinstance(message, m.ResponseDone)]
    assert [answer.status for answer in answers] == ["failed", "completed"]
    assert said(talker.conversation.items)[-2:] == [("user", "two"), ("assistant", "You said: two .")]


@pytest.mark.parametrize("wire", EMULATORS)
async def test_an_answer_that_was_heard_in_part_stands_as_it_is(wire: str) -> None:
    async with EMULATORS[wire](Halting()) as emulator:
        async with talking(emulator, OPTIONS) as talker:
            session = talker.session
            await session.send_text("one two three four five six seven eight")
            outcome, pieces = None, 0
            async for message in session:
                talker.conversation.feed(message)
                if isinstance(message, m.OutputAudioDelta):
                    pieces += 1
                    if pieces == 12:  # of 20 ms
                        await session.send(m.OutputAudioPlayed(item_id=message.item_id, played_ms=150))
                        emulator.inject(Cut())
                if isinstance(message, m.TurnDone):
                    outcome = message.outcome
                if isinstance(message, m.SessionRestored):
                    assert not message.asked_again
                    break
            assert outcome == "incomplete"
            told = await talker.say("two")
        assert isinstance(told[-1], m.TurnDone)
        assert told[-1].outcome == "completed"
        texts = said(talker.conversation.items)
    assert texts[1][0] == "assistant"
    assert texts[1][1].startswith("You said: one")
    assert texts[2:] == [("user", "two"), ("assistant", "You said: two .")]


@pytest.mark.parametrize("wire", EMULATORS)
@pytest.mark.parametrize(("status", "attempts"), [(401, 1), (403, 1), (503, AT_ONCE.attempts)])
async def test_refusals(wire: str, status: int, attempts: int) -> None:
    async with EMULATORS[wire]() as emulator, talking(emulator, OPTIONS) as talker:
        session = talker.session
        await talker.say("one")
        opened = len(emulator.requests)
        emulator.refuse(status, times=100)
        emulator.inject(Cut())
        with pytest.raises(ConnectRefused, match=str(status)):
            await talker.say("two")
        assert len(emulator.requests) - opened == attempts
        assert session.ended is not None


async def test_what_is_not_retryable_ends_the_session_at_once() -> None:
    async with EMULATORS["openai"]() as emulator:
        async with talking(emulator, OPTIONS) as talker:
            session = talker.session
            await talker.say("one")
            emulator.inject(Hangup(code=1008, reason="No."))
            with pytest.raises(HungUp, match="No\\."):
                await read_all(session)
        assert len(emulator.sessions) == 1


async def test_a_server_that_accepts_and_hangs_up_is_not_tried_for_ever() -> None:
    async with EMULATORS["openai"]() as emulator:
        async with talking(emulator, OPTIONS) as talker:
            session = talker.session
            await talker.say("one")
            emulator.inject(Cut())
            for nth in range(1, 51):
                emulator.inject(Hangup(code=1011), at="conversation.item.create", nth=nth)
            with pytest.raises(HungUp):
                await read_all(session)
        assert len(emulator.sessions) == 1 + AT_ONCE.attempts


async def test_closing_while_there_is_no_connection_ends_quietly() -> None:
    async with EMULATORS["openai"]() as emulator:
        async with talking(emulator, OPTIONS) as talker:
            session = talker.session
            await talker.say("one")
            emulator.refuse(503, times=100)
            emulator.inject(Cut())
            async for message in session:
                if isinstance(message, m.ConnectionLost):
                    break
            await session.aclose()
            assert [message async for message in session] == []
        assert len(emulator.sessions) == 1


async def test_the_same_without_the_layer_ends_with_the_connection() -> None:
    async with (
        EMULATORS["openai"]() as emulator,
        client_of(emulator) as client,
        client.create_session(SessionOptions()) as session,
    ):
        emulator.inject(Cut())
        with pytest.raises(CutOff):
            await read_all(session)


@pytest.mark.parametrize("wire", EMULATORS)
async def test_a_function_that_ends_while_there_is_no_connection(wire: str) -> None:
    begun, may_end = asyncio.Event(), asyncio.Event()
    runs: list[tuple[int, int]] = []

    async def slow(a: int, b: int) -> int:
        """Add two numbers, slowly."""
        runs.append((a, b))
        begun.set()
        await may_end.wait()
        return a + b

    tools = (FunctionTool.from_callable(slow, name="add"),)
    async with EMULATORS[wire]() as emulator:
        async with talking(emulator, SessionOptions(tools=tools)) as talker:
            await talker.say("one")
            answer = asyncio.create_task(talker.say("add 20 22"))
            await begun.wait()
            emulator.refuse(503, times=3)
            emulator.inject(Cut())
            await emulator.sessions[0].wait_closed()
            may_end.set()
            told = await answer
        texts = said(talker.conversation.items)
    restored = next(message for message in told if isinstance(message, m.SessionRestored))
    assert bool(restored.lost_calls) == (wire == "gemini")
    assert runs == [(20, 22)]
    assert texts[-1] == ("assistant", "The sum of these numbers is 42 .")
    assert [who for who, _ in texts] == ["user", "assistant", "user", "call", "result", "assistant"]
    assert isinstance(told[-1], m.TurnDone)
    assert told[-1].outcome == "completed"


async def test_what_the_user_says_goes_on_over_the_next_connection() -> None:
    loud, quiet = b"\x10\x27" * 2_400, bytes(4_800)  # 100 ms of each
    async with OpenAIEmulator(repeats, hears=["hello there"]) as emulator:
        async with talking(emulator, SPOKEN) as talker:
            session = talker.session
            for _ in range(5):
                await session.send_audio(loud)
            await emulator.session.wait_received("input_audio_buffer.append", 5)
            emulator.inject(Cut())
            await emulator.sessions[0].wait_closed()
            for chunk in [loud] * 5 + [quiet] * 12:
                await session.send_audio(chunk)
            told = await talker.listen()
        second = emulator.sessions[1]
        heard = b"".join(base64.b64decode(e["audio"]) for e in second.received_of("input_audio_buffer.append"))
    assert heard == loud * 10 + quiet * 12
    restored = next(message for message in told if isinstance(message, m.SessionRestored))
    assert (restored.audio_offset_ms, restored.dropped_audio_ms) == (0, 0)
    assert said(talker.conversation.items) == [("user", "hello there"), ("assistant", "You said: hello there .")]


async def test_a_turn_that_was_said_and_not_answered_is_answered() -> None:
    """The connection breaks between the end of the user's speech and the beginning of the answer."""
    loud, quiet = b"\x10\x27" * 2_400, bytes(4_800)
    async with OpenAIEmulator(repeats, hears=["hello there"]) as emulator, talking(emulator, SPOKEN) as talker:
        session = talker.session
        emulator.inject(Cut(), at="response.created")
        for chunk in [loud] * 5 + [quiet] * 12:
            await session.send_audio(chunk)
        told = await talker.listen()
    assert isinstance(told[-1], m.TurnDone)
    assert told[-1].outcome == "completed"
    assert len({message.turn_id for message in told if isinstance(message, m.TurnDone)}) == 1
    answers = [text for who, text in said(talker.conversation.items) if who == "assistant"]
    assert len(answers) == 1


async def test_too_much_to_keep_is_told() -> None:
    quiet = bytes(4_800)
    settings = dataclasses.replace(AT_ONCE, keep_input=1.0, keep_silence=0.5)
    async with OpenAIEmulator(repeats) as emulator, talking(emulator, SPOKEN, settings) as talker:
        session = talker.session
        emulator.refuse(503, times=2)
        emulator.inject(Cut())
        await emulator.sessions[0].wait_closed()
        async for message in session:
            if isinstance(message, m.ConnectionLost):
                break
        for _ in range(30):
            await session.send_audio(quiet)
        restored = [message for message in await talker.say("one") if isinstance(message, m.SessionRestored)]
    assert [message.dropped_audio_ms for message in restored] == [2_000]
    assert [message.audio_offset_ms for message in restored] == [2_000]


STAGES = {
    "openai": (
        "conversation.item.create",
        "conversation.item.added",
        "conversation.item.done",
        "response.create",
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.done",
    ),
    "gemini": (
        "clientContent",
        "serverContent",
        "serverContent.modelTurn",
        "serverContent.outputTranscription",
        "serverContent.generationComplete",
        "serverContent.turnComplete",
        "sessionResumptionUpdate",
        "toolCall",
        "toolResponse",
    ),
}


@pytest.mark.parametrize("again", [False, True], ids=["once", "and again"])
@pytest.mark.parametrize("text", ["this is a turn", "add 20 22"])
@pytest.mark.parametrize(("wire", "stage"), [(wire, stage) for wire, stages in STAGES.items() for stage in stages])
async def test_a_cut_at_every_stage(wire: str, stage: str, text: str, again: bool) -> None:
    """Each turn has one end and one answer, wherever the connection breaks, and breaks again while that is mended."""
    async with EMULATORS[wire]() as emulator, talking(emulator, OPTIONS) as talker:
        await talker.say("one")
        emulator.inject(Cut(), at=stage)
        if again:
            emulator.inject(Cut(), at=stage, nth=2)
        await talker.say(text)
        await talker.say("over")
        texts = said(talker.conversation.items)
    answer = "The sum of these numbers is 42 ." if text.startswith("add") else f"You said: {text} ."
    assert [words for who, words in texts if who == "assistant"] == ["You said: one .", answer, "You said: over ."]
    assert [words for who, words in texts if who == "user"] == ["one", text, "over"]
    ends = [message.turn_id for message in talker.seen_of(m.TurnDone)]
    assert len(ends) == len(set(ends)) == 3
    calls = [words for who, words in texts if who == "call"]
    assert len(calls) == len([words for who, words in texts if who == "result"]) == text.startswith("add")


async def test_who_sends_while_there_is_no_connection_waits_and_is_answered_once() -> None:
    async with OpenAIEmulator(repeats) as emulator, talking(emulator, OPTIONS) as talker:
        await talker.say("one")
        emulator.refuse(503, times=3)
        emulator.inject(Cut())
        await emulator.sessions[0].wait_closed()
        async for message in talker.session:
            if isinstance(message, m.ConnectionLost):
                break
        await asyncio.gather(talker.session.send_text("two"), talker.session.drain())
        await talker.listen()
        assert said(talker.conversation.items)[-2:] == [("user", "two"), ("assistant", "You said: two .")]
        received = emulator.session.received_of("conversation.item.create")
    assert [event["item"]["content"][0]["text"] for event in received].count("two") == 1
