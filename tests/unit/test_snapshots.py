"""Snapshots: what is in them, what they are read as, where they are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.options import OFF, ServerTurnDetection, SessionOptions, Transcription
from duologue.secret import Secret
from duologue.snapshots import InvalidSnapshot, Snapshot, SQLiteSnapshotStore, take_snapshot
from duologue.testing import ScriptedClient
from duologue.tools import McpServerTool

OPTIONS = SessionOptions(
    instructions="Be brief.",
    model="m1",
    voice="ash",
    turn_detection=ServerTurnDetection(silence_ms=200),
    transcription=Transcription(model="w"),
    noise_reduction=OFF,
    tools=(McpServerTool(server_label="s", server_url="https://example.org", authorization=Secret.of("hush")),),
    extra={"key": "hush"},
)
ITEMS: tuple[m.Item, ...] = (
    m.MessageItem.user("Hello.", id="i1"),
    m.FunctionCall(id="i2", call_id="c", name="add", arguments="{}"),
    m.FunctionResult(id="i3", call_id="c", output="3"),
    m.MessageItem.assistant("Three.", id="i4"),
)


def _snapshot() -> Snapshot:
    return take_snapshot(OPTIONS, ITEMS, provider="p", model="m1", handle="h", owes_answer=False)


def test_a_snapshot_is_read_as_it_was_taken_and_holds_no_secrets() -> None:
    document = _snapshot().to_json()
    assert b"hush" not in document
    read = Snapshot.from_json(document)
    assert read == _snapshot()
    assert read.stated() == SessionOptions(
        instructions="Be brief.",
        model="m1",
        voice="ash",
        turn_detection=ServerTurnDetection(silence_ms=200),
        transcription=Transcription(model="w"),
        noise_reduction=OFF,
    )


@given(st.data())
def test_a_document_that_is_cut_or_damaged_is_none(data: st.DataObject) -> None:
    document = _snapshot().to_json()
    cut = document[: data.draw(st.integers(0, len(document) - 1))]
    with pytest.raises(InvalidSnapshot):
        Snapshot.from_json(cut)


@pytest.mark.parametrize(
    "change", [{"version": 0}, {"version": 2}, {"provider": 1}, {"options": {"voice": 1}}, {"items": [{"type": "new"}]}]
)
def test_a_document_of_another_version_is_refused(change: dict[str, object]) -> None:
    document = json.dumps({**json.loads(_snapshot().to_json()), **change})
    with pytest.raises(InvalidSnapshot):
        Snapshot.from_json(document)


def test_the_same_provider_goes_on_by_its_handle_and_has_the_history_beside_it() -> None:
    options = _snapshot().resumed(SessionOptions(voice="sage"), "p", Capabilities(resumption=True))
    assert (options.resume, options.history) == ("h", ITEMS)
    assert (options.voice, options.instructions) == ("sage", "Be brief.")


def test_another_model_or_a_provider_without_handles_has_the_history() -> None:
    assert _snapshot().resumed(SessionOptions(model="m2"), "p", Capabilities(resumption=True)).resume is None
    assert _snapshot().resumed(None, "p", Capabilities()).resume is None


def test_another_provider_gets_what_every_provider_understands() -> None:
    options = _snapshot().resumed(None, "q", Capabilities(options=frozenset({"instructions", "transcription"})))
    assert options == SessionOptions(instructions="Be brief.", transcription=Transcription(), history=ITEMS)


async def test_a_session_without_a_layer_that_follows_it_has_no_snapshot() -> None:
    async with ScriptedClient().create_session() as session:
        with pytest.raises(InvalidInput, match="Reconnection"):
            session.snapshot()


async def test_a_store_keeps_one_snapshot_for_each_key(tmp_path: Path) -> None:
    store, other = SQLiteSnapshotStore(tmp_path / "s.db"), SQLiteSnapshotStore(tmp_path / "s.db")
    assert await store.load("a") is None
    await store.save("a", _snapshot())
    await store.save("b", Snapshot(version=1, provider="q"))
    await other.save("b", Snapshot(version=1, provider="r"))
    assert await other.load("a") == _snapshot()
    assert await store.load("b") == Snapshot(version=1, provider="r")
    await store.delete("a")
    await store.delete("a")
    assert await other.load("a") is None
    store.close()
    other.close()
