"""The shortest program, from a stranger's first line, over a real socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from duologue.testing import OpenAIEmulator

PROGRAM = """\
import sys

from duologue.sync import RealtimeClient

client = RealtimeClient(api_key="any", model="gpt-realtime", base_url=sys.argv[1])
client.send_text("Hello")
for event in client:
    print(event)
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as on POSIX")
def test_the_program_of_a_stranger(tmp_path: Path) -> None:
    program = tmp_path / "hello.py"
    program.write_text(PROGRAM, encoding="utf-8")
    with OpenAIEmulator(["Hello you"]) as emulator:
        command = [sys.executable, "-u", "-W", "error", str(program), emulator.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            printed = []
            for line in running.stdout:
                printed.append(line)
                if line.startswith("TurnDone("):
                    break
            running.send_signal(signal.SIGINT)  # nothing else ends the loop
            complaint = running.stderr.read()
        assert printed[0].startswith("SessionCreated(")
        assert any("transcript='Hello you'" in line for line in printed)
        assert running.returncode == -signal.SIGINT
        assert complaint.splitlines()[-1] == "KeyboardInterrupt"
        assert complaint.count("Traceback") == 1
    assert len(emulator.sessions) == 1
    assert emulator.requests[0].headers["authorization"] == "Bearer any"
