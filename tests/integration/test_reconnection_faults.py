"""Faults on top of faults: losses while a loss is mended, handles that are worth nothing, providers that say no."""

from __future__ import annotations

import asyncio
import json

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import ConnectRefused, SessionClosed
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.protocols.openai import XAI
from duologue.providers.xai import XAIRealtimeClient
from duologue.snapshots import Snapshot
from duologue.testing import OpenAIEmulator
from duologue.testing.loopback import Cut
from lasting import AT_ONCE, CONNECTION, EMULATORS, Talker, add, lasting_client, repeats, said, talking

OPTIONS = SessionOptions(instructions="Repeat.", tools=(add,))


@pytest.mark.parametrize("text", ["this is a turn", "add 20 22"])
@pytest.mark.parametrize(
    ("wire", "stage"),
    [
        ("openai", "session.update"),
        ("openai", "conversation.item.create"),
        ("openai", "response.create"),
        ("openai", "response.output_audio.delta"),
        ("gemini", "setup"),
        ("gemini", "setupComplete"),
        ("gemini", "clientContent"),
        ("gemini", "serverContent.modelTurn"),
    ],
)
async def test_a_loss_during_the_replay_of_the_replay(wire: str, stage: str, text: str) -> None:
    """Connection after connection breaks at the same point of what it is told; the fifth holds."""
    async with EMULATORS[wire]() as emulator, talking(emulator, OPTIONS) as talker:
        await talker.say("one")
        emulator.inject(Cut())
        for nth in (1, 2, 3):
            emulator.inject(Cut(), at=stage, nth=nth)
        await talker.say(text)
        await talker.say("over")
        texts = said(talker.conversation.items)
    answer = "The sum of these numbers is 42 ." if text.startswith("add") else f"You said: {text} ."
    assert [words for who, words in texts if who == "assistant"] == ["You said: one .", answer, "You said: over ."]
    assert [words for who, words in texts if who == "user"] == ["one", text, "over"]
    ends = [message.turn_id for message in talker.seen_of(m.TurnDone)]
    assert len(ends) == len(set(ends)) == 3
    assert len(emulator.requests) >= 4


async def test_a_quota_that_is_used_up_is_asked_for_once() -> None:
    body = json.dumps({"error": {"code": "insufficient_quota", "message": "You exceeded your current quota."}}).encode()
    async with EMULATORS["openai"]() as emulator, talking(emulator, OPTIONS) as talker:
        await talker.say("one")
        opened = len(emulator.requests)
        emulator.refuse(429, body=body, headers={"Content-Type": "application/json"}, times=100)
        emulator.inject(Cut())
        with pytest.raises(ConnectRefused, match="quota"):
            await talker.say("two")
        assert len(emulator.requests) - opened == 1
        assert talker.session.ended is not None


async def test_a_rate_limit_passes() -> None:
    async with EMULATORS["openai"]() as emulator, talking(emulator, OPTIONS) as talker:
        await talker.say("one")
        emulator.refuse(429, headers={"Retry-After": "0"}, times=2)
        emulator.inject(Cut())
        await talker.say("two")
        assert said(talker.conversation.items)[-1] == ("assistant", "You said: two .")


async def test_a_snapshot_whose_handle_means_nothing_any_more_goes_on_with_what_it_holds() -> None:
    """Handles are good for two hours; the snapshot lies about for longer."""
    async with EMULATORS["gemini"]() as emulator, lasting_client(emulator) as client:
        async with client.create_session() as session:
            talker = Talker(session)
            await talker.say("one")
            async for message in session:
                if isinstance(message, m.ResumptionUpdated):
                    break
            snapshot = session.snapshot()
        assert snapshot.handle is not None
        old = Snapshot.from_json(replace(snapshot, handle="of another day").to_json())
        async with client.create_session(resume=old) as session:
            talker = Talker(session)
            await talker.say("two")
            kept = session.snapshot()
    assert said(kept.items) == [
        ("user", "one"),
        ("assistant", "You said: one ."),
        ("user", "two"),
        ("assistant", "You said: two ."),
    ]


@pytest.mark.parametrize("wire", EMULATORS)
async def test_the_user_closes_while_the_next_connection_opens(wire: str) -> None:
    async with EMULATORS[wire]() as emulator, talking(emulator, OPTIONS) as talker:
        session = talker.session
        await talker.say("one")
        emulator.inject(Cut())
        async for message in session:
            if isinstance(message, m.ConnectionLost):
                break
        await emulator.wait_session(2)
        await session.aclose()
        async for _ in session:
            pass  # what was told before can be read, and then it ends quietly
        assert isinstance(session.ended, SessionClosed)
        assert not [task for task in asyncio.all_tasks() if task.get_name() in ("reconnection", "rotation")]
        await emulator.session.wait_closed()


async def test_on_grok_s_wire_the_conversation_is_sent_anew() -> None:
    """xAI's own resumption brings neither the user's texts nor function calls back; sending them anew brings all."""
    async with OpenAIEmulator(repeats, dialect=XAI, lead_ms=1e9) as emulator:
        client = XAIRealtimeClient("grok-voice-latest", base_url=emulator.url, api_key="key", connection=CONNECTION)
        assert not client.capabilities().resumption
        layered = client.with_middleware(FunctionInvocation(), AT_ONCE)
        async with layered, layered.create_session(OPTIONS) as session:
            talker = Talker(session)
            await talker.say("one")
            await talker.say("add 20 22")
            emulator.inject(Cut())
            told = await talker.say("two")
        created = emulator.session.received_of("conversation.item.create")
    restored = next(message for message in told if isinstance(message, m.SessionRestored))
    assert (restored.how, restored.provider) == ("replayed", "xai")
    kinds = [event["item"]["type"] for event in created]
    assert kinds == ["message", "message", "message", "function_call", "function_call_output", "message", "message"]
    answers = [text for who, text in said(talker.conversation.items) if who == "assistant"]
    assert answers == ["You said: one .", "The sum of these numbers is 42 .", "You said: two ."]
