"""The conformance suite over every provider that speaks OpenAI's wire, each against an emulator of its dialect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.formats import AudioFormat
from duologue.options import NoiseReduction, PromptTemplate, SessionOptions
from duologue.protocols.openai import (
    AZURE,
    AZURE_PREVIEW,
    LOCALAI,
    OPENAI,
    QWEN,
    SPEACHES,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
    VOICE_LIVE,
    XAI,
    Dialect,
)
from duologue.providers.azure import AzureOpenAIRealtimeClient
from duologue.providers.compatible import OpenAICompatibleRealtimeClient
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.providers.voice_live import VoiceLiveRealtimeClient
from duologue.providers.xai import XAIRealtimeClient
from duologue.testing import OpenAIEmulator
from duologue.testing.conformance import ConformanceSuite, Harness
from duologue.testing.conformance.harness import options_that_it_takes
from local_harness import answer, tone

EVERYTHING = {
    "instructions": "Be brief.",
    "voice": "marin",
    "speed": 1.2,
    "output_modalities": ("audio",),
    "noise_reduction": NoiseReduction(kind="far_field"),
    "tool_choice": "none",
    "parallel_tool_calls": False,
    "max_output_tokens": 500,
    "temperature": 0.7,
    "reasoning_effort": "low",
    "include": ("item.input_audio_transcription.logprobs",),
    "prompt": PromptTemplate(id="prompt_of_the_test", version="2", variables={"name": "Ada"}),
    "metadata": {"a": "1"},
}
"""An emulator confirms what has reached it: what is left out on the way shows."""


class EmulatorHarness(Harness):
    """A provider whose server is emulated."""

    def __init__(
        self, emulator: OpenAIEmulator, make_client: Callable[[OpenAIEmulator], RealtimeClient], options: SessionOptions
    ) -> None:
        self._emulator = emulator
        self._make_client = make_client
        self.options = options

    def make_client(self) -> RealtimeClient:
        return self._make_client(self._emulator)

    def stated(self, can: Capabilities) -> SessionOptions:
        return options_that_it_takes(EVERYTHING, can)

    async def speech(self, text: str, format: AudioFormat) -> bytes:
        self._emulator.session.will_hear(text)
        return tone(format)


class FamilySuite(ConformanceSuite):
    """Run for one dialect."""

    dialect: Dialect
    options = SessionOptions()

    def client_of(self, emulator: OpenAIEmulator) -> RealtimeClient:
        """A client of the emulated server; here, of one that has no client of its own."""
        return OpenAICompatibleRealtimeClient(f"{emulator.url}/v1", dialect=self.dialect, model="model")

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with OpenAIEmulator(answer, dialect=self.dialect) as emulator:
            yield EmulatorHarness(emulator, self.client_of, self.options)


class TestOpenAI(FamilySuite):
    dialect = OPENAI

    def client_of(self, emulator: OpenAIEmulator) -> RealtimeClient:
        return OpenAIRealtimeClient("model", base_url=emulator.url, api_key="key")


class TestAzure(FamilySuite):
    dialect = AZURE

    def client_of(self, emulator: OpenAIEmulator) -> RealtimeClient:
        return AzureOpenAIRealtimeClient("deployment", endpoint=emulator.http_url, api_key="key")


class TestAzurePreview(FamilySuite):
    dialect = AZURE_PREVIEW

    def client_of(self, emulator: OpenAIEmulator) -> RealtimeClient:
        return AzureOpenAIRealtimeClient(
            "deployment", endpoint=emulator.http_url, api_key="key", api_version="2025-04-01-preview"
        )


class TestVoiceLive(FamilySuite):
    dialect = VOICE_LIVE

    def client_of(self, emulator: OpenAIEmulator) -> RealtimeClient:
        return VoiceLiveRealtimeClient("model", endpoint=emulator.http_url, api_key="key")


class TestXAI(FamilySuite):
    dialect = XAI

    def client_of(self, emulator: OpenAIEmulator) -> RealtimeClient:
        return XAIRealtimeClient("model", base_url=emulator.url, api_key="key")


class TestQwen(FamilySuite):
    dialect = QWEN


class TestSpeaches(FamilySuite):
    dialect = SPEACHES


class TestLocalAI(FamilySuite):
    dialect = LOCALAI


class TestSpeechToSpeech(FamilySuite):
    dialect = SPEECH_TO_SPEECH


class TestVllm(FamilySuite):
    dialect = VLLM_TRANSCRIPTION
    options = SessionOptions(kind="transcription")
