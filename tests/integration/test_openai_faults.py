"""Every fault, at every stage of a conversation: the session ends with the right exception, or goes on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from duologue.client import RealtimeClient
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI
from duologue.providers.azure import AzureOpenAIRealtimeClient
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.testing import OpenAIEmulator
from faulty import CONNECTION, ENDS, GOES_ON, check_end, check_fault, nothing_left, replies

STAGES = (
    "session.created",
    "session.update",
    "session.updated",
    "conversation.item.create",
    "response.created",
    "response.function_call_arguments.delta",
    "conversation.item.done",
    "response.output_audio.delta",
    "response.done",
)
OPENING = STAGES[:3]


def _client(emulator: OpenAIEmulator) -> RealtimeClient:
    return OpenAIRealtimeClient("model", base_url=emulator.url, api_key="key", connection=CONNECTION)


def _on_websockets(emulator: OpenAIEmulator) -> RealtimeClient:
    """The other transport."""
    connection = msgspec.structs.replace(CONNECTION, transport="websockets")
    return OpenAIRealtimeClient("model", base_url=emulator.url, api_key="key", connection=connection)


def _in_beta(emulator: OpenAIEmulator) -> RealtimeClient:
    """Another dialect."""
    return AzureOpenAIRealtimeClient(
        "deployment", endpoint=emulator.http_url, api_key="key", api_version="preview", connection=CONNECTION
    )


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", ENDS)
async def test_that_the_session_ends_with_the_right_exception(fault: str, stage: str) -> None:
    async with nothing_left(), OpenAIEmulator(replies()) as emulator:
        await check_end(emulator, _client(emulator), fault, stage, opening=stage in OPENING)


@pytest.mark.parametrize("fault", [*ENDS, *GOES_ON])
@pytest.mark.parametrize("make_client", [_on_websockets, _in_beta])
async def test_another_transport_and_another_dialect(
    fault: str, make_client: Callable[[OpenAIEmulator], RealtimeClient]
) -> None:
    dialect = AZURE_PREVIEW if make_client is _in_beta else OPENAI
    async with nothing_left(), OpenAIEmulator(replies(), dialect=dialect) as emulator:
        await check_fault(emulator, make_client(emulator), fault, "response.created")


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fault", GOES_ON)
async def test_that_the_session_goes_on(fault: str, stage: str) -> None:
    async with nothing_left(), OpenAIEmulator(replies()) as emulator:
        await check_fault(emulator, _client(emulator), fault, stage)
