"""Other people's SDKs, unmodified and in environments of their own, hold a spoken conversation through the gateway."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sdk_environment import python_with, variables

from duologue import cli as assets
from duologue.audio import Converter, read_wav
from duologue.formats import PCM16_24K
from duologue.gateway import Grant, Keys, Limits, Model, hashed
from duologue.gateway.serving_models import EMBEDDED_IGNORES
from duologue.local import LocalRealtimeClient
from duologue.providers import GeminiRealtimeClient
from duologue.speech.responder import CallRequested
from duologue.testing import GeminiEmulator
from gateway_server import GatewayThread, Served, gateway_to

KEY = "key-of-the-interop-tests"
_PROGRAMS = Path(__file__).with_name("programs")
_PATIENCE = 60  # s, for a program
QUESTION = "what time is it"
REPORT = "It is ten to nine. " + "The clock of the tower says the same, and so do all the others of the town. " * 3
LAST = "All right, I say no more of it, and you shall ask me again when you like."

OPENAI = ("openai[realtime]>=3.50",)
AGENTS = ("openai-agents>=0.24",)
PYDANTIC_AI = ("pydantic-ai-slim[openai-realtime]>=2.60",)


@asynccontextmanager
async def embedded() -> AsyncIterator[Model]:
    """The embedded provider, with its real speech engines."""
    async with LocalRealtimeClient() as client:
        yield Model(client=client, ignores=EMBEDDED_IGNORES)


@asynccontextmanager
async def gemini() -> AsyncIterator[Model]:
    """A server with Gemini Live's wire. It hears that somebody speaks, and is told what; it answers at real pace."""
    replies: list[str | CallRequested] = [
        CallRequested(name="current_time", arguments="{}", call_id="call_1"),
        REPORT,
        LAST,
    ]
    async with (
        GeminiEmulator(replies, hears=[QUESTION, "that is enough"], lead_ms=200) as emulator,
        GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="any") as client,
    ):
        yield Model(client=client, ignores=EMBEDDED_IGNORES)


UPSTREAMS: Mapping[str, Callable[[], AbstractAsyncContextManager[Model]]] = {"embedded": embedded, "gemini": gemini}
"""Who answers behind the gateway. Another one is one more line."""


@asynccontextmanager
async def _gateway_to(upstream: str) -> AsyncIterator[Served]:
    async with UPSTREAMS[upstream]() as model:
        grants = {hashed(KEY): Grant(who="interop", limits=Limits(sessions=4))}
        async with gateway_to({}, default=model, authorize=Keys(grants)) as gateway:
            yield gateway


@pytest.fixture(scope="module", params=UPSTREAMS)
def gateway(request: pytest.FixtureRequest) -> Iterator[GatewayThread]:
    thread = GatewayThread(_gateway_to(request.param))
    yield thread
    thread.close()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The question and the interruption, each with silence after it: PCM at 24 kHz, without a header."""
    folder = tmp_path_factory.mktemp("speech")
    return _pcm("time.wav", folder), _pcm("enough.wav", folder)


def _pcm(name: str, folder: Path) -> Path:
    audio, format = read_wav(Path(assets.__file__).with_name("assets") / name)
    converter = Converter(format, PCM16_24K)
    file = folder / f"{name}.pcm"
    file.write_bytes(converter.process(audio) + converter.flush() + bytes(PCM16_24K.bytes_for(1_500)))
    return file


@pytest.fixture
def upstream(request: pytest.FixtureRequest) -> str:
    """Who answers."""
    name: str = request.node.callspec.params["gateway"]
    return name


def run(program: str, requirements: tuple[str, ...], gateway: GatewayThread, speech: tuple[Path, Path]) -> Any:
    """What the program saw."""
    command = [python_with(*requirements), _PROGRAMS / program, f"{gateway.http_url}/v1", KEY, *speech]
    done = subprocess.run(
        [str(word) for word in command], env=variables(), capture_output=True, text=True, timeout=_PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("program", ["openai_async.py", "openai_sync.py"])
def test_openai(program: str, gateway: GatewayThread, speech: tuple[Path, Path]) -> None:
    assert run(program, OPENAI, gateway, speech) == {
        "session": "realtime",
        "heard": QUESTION,
        "called": "current_time",
        "metadata": {"purpose": "report"},
        "spoken": True,
        "interrupted": True,
        "answered_again": "completed",
        "error": ["response_cancel_not_active", "cancel_of_nothing"],
    }


def test_openai_agents(gateway: GatewayThread, speech: tuple[Path, Path]) -> None:
    assert run("agents_runner.py", AGENTS, gateway, speech) == {
        "heard": QUESTION,
        "called": "current_time",
        "spoken": True,
        "interrupted": True,
        "answered_again": True,
        "errors": [["response_cancel_not_active", "cancel_of_nothing"]],
    }


COMMIT_REFUSED = {"embedded": "input_audio_buffer_commit_empty", "gemini": "unsupported_operation"}
"""What comes of a commit while turns are found by the server: Gemini Live knows the one or the other in a session."""


def test_pydantic_ai(gateway: GatewayThread, upstream: str, speech: tuple[Path, Path]) -> None:
    seen = run("pydantic_ai_session.py", PYDANTIC_AI, gateway, speech)
    assert seen == {
        "heard": QUESTION,
        "called": "current_time",
        "spoken": True,
        "interrupted": True,
        "answered_again": True,
        "errors": [[COMMIT_REFUSED[upstream], seen["errors"][0][1]]],
    }
