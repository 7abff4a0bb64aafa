from __future__ import annotations

import json

import pytest

pytest.importorskip("typer")
pytest.importorskip("rich")
pytest.importorskip("numpy")

from typer.testing import CliRunner

from duologue.audio import Device
from duologue.cli import doctor, installed
from duologue.cli.app import app
from duologue.cli.doctor import SENTENCE, Stages, try_stages
from duologue.errors import MissingDependency
from duologue.speech.stages import SpeechToText
from duologue.testing.stages import ScriptedSpeechToText, ToneTextToSpeech


def stages(heard: str = SENTENCE) -> Stages:
    return Stages(ToneTextToSpeech, lambda: ScriptedSpeechToText([heard]))


def without_speech_to_text() -> Stages:
    def missing() -> SpeechToText:
        raise MissingDependency("pocketsphinx", 'pip install "duologue[local]"')

    return Stages(ToneTextToSpeech, missing)


async def test_what_is_said_is_heard() -> None:
    checks = await try_stages(stages())
    assert [(check.name, check.ok) for check in checks] == [
        ("voice activity", True),
        ("text to speech", True),
        ("speech to text", True),
        ("round trip", True),
    ]


async def test_what_is_misheard_is_told() -> None:
    *_, last = await try_stages(stages("what thyme is it"))
    assert not last.ok
    assert last.detail == 'It said "what time is it" and heard "what thyme is it".'


async def test_what_is_missing_is_told_with_the_way_to_get_it() -> None:
    *_, third, last = await try_stages(without_speech_to_text())
    assert (third.ok, third.detail) == (False, 'pocketsphinx is not installed. pip install "duologue[local]"')
    assert (last.ok, last.detail) == (False, "It needs text to speech and speech to text.")


async def test_a_broken_installation_is_reported() -> None:
    def broken() -> SpeechToText:
        raise OSError("libx.so: cannot open shared object file")

    checks = await try_stages(Stages(ToneTextToSpeech, broken))
    assert checks[2].detail == "OSError: libx.so: cannot open shared object file"


async def test_every_stage_is_closed() -> None:
    speaker, listener = ToneTextToSpeech(), ScriptedSpeechToText(["other words"])
    await try_stages(Stages(lambda: speaker, lambda: listener))
    assert speaker.is_closed
    assert listener.is_closed


@pytest.mark.parametrize(("heard", "status"), [(SENTENCE, 0), ("nothing", 1)])
def test_the_exit_status_tells_whether_it_can_talk(heard: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "local_stages", lambda: stages(heard))
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == status
    assert f"The embedded provider {'can' if status == 0 else 'CANNOT'} hold a conversation." in result.stdout


def test_json_is_one_object_without_any_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "local_stages", stages)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert report["local"]["can_talk"] is True
    assert report["machine"]["keys"]["OPENAI_API_KEY"] is True
    assert report["machine"]["keys"]["XAI_API_KEY"] is False
    assert {package["name"] for package in report["machine"]["packages"]} >= {"numpy", "pocketsphinx", "sounddevice"}
    assert "secret" not in result.stdout


def test_keys_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "local_stages", stages)
    monkeypatch.setenv("GEMINI_API_KEY", "AIza-very-secret")
    result = CliRunner().invoke(app, ["doctor"])
    assert "GEMINI_API_KEY: set\n" in result.stdout
    assert "AIza" not in result.stdout


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "local_stages", stages)
    monkeypatch.setattr(installed, "_version", lambda package: None)
    result = CliRunner().invoke(app, ["doctor"])
    assert 'pip install "duologue[local]"' in result.stdout
    assert result.stdout.count("missing") >= len(installed._PACKAGES)


def test_devices_are_listed_with_the_default_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def device(index: int, name: str, *, inputs: int = 0, outputs: int = 0, default: bool = False) -> Device:
        return Device(
            index=index,
            name=name,
            input_channels=inputs,
            output_channels=outputs,
            default_rate=48_000,
            is_default_input=default and inputs > 0,
            is_default_output=default and outputs > 0,
        )

    devices = [
        device(0, "webcam", inputs=1),
        device(1, "headset", inputs=1, outputs=2, default=True),
        device(2, "screen", outputs=2),
    ]
    monkeypatch.setattr("duologue.audio.list_devices", lambda: devices)
    found = installed.examine().devices
    assert found.inputs == ("headset", "webcam")
    assert found.outputs == ("headset", "screen")
    assert found.problem is None


@pytest.mark.parametrize(
    ("devices", "problem"),
    [
        ([], "This machine has no sound device."),
        (MissingDependency("sounddevice", "Get it."), "sounddevice is not installed. Get it."),
    ],
)
def test_it_says_why_there_are_no_devices(
    devices: list[Device] | MissingDependency, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed() -> list[Device]:
        if isinstance(devices, list):
            return devices
        raise devices

    monkeypatch.setattr("duologue.audio.list_devices", listed)
    assert installed.examine().devices.problem == problem
