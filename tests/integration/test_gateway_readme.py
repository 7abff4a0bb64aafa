"""The README's ten lines of OpenAI's SDK, against `duologue serve` as it stands there."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from gateway_server import serving

pytest.importorskip("openai")

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")


async def test_the_program_talks_to_the_server() -> None:
    (program,) = re.findall(r"^```python\n(from openai .*?)^```", README, re.MULTILINE | re.DOTALL)
    assert len(program.strip().splitlines()) <= 13
    async with serving() as (_, port):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program.replace("127.0.0.1:8000", f"127.0.0.1:{port}"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, errors = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, errors.decode()
    assert "small talk" in said.decode()
