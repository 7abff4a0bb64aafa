"""What single servers of this family add, leave out or call by other names."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.content import TextContent, Usage
from duologue.errors import UnsupportedOperation
from duologue.items import ItemReference, McpCall, MessageItem
from duologue.options import NoiseReduction, SessionOptions, Transcription
from duologue.protocols.openai import (
    AZURE_PREVIEW,
    LOCALAI,
    OPENAI,
    QWEN,
    SPEACHES,
    SPEECH_TO_SPEECH,
    VOICE_LIVE,
    XAI,
    Dialect,
    OpenAIServerProtocol,
)
from duologue.protocols.openai.session_reading import read_session
from duologue.tools import FunctionTool, McpApprovalFilter, McpServerTool
from openai_wire import frame, opened, said, sent

WHERE: dict[str, Any] = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
SPOKEN = "conversation.item.input_audio_transcription"


def begin(response_id: str = "r") -> str:
    return frame("response.created", response={"id": response_id, "status": "in_progress"})


# --- names of the beta, whatever the dialect ---


@pytest.mark.parametrize("dialect", [OPENAI, XAI, AZURE_PREVIEW, QWEN], ids=lambda dialect: dialect.provider)
@pytest.mark.parametrize(
    ("ga", "beta", "fields"),
    [
        ("response.output_text.delta", "response.text.delta", {"delta": "x"}),
        ("response.output_text.done", "response.text.done", {"text": "x"}),
        ("response.output_audio.delta", "response.audio.delta", {"delta": "AAAA"}),
        ("response.output_audio.done", "response.audio.done", {}),
        ("response.output_audio_transcript.delta", "response.audio_transcript.delta", {"delta": "x"}),
        ("response.output_audio_transcript.done", "response.audio_transcript.done", {"transcript": "x"}),
    ],
)
def test_that_both_names_mean_the_same(dialect: Dialect, ga: str, beta: str, fields: dict[str, Any]) -> None:
    new, old = (opened(dialect).receive(frame(name, **WHERE, **fields)) for name in (ga, beta))
    assert new == old
    assert len(new) == 1
    assert not isinstance(new[0], m.RawServerMessage)


def test_that_a_transcription_session_of_the_beta_is_a_session() -> None:
    update = frame("transcription_session.updated", session={"input_audio_format": "g711_ulaw"})
    [updated] = opened(AZURE_PREVIEW).receive(update)
    assert isinstance(updated, m.SessionUpdated)
    assert updated.options.input_audio is not None


# --- xAI ---


def test_that_pings_and_the_conversation_pass_as_they_are() -> None:
    protocol = opened(XAI)
    for text in (frame("ping", timestamp=1), frame("conversation.created", conversation={"id": "c"})):
        [raw] = protocol.receive(text)
        assert isinstance(raw, m.RawServerMessage)
        assert bytes(raw.data) == text.encode()
    assert protocol.frames_to_send() == []


def test_that_cumulative_words_replace_and_the_last_ones_are_final() -> None:
    protocol = opened(XAI)
    first, second, last = (
        message
        for text in (
            frame(f"{SPOKEN}.updated", item_id="i", transcript="how"),
            frame(f"{SPOKEN}.updated", item_id="i", transcript="how are"),
            frame(f"{SPOKEN}.completed", item_id="i", transcript="How are you?"),
        )
        for message in protocol.receive(text)
    )
    assert first == m.InputTranscriptDelta(id="event_1", item_id="i", text="how", replaces=True)
    assert second == m.InputTranscriptDelta(id="event_1", item_id="i", text="how are", replaces=True)
    assert last == m.InputTranscriptCompleted(id="event_1", item_id="i", text="How are you?")


def test_that_say_is_a_text_that_is_spoken_as_it_is() -> None:
    protocol = opened(XAI)
    assert XAI.capabilities.say == "exact"
    assert said(protocol, m.Say(id="a", text="Mind the gap.")) == [
        {
            "type": "conversation.item.create",
            "event_id": "a",
            "item": {
                "type": "force_message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Mind the gap."}],
            },
        }
    ]
    assert len(protocol.receive(begin())) == 1


def test_that_what_is_said_can_be_cancelled_before_it_begins() -> None:
    protocol = opened(XAI)
    said(protocol, m.Say(id="a", text="Mind the gap."))
    said(protocol, m.ResponseCancel(id="b"))
    protocol.receive(begin())
    assert sent(protocol) == [{"type": "response.cancel", "event_id": "cancel_r", "response_id": "r"}]
    assert protocol.receive(frame("response.output_audio.delta", **WHERE, delta="AAAA")) == []


def test_that_a_text_that_was_spoken_is_the_assistant_s() -> None:
    item = {"id": "i", "type": "force_message", "content": [{"type": "output_text", "text": "Hi."}]}
    [added] = opened(XAI).receive(frame("conversation.item.added", item=item))
    assert isinstance(added, m.ItemAdded)
    assert added.item == MessageItem(id="i", role="assistant", content=(TextContent(text="Hi."),))


def test_that_usage_beside_the_response_counts() -> None:
    text = frame("response.done", response={"id": "r", "status": "completed", "usage": {}}, usage={"input_tokens": 5})
    [done] = opened(XAI).receive(text)
    assert isinstance(done, m.ResponseDone)
    assert done.usage == Usage(input_tokens=5)


@pytest.mark.parametrize("text", ["There is no active response to cancel.", "Cancel failed: response not active."])
def test_that_nothing_to_cancel_is_known_by_its_words(text: str) -> None:
    assert opened(XAI).receive(frame("error", error={"code": "bad", "message": text})) == []


def test_that_nested_tools_are_read_whatever_the_dialect_writes() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    assert read_session({"tools": tools}).function("f") is not None


# --- Qwen ---


def test_that_settled_and_unsettled_words_are_one_text() -> None:
    [words] = opened(QWEN).receive(frame(f"{SPOKEN}.text", item_id="i", text="how ", stash="are"))
    assert words == m.InputTranscriptDelta(id="event_1", item_id="i", text="how are", replaces=True)


# --- speech-to-speech: new names, old acknowledgements ---


def test_that_mixed_names_make_whole_items() -> None:
    protocol = opened(SPEECH_TO_SPEECH)
    item = {"id": "u", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi."}]}
    added = protocol.receive(frame("conversation.item.created", item=item, previous_item_id=None))
    assert [type(message) for message in added] == [m.ItemAdded, m.ItemDone]
    [delta] = protocol.receive(frame("response.output_audio_transcript.delta", **WHERE, delta="Hello"))
    assert isinstance(delta, m.OutputTranscriptDelta)


@pytest.mark.parametrize("dialect", [SPEACHES, LOCALAI], ids=lambda dialect: dialect.provider)
def test_that_fields_of_a_server_s_own_disturb_nobody(dialect: Dialect) -> None:
    session = {"speech_model": "x", "localai_classifier": {"a": 1}, "modalities": ["text"], "instructions": "y"}
    [updated] = opened(dialect).receive(frame("session.updated", session=session))
    assert updated == m.SessionUpdated(
        id="event_1", options=SessionOptions(instructions="y", output_modalities=("text",))
    )
    [raw] = opened(dialect).receive(frame("localai.classifier.result", label="x"))
    assert isinstance(raw, m.RawServerMessage)


# --- Voice Live ---

_FILTERED = McpServerTool(
    server_label="s",
    server_url="https://mcp.test",
    require_approval=McpApprovalFilter(always=("a",), never=("b", "c")),
)


def test_that_approvals_by_name_are_shaped_as_the_dialect_wants() -> None:
    shaped: dict[str, Any] = {}
    for dialect in (OPENAI, VOICE_LIVE):
        [event] = said(opened(dialect), m.SessionUpdate(id="a", options=SessionOptions(tools=(_FILTERED,))))
        shaped[dialect.provider] = event["session"]["tools"][0]["require_approval"]
        assert read_session(event["session"]).tools == (_FILTERED,)
    assert shaped == {
        "openai": {"always": {"tool_names": ["a"]}, "never": {"tool_names": ["b", "c"]}},
        "azure-voice-live": {"always": ["a"], "never": ["b", "c"]},
    }


_SERVER: dict[str, Any] = {"server_label": "s", "server_url": "https://mcp.test"}
UNKNOWN_PARTS: list[tuple[Dialect, m.ClientMessage, str]] = [
    (VOICE_LIVE, m.SessionUpdate(options=SessionOptions(transcription=Transcription(delay="low"))), "delay"),
    (VOICE_LIVE, m.SessionUpdate(options=SessionOptions(transcription=Transcription(languages=("en",)))), "languages"),
    (VOICE_LIVE, m.SessionUpdate(options=SessionOptions(noise_reduction=NoiseReduction(strength=0.5))), "strength"),
    (
        VOICE_LIVE,
        m.SessionUpdate(options=SessionOptions(tools=(McpServerTool(**_SERVER, read_only=True),))),
        "read_only",
    ),
    (
        VOICE_LIVE,
        m.ResponseCreate(tools=(McpServerTool(server_label="s", connector_id="connector_gmail"),)),
        "connector_id",
    ),
    (VOICE_LIVE, m.FunctionCallApproval(approval_id="a", approve=False, reason="No."), "reason"),
    (VOICE_LIVE, m.ItemCreate(item=McpCall(server_label="s", name="f")), "McpCall"),
    (VOICE_LIVE, m.ResponseCreate(items=(ItemReference(id="i"),)), "ItemReference"),
    (XAI, m.SessionUpdate(options=SessionOptions(transcription=Transcription(prompt="p"))), "prompt"),
]


@pytest.mark.parametrize(("dialect", "message", "what"), UNKNOWN_PARTS, ids=[row[2] for row in UNKNOWN_PARTS])
def test_that_a_part_that_a_server_does_not_know_is_refused(
    dialect: Dialect, message: m.ClientMessage, what: str
) -> None:
    protocol = opened(dialect)
    with pytest.raises(UnsupportedOperation, match=what):
        protocol.send(message)
    assert protocol.frames_to_send() == []
    if not isinstance(message, m.FunctionCallApproval):
        assert said(opened(OPENAI), message)


def test_that_every_part_that_a_dialect_lacks_is_a_part() -> None:
    structs = {
        "transcription": Transcription,
        "noise_reduction": NoiseReduction,
        "mcp": McpServerTool,
        "approval": m.FunctionCallApproval,
    }
    for dialect in (VOICE_LIVE, XAI):
        for lacking in dialect.lacks:
            option, _, name = lacking.partition(".")
            assert name in structs[option].__struct_fields__


# --- the server's role ---


def test_that_a_server_reads_what_it_does_not_know_of_a_session() -> None:
    server = OpenAIServerProtocol()
    [update] = server.receive(frame("session.update", session={"type": "realtime", "truncation": "disabled"}))
    assert isinstance(update, m.SessionUpdate)
    assert update.options.extra == {"truncation": "disabled"}
    server.send(m.SessionUpdated(options=update.options))
    assert '"truncation":"disabled"' in str(server.frames_to_send())


def test_that_a_server_knows_the_rate_that_a_format_leaves_out() -> None:
    update = frame("session.update", session={"input_audio_format": "pcm16"})
    [read] = OpenAIServerProtocol(QWEN).receive(update)
    assert isinstance(read, m.SessionUpdate)
    assert read.options.input_audio is not None
    assert read.options.input_audio.rate == 16_000


def test_that_objects_are_named_where_the_vendor_names_them() -> None:
    server = OpenAIServerProtocol()
    items: tuple[m.Item, ...] = (
        m.FunctionCall(id="i", call_id="c", name="f"),
        McpCall(id="j", server_label="s", name="f"),
    )
    server.send(m.ResponseDone(response_id="r", items=items))
    [text] = server.frames_to_send()
    assert str(text).count('"object":"realtime.item"') == 1


def test_that_a_tool_that_is_no_tool_is_left_out() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}, {"type": "mcp"}]
    read = read_session({"tools": tools}).tools
    assert read is not None
    assert [tool.name for tool in read if isinstance(tool, FunctionTool)] == ["f"]
