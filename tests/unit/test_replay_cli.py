"""`duologue replay`, and `duologue talk --record`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

pytest.importorskip("typer")
pytest.importorskip("rich")

from typer.testing import CliRunner, Result

from duologue import messages as m
from duologue.cli import providers
from duologue.cli.app import app
from duologue.cli.replay_summary import summarize
from duologue.errors import HungUp, UnsupportedOperation
from duologue.formats import PCM16_24K
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.recording import Recording, read_recording
from duologue.options import SessionOptions
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import tool
from links import WireClient


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "call.jsonl"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@tool
def get_weather(city: str) -> str:
    "The weather."
    return "rain"


async def record_a_conversation(path: Path) -> None:
    """Two turns: a function, and an answer that is cut short; then the provider hangs up."""
    clock = Clock()
    usage = m.Usage(input_tokens=10, output_tokens=4, output=m.TokenCounts(audio=4))
    answer = ScriptedReply.speech("One two three four.", 4_000).held()
    replies: list[ScriptedReply | str] = [
        ScriptedReply.call("get_weather", {"city": "Oslo"}),
        "It rains.",
        answer,
        "Fine.",
    ]
    client = ScriptedClient(replies, clock=clock)
    wrapped = client.with_middleware(FunctionInvocation(), Recording(path, clock=clock))
    session = await wrapped.create_session(SessionOptions(tools=(get_weather,)))

    async def until(kind: type[m.ServerMessage]) -> None:
        async for message in session:
            if isinstance(message, kind):
                return

    clock.now = 1.0
    await session.send_text("Weather in Oslo?")
    await until(m.TurnDone)
    clock.now = 2.0
    client.link.hear("And tomorrow?")
    await until(m.OutputAudioDelta)
    clock.now = 4.0
    client.link.hear("Stop.")
    await until(m.Interrupted)
    await until(m.ItemTruncated)
    client.link.push(
        m.ErrorReported(kind="server", error=m.ErrorDetail(message="Something broke.")), m.UsageReported(usage=usage)
    )
    await until(m.UsageReported)
    client.on(m.ItemDelete, _refuse)
    with pytest.raises(UnsupportedOperation):
        await session.send(m.ItemDelete(item_id="i"))
    clock.now = 5.5
    client.link.hang_up(HungUp("Bye.", code="over"))
    with pytest.raises(HungUp):
        await until(m.SessionExpiring)
    await session.aclose()


def _refuse(message: m.ItemDelete) -> None:
    raise UnsupportedOperation("deleting", "scripted")


def test_that_a_conversation_is_shown_with_its_times(path: Path) -> None:
    asyncio.run(record_a_conversation(path))
    result = run("replay", path)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].endswith("scripted script, 5.5 s")
    assert "    1.00  you        Weather in Oslo?" in lines
    assert "    1.00  tool       get_weather(city=Oslo): rain" in lines
    assert "    1.00  assistant  It rains." in lines
    assert "    2.00  you        And tomorrow?" in lines
    assert any("the user interrupts after 2000 ms of it were heard" in line for line in lines)
    assert any('interrupted: heard "One two", not' in line for line in lines)
    assert "    4.00  error      Something broke." in lines
    assert "    4.00  error      item_delete was not sent: scripted does not support deleting." in lines
    assert "usage: input_tokens 10, output_tokens 4, output (audio 4)" in lines
    assert lines[-1] == "ended: HungUp: Bye. (over)"
    assert "\x1b" not in result.stdout


def test_that_json_tells_the_same_to_programs(path: Path) -> None:
    asyncio.run(record_a_conversation(path))
    result = run("replay", path, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["provider"] == "scripted"
    assert told["seconds"] == 5.5
    first, second, *_ = told["turns"]
    assert first["user"] == "Weather in Oslo?"
    assert first["assistant"] == "It rains."
    assert first["calls"] == [{"name": "get_weather", "arguments": '{"city": "Oslo"}', "output": "rain"}]
    assert first["outcome"] == "completed"
    assert first["at"] == 1.0
    assert "interrupted" not in first
    assert second["user"] == "And tomorrow?"
    assert second["interrupted"] is True
    assert second["assistant"].startswith("One two")
    assert [(fault["kind"], fault["at"]) for fault in told["errors"]] == [
        ("server", 4.0),
        ("UnsupportedOperation", 4.0),
    ]
    assert told["usage"]["input_tokens"] == 10
    assert told["end"].startswith("HungUp: ")


def test_that_every_session_of_a_file_is_shown(path: Path) -> None:
    async def record() -> None:
        for _ in range(2):
            async with ScriptedClient().with_middleware(Recording(path)).create_session():
                pass

    asyncio.run(record())
    result = run("replay", path, "--json")
    assert len(result.stdout.splitlines()) == 2
    assert run("replay", path).stdout.count("ended: SessionClosed") == 2


def test_that_what_is_missing_is_told(path: Path) -> None:
    async def record() -> None:
        client = WireClient()
        session = await client.with_middleware(Recording(path)).create_session()
        await session.send(m.RawClientMessage(data={"x": 1j}))
        client.link.push(m.OutputAudioDelta(response_id="r", item_id="i", audio=b"\1\2", format=PCM16_24K))
        await session.aclose()

    asyncio.run(record())
    path.write_bytes(path.read_bytes()[:-10])
    result = run("replay", path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "The recording stops here."
    (recorded,) = read_recording(path)
    assert summarize(recorded).lost == 1
    assert summarize(recorded).end is None


def test_that_no_recording_is_a_complaint(tmp_path: Path) -> None:
    result = run("replay", tmp_path / "none.jsonl")
    assert result.exit_code == 2
    assert result.stderr.startswith("duologue: ")
    assert "cannot be read: No such file or directory." in result.stderr


def test_that_talk_records(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PROVIDERS", {"local": lambda request: ScriptedClient(["Hello to you."])})
    result = run("talk", "--text", "Hello", "--no-playback", "--record", path)
    assert result.exit_code == 0, result.output
    shown = run("replay", path).stdout
    assert "you        Hello" in shown
    assert "assistant  Hello to you." in shown


def test_that_talk_tells_of_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "PROVIDERS", {"local": lambda request: ScriptedClient(["Hello to you."])})
    result = run("talk", "--text", "Hello", "--no-playback", "--record", tmp_path)
    assert result.exit_code == 2
    assert "cannot be written: Is a directory." in result.stderr
