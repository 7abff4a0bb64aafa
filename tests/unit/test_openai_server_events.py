"""Every event of the vendors' own models arrives as the message that stands for it, with all that it says.

Events are made of every model with the least that it needs, with null for all else, and full, until every alternative
of every field was taken. What arrived is then written again in the server's role, and compared with what was sent.
"""

from __future__ import annotations

import fnmatch
import functools
import itertools
import json
from typing import Any

import pytest

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.openai import OPENAI, VOICE_LIVE, Dialect, OpenAIClientProtocol, OpenAIServerProtocol
from openai_wire import opened
from vendor_models import Examples, as_of_the_tables, by_type, lost

realtime = pytest.importorskip("openai.types.realtime")
voicelive = pytest.importorskip("azure.ai.voicelive.models")

MODELS = {
    OPENAI.provider: by_type(realtime.RealtimeServerEvent),
    VOICE_LIVE.provider: by_type(voicelive.ServerEvent),
}
_SPOKEN = "conversation.item.input_audio_transcription"
SHARED: dict[str, type[ServerMessage]] = {
    "conversation.item.created": m.ItemAdded,
    "conversation.item.deleted": m.ItemDeleted,
    f"{_SPOKEN}.completed": m.InputTranscriptCompleted,
    f"{_SPOKEN}.delta": m.InputTranscriptDelta,
    f"{_SPOKEN}.failed": m.InputTranscriptFailed,
    "conversation.item.retrieved": m.ItemRetrieved,
    "conversation.item.truncated": m.ItemTruncated,
    "error": m.ErrorReported,
    "input_audio_buffer.cleared": m.InputAudioCleared,
    "input_audio_buffer.committed": m.InputAudioCommitted,
    "input_audio_buffer.speech_started": m.InputSpeechStarted,
    "input_audio_buffer.speech_stopped": m.InputSpeechStopped,
    "mcp_list_tools.completed": m.McpToolsListed,
    "mcp_list_tools.failed": m.McpToolsFailed,
    "mcp_list_tools.in_progress": m.McpToolsListing,
    "output_audio_buffer.cleared": m.OutputAudioCleared,
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
    "response.output_item.added": m.OutputItemAdded,
    "response.output_item.done": m.OutputItemDone,
    "session.created": m.SessionCreated,
    "session.updated": m.SessionUpdated,
}
GA: dict[str, type[ServerMessage]] = {
    **SHARED,
    "conversation.created": m.RawServerMessage,  # its only field, the conversation's id, is in every ResponseCreated
    "conversation.item.added": m.ItemAdded,
    "conversation.item.done": m.ItemDone,
    f"{_SPOKEN}.segment": m.InputTranscriptSegment,
    "input_audio_buffer.dtmf_event_received": m.DtmfReceived,
    "input_audio_buffer.timeout_triggered": m.InputIdleTimeout,
    "output_audio_buffer.started": m.OutputAudioStarted,
    "output_audio_buffer.stopped": m.OutputAudioStopped,
    "rate_limits.updated": m.RateLimitsUpdated,
    "response.output_audio.delta": m.OutputAudioDelta,
    "response.output_audio.done": m.OutputAudioDone,
    "response.output_audio_transcript.delta": m.OutputTranscriptDelta,
    "response.output_audio_transcript.done": m.OutputTranscriptDone,
    "response.output_text.delta": m.OutputTextDelta,
    "response.output_text.done": m.OutputTextDone,
}
# Faces, lip movements, word times, searches of the provider's own: nothing that a session of any provider has.
_OF_VOICE_LIVE_ALONE = (
    "response.animation_blendshapes.delta",
    "response.animation_blendshapes.done",
    "response.animation_viseme.delta",
    "response.animation_viseme.done",
    "response.audio_timestamp.delta",
    "response.audio_timestamp.done",
    "response.audio_transcript.annotation.added",
    "response.file_search_call.completed",
    "response.file_search_call.in_progress",
    "response.file_search_call.searching",
    "response.invocation.delta",
    "response.video.delta",
    "response.web_search_call.completed",
    "response.web_search_call.in_progress",
    "response.web_search_call.searching",
    "session.avatar.connecting",
    "session.avatar.switch_to_idle",
    "session.avatar.switch_to_speaking",
)
BETA: dict[str, type[ServerMessage]] = {
    **SHARED,
    "response.audio.delta": m.OutputAudioDelta,
    "response.audio.done": m.OutputAudioDone,
    "response.audio_transcript.delta": m.OutputTranscriptDelta,
    "response.audio_transcript.done": m.OutputTranscriptDone,
    "response.text.delta": m.OutputTextDelta,
    "response.text.done": m.OutputTextDone,
    "warning": m.ErrorReported,
    **dict.fromkeys(_OF_VOICE_LIVE_ALONE, m.RawServerMessage),
}
MESSAGES = {OPENAI.provider: GA, VOICE_LIVE.provider: BETA}

