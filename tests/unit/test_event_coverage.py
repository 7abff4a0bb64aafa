"""Every documented event of OpenAI's realtime APIs is a message, or is raw for a reason."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from duologue import messages as m
from duologue.content import Usage
from duologue.messages.base import Message
from duologue.options import (
    NoiseReduction,
    PromptTemplate,
    SemanticTurnDetection,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
)

EVENTS = Path(__file__).parents[2].parent / "shared" / "research" / "events"

pytestmark = pytest.mark.skipif(not EVENTS.is_dir(), reason="The lists of documented events are not here.")

Struct = type[msgspec.Struct]


class Raw(str):
    """Why an event has no message of its own: it arrives as `RawServerMessage`, or goes out as `RawClientMessage`."""


MAPPED: dict[str, dict[str, type[Message] | Raw]] = {
    "openai_client_events": {
        "conversation.item.create": m.ItemCreate,
        "conversation.item.delete": m.ItemDelete,
        "conversation.item.retrieve": m.ItemRetrieve,
        "conversation.item.truncate": m.ItemTruncate,
        "input_audio_buffer.append": m.InputAudioAppend,
        "input_audio_buffer.clear": m.InputAudioClear,
        "input_audio_buffer.commit": m.InputAudioCommit,
        "output_audio_buffer.clear": m.OutputAudioClear,
        "response.cancel": m.ResponseCancel,
        "response.create": m.ResponseCreate,
        "session.update": m.SessionUpdate,
    },
    "openai_server_events": {
        "conversation.created": Raw("because its only field, the conversation's id, is in every ResponseCreated"),
        "conversation.item.added": m.ItemAdded,
        "conversation.item.created": m.ItemAdded,
        "conversation.item.deleted": m.ItemDeleted,
        "conversation.item.done": m.ItemDone,
        "conversation.item.input_audio_transcription.completed": m.InputTranscriptCompleted,
        "conversation.item.input_audio_transcription.delta": m.InputTranscriptDelta,
        "conversation.item.input_audio_transcription.failed": m.InputTranscriptFailed,
        "conversation.item.input_audio_transcription.segment": m.InputTranscriptSegment,
        "conversation.item.retrieved": m.ItemRetrieved,
        "conversation.item.truncated": m.ItemTruncated,
        "error": m.ErrorReported,
        "input_audio_buffer.cleared": m.InputAudioCleared,
        "input_audio_buffer.committed": m.InputAudioCommitted,
        "input_audio_buffer.dtmf_event_received": m.DtmfReceived,
        "input_audio_buffer.speech_started": m.InputSpeechStarted,
        "input_audio_buffer.speech_stopped": m.InputSpeechStopped,
        "input_audio_buffer.timeout_triggered": m.InputIdleTimeout,
        "mcp_list_tools.completed": m.McpToolsListed,
        "mcp_list_tools.failed": m.McpToolsFailed,
        "mcp_list_tools.in_progress": m.McpToolsListing,
        "output_audio_buffer.cleared": m.OutputAudioCleared,
        "output_audio_buffer.started": m.OutputAudioStarted,
        "output_audio_buffer.stopped": m.OutputAudioStopped,
        "rate_limits.updated": m.RateLimitsUpdated,
        "response.content_part.added": m.ContentPartAdded,
        "response.content_part.done": m.ContentPartDone,
        "response.created": m.ResponseCreated,
        "response.done": m.ResponseDone,
        "response.function_call_arguments.delta": m.FunctionArgumentsDelta,
        "response.function_call_arguments.done": m.FunctionArgumentsDone,
        "response.mcp_call.completed": m.McpCallProgress,
        "response.mcp_call.failed": m.McpCallProgress,
        "response.mcp_call.in_progress": m.McpCallProgress,
        "response.mcp_call_arguments.delta": m.McpArgumentsDelta,
        "response.mcp_call_arguments.done": m.McpArgumentsDone,
        "response.output_audio.delta": m.OutputAudioDelta,
        "response.output_audio.done": m.OutputAudioDone,
        "response.output_audio_transcript.delta": m.OutputTranscriptDelta,
        "response.output_audio_transcript.done": m.OutputTranscriptDone,
        "response.output_item.added": m.OutputItemAdded,
        "response.output_item.done": m.OutputItemDone,
        "response.output_text.delta": m.OutputTextDelta,
        "response.output_text.done": m.OutputTextDone,
        "session.created": m.SessionCreated,
        "session.updated": m.SessionUpdated,
    },
    "openai_live_client_events": {
        "decision.create": Raw("because no other API lets the application make the model's decisions"),
        "decision.item.create": Raw("because decisions have a list of items of their own, beside the conversation"),
        "decision.item.delete": Raw("because decisions have a list of items of their own, beside the conversation"),
        "response.create": m.ResponseCreate,
        "response.item.create": m.ItemCreate,
        "session.close": Raw("because closing the session sends it"),
        "session.commentary.append": Raw("because no other API takes words that the model may say by itself"),
        "session.input_audio.append": m.InputAudioAppend,
        "session.input_audio.mute": Raw("because sending no audio mutes the input on every wire"),
        "session.input_audio.unmute": Raw("because sending audio again unmutes the input on every wire"),
        "session.instructions.append": Raw("because it adds to instructions, which SessionUpdate replaces"),
        "session.output_audio.fixture.play": Raw("because it plays a recording of the application's, for tests"),
        "session.start": Raw("because opening the session sends it, with its options"),
        "session.thinking.append": Raw("because no other API takes thoughts from the application"),
        "session.update": m.SessionUpdate,
    },
    "openai_live_server_events": {
        "decision.event": Raw("because it wraps events of a decision, which has no counterpart"),
        "decision.item.created": Raw("because decisions have a list of items of their own, beside the conversation"),
        "decision.item.deleted": Raw("because decisions have a list of items of their own, beside the conversation"),
        "error": m.ErrorReported,
        "info": Raw("because it is a note to the developer, and nothing has happened"),
        "response.event": Raw("because it wraps an event of the Responses API, which a protocol takes out of it"),
        "session.closed": Raw("because the end of a session is HungUp, with what the event says"),
        "session.commentary.appended": Raw("because it acknowledges a raw client event"),
        "session.delegation.created": Raw("because it hands work to another model, which has no counterpart"),
        "session.input_audio.append": Raw("because it echoes the input to a second connection"),
        "session.input_audio.muted": Raw("because it acknowledges a raw client event"),
        "session.input_audio.unmuted": Raw("because it acknowledges a raw client event"),
        "session.input_transcript.delta": m.InputTranscriptDelta,
        "session.instructions.appended": Raw("because it acknowledges a raw client event"),
        "session.output_audio.delta": m.OutputAudioDelta,
        "session.output_audio.fixture.played": Raw("because it acknowledges a raw client event"),
        "session.output_audio.fixture.playing": Raw("because it acknowledges a raw client event"),
        "session.output_transcript.delta": m.OutputTranscriptDelta,
        "session.started": m.SessionCreated,
        "session.thinking.appended": Raw("because it acknowledges a raw client event"),
        "session.updated": m.SessionUpdated,
        "session.usage.updated": m.UsageReported,
        "transport.answered": Raw("because it is about a telephone call, which has no session yet"),
        "transport.dtmf.received": m.DtmfReceived,
        "transport.dtmf.send": Raw("because it asks a telephone bridge to send keys"),
        "transport.dtmf.sent": Raw("because it acknowledges keys that a telephone bridge has sent"),
        "transport.failed": Raw("because it is about a telephone call, which has no session yet"),
        "transport.ringing": Raw("because it is about a telephone call, which has no session yet"),
    },
    "openai_translation_client_events": {
        "session.close": Raw("because closing the session sends it"),
        "session.input_audio_buffer.append": m.InputAudioAppend,
        "session.update": m.SessionUpdate,
    },
    "openai_translation_server_events": {
        "error": m.ErrorReported,
        "session.closed": Raw("because the end of a session is HungUp"),
        "session.created": m.SessionCreated,
        "session.input_transcript.delta": m.InputTranscriptDelta,
        "session.output_audio.delta": m.OutputAudioDelta,
        "session.output_transcript.delta": m.OutputTranscriptDelta,
        "session.updated": m.SessionUpdated,
    },
}

# What a field of the wire is called here, where it is called otherwise.
ALWAYS = {"event_id": "id", "delta": "text", "transcript": "text", "session": "options", "rate_limits": "limits"}
RENAMED: dict[Struct, dict[str, str]] = {
    m.OutputAudioDelta: {"delta": "audio"},
    m.DtmfReceived: {"event": "key"},
    m.InputTranscriptSegment: {"id": "segment_id", "start": "start_ms", "end": "end_ms"},
}
# What is spread over several fields, which `PARTS` looks at one by one.
SPREAD: dict[Struct, set[str]] = {m.ResponseCreate: {"response"}, m.ResponseCreated: {"response"}}
SPREAD[m.ResponseDone] = SPREAD[m.ResponseCreated]

# Objects inside GA events: where they are found, what they are here, and which of their fields are called otherwise.
# None: the field says nothing that its class or its neighbours do not say.
PARTS: list[tuple[str, str, Struct, dict[str, str | None]]] = [
    ("server", "RealtimeResponse", m.ResponseDone, {
        "id": "response_id", "audio": "output_audio", "output": "items", "status_details": "reason", "object": None,
    }),
    ("server", "RealtimeResponse", m.ResponseCreated, {
        "id": "response_id", "audio": "voice", "output": "items", "status_details": "error", "object": None,
    }),
    ("client", "RealtimeResponseCreateParams", m.ResponseCreate, {
        "audio": "output_audio", "conversation": "out_of_band", "input": "items", "reasoning": "reasoning_effort",
    }),
    ("client", "RealtimeSessionCreateRequest", SessionOptions, {
        "type": "kind", "audio": "input_audio", "reasoning": "reasoning_effort", "tracing": "extra",
        "truncation": "extra",
    }),
    ("client", "RealtimeAudioConfigInput", SessionOptions, {"format": "input_audio"}),
    ("client", "RealtimeAudioConfigOutput", SessionOptions, {"format": "output_audio"}),
    ("client", "AudioTranscription", Transcription, {}),
    ("client", "NoiseReduction", NoiseReduction, {"type": "kind"}),
    ("client", "ServerVad", ServerTurnDetection, {"silence_duration_ms": "silence_ms", "type": None}),
    ("client", "SemanticVad", SemanticTurnDetection, {"type": None}),
    ("client", "ResponsePrompt", PromptTemplate, {}),
    ("server", "RealtimeConversationItemSystemMessage", m.MessageItem, {"type": None, "object": None}),
    ("server", "RealtimeConversationItemUserMessage", m.MessageItem, {"type": None, "object": None}),
    ("server", "RealtimeConversationItemAssistantMessage", m.MessageItem, {"type": None, "object": None}),
    ("server", "RealtimeConversationItemFunctionCall", m.FunctionCall, {"type": None, "object": None}),
    ("server", "RealtimeConversationItemFunctionCallOutput", m.FunctionResult, {"type": None, "object": None}),
    ("server", "RealtimeMcpListTools", m.McpToolList, {"type": None}),
    ("server", "RealtimeMcpToolCall", m.McpCall, {"type": None}),
    ("server", "RealtimeMcpApprovalRequest", m.McpApprovalRequest, {"type": None}),
    ("server", "RealtimeMcpApprovalResponse", m.McpApprovalResponse, {"type": None}),
    ("server", "RealtimeMcpProtocolError", m.ErrorDetail, {}),
    ("server", "RealtimeError", m.ErrorDetail, {"event_id": None}),
    ("server", "RealtimeError", m.ErrorReported, {
        "event_id": "cause_id", "message": "error", "type": "kind", "code": "error", "param": "error",
    }),
    ("server", "RealtimeResponseUsage", Usage, {"input_token_details": "input", "output_token_details": "output"}),
    ("server", "RealtimeResponseUsageInputTokenDetails", m.TokenCounts, {
        "audio_tokens": "audio", "image_tokens": "image", "text_tokens": "text", "cached_tokens": None,
        "cached_tokens_details": None,
    }),
    ("server", "RealtimeResponseUsageInputTokenDetails", Usage, {
        "audio_tokens": "input", "image_tokens": "input", "text_tokens": "input", "cached_tokens_details": "cached",
    }),
    ("server", "UsageTranscriptTextUsageDuration", Usage, {"type": None}),
    ("server", "LogProbProperties", m.TokenProbability, {}),
    ("server", "TranscriptionLanguage", m.SpokenLanguage, {}),
    ("server", "RateLimit", m.RateLimit, {}),
]  # fmt: skip


@functools.cache
def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return content


def _field_names(fields: list[dict[str, Any]]) -> set[str]:
    return {field["name"] for field in fields}


def test_that_every_list_is_covered() -> None:
    assert {path.stem for path in EVENTS.glob("openai_*_events.json")} == set(MAPPED)


@pytest.mark.parametrize("name", MAPPED)
def test_that_every_event_is_in_the_table_and_no_other(name: str) -> None:
    documented = set(_read(name)["events"])
    assert documented - set(MAPPED[name]) == set(), "The table lacks events."
    assert set(MAPPED[name]) - documented == set(), "The table names events that do not exist."


@pytest.mark.parametrize("name", MAPPED)
def test_that_what_is_mapped_goes_in_its_direction(name: str) -> None:
    expected = m.ClientMessage if "client" in name else m.ServerMessage
    for event, mapped in MAPPED[name].items():
        if isinstance(mapped, Raw):
            assert mapped.startswith("because "), event
        else:
            assert issubclass(mapped, expected), event


@pytest.mark.parametrize("name", ["openai_client_events", "openai_server_events"])
def test_that_a_message_has_the_fields_of_its_event(name: str) -> None:
    lacking = {}
    for event, description in _read(name)["events"].items():
        mapped = MAPPED[name][event]
        if isinstance(mapped, Raw):
            continue
        renamed = {**ALWAYS, **RENAMED.get(mapped, {})}
        documented = _field_names(description["fields"]) - {"type"} - SPREAD.get(mapped, set())
        lost = {field for field in documented if renamed.get(field, field) not in mapped.__struct_fields__}
        if lost:
            lacking[event] = lost
    assert lacking == {}


@pytest.mark.parametrize(
    ("side", "model", "kind", "renamed"), PARTS, ids=lambda value: getattr(value, "__name__", None)
)
def test_that_an_object_has_its_fields(side: str, model: str, kind: Struct, renamed: dict[str, str | None]) -> None:
    models = _read(f"openai_{side}_events")["_models"]
    found = [fields for name, fields in models.items() if name.rpartition(".")[2] == model]
    assert found, f"There is no {model}."
    documented = set().union(*map(_field_names, found))
    assert set(renamed) <= documented, "The table names fields that do not exist."
    here = {renamed.get(field, field) for field in documented} - {None}
    assert here - set(kind.__struct_fields__) == set()


def test_that_every_message_is_reachable_from_a_wire() -> None:
    """What no event of OpenAI's maps to comes from the library itself, or from another wire."""
    mapped = {kind for table in MAPPED.values() for kind in table.values() if not isinstance(kind, Raw)}
    known = set(m.AnyServerMessage.__args__) | set(m.AnyClientMessage.__args__)
    assert {kind.__name__ for kind in known - mapped} == {
        "ApprovalRequested",
        "ConnectionLost",
        "FunctionCallApproval",
        "InputAudioEnd",
        "InputImageAppend",
        "Interrupted",
        "OutputAudioPlayed",
        "RawClientMessage",
        "RawServerMessage",
        "ReasoningDelta",
        "ResumptionUpdated",
        "Say",
        "SessionExpiring",
        "SessionRestored",
        "ToolCallsCancelled",
        "TurnDone",
        "UserTurnEnd",
        "UserTurnStart",
    }
