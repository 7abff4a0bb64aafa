"""A process is killed in the middle of an answer, and another goes on: at the same provider, and at another."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from duologue import messages as m
from duologue.options import SessionOptions
from duologue.snapshots import SQLiteSnapshotStore
from lasting import EMULATORS, Talker, add, lasting_client, said

PROGRAM = """
import asyncio, sys
from duologue import Reconnection, SessionOptions, SQLiteSnapshotStore, messages as m
from duologue.providers import GeminiRealtimeClient, OpenAIRealtimeClient

async def main(wire, url, path):
    kind, model = {"openai": (OpenAIRealtimeClient, "gpt-realtime"), "gemini": (GeminiRealtimeClient, "gemini-3.8-live")}[wire]
    client = kind(model, base_url=url, api_key="key").with_middleware(Reconnection())
    store = SQLiteSnapshotStore(path)
    async with client.create_session(SessionOptions(instructions="Repeat.")) as session:
        for text in ("one", "two"):
            await session.send_text(text)
            async for message in session:
                if isinstance(message, m.OutputAudioDelta):
                    await session.send(m.OutputAudioPlayed(item_id=message.item_id, played_ms=0))
                    if text == "two":
                        await store.save("call", session.snapshot())
                        print("saved", flush=True)
                        await asyncio.sleep(1000)
                if isinstance(message, m.TurnDone):
                    break

asyncio.run(main(*sys.argv[1:]))
"""  # noqa: E501


async def _kill_in_mid_answer(wire: str, url: str, path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, wire, url, str(path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"saved\n"
    process.send_signal(signal.SIGKILL)
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("other", EMULATORS)
@pytest.mark.parametrize("wire", EMULATORS)
async def test_the_conversation_goes_on_after_a_crash(wire: str, other: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    async with EMULATORS[wire]() as first, EMULATORS[other]() as second:
        await _kill_in_mid_answer(wire, first.url, path)
        store = SQLiteSnapshotStore(path)
        snapshot = await store.load("call")
        store.close()
        assert snapshot is not None
        assert said(snapshot.items) == [("user", "one"), ("assistant", "You said: one ."), ("user", "two")]
        assert snapshot.owes_answer
        emulator = first if wire == other else second
        async with (
            lasting_client(emulator) as client,
            client.create_session(SessionOptions(tools=(add,)), resume=snapshot) as session,
        ):
            assert session.options.instructions == "Repeat."
            talker = Talker(session)
            await session.respond()
            told = await talker.listen()
            done = told[-1]
            assert isinstance(done, m.TurnDone)
            assert done.outcome == "completed"
            await talker.say("add 1 2")
            again = session.snapshot()
    assert said(again.items)[:4] == [*said(snapshot.items), ("assistant", "You said: two .")]
    assert said(again.items)[-1] == ("assistant", "The sum of these numbers is 3 .")
    assert not again.owes_answer


@pytest.mark.parametrize("wire", EMULATORS)
async def test_a_snapshot_of_a_whole_turn_goes_on_by_the_handle_where_there_is_one(wire: str) -> None:
    async with EMULATORS[wire]() as emulator, lasting_client(emulator) as client:
        async with client.create_session() as session:
            talker = Talker(session)
            await talker.say("one")
            if wire == "gemini":
                async for message in session:
                    if isinstance(message, m.ResumptionUpdated):
                        break
            snapshot = session.snapshot()
        assert (snapshot.handle is not None) == (wire == "gemini")
        async with client.create_session(resume=snapshot) as session:
            talker = Talker(session)
            await talker.say("two")
            assert said(session.snapshot().items) == [
                ("user", "one"),
                ("assistant", "You said: one ."),
                ("user", "two"),
                ("assistant", "You said: two ."),
            ]