# Places, as patterns, whose value does not come back, and why.
_EVERYWHERE = {
    "session.created event_id": "SessionCreated has the id of the event that confirms the options",
    "session.created session.tools[[]]*": "the session's tools are the application's own objects, not the echo",
    "response.* response.status_details.type": "it repeats the response's status",
    "response.* response.*modalities[[]]": "speech with its transcript is one modality here",
    "session.* session.*modalities[[]]": "likewise",
}
NOT_CARRIED: dict[str, dict[str, str]] = {
    OPENAI.provider: {
        **_EVERYWHERE,
        "conversation.item.created type": "GA says it as added, and so does the server's role",
        "session.updated session.tools[[]].allowed_callers[[]]": "of an API for text; nothing here has such callers",
        "session.updated session.tools[[]].require_approval.*.read_only": "McpApprovalFilter goes by names",
        "session.* session.tracing*": "asked for in `extra`, and not read back",
        "session.* session.truncation*": "asked for in `extra`, and not read back",
        "session.* session.audio.output.voice.id": "a voice is told by its id or name alone",
    },
    VOICE_LIVE.provider: {
        **_EVERYWHERE,
        "conversation.item.input_audio_transcription.completed phrases*": "times of words; they are in the frame",
        "conversation.item.input_audio_transcription.failed error.event_id": "no event of the client caused it",
        "session.updated session.id": "told in SessionCreated",
        "session.updated session.expires_at": "told in SessionCreated",
        "session.* session.input_audio_sampling_rate": "G.711 has but one rate, whatever is said of it",
        "session.* session.avatar*": "of Voice Live alone: asked for in `extra`, and not read back",
        "session.* session.animation*": "likewise",
        "session.* session.agent*": "likewise",
        "session.* session.interim_response*": "likewise",
        "session.* session.output_audio_timestamp_types*": "likewise",
        "session.* session.input_audio_echo_cancellation*": "likewise",
        "session.* session.input_audio_transcription.custom_speech*": "likewise",
        "session.* session.input_audio_noise_reduction.type": "azure_deep_noise_suppression is no NoiseReduction",
        "session.* session.turn_detection*": "azure_semantic_vad has numbers that SemanticTurnDetection has not",
        "* *voice.*": "a voice is told by its id or name alone",
        "response.* response.temperature": "no field of GA's responses",
        "* *item*content[[]].type": "a text part is typed by who wrote it",
        "response.* response.output[[]].content[[]].type": "likewise",
        "response.content_part.* part.type": "a part that is being made is typed without a prefix",
    },
}
PARTS = {
    "text": {"text"},
    "input_text": {"text"},
    "output_text": {"text"},
    "audio": {"audio", "transcript"},
    "input_audio": {"audio", "transcript"},
    "output_audio": {"audio", "transcript"},
    "input_image": {"image_url", "detail"},
}
FIXED: dict[str, Any] = {
    "server_url": "https://mcp.test",
    "headers": {"X-Key": "key"},
    "parameters": {"type": "object", "properties": {}},
    "input_audio_sampling_rate": 24_000,
    "variables": {"name": "value"},
}
ADDRESSES = ("server_url", "connector_id", "tunnel_id")
_turns = itertools.count()


