"""Providers by name, what is loaded for them, and that nothing of them shows a key."""

from __future__ import annotations

import ast
import importlib
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import duologue.providers as package
from duologue.cli.providers import ProviderRequest
from duologue.cli.providers import make_client as make_for_command_line
from duologue.errors import ConnectRefused, InvalidInput
from duologue.formats import PCM16_24K, AudioFormat
from duologue.local import LocalRealtimeClient
from duologue.options import SessionOptions
from duologue.protocols.gemini import GEMINI, VERTEX_AI
from duologue.providers import PROVIDERS, make_client
from duologue.providers.compatible import SERVERS
from duologue.providers.registry import COMPATIBLE
from duologue.secret import Secret
from duologue.testing import GeminiEmulator
from realtime_server import part, realtime_server, refuse

KEY = "sk-secret-1234567890"


GOOGLE = ("gemini", "vertex-ai")


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name not in (*GOOGLE, "local")])
async def test_a_provider_by_its_name(name: str) -> None:
    async with realtime_server() as server:
        if name == "vllm":
            server.created = {"type": "session.created", "id": "sess_1"}
        client = make_client(name, model="my-model", api_key=KEY, base_url=server.url())
        async with client, client.create_session() as session:
            assert session.options.model in ("my-model", "m")
        assert KEY in server.requests[0]
        assert "my-model" in server.targets[0] or name == "vllm"
        assert "secret" not in repr(client)


@pytest.mark.parametrize("name", GOOGLE)
async def test_a_provider_of_google_by_its_name(name: str) -> None:
    dialect = GEMINI if name == "gemini" else VERTEX_AI
    async with GeminiEmulator(dialect=dialect, api_key=KEY) as emulator:
        client = make_client(name, model="my-model", api_key=KEY, base_url=emulator.url)
        async with client, client.create_session() as session:
            assert session.options.model == "my-model"
        assert "secret" not in repr(client)


def test_that_every_dialect_has_a_name() -> None:
    assert set(COMPATIBLE) - {"compatible"} == set(SERVERS) - {"openai"}
    assert make_client("compatible", base_url="http://localhost").metadata.provider == "openai-compatible"


def test_what_comes_from_the_environment() -> None:
    assert make_client("openai", model="m").metadata.model == "m"
    assert make_client("xai").metadata.model == "grok-voice-latest"


@pytest.mark.parametrize(
    ("name", "given", "complaint"),
    [
        ("nobody", {}, "There is no provider 'nobody'. There is: openai, azure, xai"),
        ("azure", {}, "needs the name of a deployment"),
        ("voice-live", {}, "needs either a model"),
        ("localai", {"model": "m"}, "localai needs a base_url"),
        ("local", {"model": "m", "api_key": KEY}, "takes no model, api_key"),
        ("local", {"base_url": "x"}, "takes no base_url"),
    ],
)
def test_what_a_provider_needs(name: str, given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as raised:
        make_client(name, **given)
    assert KEY not in str(raised.value)


async def test_the_embedded_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalRealtimeClient, "__init__", lambda self: None)
    assert isinstance(make_client("local"), LocalRealtimeClient)


def test_the_command_line() -> None:
    request = ProviderRequest(model="m", base_url="http://localhost:1/v1", key=Secret.of(KEY))
    assert make_for_command_line("openai", request).metadata.endpoint == "ws://localhost:1/v1"
    with pytest.raises(InvalidInput, match="--chat-model and --chat-url go with --provider local; xai answers"):
        make_for_command_line("xai", ProviderRequest(chat_model="m"))
    with pytest.raises(InvalidInput, match="There is no provider 'nobody'"):
        make_for_command_line("nobody", request)


@pytest.mark.parametrize(
    ("provider", "formats"),
    [("openai", (None, None)), ("qwen", (PCM16_24K, None)), ("vllm", (PCM16_24K, None)), ("xai", (None, None))],
)
def test_that_the_command_line_converts_where_it_must(provider: str, formats: tuple[AudioFormat | None, ...]) -> None:
    pytest.importorskip("rich")
    from duologue.cli.talk import in_our_format

    client = make_client(provider, model="m", base_url="http://localhost")
    options = in_our_format(SessionOptions(voice="alloy"), client.capabilities())
    assert (options.input_audio, options.output_audio) == formats
    assert options.voice == "alloy"


# --- keys ---


async def test_that_no_key_shows(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(1)
    for name in ("picows", "picows.client", "asyncio", "websockets.client"):
        caplog.set_level(1, logger=name)
    body = {"error": {"message": f"Wrong: {KEY}", "code": KEY}}
    shown: list[str] = []
    for step in (refuse(401, body), refuse(403, KEY), refuse(302, "", Location=f"/{KEY}"), part(1008, KEY)):
        async with realtime_server(step) as server:
            client = make_client("openai", model="m", api_key=KEY, base_url=server.url())
            with pytest.raises(ConnectRefused) as raised:
                await client.create_session()
            assert KEY in server.requests[0]
            assert KEY not in server.targets[0]
            shown += [
                str(raised.value),
                repr(raised.value),
                repr(vars(raised.value)),
                repr(client),
                repr(client.metadata),
            ]
    async with realtime_server() as server:
        client = make_client("azure", model="m", api_key=lambda: KEY, base_url=server.url())
        async with client, client.create_session(SessionOptions(instructions="Be brief.")) as session:
            shown += [repr(client), repr(session), repr(session.metadata)]
    assert logging.getLogger("picows").isEnabledFor(logging.DEBUG)
    streams = capsys.readouterr()
    for text in (*shown, caplog.text, streams.out, streams.err):
        assert "1234567890" not in text


# --- imports ---


def loaded_by(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(run.stdout.split())


def test_that_the_package_loads_nothing() -> None:
    modules = loaded_by("import duologue.providers")
    assert {name for name in modules if name.startswith("duologue")} == {"duologue", "duologue.providers"}


def test_that_clients_load_nothing_heavy() -> None:
    names = ", ".join(sorted(set(package.__all__)))
    make = "OpenAIRealtimeClient('m', api_key='k').capabilities()"
    modules = loaded_by(f"from duologue.providers import {names}\n{make}")
    assert not {"picows", "websockets", "httpx2", "pydantic", "numpy", "openai", "google.auth"} & modules
    assert not {name for name in modules if name.startswith("duologue.local")}


@pytest.mark.parametrize("name", package.__all__)
def test_that_every_name_is_there(name: str) -> None:
    assert getattr(package, name) is getattr(package, name)
    assert name in dir(package)


def test_that_type_checkers_see_the_same_names() -> None:
    assert package.__file__ is not None
    tree = ast.parse(Path(package.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module or ""
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(seen) == sorted(package.__all__)
    for name, module in seen.items():
        assert getattr(package, name) is getattr(importlib.import_module(module), name)


def test_a_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match=r"module 'duologue.providers' has no attribute 'nothing'"):
        package.nothing  # type: ignore[attr-defined]  # noqa: B018
