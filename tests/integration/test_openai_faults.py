"""Every fault, at every stage of a conversation: the session ends with the right exception, or goes on."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.errors import ConnectRefused, CutOff, HungUp, SessionEnded
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI
from duologue.providers.azure import AzureOpenAIRealtimeClient
from duologue.providers.connection import ConnectionSettings
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.runtime import ProtocolLink
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested
from duologue.testing import OpenAIEmulator
from duologue.testing.conformance import nothing_is_left
from duologue.testing.emulation import Reply
from duologue.testing.loopback import (
    Cut,
    Delay,
    Duplicate,
    Fault,
    Garbage,
    HalfOpen,
    Hangup,
    Oversized,
    Reorder,
    SlowReading,
)
from duologue.tools import tool
from duologue.transports.limits import WebSocketLimits
from tiny_protocol import settle

_LIMITS = WebSocketLimits(max_message_size=1 << 20, ping_interval=0.2, dead_after=0.2, close_timeout=0.3)
_CONNECTION = ConnectionSettings(attempts=1, open_timeout=1.0, send_timeout=2.0, limits=_LIMITS)

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

ENDS: dict[str, tuple[Fault, type[SessionEnded]]] = {
    "cut": (Cut(), CutOff),
    "cut in a frame": (Cut(after_bytes=17), CutOff),
    "cut without a reset": (Cut(after_bytes=3, reset=False), CutOff),
    "half-open": (HalfOpen(), CutOff),
    "hung up": (Hangup(code=1011, reason="server error"), HungUp),
    "no frame": (Garbage("wire"), CutOff),
    "no UTF-8": (Garbage("utf8"), CutOff),
    "too long": (Oversized(2 << 20), CutOff),
}
GOES_ON: dict[str, Fault] = {
    "late": Delay(0.005),
    "slow": SlowReading(20_000),
    "twice": Duplicate(),
    "no JSON": Garbage("json"),
    "binary": Garbage("binary"),
    "long": Oversized(200_000),
    "in another order": Reorder(every=4),
}


@tool
async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


def _client(emulator: OpenAIEmulator) -> RealtimeClient:
    client = OpenAIRealtimeClient("model", base_url=emulator.url, api_key="key", connection=_CONNECTION)
    return client.with_middleware(FunctionInvocation())


def _on_websockets(emulator: OpenAIEmulator) -> RealtimeClient:
    """The other transport."""
    connection = msgspec.structs.replace(_CONNECTION, transport="websockets")
    client = OpenAIRealtimeClient("model", base_url=emulator.url, api_key="key", connection=connection)
    return client.with_middleware(FunctionInvocation())


def _in_beta(emulator: OpenAIEmulator) -> RealtimeClient:
    """Another dialect."""
    client = AzureOpenAIRealtimeClient(
        "deployment", endpoint=emulator.http_url, api_key="key", api_version="preview", connection=_CONNECTION
    )
    return client.with_middleware(FunctionInvocation())


@asynccontextmanager
async def _nothing_left() -> AsyncIterator[None]:
    """No task, no socket, no object of the session may be left."""
    gc.collect()
    tasks, files, others = asyncio.all_tasks(), _open_files(), _sessions()
    yield
    await nothing_is_left(tasks)
    await settle()
    gc.collect()
    assert _sessions() <= others
    assert _open_files() <= files


def _sessions() -> set[int]:
    """What is held of sessions, by their identity; other tests may leave some."""
    return {id(part) for part in gc.get_objects() if type(part) in (ProtocolLink, RealtimeSession)}


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


async def _converse(
    emulator: OpenAIEmulator,
    conversation: Conversation,
    make_client: Callable[[OpenAIEmulator], RealtimeClient] = _client,
) -> SessionEnded | None:
    """Ask, have a tool called, hear the answer; gives how the session ended, if it did not last."""
    async with make_client(emulator) as client:
        try:
            async with asyncio.timeout(20), client.create_session(SessionOptions(tools=(get_weather,))) as session:
                await session.send_audio(bytes(960))
                await session.send_text("What is the weather in Oslo?")
                async for message in session:
                    conversation.feed(message)
                    if isinstance(message, m.TurnDone) and message.outcome == "completed":
                        break
        except SessionEnded as end:
            return end.with_traceback(None)
    return None


def _replies() -> list[Reply]:
    return [[CallRequested("get_weather", '{"city": "Oslo"}')], "It rains in Oslo, as it does so often."]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", ENDS)
async def test_that_the_session_ends_with_the_right_exception(name: str, stage: str) -> None:
    fault, kind = ENDS[name]
    async with _nothing_left(), OpenAIEmulator(_replies()) as emulator:
        emulator.inject(fault, at=stage)
        conversation = Conversation()
        end = await _converse(emulator, conversation)
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
    async with _nothing_left(), OpenAIEmulator(_replies(), dialect=dialect) as emulator:
        emulator.inject(fault, at="response.created")
        end = await _converse(emulator, Conversation(), make_client)
        assert type(end) is (ENDS[name][1] if name in ENDS else type(None))
        del end


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", GOES_ON)
async def test_that_the_session_goes_on(name: str, stage: str) -> None:
    async with _nothing_left(), OpenAIEmulator(_replies()) as emulator:
        emulator.inject(GOES_ON[name], at=stage)
        conversation = Conversation()
        assert await _converse(emulator, conversation) is None
