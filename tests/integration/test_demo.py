"""The program, with the real speech engines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import wave
from array import array
from pathlib import Path

import pytest

pytest.importorskip("typer")
pytest.importorskip("rich")
pytest.importorskip("numpy")
pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")

from duologue.cli.demo_script import ASSETS, QUESTIONS

PROGRAM = (sys.executable, "-c", "from duologue.cli import main; main()")
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}


def duologue(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


@pytest.mark.timeout(120)
def test_the_demo_understands_every_question(tmp_path: Path) -> None:
    done = duologue("demo", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    for question in QUESTIONS:
        assert f"you        {question.text}\n" in done.stdout
    assert "tool       calculate(first=12, operation=times, second=7): 12 times 7 is 84.\n" in done.stdout
    assert 'interrupted: heard "Once upon a time' in done.stdout
    assert "7 of 7 turns are right." in done.stdout
    with wave.open(str(tmp_path / "conversation.wav")) as file:
        assert file.getnchannels() == 2
        assert 20 < file.getnframes() / file.getframerate() < 60
        samples = array("h", file.readframes(file.getnframes()))
    assert all(max(samples[channel::2]) > 3_000 for channel in (0, 1))


def test_a_recording_is_answered_as_json(tmp_path: Path) -> None:
    done = duologue(
        *("talk", "--file", str(ASSETS / "multiply.wav"), "--tools", "duologue.cli.demo_tools:TOOLS"),
        *("--json", "--no-playback"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [message["type"] for message in told]
    assert kinds[0] == "session_created"
    assert kinds[-1] == "turn_done"
    (heard,) = [message["text"] for message in told if message["type"] == "input_transcript_completed"]
    assert heard == "what is twelve times seven"
    results = [item for message in told if (item := message.get("item", {})).get("type") == "function_result"]
    assert {result["output"] for result in results} == {"12 times 7 is 84."}


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("not a WAV file at all, but something that is longer than a header")
    done = duologue("talk", "--file", "text.wav", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("duologue: text.wav: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    talk = ("talk", "--text", "hello", "--file", str(ASSETS / "time.wav"), "--no-playback", "--json")
    process = subprocess.Popen(
        [*PROGRAM, *talk],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["type"] == "session_created"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors == ""


def test_the_doctor_finds_the_speech_engines(tmp_path: Path) -> None:
    done = duologue("doctor", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert [check["detail"] for check in report["local"]["checks"] if not check["ok"]] == []
    assert done.returncode == 0
