"""The conformance suite over Gemini Live: both of Google's services, and every family of models."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.formats import AudioFormat
from duologue.options import SessionOptions
from duologue.protocols.gemini import GEMINI, VERTEX_AI, GeminiDialect
from duologue.providers import GeminiRealtimeClient, VertexRealtimeClient
from duologue.testing import GeminiEmulator
from duologue.testing.conformance import ConformanceSuite, Harness
from duologue.testing.conformance.harness import options_that_it_takes
from local_harness import answer, tone

EVERYTHING = {
    "instructions": "Be brief.",
    "voice": "Puck",
    "output_modalities": ("audio",),
    "tool_choice": "none",
    "max_output_tokens": 500,
    "temperature": 0.7,
    "reasoning_effort": "low",
    "metadata": {"a": "1"},
}
WORD_MS = 300  # the emulator takes an answer to be played for so long: tests interrupt it meanwhile


class GeminiHarness(Harness):
    """A service that is emulated."""

    def __init__(self, emulator: GeminiEmulator, model: str) -> None:
        self._emulator = emulator
        self._model = model

    def make_client(self) -> RealtimeClient:
        if self._emulator.dialect.service == "developer":
            return GeminiRealtimeClient(self._model, base_url=self._emulator.url, api_key="key")
        return VertexRealtimeClient(self._model, base_url=self._emulator.url, api_key="key")

    def stated(self, can: Capabilities) -> SessionOptions:
        return options_that_it_takes(EVERYTHING, can)

    async def speech(self, text: str, format: AudioFormat) -> bytes:
        self._emulator.session.will_hear(text)
        return tone(format)


class GeminiSuite(ConformanceSuite):
    """Run for one model of one service."""

    dialect: GeminiDialect
    model: str
    options = SessionOptions()

    @pytest.fixture
    async def harness(self) -> AsyncIterator[Harness]:
        async with GeminiEmulator(answer, dialect=self.dialect, word_ms=WORD_MS) as emulator:
            harness = GeminiHarness(emulator, self.model)
            harness.options = self.options
            yield harness


class TestDeveloper25(GeminiSuite):
    dialect = GEMINI
    model = "gemini-2.5-flash-native-audio-preview-12-2025"


class TestDeveloperHalfCascade(GeminiSuite):
    dialect = GEMINI
    model = "gemini-2.0-flash-live-001"


class TestDeveloper31(GeminiSuite):
    dialect = GEMINI
    model = "gemini-3.1-flash-live-preview"


class TestDeveloper38(GeminiSuite):
    dialect = GEMINI
    model = "gemini-3.8-live"


class TestDeveloperTranslation(GeminiSuite):
    dialect = GEMINI
    model = "gemini-3.5-flash-live-translate"
    options = SessionOptions(
        kind="translation", extra={"generationConfig": {"translationConfig": {"targetLanguageCode": "en"}}}
    )


class TestVertex25(GeminiSuite):
    dialect = VERTEX_AI
    model = "gemini-live-2.5-flash-native-audio"


class TestVertex25WithSpeechEvents(GeminiSuite):
    dialect = VERTEX_AI
    model = "gemini-live-2.5-flash-native-audio"
    options = SessionOptions(extra={"explicitVadSignal": True})


class TestVertex38(GeminiSuite):
    dialect = VERTEX_AI
    model = "gemini-3.8-live"
