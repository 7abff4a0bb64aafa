"""Message → frame → message is the identity, in both roles, wherever the wire carries all of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.content import AudioContent, ErrorDetail, ImageContent, TextContent
from duologue.formats import PCM16_24K
from duologue.items import (
    FunctionCall,
    FunctionResult,
    ItemReference,
    McpApprovalRequest,
    McpCall,
    McpToolList,
    MessageItem,
)
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import FunctionChoice, PromptTemplate
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI, VOICE_LIVE, OpenAIServerProtocol
from duologue.protocols.openai.commands import CommandWriter, encode_append, encode_event
from openai_wire import through_the_wire
from structs import build, strategy_of

IDS = st.text("abc_123", min_size=1, max_size=8)
NOTHING = st.none()

TEXT = build(TextContent)
SPEECH = build(AudioContent, format=NOTHING)
PICTURE = st.builds(ImageContent, url=st.just("https://x.test/a.png")) | st.builds(
    ImageContent, data=st.binary(max_size=8), detail=st.sampled_from(["low", "high", None])
)
ITEMS = st.one_of(
    build(MessageItem, content=st.lists(TEXT | SPEECH | PICTURE, max_size=3).map(tuple)),
    build(FunctionCall),
    build(FunctionResult, name=NOTHING, is_error=st.just(False)),
    build(McpToolList, tools=st.just(())),
    build(McpCall, error=NOTHING | st.builds(ErrorDetail, message=st.text(), type=IDS, code=st.just("404"))),
    build(McpApprovalRequest),
)
ERRORS = build(ErrorDetail, type=IDS)

SERVER_MESSAGES: dict[type[ServerMessage], dict[str, Any]] = {
    m.InputSpeechStarted: {},
    m.InputSpeechStopped: {},
    m.InputAudioCommitted: {},
    m.InputAudioCleared: {},
    m.InputIdleTimeout: {},
    m.DtmfReceived: {},
    m.InputTranscriptDelta: {"logprobs": NOTHING},
    m.InputTranscriptFailed: {"error": ERRORS},
    m.ItemAdded: {"item": ITEMS},
    m.ItemDone: {"item": ITEMS, "previous_item_id": NOTHING | IDS},
    m.ItemRetrieved: {"item": ITEMS},
    m.ItemDeleted: {},
    m.ItemTruncated: {"transcript": NOTHING},
    m.OutputItemAdded: {"item": ITEMS.filter(lambda item: not isinstance(item, McpApprovalRequest))},
    m.ContentPartAdded: {"part": TEXT | build(AudioContent, audio=NOTHING, format=NOTHING)},
    m.ContentPartDone: {"part": TEXT | build(AudioContent, audio=NOTHING, format=NOTHING)},
    m.OutputTextDelta: {},
    m.OutputTextDone: {},
    m.OutputAudioDelta: {"format": st.just(PCM16_24K)},
    m.OutputAudioDone: {},
    m.OutputTranscriptDelta: {},
    m.OutputTranscriptDone: {},
    m.OutputAudioStarted: {},
    m.OutputAudioStopped: {},
    m.OutputAudioCleared: {},
    m.FunctionArgumentsDelta: {},
    m.FunctionArgumentsDone: {},
    m.McpToolsListing: {},
    m.McpToolsListed: {},
    m.McpToolsFailed: {"error": NOTHING | ERRORS},
    m.McpArgumentsDelta: {},
    m.McpArgumentsDone: {},
    m.McpCallProgress: {},
    m.RateLimitsUpdated: {},
}
RESPONSES = st.fixed_dictionaries(
    {
        "id": IDS,
        "response_id": IDS,
        "status": st.sampled_from(["in_progress", "completed", "cancelled", "incomplete", "failed"]),
        "reason": NOTHING | IDS,
        "error": NOTHING | build(ErrorDetail, param=NOTHING),
        "items": st.lists(ITEMS, max_size=2).map(tuple),
        "conversation_id": IDS,
        "output_modalities": st.sampled_from([None, ("audio",), ("text",)]),
        "output_audio": st.sampled_from([None, PCM16_24K]),
        "voice": NOTHING | IDS,
        "max_output_tokens": st.sampled_from([None, 1, 4096, "unlimited"]),
        "metadata": NOTHING | st.dictionaries(IDS, IDS, max_size=2),
        "usage": NOTHING | build(m.Usage, total_tokens=st.just(3), seconds=NOTHING),
    }
)


@pytest.mark.parametrize("kind", SERVER_MESSAGES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_that_a_server_s_message_arrives_as_it_was(kind: type[ServerMessage], data: st.DataObject) -> None:
    message = data.draw(build(kind, id=IDS, turn_id=NOTHING, **SERVER_MESSAGES[kind]))
    read = through_the_wire(message)
    assert read[0] == message


@given(fields=RESPONSES)
@settings(max_examples=60, deadline=None)
def test_that_responses_arrive_as_they_were(fields: dict[str, Any]) -> None:
    for message in (m.ResponseCreated(**fields), m.ResponseDone(**fields)):
        assert through_the_wire(message) == [message]


@pytest.mark.parametrize("dialect", [AZURE_PREVIEW, VOICE_LIVE], ids=lambda dialect: dialect.provider)
def test_that_the_beta_says_the_same(dialect: Any) -> None:
    where: dict[str, Any] = {"id": "e", "response_id": "r", "item_id": "i"}
    messages: list[ServerMessage] = [
        m.OutputAudioDelta(**where, audio=b"\x00\x01", format=PCM16_24K),
        m.OutputAudioDone(**where),
        m.OutputTextDelta(**where, text="x"),
        m.OutputTextDone(**where, text="x"),
        m.OutputTranscriptDelta(**where, text="x"),
        m.OutputTranscriptDone(**where, text="x"),
        m.ResponseCreated(id="e", response_id="r", conversation_id="c", output_audio=PCM16_24K, voice="v"),
    ]
    assert [through_the_wire(message, dialect) for message in messages] == [[message] for message in messages]
    assert through_the_wire(m.ItemDone(item=MessageItem.user("x")), dialect) == []


CLIENT_MESSAGES: dict[type[ClientMessage], dict[str, Any]] = {
    m.InputAudioAppend: {"format": NOTHING},
    m.InputAudioCommit: {},
    m.InputAudioClear: {},
    m.ItemCreate: {"item": ITEMS},
    m.ItemDelete: {},
    m.ItemRetrieve: {},
    m.ItemTruncate: {},
    m.ResponseCancel: {},
    m.OutputAudioClear: {},
    m.FunctionCallApproval: {},
    m.ResponseCreate: {
        "when": st.just("now"),
        "follow_up": st.just(False),
        "items": NOTHING | st.lists(ITEMS | st.builds(ItemReference, id=IDS), max_size=2).map(tuple),
        "output_audio": st.sampled_from([None, PCM16_24K]),
        "output_modalities": st.sampled_from([None, ("audio",), ("text",)]),
        "tools": st.sampled_from([None, ()]),
        "tool_choice": st.sampled_from([None, "auto", "required", FunctionChoice("f")]),
        "max_output_tokens": st.sampled_from([None, 1, "unlimited"]),
        "prompt": NOTHING | build(PromptTemplate, variables=st.just({"a": "b"})),
        "extra": st.just({}) | st.just({"new": 1}),
    },
}


@pytest.mark.parametrize("kind", CLIENT_MESSAGES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_that_a_client_s_message_arrives_as_it_was(kind: type[ClientMessage], data: st.DataObject) -> None:
    message = data.draw(build(kind, id=IDS, **CLIENT_MESSAGES[kind]))
    server = OpenAIServerProtocol()
    if isinstance(message, m.InputAudioAppend):
        frames = [encode_append(message)]
    else:
        frames = [encode_event(event) for event in CommandWriter(OPENAI).write(message)]
    assert [read for out in frames for read in server.receive(out)] == [message]
    assert server.frames_to_send() == []


@given(audio=strategy_of(bytes))
@settings(max_examples=50, deadline=None)
def test_that_a_server_refuses_what_is_no_base64(audio: bytes) -> None:
    server = OpenAIServerProtocol()
    assert server.receive(encode_append(m.InputAudioAppend(audio=audio))) == [m.InputAudioAppend(audio=audio)]
    assert server.receive('{"type":"input_audio_buffer.append","event_id":"a","audio":"?"}') == []
    [refusal] = server.frames_to_send()
    assert isinstance(refusal, str)
    assert '"event_id":"a"' in refusal
    assert '"code":"invalid_value"' in refusal
