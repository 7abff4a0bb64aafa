"""Wrong types in the fields of what is sent: every client message, over every family of providers."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Literal, TypedDict, get_args

import msgspec
import pytest
from msgspec.structs import force_setattr

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.formats import PCM16_24K
from duologue.messages.base import ClientMessage
from duologue.messages.field_types import check_fields
from duologue.middleware import AudioConversion, FunctionInvocation
from duologue.options import OFF, FunctionChoice, PromptTemplate, ServerTurnDetection, SessionOptions
from duologue.providers import GeminiRealtimeClient, OpenAIRealtimeClient
from duologue.testing import GeminiEmulator, OpenAIEmulator
from duologue.tools import FunctionTool, McpServerTool
from links import WireClient, WireLink
from local_harness import LocalHarness

SAMPLES: list[ClientMessage] = [
    m.SessionUpdate(options=SessionOptions(instructions="Be brief.", turn_detection=OFF)),
    m.InputAudioAppend(audio=bytes(4), format=PCM16_24K),
    m.InputAudioCommit(),
    m.InputAudioClear(),
    m.InputAudioEnd(),
    m.InputImageAppend(image=m.ImageContent(data=b"png")),
    m.UserTurnStart(),
    m.UserTurnEnd(),
    m.ItemCreate(item=m.MessageItem.user("Hello."), previous_item_id="root"),
    m.ItemDelete(item_id="i"),
    m.ItemRetrieve(item_id="i"),
    m.ItemTruncate(item_id="i", audio_end_ms=0),
    m.ResponseCreate(
        items=(m.FunctionResult(call_id="c", output="1"),),
        output_audio=PCM16_24K,
        output_modalities=("text",),
        tools=(FunctionTool(name="f"), McpServerTool(server_label="l", server_url="https://example.com")),
        tool_choice=FunctionChoice(name="f"),
        max_output_tokens="unlimited",
        prompt=PromptTemplate(id="p"),
        metadata={"a": "1"},
        extra={"anything": object()},
    ),
    m.ResponseCancel(response_id="r"),
    m.Say(text="Hello."),
    m.OutputAudioPlayed(item_id="i", played_ms=20),
    m.OutputAudioClear(),
    m.FunctionCallApproval(approval_id="a", approve=True),
    m.RawClientMessage(data={"type": "t"}),
]


class Other:
    """Of no type that any field takes."""


def spoiled(message: ClientMessage, field: str, value: object) -> ClientMessage:
    """A copy of `message` that says `value` there."""
    wrong = copy.copy(message)
    force_setattr(wrong, field, value)
    return wrong


def takes_none(message: ClientMessage, field: str) -> bool:
    try:
        check_fields(spoiled(message, field, None))
    except InvalidInput:
        return False
    return True


FIELDS = [(message, field) for message in SAMPLES for field in message.__struct_fields__]
WRONG = [
    *((message, field, Other()) for message, field in FIELDS),
    *((message, field, None) for message, field in FIELDS if not takes_none(message, field)),
]

TEXT = m.TextContent(text="Hello.")


def said(*content: object, **fields: object) -> ClientMessage:
    return m.ItemCreate(item=m.MessageItem(**{"role": "user", "content": content, **fields}))  # type: ignore[arg-type]


INSIDE = [
    (said(TEXT, m.TextContent(text=None)), "ItemCreate.item.content[1].text is None"),  # type: ignore[arg-type]
    (said(None), "ItemCreate.item.content[0] is None"),
    (said(m.ImageContent(data="png")), "ItemCreate.item.content[0].data is of type str"),  # type: ignore[arg-type]
    (said(TEXT, role="me"), "where 'system' or 'user' or 'assistant' belongs"),
    (m.ResponseCreate(metadata={"a": 1}), "ResponseCreate.metadata['a'] is of type int"),  # type: ignore[dict-item]
    (m.ResponseCreate(items=(None,)), "ResponseCreate.items[0] is None"),  # type: ignore[arg-type]
    (
        m.SessionUpdate(options=SessionOptions(turn_detection=ServerTurnDetection(silence_ms="1"))),  # type: ignore[arg-type]
        "SessionUpdate.options.turn_detection.silence_ms is of type str",
    ),
    (m.ItemTruncate(item_id="i", audio_end_ms=True), "where int belongs"),
]


def test_that_the_table_is_whole() -> None:
    assert {type(message) for message in SAMPLES} == set(get_args(m.AnyClientMessage))
    required = {"options", "audio", "image", "item", "item_id", "audio_end_ms", "text", "played_ms", "approval_id"}
    assert required <= {field for _, field, value in WRONG if value is None}


@pytest.mark.parametrize("message", SAMPLES, ids=lambda message: message.type)
def test_what_is_right(message: ClientMessage) -> None:
    check_fields(message)


@pytest.mark.parametrize(("message", "words"), INSIDE)
def test_what_is_wrong_inside(message: ClientMessage, words: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_fields(message)
    assert words in str(raised.value)


def test_that_a_value_does_not_show() -> None:
    with pytest.raises(InvalidInput) as raised:
        check_fields(m.Say(text=b"sk-secret"))  # type: ignore[arg-type]
    assert "secret" not in str(raised.value)


@asynccontextmanager
async def openai() -> AsyncIterator[RealtimeClient]:
    async with OpenAIEmulator() as emulator, OpenAIRealtimeClient("m", base_url=emulator.url, api_key="k") as client:
        yield client


@asynccontextmanager
async def gemini() -> AsyncIterator[RealtimeClient]:
    model = "gemini-3.8-live"
    async with GeminiEmulator() as emulator, GeminiRealtimeClient(model, base_url=emulator.url, api_key="k") as client:
        yield client


@asynccontextmanager
async def local() -> AsyncIterator[RealtimeClient]:
    async with LocalHarness().make_client() as client:
        yield client


@asynccontextmanager
async def layered() -> AsyncIterator[RealtimeClient]:
    async with LocalHarness().make_client() as client:
        yield client.with_middleware(AudioConversion(), FunctionInvocation())


@pytest.mark.parametrize("provider", [openai, gemini, local, layered])
async def test_that_it_is_refused_and_the_session_goes_on(
    provider: Callable[[], AbstractAsyncContextManager[RealtimeClient]],
) -> None:
    async with provider() as client, client.create_session() as session:
        for message, field, value in WRONG:
            with pytest.raises(InvalidInput) as raised:
                await session.send(spoiled(message, field, value))
            assert f"{type(message).__name__}.{field} is " in str(raised.value)
        for verb in ("send_text", "send_audio", "say", "update", "send_image"):
            with pytest.raises(InvalidInput, match="belongs"):
                await getattr(session, verb)(Other())
        await session.send_text("Hello.")
        async with asyncio.timeout(20):
            async for told in session:
                if isinstance(told, m.TurnDone):
                    assert told.outcome == "completed"
                    break


async def test_that_of_two_messages_none_is_sent() -> None:
    client = WireClient()
    async with client, client.create_session() as session:
        with pytest.raises(InvalidInput, match=r"ItemCreate.item.content\[0\].text is None"):
            await session.send_text(None)  # type: ignore[arg-type]
        link = session.require_service(WireLink)
        assert link.written == []


def test_options_of_a_new_session() -> None:
    with pytest.raises(InvalidInput, match="instructions is of type int, where str or None belongs"):
        WireClient().create_session(SessionOptions(instructions=5))  # type: ignore[arg-type]


class _Fields(TypedDict):
    a: int


class _OwnOptions(SessionOptions, frozen=True, kw_only=True):
    """What an application, or a provider, may add."""

    speed: Annotated[float, msgspec.Meta(ge=0)] | None = None
    rate: Literal[8000, 16000] | None = None
    fields: _Fields | None = None
    pair: tuple[str, int] | None = None


@pytest.mark.parametrize(
    "options",
    [{"speed": 1.0}, {"rate": 8000}, {"fields": {"a": 1}}, {"pair": ("a", 1)}],
    ids=lambda options: next(iter(options)),
)
def test_options_that_somebody_adds(options: dict[str, Any]) -> None:
    check_fields(_OwnOptions(**options))


def test_that_a_number_among_others_is_not_any() -> None:
    with pytest.raises(InvalidInput, match="8000 or 16000"):
        check_fields(_OwnOptions(rate=44_100))  # type: ignore[arg-type]
