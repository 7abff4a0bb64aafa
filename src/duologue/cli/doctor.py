"""`duologue doctor`: what is installed, what is missing, and whether the embedded provider can hold a conversation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from duologue.audio import resample
from duologue.cli.installed import Machine, examine
from duologue.errors import DuologueError, SpeechFailed
from duologue.speech.stages import SpeechToText, TextToSpeech

SENTENCE = "what time is it"
_HINTS = (SENTENCE, "turn on the light", "set a timer for five minutes")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried.

    Attributes:
        name: What.
        ok: Whether it worked.
        detail: What came of it, or why it did not work.
        milliseconds: How long it took.
    """

    name: str
    ok: bool
    detail: str
    milliseconds: float


class Stages(NamedTuple):
    """Makes the stages to try."""

    text_to_speech: Callable[[], TextToSpeech]
    speech_to_text: Callable[[], SpeechToText]


def local_stages() -> Stages:
    """The stages that the embedded provider has of its own."""

    def text_to_speech() -> TextToSpeech:
        from duologue.speech.espeak import EspeakTextToSpeech

        return EspeakTextToSpeech()

    def speech_to_text() -> SpeechToText:
        from duologue.speech.pocketsphinx import PocketSphinxSpeechToText

        return PocketSphinxSpeechToText()

    return Stages(text_to_speech, speech_to_text)


async def try_stages(stages: Stages) -> tuple[Check, ...]:
    """Load every stage of the embedded provider, speak a sentence, and see whether it is understood."""
    trial = _Trial(stages)
    try:
        return (
            await _check("voice activity", trial.detect),
            await _check("text to speech", trial.speak),
            await _check("speech to text", trial.load_recogniser),
            await _check("round trip", trial.listen),
        )
    finally:
        await trial.aclose()


async def run_doctor(console: Console, *, as_json: bool) -> bool:
    """Report; whether the embedded provider can hold a conversation."""
    machine = examine()
    checks = await try_stages(local_stages())
    can_talk = all(check.ok for check in checks)
    if as_json:
        report = {"machine": machine, "local": {"can_talk": can_talk, "checks": checks}}
        console.file.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        _print(console, machine, checks, can_talk)
    return can_talk


class _Trial:
    """The stages while they are tried."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._text_to_speech: TextToSpeech | None = None
        self._speech_to_text: SpeechToText | None = None
        self._speech = b""

    async def detect(self) -> str:
        from duologue.speech.detectors import default_voice_activity_detector

        detector = await asyncio.to_thread(default_voice_activity_detector)
        try:
            detector.probability(bytes(2 * detector.frame_samples))
            return type(detector).__name__
        finally:
            detector.close()

    async def speak(self) -> str:
        engine = self._text_to_speech = self._stages.text_to_speech()
        await engine.start()
        self._speech = b"".join([chunk.audio async for chunk in engine.synthesize(f"{SENTENCE}?")])
        return f"{type(engine).__name__}, {len(engine.voices())} voices"

    async def load_recogniser(self) -> str:
        engine = self._speech_to_text = self._stages.speech_to_text()
        await engine.start()
        return type(engine).__name__

    async def listen(self) -> str:
        speaker, listener = self._text_to_speech, self._speech_to_text
        if speaker is None or listener is None or not self._speech:
            raise SpeechFailed("It needs text to speech and speech to text.")
        utterance = listener.utterance(hints=_HINTS)
        utterance.feed(resample(self._speech, speaker.sample_rate, listener.sample_rate))
        transcript = await utterance.finish()
        if transcript.text != SENTENCE:
            raise SpeechFailed(f'It said "{SENTENCE}" and heard "{transcript.text}".')
        return f'said and heard "{SENTENCE}"'

    async def aclose(self) -> None:
        for stage in (self._text_to_speech, self._speech_to_text):
            if stage is not None:
                await stage.aclose()


async def _check(name: str, attempt: Callable[[], Awaitable[str]]) -> Check:
    started = time.perf_counter()
    try:
        ok, detail = True, await attempt()
    except Exception as error:  # noqa: BLE001 - reported: a broken installation may raise anything
        ok, detail = False, str(error) if isinstance(error, DuologueError) else f"{type(error).__name__}: {error}"
    return Check(name=name, ok=ok, detail=detail, milliseconds=round((time.perf_counter() - started) * 1000, 1))


# --- for people to read ---


def _print(console: Console, machine: Machine, checks: tuple[Check, ...], can_talk: bool) -> None:
    def line(text: str = "") -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    line(f"duologue {machine.duologue}, {machine.python}, {machine.system}")
    line()
    console.print(_package_table(machine))
    line()
    line(f"Microphones: {', '.join(machine.devices.inputs) or 'none'}")
    line(f"Speakers:    {', '.join(machine.devices.outputs) or 'none'}")
    if machine.devices.problem is not None:
        line(f"             {machine.devices.problem}")
    line()
    for variable, is_set in machine.keys.items():
        line(f"{variable}: {'set' if is_set else 'not set'}")
    line()
    for check in checks:
        line(f"{check.name}: {'works' if check.ok else 'DOES NOT WORK'} ({check.milliseconds:.0f} ms). {check.detail}")
    line()
    line(f"The embedded provider {'can' if can_talk else 'CANNOT'} hold a conversation.")


def _package_table(machine: Machine) -> Table:
    table = Table("package", "version", "for", "get it with", box=None, pad_edge=False)
    for package in machine.packages:
        remedy = Text("" if package.version else package.remedy)
        table.add_row(package.name, package.version or "missing", package.purpose, remedy)
    return table
