"""What is emitted is what the vendor's own models take, and every documented event is emitted or read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duologue import messages as m
from duologue.content import AudioContent, ErrorDetail, ImageContent, TextContent, TokenCounts, Usage
from duologue.formats import PCM16_24K, PCMA, PCMU
from duologue.items import (
    FunctionCall,
    FunctionResult,
    Item,
    McpApprovalRequest,
    McpCall,
    McpToolDescription,
    McpToolList,
    MessageItem,
)
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import (
    OFF,
    FunctionChoice,
    McpChoice,
    NoiseReduction,
    PromptTemplate,
    SemanticTurnDetection,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
)
from duologue.protocols.openai import OPENAI, OpenAIClientProtocol, OpenAIServerProtocol
from duologue.protocols.openai.server_events import SERVER_EVENTS
from duologue.tools import FunctionTool, McpApprovalFilter, McpServerTool
from openai_wire import opened, through_the_wire
from vendor_models import as_of_the_tables, by_type, problems

realtime = pytest.importorskip("openai.types.realtime")
pydantic = pytest.importorskip("pydantic")

BEYOND_THE_MODELS = {
    "session.created.session.object: unknown": "documented in prose: what a server adds to the options",
    "session.created.session.id: unknown": "likewise",
    "session.updated.session.object: unknown": "likewise",
}
"""What is sent although a model does not know it, and why."""

TOOLS = (
    FunctionTool(name="f", description="Does it.", parameters={"type": "object", "properties": {}}),
    McpServerTool(server_label="s", server_url="https://mcp.test", require_approval="always", allowed_tools=("a",)),
    McpServerTool(
        server_label="c",
        connector_id="connector_gmail",
        authorization="key",  # type: ignore[arg-type]
        read_only=True,
        require_approval=McpApprovalFilter(always=("a",), never=("b",)),
    ),
)
OPTIONS = [
    SessionOptions(),
    SessionOptions(kind="transcription", transcription=Transcription(model="gpt-transcribe", languages=("en",))),
    SessionOptions(instructions="", output_modalities=("text",), tools=(), max_output_tokens="unlimited"),
    SessionOptions(transcription=OFF, noise_reduction=OFF, turn_detection=OFF),
    SessionOptions(
        instructions="Be brief.",
        voice="marin",
        speed=1.2,
        input_audio=PCMU,
        output_audio=PCMA,
        output_modalities=("audio",),
        transcription=Transcription(model="gpt-transcribe", language="en", keywords=("x",), prompt="p", delay="low"),
        noise_reduction=NoiseReduction(kind="far_field", strength=0.5),
        turn_detection=ServerTurnDetection(
            threshold=0.4,
            prefix_padding_ms=200,
            silence_ms=300,
            idle_timeout_ms=6_000,
            create_response=True,
            interrupt_response=False,
        ),
        tools=TOOLS,
        tool_choice=FunctionChoice("f"),
        parallel_tool_calls=True,
        max_output_tokens=400,
        reasoning_effort="low",
        include=("item.input_audio_transcription.logprobs",),
        prompt=PromptTemplate(id="p", version="1", variables={"a": "b"}),
    ),
    SessionOptions(
        input_audio=PCM16_24K,
        turn_detection=SemanticTurnDetection(eagerness="low", create_response=False),
        tool_choice=McpChoice("s", "a"),
    ),
]
ITEMS: list[Item] = [
    MessageItem.system("x"),
    MessageItem.user("x", id="i"),
    MessageItem.assistant("x"),
    MessageItem.image(ImageContent(data=b"x", detail="low"), "Look."),
    MessageItem(role="user", content=(AudioContent(audio=b"\x00\x00", transcript="x"),)),
    FunctionCall(call_id="c", name="f", arguments="{}"),
    FunctionResult(call_id="c", output="1"),
]
CLIENT_MESSAGES: list[ClientMessage] = [
    *(m.SessionUpdate(id="a", options=options) for options in OPTIONS),
    *(m.ItemCreate(id="a", item=item, previous_item_id="root") for item in ITEMS),
    m.InputAudioAppend(id="a", audio=b"\x00\x00"),
    m.InputAudioCommit(id="a"),
    m.InputAudioClear(id="a"),
    m.InputAudioEnd(id="a"),
    m.ItemDelete(id="a", item_id="i"),
    m.ItemRetrieve(id="a", item_id="i"),
    m.ItemTruncate(id="a", item_id="i", audio_end_ms=100),
    m.ResponseCreate(id="a"),
    m.ResponseCreate(
        id="a",
        out_of_band=True,
        items=tuple(ITEMS),  # a reference is documented, and not in the models
        instructions="x",
        output_audio=PCMU,
        voice="cedar",
        output_modalities=("audio",),
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens="unlimited",
        reasoning_effort="high",
        prompt=PromptTemplate(id="p"),
        metadata={"k": "v"},
    ),
    m.ResponseCancel(id="a"),
    m.ResponseCancel(id="a", response_id="r"),
    m.Say(id="a", text="x"),
    m.OutputAudioClear(id="a"),
    m.FunctionCallApproval(id="a", approval_id="mcpr_1", approve=True),
]


@pytest.mark.parametrize("message", CLIENT_MESSAGES, ids=lambda message: type(message).__name__)
def test_that_client_events_are_the_vendor_s(message: ClientMessage) -> None:
    client = opened()
    client.send(message)
    for frame in client.frames_to_send():
        _check(realtime.RealtimeClientEvent, json.loads(frame))


def test_that_the_events_of_a_turn_of_the_application_are_the_vendor_s() -> None:
    client = opened(options=SessionOptions(turn_detection=OFF))
    client.send(m.UserTurnEnd(id="a"))
    events = [json.loads(frame) for frame in client.frames_to_send()]
    for event in events:
        _check(realtime.RealtimeClientEvent, event)
    assert len(events) == 2


def test_that_opening_says_what_an_update_says() -> None:
    client = OpenAIClientProtocol()
    client.open(OPTIONS[4])
    client.receive('{"type":"session.created","session":{}}')
    [frame] = client.frames_to_send()
    _check(realtime.RealtimeClientEvent, json.loads(frame))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_that_options_arrive_as_they_were(options: SessionOptions) -> None:
    client, server = opened(), OpenAIServerProtocol()
    client.send(m.SessionUpdate(id="a", options=options))
    [frame] = client.frames_to_send()
    kind = options.kind or "conversation"
    [update] = server.receive(frame)
    assert isinstance(update, m.SessionUpdate)
    assert update.options == options.merged(SessionOptions(kind=kind))


WHERE: dict[str, Any] = {"id": "e", "response_id": "r", "item_id": "i"}
PART: dict[str, Any] = {**WHERE, "output_index": 1, "content_index": 2}
CALL = FunctionCall(id="i", status="completed", call_id="c", name="f", arguments="{}")
USAGE = Usage(
    input_tokens=2,
    output_tokens=3,
    total_tokens=5,
    input=TokenCounts(text=1, audio=1, image=0),
    output=TokenCounts(text=1, audio=2),
    cached_tokens=1,
    cached=TokenCounts(text=1),
)
RESPONSE: dict[str, Any] = {
    "id": "e",
    "response_id": "r",
    "conversation_id": "c",
    "output_modalities": ("audio",),
    "output_audio": PCM16_24K,
    "voice": "marin",
    "max_output_tokens": "unlimited",
    "metadata": {"k": "v"},
}
SERVER_MESSAGES: list[ServerMessage] = [
    m.InputSpeechStarted(id="e", item_id="i", audio_start_ms=1),
    m.InputSpeechStopped(id="e", item_id="i", audio_end_ms=1),
    m.InputAudioCommitted(id="e", item_id="i", previous_item_id="p"),
    m.InputAudioCleared(id="e"),
    m.InputIdleTimeout(id="e", item_id="i", audio_start_ms=1, audio_end_ms=2),
    m.DtmfReceived(key="5", received_at=1),
    m.InputTranscriptDelta(
        id="e", item_id="i", text="x", logprobs=(m.TokenProbability(token="x", logprob=-0.5, bytes=(120,)),)
    ),
    m.InputTranscriptCompleted(
        id="e", item_id="i", text="x", usage=Usage(input_tokens=1, output_tokens=2, total_tokens=3)
    ),
    m.InputTranscriptCompleted(
        id="e", item_id="i", text="x", usage=Usage(seconds=2.5), languages=(m.SpokenLanguage(code="en"),)
    ),
    m.InputTranscriptFailed(
        id="e", item_id="i", error=ErrorDetail(message="x", type="server_error", code="c", param="p")
    ),
    m.InputTranscriptSegment(id="e", item_id="i", segment_id="s", speaker="A", text="x", start_ms=500, end_ms=1_500),
    *(m.ItemAdded(id="e", item=item, previous_item_id="root") for item in ITEMS),
    m.ItemDone(id="e", item=MessageItem.user("x", id="i"), previous_item_id="p"),
    m.ItemRetrieved(id="e", item=CALL),
    m.ItemDeleted(id="e", item_id="i"),
    m.ItemTruncated(id="e", item_id="i", audio_end_ms=5),
    m.ResponseCreated(**RESPONSE),
    m.ResponseDone(**RESPONSE, status="completed", items=(CALL,), usage=USAGE),
    m.ResponseDone(**RESPONSE, status="cancelled", reason="turn_detected"),
    m.ResponseDone(**RESPONSE, status="failed", error=ErrorDetail(message="x", type="server_error", code="c")),
    m.OutputItemAdded(id="e", response_id="r", output_index=1, item=CALL),
    m.OutputItemDone(id="e", response_id="r", item=McpCall(id="i", server_label="s", name="f", output="1")),
    m.OutputItemDone(
        id="e",
        response_id="r",
        item=McpToolList(id="i", server_label="s", tools=(McpToolDescription(name="f", input_schema={"a": 1}),)),
    ),
    m.ContentPartAdded(**PART, part=TextContent(text="")),
    m.ContentPartDone(**PART, part=AudioContent(transcript="x")),
    m.OutputTextDelta(**PART, text="x"),
    m.OutputTextDone(**PART, text="x"),
    m.OutputAudioDelta(**PART, audio=b"\x00\x01", format=PCM16_24K),
    m.OutputAudioDone(**PART),
    m.OutputTranscriptDelta(**PART, text="x"),
    m.OutputTranscriptDone(**PART, text="x"),
    m.OutputAudioStarted(id="e", response_id="r"),
    m.OutputAudioStopped(id="e", response_id="r"),
    m.OutputAudioCleared(id="e", response_id="r"),
    m.FunctionArgumentsDelta(**WHERE, call_id="c", text="{"),
    m.FunctionArgumentsDone(**WHERE, call_id="c", name="f", arguments="{}"),
    m.McpToolsListing(id="e", item_id="i"),
    m.McpToolsListed(id="e", item_id="i"),
    m.McpToolsFailed(id="e", item_id="i"),
    m.McpArgumentsDelta(**WHERE, text="x", obfuscation="y"),
    m.McpArgumentsDone(**WHERE, arguments="{}"),
    m.McpCallProgress(id="e", item_id="i", status="in_progress"),
    m.McpCallProgress(id="e", item_id="i", status="completed"),
    m.McpCallProgress(id="e", item_id="i", status="failed"),
    m.RateLimitsUpdated(id="e", limits=(m.RateLimit(name="tokens", limit=1, remaining=0, reset_seconds=0.5),)),
    m.ErrorReported(id="e", kind="invalid_request", error=ErrorDetail(message="x", type="invalid_request_error")),
]


@pytest.mark.parametrize("message", SERVER_MESSAGES, ids=lambda message: type(message).__name__)
def test_that_server_events_are_the_vendor_s_and_arrive(message: ServerMessage) -> None:
    server = OpenAIServerProtocol()
    server.send(message)
    [frame] = server.frames_to_send()
    _check(realtime.RealtimeServerEvent, json.loads(frame))
    assert through_the_wire(message) == [message]


def test_that_an_approval_is_told_with_its_item() -> None:
    item = McpApprovalRequest(id="i", server_label="s", name="f", arguments="{}")
    done, asked = through_the_wire(m.OutputItemDone(id="e", response_id="r", item=item))
    assert done == m.OutputItemDone(id="e", response_id="r", item=item)
    assert isinstance(asked, m.ApprovalRequested)


@as_of_the_tables
def test_that_every_documented_event_is_known() -> None:
    documented = {_type_of(model) for model in _members(realtime.RealtimeServerEvent)}
    assert len(documented) == 46
    known = {str(event.__struct_config__.tag) for event in SERVER_EVENTS}
    assert documented - known == {"conversation.created"}
    spoken = {_sent_type(message) for message in SERVER_MESSAGES}
    assert known & documented - spoken == {"session.created", "session.updated", "conversation.item.created"}


def test_that_a_greeting_is_the_vendor_s() -> None:
    server = OpenAIServerProtocol(OPENAI)
    server.open(OPTIONS[5].merged(SessionOptions(model="m")))
    server.send(m.SessionUpdated(options=OPTIONS[5]))
    for frame in server.frames_to_send():
        _check(realtime.RealtimeServerEvent, json.loads(frame))


def _sent_type(message: ServerMessage) -> str:
    server = OpenAIServerProtocol()
    server.send(message)
    kind: str = json.loads(server.frames_to_send()[0])["type"]
    return kind


def _members(union: Any) -> tuple[Any, ...]:
    while not hasattr(union, "__args__") or hasattr(union, "__metadata__"):
        union = union.__origin__ if hasattr(union, "__metadata__") else union.__value__
    return tuple(union.__args__)


def _type_of(model: Any) -> str:
    kind: str = model.model_fields["type"].annotation.__args__[0]
    return kind


def _check(union: Any, event: dict[str, Any]) -> None:
    """The model of the event's own type takes it, and knows every field of it."""
    model = by_type(union)[event["type"]]
    model.model_validate(event, strict=False)
    found = problems(event, model, event["type"])
    assert [problem for problem in found if problem not in BEYOND_THE_MODELS] == []
