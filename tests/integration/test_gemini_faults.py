"""Every fault, at every stage of a conversation on Gemini's wire: the right exception, or the session goes on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.errors import ConnectRefused
from duologue.protocols.gemini import GEMINI, VERTEX_AI
from duologue.providers import GeminiRealtimeClient, VertexRealtimeClient
from duologue.testing import GeminiEmulator
from faulty import CONNECTION, ENDS, GOES_ON, converse, nothing_left, replies

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
@pytest.mark.parametrize("name", ENDS)
async def test_that_the_session_ends_with_the_right_exception(name: str, stage: str) -> None:
    fault, kind = ENDS[name]
    async with nothing_left(), GeminiEmulator(replies()) as emulator:
        emulator.inject(fault, at=stage)
        conversation = Conversation()
        end = await converse(_client(emulator), conversation)
        expected = ConnectRefused if stage in OPENING else kind
        assert end is not None
        assert type(end) is expected
        assert end.retryable == (name != "too long")
        assert end.hint
        assert end.provider == "gemini"
        assert conversation.active_response is None
        del end  # its traceback holds what has raised it


@pytest.mark.parametrize("name", [*ENDS, *GOES_ON])
@pytest.mark.parametrize("make_client", [_on_websockets, _on_vertex])
async def test_another_transport_and_the_other_service(
    name: str, make_client: Callable[[GeminiEmulator], RealtimeClient]
) -> None:
    fault = ENDS[name][0] if name in ENDS else GOES_ON[name]
    dialect = VERTEX_AI if make_client is _on_vertex else GEMINI
    async with nothing_left(), GeminiEmulator(replies(), dialect=dialect) as emulator:
        emulator.inject(fault, at=ANSWERING)
        end = await converse(make_client(emulator), Conversation())
        assert type(end) is (ENDS[name][1] if name in ENDS else type(None))
        del end


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", GOES_ON)
async def test_that_the_session_goes_on(name: str, stage: str) -> None:
    async with nothing_left(), GeminiEmulator(replies()) as emulator:
        emulator.inject(GOES_ON[name], at=stage)
        assert await converse(_client(emulator), Conversation()) is None
