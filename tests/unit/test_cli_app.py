"""The command line as a whole, with speech stages that need no model."""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from array import array
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("typer")
pytest.importorskip("rich")
pytest.importorskip("numpy")

from typer.testing import CliRunner, Result

import duologue.cli
from duologue import messages as m
from duologue.audio import MemorySource
from duologue.cli import providers
from duologue.cli.app import app
from duologue.cli.providers import ProviderRequest
from duologue.client import RealtimeClient
from duologue.errors import DeviceUnavailable, MissingDependency, SpeechFailed
from duologue.formats import AudioFormat
from duologue.local import LocalRealtimeClient
from duologue.speech.responder import CallRequested, ResponderEvent, ResponderRequest, TextChunk
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech

Say = Callable[..., Result]


class Provider:
    """A local provider out of fakes, and what it was asked for."""

    def __init__(self) -> None:
        self.heard: list[str] = ["good morning"]
        self.speech_to_text = ScriptedSpeechToText()
        self.requests: list[ProviderRequest] = []
        self.asked: list[ResponderRequest] = []
        self.answer: Callable[[ResponderRequest], list[ResponderEvent | Exception]] = lambda request: [
            TextChunk("Fine day.")
        ]

    def make(self, request: ProviderRequest) -> RealtimeClient:
        self.requests.append(request)
        self.speech_to_text.transcripts.extend(self.heard)
        responder = ScriptedResponder(lambda request: self.answer(request))
        self.asked = responder.requests
        return LocalRealtimeClient(
            speech_to_text=self.speech_to_text,
            responder=responder,
            text_to_speech=ToneTextToSpeech(word_ms=40),
            voice_activity=LoudnessDetector,
        )


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    fake = Provider()
    monkeypatch.setattr(providers, "PROVIDERS", {"local": fake.make})
    return fake


