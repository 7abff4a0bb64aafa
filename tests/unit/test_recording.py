"""The middleware `Recording`: what its files hold."""

from __future__ import annotations

import asyncio
import io
import json
import typing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused, HungUp, InvalidInput, SessionClosed, UnsupportedOperation
from duologue.messages.base import ClientMessage, Message
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.recording import RecordedSession, Recording, read_recording
from duologue.middleware.recording.journal import Journal
from duologue.middleware.recording.lines import Ended
from duologue.middleware.recording.writing import LineWriter
from duologue.options import SessionOptions
from duologue.providers import PROVIDERS, make_client
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool, McpServerTool, tool
from links import WireClient
from planted import SECRET

CLIENT: tuple[type[ClientMessage], ...] = typing.get_args(m.AnyClientMessage)
KINDS: tuple[type[Message], ...] = (*CLIENT, *typing.get_args(m.AnyServerMessage))
few = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
many = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


class Clock:
    """Moves when it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def recorded(path: Path) -> RecordedSession:
    (session,) = read_recording(path)
    return session


async def talk(client: RealtimeClient, text: str = "Hello", options: SessionOptions | None = None) -> list[Message]:
    """One turn; what was read."""
    read: list[Message] = []
    async with client.create_session(options) as session:
        await session.send_text(text)
        async for message in session:
            read.append(message)
            if isinstance(message, m.TurnDone):
                break
    return read


@tool
def add(first: int, second: int) -> int:
    "Adds."
    return first + second


# --- the file ---


async def test_that_both_ways_are_recorded_in_order_with_their_times(tmp_path: Path) -> None:
    path, clock = tmp_path / "call.jsonl", Clock()
    client = WireClient()
    session = await client.with_middleware(Recording(path, clock=clock)).create_session()
    clock.now = 100.5
    await session.send_text("Hello")
    clock.now = 101.25
    client.link.push(m.ResponseCreated(response_id="r1"))
    clock.now = 102.0
    await session.aclose()
    assert [(line["line"], line.get("at", 0)) for line in lines(path)] == [
        ("opened", 0),
        ("received", 0),
        ("sent", 0.5),
        ("sent", 0.5),
        ("received", 1.25),
        ("ended", 2.0),
    ]
    story = recorded(path)
    assert [entry.message.type for entry in story.messages] == [
        "session_created",
        "item_create",
        "response_create",
        "response_created",
    ]
    assert [entry.sent for entry in story.messages] == [False, True, True, False]
    assert story.seconds == 2.0
    assert story.end is not None
    assert isinstance(story.end.exception(), SessionClosed)


async def test_that_what_is_read_back_is_what_was_read(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = ScriptedClient([ScriptedReply.speech("Hello there.", 400)])
    read = await talk(client.with_middleware(Recording(path)))
    assert recorded(path).received == read
    sent = [entry.message for entry in recorded(path).messages if entry.sent]
    assert sent == client.link.sent


async def test_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    options = SessionOptions(
        instructions="Be brief.",
        tools=(add, McpServerTool(server_label="mail", server_url="https://mail.example", authorization=SECRET)),  # type: ignore[arg-type]
        extra={"api_key": SECRET, "tier": "high"},
        raw_factory=dict,
    )
    client = ScriptedClient(["Hi."])
    await talk(client.with_middleware(FunctionInvocation(), Recording(path)), options=options)
    first = lines(path)[0]
    assert first["version"] == 1
    assert first["provider"] == "scripted"
    assert first["model"] == "script"
    assert first["started_at"].endswith("+00:00")
    assert first["duologue"]
    assert first["options"]["extra"] == {"api_key": "***", "tier": "high"}
    assert SECRET not in path.read_text()
    story = recorded(path)
    assert story.capabilities == client.capabilities()
    assert story.metadata == client.metadata
    assert story.options.instructions == "Be brief."
    assert story.options.tools is not None
    function, server = story.options.tools
    assert isinstance(function, FunctionTool)
    assert function == add
    assert not function.has_implementation
    assert isinstance(server, McpServerTool)
    assert str(server.authorization) == "***"


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_that_every_providers_capabilities_come_back(name: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {} if name == "local" else {"api_key": "k", "base_url": "wss://host.example"}
    client = make_client(name, model=None if name == "local" else "m", **settings)
    journal = Journal(LineWriter().open(tmp_path / "a.jsonl"), Clock())
    journal.opened(client.metadata, SessionOptions(), client.capabilities())
    journal.ended(SessionClosed("done"))
    asyncio.run(journal.closed())
    assert recorded(tmp_path / "a.jsonl").capabilities == client.capabilities()


async def test_that_what_layers_outside_send_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = ScriptedClient([ScriptedReply.call("add", {"first": 1, "second": 2}), "3"])
    await talk(client.with_middleware(FunctionInvocation(), Recording(path)), options=SessionOptions(tools=(add,)))
    sent = [entry.message for entry in recorded(path).messages if entry.sent]
    assert [message.type for message in sent] == ["item_create", "response_create", "item_create", "response_create"]
    assert isinstance(sent[2], m.ItemCreate)
    assert isinstance(sent[2].item, m.FunctionResult)
    assert sent[2].item.output == "3"


async def test_that_the_ids_of_messages_are_known_to_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = WireClient()
    session = await client.with_middleware(Recording(path)).create_session()
    given_back = await session.send(m.ItemDelete(item_id="i1"))
    named = await session.send(m.ItemDelete(id="mine", item_id="i2"))
    await session.aclose()
    ids = [entry.message.id for entry in recorded(path).messages if entry.sent]
    assert ids == [given_back, named] == [client.link.written[0].id, "mine"]


async def test_that_a_refused_message_is_marked(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = WireClient()
    session = await client.with_middleware(Recording(path)).create_session()
    client.link.refuses[m.ItemDelete] = UnsupportedOperation("deleting", "wire", "Do not.")
    with pytest.raises(UnsupportedOperation):
        await session.send(m.ItemDelete(item_id="i1"))
    await session.send_text("go on", respond=False)
    await session.aclose()
    entries = [entry for entry in recorded(path).messages if entry.sent]
    assert [entry.refused for entry in entries] == [
        ("UnsupportedOperation", "wire does not support deleting. Do not."),
        None,
    ]


async def test_that_the_end_is_recorded_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = ScriptedClient()
    session = await client.with_middleware(Recording(path)).create_session()
    last = m.ErrorDetail(message="almost over", code="c1")
    end = HungUp("Bye.", code="done", close_code=1001, request_id="req", hint="Call again.", last_error=last)
    client.link.hang_up(end)
    with pytest.raises(HungUp):
        async for _ in session:
            pass
    await session.aclose()
    back = recorded(path).end
    assert back is not None
    error = back.exception()
    assert type(error) is HungUp
    assert vars(error) == vars(end)
    assert str(error) == str(end)


async def test_that_what_is_no_message_is_refused_as_ever(tmp_path: Path) -> None:
    async with WireClient().with_middleware(Recording(tmp_path / "a.jsonl")).create_session() as session:
        with pytest.raises(InvalidInput, match="sends client messages, not str"):
            await session.send("hello")  # type: ignore[arg-type]


async def test_that_a_session_that_nobody_gets_has_an_end_too(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    link = await WireClient().with_middleware(Recording(path)).open_session(SessionOptions())
    await link.aclose()
    assert recorded(path).end is not None


async def test_that_a_session_that_does_not_open_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = ScriptedClient(refusal=ConnectRefused("No such model.", code="model_not_found"))
    with pytest.raises(ConnectRefused):
        await client.with_middleware(Recording(path)).create_session(SessionOptions(instructions="Hm."))
    story = recorded(path)
    assert story.messages == []
    assert story.options.instructions == "Hm."
    assert story.end is not None
    assert story.end.exception().code == "model_not_found"


async def test_that_a_file_grows_and_a_session_has_its_own_lines(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = ScriptedClient(["One."]).with_middleware(Recording(path))
    await talk(client)
    await talk(client)
    first, second = read_recording(path)
    assert first.id != second.id
    assert len(first.messages) == len(second.messages)


async def test_that_sessions_at_the_same_time_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = ScriptedClient([ScriptedReply.speech("Word. " * 50, 2_000)] * 5).with_middleware(Recording(path))
    told = await asyncio.gather(*(talk(client, f"number {number}") for number in range(8)))
    sessions = read_recording(path)
    assert len(sessions) == 8
    assert sorted(str(session.received) for session in sessions) == sorted(str(read) for read in told)
    assert all(session.end is not None for session in sessions)


async def test_that_a_function_gives_a_file_to_each_session(tmp_path: Path) -> None:
    def name(options: SessionOptions) -> Path:
        return tmp_path / f"{(options.metadata or {})['call']}.jsonl"

    client = ScriptedClient(["Hi."]).with_middleware(Recording(name))
    for call in ("a", "b"):
        await talk(client, options=SessionOptions(metadata={"call": call}))
    assert recorded(tmp_path / "a.jsonl").options.metadata == {"call": "a"}
    assert recorded(tmp_path / "b.jsonl").options.metadata == {"call": "b"}


async def test_that_a_file_of_the_application_stays_open(tmp_path: Path) -> None:
    file = io.BytesIO()
    await talk(ScriptedClient(["Hi."]).with_middleware(Recording(file)))
    assert not file.closed
    (tmp_path / "copy.jsonl").write_bytes(file.getvalue())
    assert recorded(tmp_path / "copy.jsonl").end is not None


def test_that_settings_are_checked() -> None:
    with pytest.raises(InvalidInput, match="audio is"):
        Recording("a.jsonl", audio="drop")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="images is"):
        Recording("a.jsonl", images="drop")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="not to int"):
        Recording(lambda options: 5).target(SessionOptions())  # type: ignore[arg-type,return-value]


async def test_that_a_message_that_is_no_json_is_counted_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    client = WireClient()
    session = await client.with_middleware(Recording(path)).create_session()
    await session.send(m.RawClientMessage(data={"number": 1j}))
    await session.send_text("\ud800", respond=False)
    await session.send_text("go on", respond=False)
    await session.aclose()
    assert [line["line"] for line in lines(path)] == ["opened", "received", "lost", "sent", "ended"]
    assert recorded(path).lost == 2


# --- reading ---


async def test_that_a_torn_line_is_passed_over_and_the_next_session_begins_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    await talk(ScriptedClient(["One."]).with_middleware(Recording(path)))
    whole = path.read_bytes()
    path.write_bytes(whole[:-50])
    (torn,) = read_recording(path)
    assert torn.end is None
    await talk(ScriptedClient(["Two."]).with_middleware(Recording(path)))
    first, second = read_recording(path)
    assert first == torn
    assert second.end is not None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "holds no recording"),
        (b"hello\n", "holds no recording"),
        (b'{"line":"ended","session":"s","error":"HungUp","text":""}\n', "holds no recording"),
        (b'{"no":"line"}\n', "line 1 is no line of a recording"),
        (
            b'{"line":"opened","session":"s","version":2,"duologue":"9","started_at":"","provider":"p"}\n',
            "duologue 9 wrote this in version 2",
        ),
    ],
)
def test_that_other_files_are_refused(tmp_path: Path, text: bytes, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(text)
    with pytest.raises(InvalidInput, match=reason):
        read_recording(path)


def test_that_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        read_recording(tmp_path / "none.jsonl")


async def test_that_an_unknown_message_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    await talk(ScriptedClient(["One."]).with_middleware(Recording(path)))
    path.write_bytes(path.read_bytes().replace(b'"session_created"', b'"session_invented"'))
    with pytest.raises(InvalidInput, match="line 2 holds a message"):
        read_recording(path)


def test_that_the_lines_of_the_guide_are_a_recording(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "recording.md").read_text()
    path = tmp_path / "a.jsonl"
    path.write_text(guide.partition("```json\n")[2].partition("```")[0])
    story = recorded(path)
    assert [entry.message.type for entry in story.messages] == ["session_created", "input_audio_append"]
    assert story.messages[1].message == m.InputAudioAppend(id="msg_8573ef60_1", audio=bytes(4_800))
    assert story.lost == 3
    assert story.end is not None
    assert type(story.end.exception()) is HungUp


def test_that_other_errors_at_the_opening_become_a_refusal() -> None:
    line = Ended.of("s", 1.0, UnsupportedOperation("history", "wire"))
    assert type(line.exception()) is ConnectRefused
    assert "UnsupportedOperation: wire does not support history." in str(line.exception())
