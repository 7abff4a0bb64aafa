"""What `duologue serve` is told, and what it says of it."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("pydantic_settings")

from duologue.cli.app import app
from duologue.gateway.keys import hashed, is_hash
from duologue.gateway.log_lines import JsonLines
from duologue.gateway.reading_configuration import InvalidConfiguration, read_configuration
from duologue.gateway.server import log_settings
from duologue.gateway.serving_models import make_authorization, make_models, observed
from duologue.middleware import Telemetry
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.testing import ScriptedClient

GOOD = f"""
port = 8001
default_model = "small"

[models."gpt-realtime"]
provider = "openai"
model = "gpt-realtime-2.1"
key_variable = "UPSTREAM_KEY"
fallbacks = ["small"]
options = {{ instructions = "Be brief." }}

[models.small]
provider = "local"
hints = ["what time is it"]
ignores = {{ voice = ["nova"], "transcription.prompt" = true }}

[keys.web]
hash = "{hashed("a key of the web")}"
models = ["small"]
client_may = ["turn_detection", "voice"]
sessions = 3
sessions_a_minute = 10
audio_seconds = 3600

[keys.phone]
variable = "PHONE_KEY"

[sessions]
longest = 600
most = 50
"""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM_KEY", "upstream-key-of-the-tests")
    monkeypatch.setenv("PHONE_KEY", "phone-key-of-the-tests")


def _file(folder: Path, text: str) -> Path:
    file = folder / "gateway.toml"
    file.write_text(text)
    return file


async def test_a_configuration_becomes_models_and_grants(tmp_path: Path) -> None:
    configuration = read_configuration(_file(tmp_path, GOOD), port=8002)
    assert configuration.port == 8002
    settings = configuration.gateway_settings()
    assert (settings.most_sessions, settings.sessions.longest) == (50, 600)
    models, default = make_models(configuration, lambda client: client)
    assert default is models["small"]
    assert models["gpt-realtime"].options.instructions == "Be brief."
    assert models["gpt-realtime"].client.require_service(OpenAIRealtimeClient).metadata.model == "gpt-realtime-2.1"
    assert models["small"].ignores["voice"] == ("nova",)
    authorize = make_authorization(configuration)
    web = await authorize({"headers": [(b"api-key", b"a key of the web")]})
    assert (web.who, web.limits.sessions, web.models) == ("web", 3, frozenset({"small"}))
    phone = await authorize({"headers": [(b"api-key", b"phone-key-of-the-tests")]})
    assert (phone.who, phone.client_may) == ("phone", None)
    for model in models.values():
        await model.client.aclose()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_PORT", "9000")
    monkeypatch.setenv("DUOLOGUE_SESSIONS__LONGEST", "30")
    configuration = read_configuration(_file(tmp_path, GOOD))
    assert (configuration.port, configuration.sessions.longest, configuration.sessions.most) == (9000, 30, 50)


def test_clients_are_observed_if_that_is_configured() -> None:
    client = ScriptedClient()
    assert observed(client, read_configuration(None)) is client
    assert observed(client, read_configuration(None, telemetry=True)).get_service(Telemetry) is not None


BAD = [
    ("port = 99999", "gateway.toml: port: "),
    ("prot = 1", "gateway.toml: prot: "),
    ("port = [", "gateway.toml: "),
    ('host = "0.0.0.0"', "gateway.toml: host: "),
    ('[models.a]\nprovider = "opena"', "gateway.toml: models.a.provider: There is no provider 'opena'."),
    ('[models.a]\nprovider = "local"\nfallbacks = ["b"]', "gateway.toml: models.a.fallbacks: "),
    ('[models.a]\nprovider = "openai"\nkey_variable = "NOT_SET"', "gateway.toml: models.a.key_variable: "),
    ('[models.a]\nprovider = "openai"\nhints = ["x"]', "gateway.toml: models.a.chat_model: "),
    ('[models.a]\nprovider = "local"\nmodle = "x"', "gateway.toml: models.a.modle: "),
    ('default_model = "a"', "gateway.toml: default_model: "),
    ("[keys.web]", "gateway.toml: keys.web.hash: "),
    ('[keys.web]\nhash = "a key"', "gateway.toml: keys.web.hash: "),
    ('[keys.web]\nvariable = "NOT_SET"', "gateway.toml: keys.web.variable: "),
    ('[keys.web]\nvariable = "PHONE_KEY"\nclient_may = ["voic"]', "gateway.toml: keys.web.client_may: "),
    ('[keys.web]\nvariable = "PHONE_KEY"\nsessions = 0', "gateway.toml: keys.web.sessions: "),
    ('tls_key = "/nowhere.pem"', "gateway.toml: tls_certificate: "),
    ("[sessions]\nsend_timeout = 0", "gateway.toml: sessions.send_timeout: "),
]


@pytest.mark.parametrize(("text", "problem"), BAD, ids=[text for text, _ in BAD])
def test_every_error_has_its_place(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as info:
        read_configuration(_file(tmp_path, text))
    assert problem in info.value.problems[0]


def test_all_errors_come_at_once_and_without_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_PORT", "a-secret-put-into-the-wrong-place")
    with pytest.raises(InvalidConfiguration) as info:
        read_configuration(_file(tmp_path, '[keys.web]\nhash = ["sk-secret"]'))
    assert len(info.value.problems) == 2
    assert any(problem.startswith("environment variable DUOLOGUE_PORT: ") for problem in info.value.problems)
    assert "secret-put" not in str(info.value)
    assert "sk-secret" not in str(info.value)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InvalidConfiguration, match="No such file"):
        read_configuration(Path("/nowhere/gateway.toml"))


def test_check_says_what_is_wrong(tmp_path: Path) -> None:
    good = CliRunner().invoke(app, ["serve", "--check", "--config", str(_file(tmp_path, GOOD))])
    assert (good.exit_code, good.stdout) == (0, "The configuration is good.\n")
    bad = CliRunner().invoke(app, ["serve", "--check", "--host", "0.0.0.0"])
    assert bad.exit_code == 2
    assert "there are no keys" in bad.stderr


def test_a_new_key_and_its_hash() -> None:
    made = CliRunner().invoke(app, ["serve", "--new-key"])
    key = made.stdout.strip()
    assert hashed(key) in made.stderr
    assert is_hash(hashed(key))


def test_records_as_lines_of_json() -> None:
    assert log_settings(read_configuration(None, log="json"))["formatters"]
    record = logging.LogRecord("duologue.gateway.session", logging.INFO, "", 0, "session %s", ("x",), None)
    record.duologue_seconds = 1.5
    record.duologue_provider = None
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["seconds"], line["level"]) == ("session x", 1.5, "info")
    assert "provider" not in line