@pytest.fixture
def talk(provider: Provider) -> Say:
    """`duologue talk`, without playback, so that nothing waits."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["talk", "--no-playback", *map(str, arguments)])

    return run


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """A second of what the detector takes for speech."""
    return write_wav(tmp_path / "speech.wav", array("h", [9_000, -9_000] * 4_000))


def write_wav(path: Path, samples: array[int], rate: int = 8_000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def messages(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- turns ---


def test_text_is_a_turn_each(talk: Say, provider: Provider) -> None:
    result = talk("--text", "hello", "--text", "and now")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    lines = [line for line in result.stdout.splitlines() if "answered" not in line]
    assert [line.split(maxsplit=1) for line in lines] == [
        ["you", "hello"],
        ["assistant", "Fine day."],
        ["you", "and now"],
        ["assistant", "Fine day."],
    ]
    assert result.stdout.count("ms after the end of the turn was known") == 2
    assert "\x1b" not in result.stdout


def test_recordings_come_before_text(talk: Say, provider: Provider, speech: Path) -> None:
    provider.heard = ["first", "second"]
    result = talk("--text", "last", "--file", speech, "--file", speech, "--fast")
    assert result.exit_code == 0, result.stderr
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("you")] == [
        "first",
        "second",
        "last",
    ]


def test_a_recording_of_any_rate_is_sent_whole(talk: Say, provider: Provider, speech: Path) -> None:
    assert talk("--file", speech, "--fast").exit_code == 0
    (utterance,) = provider.speech_to_text.utterances
    assert len(utterance.audio) >= 16_000 * 2  # a second at 16 kHz, and silence


def test_a_silent_recording_fails(talk: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.cli.talk._GRACE_SECONDS", 0.05)
    silent = write_wav(tmp_path / "silent.wav", array("h", bytes(16_000)))
    result = talk("--file", silent, "--fast")
    assert result.exit_code == 1
    assert result.stderr == f"duologue: {silent}: no turn came of it, as no speech was found.\n"


def test_a_turn_that_fails_fails_the_talk(talk: Say, provider: Provider) -> None:
    provider.answer = lambda request: [SpeechFailed("The responder is out.")]
    result = talk("--text", "hello")
    assert result.exit_code == 1
    assert "error      The responder is out." in result.stdout
    assert result.stderr == 'duologue: "hello": the turn ended: failed.\n'


def test_an_answer_without_end_is_given_up(talk: Say, provider: Provider) -> None:
    provider.answer = lambda request: [TextChunk("word " * 3_000)]
    result = talk("--text", "hello", "--timeout", "0.2")
    assert result.exit_code == 1
    assert result.stderr == 'duologue: "hello": the answer was not over within 0.2 s.\n'


def test_tools_are_called(talk: Say, provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "tools.py").write_text(
        'def double(number: int) -> int:\n    "Twice a number."\n    return 2 * number\n'
    )

    def answer(request: ResponderRequest) -> list[ResponderEvent | Exception]:
        last = request.items[-1]
        if isinstance(last, m.FunctionResult):
            return [TextChunk(f"It is {last.output}.")]
        return [CallRequested("double", '{"number": 21}')]

    provider.answer = answer
    result = talk("--text", "double it", "--tools", f"{tmp_path / 'tools.py'}:double")
    assert result.exit_code == 0, result.stderr
    assert "tool       double(number=21): 42" in result.stdout
    assert "assistant  It is 42." in result.stdout


def test_what_is_asked_for_reaches_the_session(talk: Say, provider: Provider, speech: Path, tmp_path: Path) -> None:
    hints = tmp_path / "hints.txt"
    hints.write_text("good morning\ngood night\n")
    result = talk("--file", speech, "--fast", "--instructions", "Be brief.", "--hints", hints, "--voice", "tenor")
    assert result.exit_code == 0, result.stderr
    assert provider.asked[0].instructions == "Be brief."
    assert provider.speech_to_text.utterances[0].hints == ("good morning", "good night")


def test_a_chat_model_is_handed_on(talk: Say, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret-key")
    chat = ("--chat-url", "http://localhost:1/v1", "--chat-model", "small", "--chat-key-variable", "MY_KEY")
    assert talk("--text", "hello", *chat).exit_code == 0
    (request,) = provider.requests
    assert (request.chat_model, request.chat_url) == ("small", "http://localhost:1/v1")
    assert request.chat_key is not None
    assert request.chat_key.reveal() == "secret-key"
    assert "secret-key" not in repr(request)


def test_the_conversation_is_saved(talk: Say, speech: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    assert talk("--text", "hello", "--save", out).exit_code == 0
    with wave.open(str(out)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 24_000)
        right = array("h", file.readframes(file.getnframes()))[1::2]
    assert max(right) > 1_000  # the answer


# --- JSON ---


def test_json_is_every_message_with_audio_as_counts(talk: Say) -> None:
    result = talk("--text", "hello", "--json")
    assert result.exit_code == 0, result.stderr
    told = messages(result)
    assert told[0]["type"] == "session_created"
    assert told[-1] == {"type": "turn_done", "turn_id": "turn_1", "outcome": "completed"}
    deltas = [message for message in told if message["type"] == "output_audio_delta"]
    assert sum(int(str(delta["audio_bytes"])) for delta in deltas) == 2 * 24 * 80  # two words of 40 ms at 24 kHz
    assert all("audio" not in delta for delta in deltas)


def test_json_audio_can_be_read_back(talk: Say) -> None:
    result = talk("--text", "hello", "--json-audio")
    told = [m.server_from_json(line) for line in result.stdout.splitlines()]
    assert sum(len(message.audio) for message in told if isinstance(message, m.OutputAudioDelta)) == 2 * 24 * 80


def test_json_has_nothing_else_on_stdout(talk: Say, provider: Provider) -> None:
    provider.answer = lambda request: [SpeechFailed("The responder is out.")]
    result = talk("--text", "hello", "--json")
    assert result.exit_code == 1
    assert [message["type"] for message in messages(result)][-1] == "turn_done"
    assert result.stderr == 'duologue: "hello": the turn ended: failed. The responder is out.\n'


# --- what is refused ---


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "say something: give --file, --text or --mic."),
        (("--mic", "--text", "x"), "--mic goes without --file and --text."),
        (("--file", "x.wav", "--fast", "--save", "y.wav"), "--save records in real time; leave --fast out."),
        (("--file", "no.wav"), "no.wav cannot be read: No such file or directory."),
        (("--file", "."), ". cannot be read: Is a directory."),
        (("--file", "text.wav"), "text.wav: This is something else, not a WAV file."),
        (("--file", "empty.wav"), "empty.wav: This file is empty"),
        (("--text", "x", "--tools", "no_such_module:f"), "--tools: no_such_module cannot be imported: there is none."),
        (("--text", "x", "--tools", "f"), "--tools takes MODULE:NAME or PATH.py:NAME, not 'f'."),
        (("--text", "x", "--hints", "no.txt"), "--hints: no.txt cannot be read: No such file or directory."),
        (("--text", "x", "--provider", "nobody"), "There is no provider 'nobody'. There is: local."),
        (("--text", "x", "--voice", "bass"), "There is no voice 'bass'."),
        (("--text", "x", "--save", "no/such/folder.wav"), "no/such/folder.wav cannot be written: No such file"),
        (("--text", "x", "--chat-key-variable", "NO_KEY"), "there is no key in the environment variable NO_KEY."),
    ],
)
def test_bad_input_is_one_line(
    talk: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.wav").write_text("this is no audio, but a text that goes on for longer than a header")
    (tmp_path / "empty.wav").touch()
    result = talk(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("duologue: ")
    assert complaint in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_recording_that_is_cut_short_is_answered_and_told(talk: Say, speech: Path) -> None:
    whole = speech.read_bytes()
    speech.write_bytes(whole[: len(whole) // 2 + 1])
    result = talk("--file", speech, "--fast")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"duologue: {speech}: This WAV file ")
    assert result.stderr.count("\n") == 1
    assert "assistant  Fine day." in result.stdout


def test_a_url_without_a_model_is_refused() -> None:
    result = CliRunner().invoke(app, ["talk", "--text", "x", "--chat-url", "http://localhost:1/v1"])
    assert result.exit_code == 2
    assert result.stderr == "duologue: --chat-url needs the name of a model there: add --chat-model.\n"


# --- devices ---


@pytest.fixture
def _no_portaudio(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> ModuleType:
        raise MissingDependency("The PortAudio library", "apt-get install libportaudio2.")

    monkeypatch.setattr("duologue.audio.devices.load_sounddevice", missing)


@pytest.mark.usefixtures("_no_portaudio", "provider")
def test_without_a_microphone_there_is_no_listening() -> None:
    result = CliRunner().invoke(app, ["talk", "--mic"])
    assert result.exit_code == 2
    assert result.stderr == "duologue: The PortAudio library is not installed. apt-get install libportaudio2.\n"


@pytest.mark.usefixtures("_no_portaudio", "provider")
def test_without_a_speaker_the_answers_are_shown_all_the_same() -> None:
    result = CliRunner().invoke(app, ["talk", "--text", "hello"])
    assert result.exit_code == 0
    assert "assistant  Fine day." in result.stdout
    assert result.stderr.startswith("duologue: The answers are not played")


class Microphone(MemorySource):
    """Hears somebody speak, and breaks when it is told to."""

    def __init__(self, format: AudioFormat, breaks: asyncio.Event) -> None:
        speech = array("h", ([9_000] * 24 + [-9_000] * 24) * 500).tobytes()
        super().__init__(speech, format, realtime=False, trailing_silence_ms=1_000)
        self._breaks = breaks

    async def __anext__(self) -> bytes:
        try:
            return await super().__anext__()
        except StopAsyncIteration:
            await self._breaks.wait()
            raise DeviceUnavailable("The microphone is gone.") from None


def test_the_microphone_is_heard(talk: Say, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = asyncio.Event()

    def answer(request: ResponderRequest) -> list[ResponderEvent | Exception]:
        answered.set()
        return []

    provider.answer = answer
    monkeypatch.setattr("duologue.cli.talk.MicrophoneSource", lambda format: Microphone(format, answered))
    result = talk("--mic")
    assert "you        good morning\n" in result.stdout
    assert (result.exit_code, result.stderr) == (2, "duologue: The microphone is gone.\n")


# --- the program ---


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("duologue ")


@pytest.mark.parametrize("command", ["demo", "talk", "doctor"])
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "exit status" in result.stdout


@pytest.fixture
def _without_cli_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("duologue.cli.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("_without_cli_modules")
@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_it_says_how_to_get_it(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == missing]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Hides(missing), *sys.meta_path])
    with pytest.raises(SystemExit) as exit:
        duologue.cli.main()
    assert exit.value.code == 2
    assert capsys.readouterr().err == f'duologue: {missing} is not installed. Run: pip install "duologue[cli]"\n'


class _Hides:
    """Finds nothing of one package."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=self._package)
