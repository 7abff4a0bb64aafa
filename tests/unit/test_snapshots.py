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
from duologue.middleware import FallbackClient, FunctionInvocation, Reconnection
from duologue.options import OFF, ServerTurnDetection, SessionOptions, Transcription
from duologue.providers.openai_options import OpenAISessionOptions
from duologue.secret import Secret
from duologue.snapshots import InvalidSnapshot, Snapshot, SQLiteSnapshotStore, take_snapshot
from duologue.testing import ScriptedClient
from duologue.tools import FunctionTool, McpServerTool, tool

OPTIONS = SessionOptions(
    instructions="Be brief.",
    model="m1",
    voice="ash",
    turn_detection=ServerTurnDetection(silence_ms=200),
    transcription=Transcription(model="w"),
    noise_reduction=OFF,
    tools=(McpServerTool(server_label="s", server_url="https://example.org", authorization=Secret.of("hush")),),
    tool_choice="required",
    extra={"truncation": {"type": "auto"}},
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
        tools=(),
        tool_choice="required",
        extra={"truncation": {"type": "auto"}},
    )
    assert read.left_out == ("tools",)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


DECLARED = FunctionTool(name="subtract")
OPEN_SERVER = McpServerTool(server_label="s", server_url="https://example.org")


def _of(**options: object) -> Snapshot:
    return take_snapshot(SessionOptions(**options), ITEMS, provider="p", model=None)  # type: ignore[arg-type]


def test_declarations_are_kept_and_functions_are_named() -> None:
    declared = Snapshot.from_json(_of(tools=(DECLARED, OPEN_SERVER)).to_json())
    assert (declared.stated().tools, declared.left_out) == ((DECLARED, OPEN_SERVER), ())
    assert declared.resumed(None, "p", Capabilities()).tools == (DECLARED, OPEN_SERVER)
    with_function = _of(tools=(DECLARED, add))
    assert with_function.left_out == ("tools",)
    assert [getattr(kept, "name", None) for kept in with_function.stated().tools or ()] == ["subtract", "add"]


def test_what_was_left_out_has_to_be_stated_or_done_without() -> None:
    snapshot = _of(tools=(add,), raw_factory=lambda session: session)
    with pytest.raises(InvalidInput, match=r"raw_factory and tools \(add\).*as_it_is"):
        snapshot.check(SessionOptions(), "p")
    with pytest.raises(InvalidInput, match=r"tools \(add\)") as another:
        snapshot.check(SessionOptions(), "q")
    assert "raw_factory" not in str(another.value)
    snapshot.check(SessionOptions(tools=()), "q")
    snapshot.check(SessionOptions(tools=(add,), raw_factory=lambda session: session), "p")
    alone = snapshot.as_it_is()
    alone.check(SessionOptions(), "p")
    assert [
        getattr(kept, "has_implementation", None) for kept in alone.resumed(None, "p", Capabilities()).tools or ()
    ] == [False]
    assert snapshot.resumed(SessionOptions(tools=(add,)), "p", Capabilities()).tools == (add,)


async def test_a_client_does_not_go_on_without_what_the_conversation_needs() -> None:
    snapshot = take_snapshot(SessionOptions(tools=(add,)), (), provider="scripted", model=None)
    plain = ScriptedClient().with_middleware(FunctionInvocation(), Reconnection())
    with pytest.raises(InvalidInput, match="add"):
        await plain.create_session(resume=snapshot)
    with pytest.raises(InvalidInput, match="add"):
        FallbackClient([plain]).create_session(resume=snapshot)
    able = ScriptedClient(defaults=SessionOptions(tools=(add,))).with_middleware(FunctionInvocation(), Reconnection())
    for client in (able, FallbackClient([able])):
        async with client.create_session(resume=snapshot) as session:
            assert session.options.tools == (add,)


def test_what_only_one_provider_understands_is_kept_for_that_one() -> None:
    options = OpenAISessionOptions(truncation="disabled", extra={"new": [1, None]})
    snapshot = Snapshot.from_json(take_snapshot(options, (), provider="p", model=None).to_json())
    can = Capabilities(options=frozenset({"extra"}))
    assert snapshot.resumed(None, "p", can).extra == {"new": [1, None], "truncation": "disabled"}
    assert snapshot.resumed(None, "q", can).extra == {}
    assert snapshot.resumed(SessionOptions(extra={"new": 2}), "p", can).extra == {"new": 2, "truncation": "disabled"}


@pytest.mark.parametrize(
    ("extra", "keep"), [({"key": "hush"}, False), ({"key": Secret.of("hush")}, True), ({"key": {1, 2}}, True)]
)
def test_extra_is_left_out_where_it_is_no_json_or_shall_not_be_in_it(extra: dict[str, object], keep: bool) -> None:
    snapshot = take_snapshot(SessionOptions(extra=extra), (), provider="p", model=None, extra=keep)
    assert b"key" not in snapshot.to_json()
    with pytest.raises(InvalidInput, match="extra"):
        snapshot.check(SessionOptions(), "p")
    snapshot.check(SessionOptions(extra={"key": 1}), "p")


def test_documents_of_the_first_version_are_read() -> None:
    document = b'{"version":1,"provider":"p","options":{"voice":"ash"},"items":[{"type":"message","role":"user"}]}'
    snapshot = Snapshot.from_json(document)
    assert snapshot.stated() == SessionOptions(voice="ash")
    snapshot.check(SessionOptions(), "p")


@given(st.data())
def test_a_document_that_is_cut_or_damaged_is_none(data: st.DataObject) -> None:
    document = _snapshot().to_json()
    cut = document[: data.draw(st.integers(0, len(document) - 1))]
    with pytest.raises(InvalidSnapshot):
        Snapshot.from_json(cut)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": 3},
        {"provider": 1},
        {"options": {"voice": 1}},
        {"options": {"tools": [{"type": "function", "name": "no name"}]}},
        {"items": [{"type": "new"}]},
    ],
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
