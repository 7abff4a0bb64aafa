"""Every fault, at every stage of a conversation on Gemini's wire: the right exception, or the session goes on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from duologue.client import RealtimeClient
from duologue.protocols.gemini import GEMINI, VERTEX_AI
from duologue.providers import GeminiRealtimeClient, VertexRealtimeClient
from duologue.testing import GeminiEmulator
from faulty import CONNECTION, ENDS, GOES_ON, check_end, check_fault, nothing_left, replies

STAGES = (
    "setup",
    "setupComplete",
    "clientContent",
    "toolCall",
    "toolResponse",
    "serverContent.outputTranscription",
    "serverContent.modelTurn",
    "serverContent.generationComplete",
    "serverContent.turnComplete",
)
OPENING = STAGES[:2]
ANSWERING = "serverContent.modelTurn"


def _client(emulator: GeminiEmulator) -> RealtimeClient:
    return GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="key", connection=CONNECTION)


def _on_websockets(emulator: GeminiEmulator) -> RealtimeClient:
    """The other transport."""
    connection = msgspec.structs.replace(CONNECTION, transport="websockets")
    return GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="key", connection=connection)


def _on_vertex(emulator: GeminiEmulator) -> RealtimeClient:
    """The other service."""
    return VertexRealtimeClient("gemini-2.0-flash-live", base_url=emulator.url, api_key="key", connection=CONNECTION)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", ENDS)
async def test_that_the_session_ends_with_the_right_exception(fault: str, stage: str) -> None:
    async with nothing_left(), GeminiEmulator(replies()) as emulator:
        await check_end(emulator, _client(emulator), fault, stage, opening=stage in OPENING)


@pytest.mark.parametrize("fault", [*ENDS, *GOES_ON])
@pytest.mark.parametrize("make_client", [_on_websockets, _on_vertex])
async def test_another_transport_and_the_other_service(
    fault: str, make_client: Callable[[GeminiEmulator], RealtimeClient]
) -> None:
    dialect = VERTEX_AI if make_client is _on_vertex else GEMINI
    async with nothing_left(), GeminiEmulator(replies(), dialect=dialect) as emulator:
        await check_fault(emulator, make_client(emulator), fault, ANSWERING)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", GOES_ON)
async def test_that_the_session_goes_on(fault: str, stage: str) -> None:
    async with nothing_left(), GeminiEmulator(replies()) as emulator:
        await check_fault(emulator, _client(emulator), fault, stage)