def sensible(made: dict[str, Any]) -> dict[str, Any]:
    """Models let a part be of all kinds at once, a server have three addresses, a tool no name: nobody sends that."""
    kind = made.get("type")
    if kind in PARTS and "item_id" not in made:
        return {name: value for name, value in made.items() if name == "type" or name in PARTS[kind]}
    approval = made.get("require_approval")
    if isinstance(approval, dict) and not approval.keys() & {"always", "never"}:
        made["require_approval"] = dict(zip(("always", "never"), approval.values(), strict=False))
    given = [name for name in ADDRESSES if made.get(name)]
    if kind == "mcp" and given:
        address = given[next(_turns) % len(given)]
        return {name: value for name, value in made.items() if name == address or name not in ADDRESSES}
    if isinstance(made.get("tools"), list):
        made["tools"] = [tool for tool in made["tools"] if any(tool.get(name) for name in ("name", *ADDRESSES))]
    if isinstance(made.get("content"), list):
        made["content"] = [part for part in made["content"] if part.get("type")]
    if isinstance(made.get("error"), dict) and "any" in made["error"]:
        made["error"] = {"type": "error_type", "message": "error_message"}
    return made


@functools.cache
def events(provider: str, kind: str) -> list[dict[str, Any]]:
    """Events of that type, as the vendor's model has them."""
    return list(Examples(FIXED, sensible).of(MODELS[provider][kind]))


def receive(event: dict[str, Any], dialect: Dialect) -> list[ServerMessage]:
    """What a client reads of an event."""
    if event["type"] != "session.created":
        return opened(dialect).receive(json.dumps(event))
    client = OpenAIClientProtocol(dialect)
    client.open(SessionOptions())
    return [*client.receive(json.dumps(event)), *client.receive('{"type":"session.updated"}')]


CASES = [
    pytest.param(dialect, kind, id=f"{dialect.provider}-{kind}")
    for dialect in (OPENAI, VOICE_LIVE)
    for kind in MESSAGES[dialect.provider]
]


@as_of_the_tables
def test_that_the_tables_are_whole() -> None:
    assert set(GA) == set(MODELS[OPENAI.provider])
    assert len(GA) == 46
    assert set(BETA) == set(MODELS[VOICE_LIVE.provider])
    assert len(BETA) == 56


@pytest.mark.parametrize(("dialect", "kind"), CASES)
def test_that_every_event_of_the_vendor_s_models_is_the_message_that_it_stands_for(dialect: Dialect, kind: str) -> None:
    expected = MESSAGES[dialect.provider][kind]
    assert events(dialect.provider, kind)
    for event in events(dialect.provider, kind):
        if hasattr(MODELS[dialect.provider][kind], "model_validate"):
            MODELS[dialect.provider][kind].model_validate(event)
        read = receive(event, dialect)
        assert [type(message) for message in read].count(expected) == 1, event
        others = {type(message) for message in read} - {expected}
        assert others <= {m.ItemDone, m.ApprovalRequested}, event


_carried = [case for case in CASES if MESSAGES[case.values[0].provider][case.values[1]] is not m.RawServerMessage]  # type: ignore[union-attr,index]


@as_of_the_tables
@pytest.mark.parametrize(("dialect", "kind"), _carried)
def test_that_nothing_of_an_event_is_lost(dialect: Dialect, kind: str) -> None:
    assert [place for place in _lost(dialect.provider, kind) if not _reasons(place, dialect)] == []


@as_of_the_tables
@pytest.mark.parametrize("dialect", [OPENAI, VOICE_LIVE], ids=lambda dialect: dialect.provider)
def test_that_the_list_of_what_is_lost_is_true(dialect: Dialect) -> None:
    found = {
        reason
        for kind, message in MESSAGES[dialect.provider].items()
        if message is not m.RawServerMessage
        for place in _lost(dialect.provider, kind)
        for reason in _reasons(place, dialect)
    }
    assert found == set(NOT_CARRIED[dialect.provider])


@functools.cache
def _lost(provider: str, kind: str) -> frozenset[str]:
    dialect = next(known for known in (OPENAI, VOICE_LIVE) if known.provider == provider)
    return frozenset(place for event in events(provider, kind) for place in _lost_of(event, dialect))


def _lost_of(event: dict[str, Any], dialect: Dialect) -> list[str]:
    expected = MESSAGES[dialect.provider][event["type"]]
    message = next(message for message in receive(event, dialect) if isinstance(message, expected))
    server = OpenAIServerProtocol(dialect)
    server.send(message)
    [again] = server.frames_to_send()
    return [f"{event['type']} {place}" for place in lost(event, json.loads(again))]


def _reasons(place: str, dialect: Dialect) -> list[str]:
    return [pattern for pattern in NOT_CARRIED[dialect.provider] if fnmatch.fnmatch(place, pattern)]
