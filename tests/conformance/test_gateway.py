"""The conformance suite through the gateway: a client of OpenAI's wire → the gateway → another provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest
from msgspec.structs import replace

from duologue.client import RealtimeClient
from duologue.formats import AudioFormat
from duologue.protocols.openai import OPENAI, Dialect
from duologue.providers import GeminiRealtimeClient
from duologue.providers.compatible import OpenAICompatibleRealtimeClient
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.testing import GeminiEmulator, OpenAIEmulator
from duologue.testing.conformance import ConformanceSuite, Harness
from gateway_server import SwitchedGateway
from local_harness import LocalHarness, answer, tone


@pytest.fixture(scope="module")
def gateway() -> Iterator[SwitchedGateway]:
    thread = SwitchedGateway()
    yield thread
    thread.close()


class GatewayHarness(Harness):
    """A client of a gateway. What is said is heard by whoever is behind it."""

    def __init__(self, gateway: SwitchedGateway, say: Callable[[str, AudioFormat], Awaitable[bytes]]) -> None:
        self._gateway = gateway
        self._say = say

    def make_client(self) -> RealtimeClient:
        return OpenAIRealtimeClient("model", base_url=self._gateway.url, api_key="key")

    async def speech(self, text: str, format: AudioFormat) -> bytes:
        return await self._say(text, format)


class TestGatewayToLocal(ConformanceSuite):
    @pytest.fixture
    def harness(self, gateway: SwitchedGateway) -> Iterator[Harness]:
        local = LocalHarness()
        with gateway.answering(local.make_client()):
            yield GatewayHarness(gateway, local.speech)


class TestGatewayToOpenAI(ConformanceSuite):
    @pytest.fixture
    def harness(self, gateway: SwitchedGateway) -> Iterator[Harness]:
        with OpenAIEmulator(answer) as emulator:

            async def say(text: str, format: AudioFormat) -> bytes:
                emulator.session.will_hear(text)
                return tone(format)

            with gateway.answering(OpenAIRealtimeClient("upstream", base_url=emulator.url, api_key="upstream-key")):
                yield GatewayHarness(gateway, say)


_SETS = (
    "options",
    "mutable_options",
    "session_kinds",
    "turn_detections",
    "turn_detection_tuning",
    "output_modalities",
    "response_options",
    "tool_choices",
)
_FLAGS = ("input_clear", "out_of_band", "truncate", "delete", "insert_position", "speech_events", "hosted_mcp")
"""What depends on the upstream. The gateway sees to retrieving items, metadata and formats itself."""


def _over_gemini() -> Dialect:
    """OpenAI's wire, as far as the gateway can carry it to Gemini Live."""
    can, wire = GeminiRealtimeClient("gemini-3.8-live", api_key="key").capabilities(), OPENAI.capabilities
    both = {field: getattr(wire, field) & getattr(can, field) for field in _SETS}
    lacking = {flag: False for flag in _FLAGS if not getattr(can, flag)}
    say = wire.say if "instructions" in can.response_options else "none"  # which is how this wire says it
    return replace(OPENAI, capabilities=replace(wire, **both, **lacking, say=say))


class GeminiHarness(GatewayHarness):
    """A client that knows what the gateway's upstream can do."""

    def make_client(self) -> RealtimeClient:
        return OpenAICompatibleRealtimeClient(f"{self._gateway.url}/v1", dialect=_over_gemini(), model="model")


class TestGatewayToGemini(ConformanceSuite):
    @pytest.fixture
    def harness(self, gateway: SwitchedGateway) -> Iterator[Harness]:
        with GeminiEmulator(answer, word_ms=300) as emulator:

            async def say(text: str, format: AudioFormat) -> bytes:
                emulator.session.will_hear(text)
                return tone(format)

            with gateway.answering(GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="key")):
                yield GeminiHarness(gateway, say)
