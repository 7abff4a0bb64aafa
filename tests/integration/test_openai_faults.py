"""Every fault, at every stage of a conversation: the session ends with the right exception, or goes on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.errors import ConnectRefused
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI
from duologue.providers.azure import AzureOpenAIRealtimeClient
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.testing import OpenAIEmulator
from faulty import CONNECTION, ENDS, GOES_ON, converse, nothing_left, replies

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
@pytest.mark.parametrize("name", ENDS)
async def test_that_the_session_ends_with_the_right_exception(name: str, stage: str) -> None:
    fault, kind = ENDS[name]
    async with nothing_left(), OpenAIEmulator(replies()) as emulator:
        emulator.inject(fault, at=stage)
        conversation = Conversation()
        end = await converse(_client(emulator), conversation)
        expected = ConnectRefused if stage in OPENING else kind
        assert end is not None
        assert type(end) is expected
        assert end.retryable == (name != "too long")
        assert end.hint
        assert end.provider == "openai"
        assert conversation.active_response is None
        del end  # its traceback holds what has raised it


@pytest.mark.parametrize("name", [*ENDS, *GOES_ON])
@pytest.mark.parametrize("make_client", [_on_websockets, _in_beta])
async def test_another_transport_and_another_dialect(
    name: str, make_client: Callable[[OpenAIEmulator], RealtimeClient]
) -> None:
    fault = ENDS[name][0] if name in ENDS else GOES_ON[name]
    dialect = AZURE_PREVIEW if make_client is _in_beta else OPENAI
    async with nothing_left(), OpenAIEmulator(replies(), dialect=dialect) as emulator:
        emulator.inject(fault, at="response.created")
        end = await converse(make_client(emulator), Conversation())
        assert type(end) is (ENDS[name][1] if name in ENDS else type(None))
        del end


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", GOES_ON)
async def test_that_the_session_goes_on(name: str, stage: str) -> None:
    async with nothing_left(), OpenAIEmulator(replies()) as emulator:
        emulator.inject(GOES_ON[name], at=stage)
        conversation = Conversation()
        assert await converse(_client(emulator), conversation) is None
