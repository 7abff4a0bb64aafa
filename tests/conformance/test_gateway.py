"""The conformance suite through the gateway: a client of OpenAI's wire → the gateway → another provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest

from duologue.formats import AudioFormat
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.testing import OpenAIEmulator
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

    def make_client(self) -> OpenAIRealtimeClient:
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
