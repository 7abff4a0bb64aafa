"""Every example runs as it stands, with the real speech engines."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from chat_server import ChatServer, Exchange, chunk

pytest.importorskip("numpy")
pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
RUN_ELSEWHERE = {"chat_voice"}  # needs an endpoint


def environment() -> dict[str, str]:
    """This one, without anything that leads out of this machine."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "CHAT_"))}


def run(example: str, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{example}.py"), *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_text_is_answered(tmp_path: Path) -> None:
    assert run("talk_text", cwd=tmp_path).startswith("I am a voice assistant")


def test_tools(tmp_path: Path) -> None:
    printed = run("tools", cwd=tmp_path)
    assert "[set_heating was called with {'degrees': 20}]" in printed
    assert "The kitchen light is on." in printed
    assert "assistant: Sorry, that did not work" in printed


def test_a_layer(tmp_path: Path) -> None:
    printed = run("layer", cwd=tmp_path)
    assert printed.count("first audio after ") == 2


def test_an_interruption(tmp_path: Path) -> None:
    interrupted, heard = run("interrupt", cwd=tmp_path).splitlines()
    assert interrupted.startswith("interrupted after ")
    words = heard.removeprefix("heard: ")
    assert words
    assert words in interrupted


def test_a_file_is_answered(tmp_path: Path) -> None:
    printed = run("answer_file", cwd=tmp_path)
    assert "you: what time is it\n" in printed
    with wave.open(str(tmp_path / "answer.wav")) as file:
        assert file.getnframes() > file.getframerate()


def test_a_program_without_an_event_loop(tmp_path: Path) -> None:
    printed = run("blocking", cwd=tmp_path)
    assert "you: Who are you?\nassistant: I am a voice assistant" in printed
    assert "assistant: It is " in printed


def test_no_example_is_left_out() -> None:
    tested = {"talk_text", "tools", "layer", "interrupt", "answer_file", "blocking"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested | RUN_ELSEWHERE


async def test_a_chat_endpoint_gets_a_voice(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    import asyncio

    async def call(exchange: Exchange) -> None:
        function = {"name": "count_letters", "arguments": '{"word": "strawberry", "letter": "r"}'}
        calls = [{"index": 0, "id": "call_1", "type": "function", "function": function}]
        await exchange.stream(chunk(calls=calls), chunk(finish="tool_calls"))

    async def answer(exchange: Exchange) -> None:
        result = exchange.json["messages"][-1]
        assert (result["role"], result["content"]) == ("tool", "3")
        await exchange.stream(chunk("There are "), chunk("three."), chunk(finish="stop"))

    server = ChatServer()
    server.script = [call, answer]
    async with server.running():
        printed = await asyncio.to_thread(
            run, "chat_voice", "--url", server.base_url, "--model", "small", "How many r in strawberry?", cwd=tmp_path
        )
    assert printed == "There are three.\n"
    assert server.exchanges[0].json["messages"][-1]["content"] == "How many r in strawberry?"
    with wave.open(str(tmp_path / "answer.wav")) as file:
        assert file.getnframes() > 0
