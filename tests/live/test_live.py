"""The conformance suite over hosted providers: ``make live`` runs those whose keys are in the environment.

It costs money, so nothing else runs it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest

from duologue.audio.convert import Converter
from duologue.client import RealtimeClient
from duologue.formats import PCM16_16K, AudioFormat
from duologue.options import SessionOptions
from duologue.providers import (
    AzureOpenAIRealtimeClient,
    GeminiRealtimeClient,
    OpenAICompatibleRealtimeClient,
    OpenAIRealtimeClient,
    VertexRealtimeClient,
    VoiceLiveRealtimeClient,
    XAIRealtimeClient,
)
from duologue.testing.conformance import ConformanceSuite, Harness
from spoken import sentence


class LiveHarness(Harness):
    """A model that follows instructions, as well as it can."""

    timeout = 60.0
    silence_ms = 2_000
    options = SessionOptions(instructions="Do exactly as you are told. Answer in English, with one short sentence.")

    def __init__(self, make_client: Callable[[], RealtimeClient]) -> None:
        self._make_client = make_client

    def make_client(self) -> RealtimeClient:
        return self._make_client()

    async def speech(self, text: str, format: AudioFormat) -> bytes:
        spoken = await sentence(text)
        converter = Converter(PCM16_16K, format)
        return converter.process(spoken.audio) + converter.flush()

    def hears(self, said: str, transcript: str) -> bool:
        """Most of the words: a synthetic voice is not always understood."""
        expected, heard = _words(said), _words(transcript)
        return len(expected & heard) >= len(expected) / 2


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w']+", text.lower()))


class LiveSuite(ConformanceSuite):
    """Run for one provider, if all of `variables` are set and ``DUOLOGUE_LIVE=1``."""

    variables: tuple[str, ...]

    def client(self) -> RealtimeClient:
        """A client of the provider."""
        raise NotImplementedError

    @pytest.fixture
    def harness(self) -> Harness:
        missing = [name for name in ("DUOLOGUE_LIVE", *self.variables) if not os.environ.get(name)]
        if missing:
            pytest.skip(f"Not set: {', '.join(missing)}.")
        return LiveHarness(self.client)


@pytest.mark.timeout(300)
class TestOpenAI(LiveSuite):
    variables = ("OPENAI_API_KEY",)

    def client(self) -> RealtimeClient:
        return OpenAIRealtimeClient(os.environ.get("OPENAI_REALTIME_MODEL", "gpt-realtime-2.1"))


@pytest.mark.timeout(300)
class TestAzure(LiveSuite):
    variables = ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_REALTIME_DEPLOYMENT")

    def client(self) -> RealtimeClient:
        return AzureOpenAIRealtimeClient(os.environ["AZURE_OPENAI_REALTIME_DEPLOYMENT"])


@pytest.mark.timeout(300)
class TestVoiceLive(LiveSuite):
    variables = ("AZURE_VOICE_LIVE_ENDPOINT", "AZURE_VOICE_LIVE_API_KEY", "AZURE_VOICE_LIVE_MODEL")

    def client(self) -> RealtimeClient:
        return VoiceLiveRealtimeClient(os.environ["AZURE_VOICE_LIVE_MODEL"])


@pytest.mark.timeout(300)
class TestXAI(LiveSuite):
    variables = ("XAI_API_KEY",)

    def client(self) -> RealtimeClient:
        return XAIRealtimeClient()


@pytest.mark.timeout(300)
class TestGemini(LiveSuite):
    variables = ("GEMINI_API_KEY",)

    def client(self) -> RealtimeClient:
        return GeminiRealtimeClient(os.environ.get("GEMINI_LIVE_MODEL", "gemini-3.8-live"))


@pytest.mark.timeout(300)
class TestVertex(LiveSuite):
    """With Google's application default credentials."""

    variables = ("GOOGLE_CLOUD_PROJECT", "VERTEX_LIVE_MODEL")

    def client(self) -> RealtimeClient:
        return VertexRealtimeClient(os.environ["VERTEX_LIVE_MODEL"])


@pytest.mark.timeout(300)
class TestQwen(LiveSuite):
    variables = ("DASHSCOPE_API_KEY", "DASHSCOPE_REALTIME_URL", "DASHSCOPE_REALTIME_MODEL")

    def client(self) -> RealtimeClient:
        return OpenAICompatibleRealtimeClient(
            os.environ["DASHSCOPE_REALTIME_URL"],
            dialect="qwen",
            model=os.environ["DASHSCOPE_REALTIME_MODEL"],
            api_key=os.environ["DASHSCOPE_API_KEY"],
        )


@pytest.mark.timeout(300)
class TestCompatible(LiveSuite):
    """A server of your own: ``DUOLOGUE_SERVER_URL``, and its dialect in ``DUOLOGUE_SERVER_DIALECT``."""

    variables = ("DUOLOGUE_SERVER_URL", "DUOLOGUE_SERVER_DIALECT")

    def client(self) -> RealtimeClient:
        return OpenAICompatibleRealtimeClient(
            os.environ["DUOLOGUE_SERVER_URL"],
            dialect=os.environ["DUOLOGUE_SERVER_DIALECT"],
            model=os.environ.get("DUOLOGUE_SERVER_MODEL"),
        )
