"""The events that a server sends, as they stand on the wire, under every dialect's names.

Objects that servers fill at their own will (items, responses, sessions, errors) stay JSON here.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from duologue.protocols.json_values import JsonObject


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of a server has."""

    event_id: str | None = None


class _ItemEvent(ServerEvent, frozen=True, kw_only=True):
    response_id: str = ""
    item_id: str = ""
    output_index: int = 0


class _PartEvent(_ItemEvent, frozen=True, kw_only=True):
    content_index: int = 0


# --- the session -----------------------------------------------------------------------------------------------------


class SessionCreated(ServerEvent, frozen=True, kw_only=True, omit_defaults=True, tag="session.created"):
    session: JsonObject = {}
    id: str | None = None  # vLLM has it beside the session


class SessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    session: JsonObject = {}


class SessionFinished(ServerEvent, frozen=True, kw_only=True, tag="session.finished"):
    """Qwen's answer to ``session.finish``."""


class Error(ServerEvent, frozen=True, kw_only=True, omit_defaults=True, tag="error"):
    error: Any = None  # an object, or text (vLLM)
    code: Any = None
    message: Any = None


class ServerWarning(ServerEvent, frozen=True, kw_only=True, tag="warning"):
    warning: Any = None


class RateLimitsUpdated(ServerEvent, frozen=True, kw_only=True, tag="rate_limits.updated"):
    rate_limits: list[Any] = []


# --- the user's input ------------------------------------------------------------------------------------------------


class SpeechStarted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    item_id: str | None = None
    audio_start_ms: int | None = None


class SpeechStopped(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    item_id: str | None = None
    audio_end_ms: int | None = None


class AudioCommitted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    item_id: str | None = None
    previous_item_id: str | None = None


class AudioCleared(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    pass


class IdleTimeout(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"):
    item_id: str | None = None
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None


class DtmfReceived(
    ServerEvent, frozen=True, kw_only=True, omit_defaults=True, tag="input_audio_buffer.dtmf_event_received"
):
    event: str = ""
    received_at: int | None = None


_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class TranscriptionDelta(ServerEvent, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.delta"):
    item_id: str = ""
    content_index: int | None = 0
    delta: str | None = ""
    logprobs: list[Any] | None = None


class TranscriptionUpdated(ServerEvent, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.updated"):
    """xAI's: all of the words so far."""

    item_id: str = ""
    content_index: int | None = 0
    transcript: str = ""


class TranscriptionText(ServerEvent, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.text"):
    """Qwen's: what is settled so far, and what may still change."""

    item_id: str = ""
    content_index: int | None = 0
    text: str = ""
    stash: str = ""


class TranscriptionCompleted(ServerEvent, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.completed"):
    item_id: str = ""
    content_index: int | None = 0
    transcript: str | None = ""
    usage: Any = None
    languages: list[Any] | None = None
    logprobs: list[Any] | None = None


class TranscriptionFailed(ServerEvent, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.failed"):
    item_id: str = ""
    content_index: int | None = 0
    error: Any = None


class TranscriptionSegment(ServerEvent, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.segment"):
    item_id: str = ""
    content_index: int | None = 0
    id: str | None = None
    speaker: str | None = None
    text: str = ""
    start: float = 0.0
    end: float = 0.0


class BareTranscriptionDelta(ServerEvent, frozen=True, kw_only=True, tag="transcription.delta"):
    """vLLM's: there are no items."""

    delta: str = ""


class BareTranscriptionDone(ServerEvent, frozen=True, kw_only=True, tag="transcription.done"):
    """vLLM's: there are no items."""

    text: str = ""
    usage: Any = None


# --- the conversation ------------------------------------------------------------------------------------------------


class ItemAdded(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.added"):
    item: JsonObject = {}
    previous_item_id: str | UnsetType | None = UNSET


class ItemCreated(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.created"):
    """The beta's; it stands for ``added`` and, of items that are whole, for ``done``."""

    item: JsonObject = {}
    previous_item_id: str | UnsetType | None = UNSET


class ItemDone(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.done"):
    item: JsonObject = {}
    previous_item_id: str | UnsetType | None = UNSET


class ItemRetrieved(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.retrieved"):
    item: JsonObject = {}


class ItemDeleted(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    item_id: str = ""


class ItemTruncated(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.truncated"):
    item_id: str = ""
    content_index: int = 0
    audio_end_ms: int = 0


# --- responses -------------------------------------------------------------------------------------------------------


class ResponseCreated(ServerEvent, frozen=True, kw_only=True, tag="response.created"):
    response: JsonObject = {}


class ResponseDone(ServerEvent, frozen=True, kw_only=True, omit_defaults=True, tag="response.done"):
    response: JsonObject = {}
    usage: Any = None  # xAI has it beside the response


class OutputItemAdded(ServerEvent, frozen=True, kw_only=True, tag="response.output_item.added"):
    response_id: str = ""
    output_index: int = 0
    item: JsonObject = {}


class OutputItemDone(ServerEvent, frozen=True, kw_only=True, tag="response.output_item.done"):
    response_id: str = ""
    output_index: int = 0
    item: JsonObject = {}


class ContentPartAdded(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    part: JsonObject = {}


class ContentPartDone(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    part: JsonObject = {}


class TextDelta(_PartEvent, frozen=True, kw_only=True, gc=False, tag="response.output_text.delta"):
    delta: str = ""


class TextDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    text: str = ""


class AudioDelta(_PartEvent, frozen=True, kw_only=True, gc=False, tag="response.output_audio.delta"):
    delta: str = ""


class AudioDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.done"):
    pass


class TranscriptDelta(_PartEvent, frozen=True, kw_only=True, gc=False, tag="response.output_audio_transcript.delta"):
    delta: str = ""


class TranscriptDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"):
    transcript: str = ""


class PlaybackStarted(ServerEvent, frozen=True, kw_only=True, tag="output_audio_buffer.started"):
    response_id: str = ""


class PlaybackStopped(ServerEvent, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"):
    response_id: str = ""


class PlaybackCleared(ServerEvent, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"):
    response_id: str | None = None


# --- tools -----------------------------------------------------------------------------------------------------------


class ArgumentsDelta(_ItemEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"):
    call_id: str = ""
    delta: str = ""


class ArgumentsDone(_ItemEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    call_id: str = ""
    name: str | None = None
    arguments: str = ""


class McpArgumentsDelta(_ItemEvent, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"):
    delta: str = ""
    obfuscation: str | None = None


class McpArgumentsDone(_ItemEvent, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"):
    arguments: str = ""


class McpCallInProgress(ServerEvent, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"):
    item_id: str = ""
    output_index: int = 0


class McpCallCompleted(ServerEvent, frozen=True, kw_only=True, tag="response.mcp_call.completed"):
    item_id: str = ""
    output_index: int = 0


class McpCallFailed(ServerEvent, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    item_id: str = ""
    output_index: int = 0


class McpToolsListing(ServerEvent, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    item_id: str = ""


class McpToolsListed(ServerEvent, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    item_id: str = ""


class McpToolsFailed(ServerEvent, frozen=True, kw_only=True, omit_defaults=True, tag="mcp_list_tools.failed"):
    item_id: str = ""
    error: Any = None


SERVER_EVENTS: tuple[type[ServerEvent], ...] = tuple(
    event
    for event in vars().copy().values()
    if isinstance(event, type) and issubclass(event, ServerEvent) and event.__struct_config__.tag is not None
)
