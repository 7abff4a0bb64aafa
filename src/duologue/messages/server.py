"""Messages from the model towards the application.

Each names the event of OpenAI's realtime API (GA) that it stands for; on other wires the protocol makes it up from what
they send.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from duologue.content import Content, ErrorDetail, Usage
from duologue.formats import AudioFormat
from duologue.items import FunctionCall, Item, McpApprovalRequest
from duologue.messages.base import ServerMessage, tag_of
from duologue.messages.client import AnyClientMessage
from duologue.options import Modality, SessionOptions

ResponseStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]
TurnOutcome = Literal["completed", "interrupted", "incomplete", "failed"]


# --- the session -----------------------------------------------------------------------------------------------------


class SessionCreated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The session is open and its options are confirmed; always the first message (``session.created``).

    Attributes:
        options: What was asked for, overlaid with what the provider confirmed.
        expires_at: When the provider ends it, in seconds since 1970.
    """

    session_id: str | None = None
    model: str | None = None
    options: SessionOptions
    expires_at: float | None = None


class SessionUpdated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The options that hold from now on (``session.updated``)."""

    options: SessionOptions


class SessionExpiring(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The provider will end the session soon.

    Attributes:
        seconds_left: How soon, in s.
    """

    seconds_left: float


class ConnectionLost(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The connection broke, and a layer is making a new one."""

    error: ErrorDetail | None = None


class SessionRestored(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The conversation goes on over a new connection.

    Attributes:
        session_id: The new session's id.
        resumed: Whether the provider itself took it up; else its items were sent anew.
    """

    session_id: str | None = None
    resumed: bool = False


class ResumptionUpdated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A handle for `SessionOptions.resume`; a later one replaces it."""

    handle: str
    resumable: bool = True


# --- the user's input ------------------------------------------------------------------------------------------------


class InputSpeechStarted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user starts to speak (``input_audio_buffer.speech_started``).

    Attributes:
        item_id: The user item to come.
        audio_start_ms: Where, in ms of all input audio of the session, prefix padding included.
    """

    item_id: str | None = None
    audio_start_ms: int | None = None


class InputSpeechStopped(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user has stopped speaking (``input_audio_buffer.speech_stopped``).

    Attributes:
        audio_end_ms: Where, in ms of all input audio of the session.
    """

    item_id: str | None = None
    audio_end_ms: int | None = None


class InputAudioCommitted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The input buffer became a user item (``input_audio_buffer.committed``)."""

    item_id: str | None = None
    previous_item_id: str | None = None


class InputAudioCleared(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The input buffer is empty (``input_audio_buffer.cleared``)."""


class InputIdleTimeout(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user was silent for too long (``input_audio_buffer.timeout_triggered``)."""

    item_id: str | None = None
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None


class DtmfReceived(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A key of a telephone (``input_audio_buffer.dtmf_event_received``).

    Attributes:
        received_at: Seconds since 1970.
    """

    key: str
    received_at: int | None = None


class TokenProbability(msgspec.Struct, frozen=True, kw_only=True):
    """One token of a transcript, with its log probability."""

    token: str
    logprob: float
    bytes: tuple[int, ...] | None = None


class SpokenLanguage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A language that a transcription noticed."""

    code: str
    confidence: float | None = None


class InputTranscriptDelta(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """More of the user's words (``conversation.item.input_audio_transcription.delta``).

    Attributes:
        text: The words.
        replaces: `text` is all of it so far, in place of earlier deltas of this part.
    """

    item_id: str
    content_index: int = 0
    text: str
    replaces: bool = False
    logprobs: tuple[TokenProbability, ...] | None = None


class InputTranscriptCompleted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The user's words, in place of all deltas (``conversation.item.input_audio_transcription.completed``).

    Attributes:
        confidence: How sure the engine is, 0 to 1.
        usage: What the transcription cost, apart from the responses.
    """

    item_id: str
    content_index: int = 0
    text: str
    confidence: float | None = None
    usage: Usage | None = None
    languages: tuple[SpokenLanguage, ...] | None = None
    logprobs: tuple[TokenProbability, ...] | None = None


class InputTranscriptFailed(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """No transcript for this item (``conversation.item.input_audio_transcription.failed``)."""

    item_id: str
    content_index: int = 0
    error: ErrorDetail


class InputTranscriptSegment(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """One speaker's stretch of the user's audio (``conversation.item.input_audio_transcription.segment``)."""

    item_id: str
    content_index: int = 0
    segment_id: str | None = None
    speaker: str | None = None
    text: str
    start_ms: float
    end_ms: float


# --- the conversation ------------------------------------------------------------------------------------------------


class ItemAdded(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item entered the conversation; it may still be empty (``conversation.item.added``).

    Attributes:
        previous_item_id: The item before it; ``"root"``: it is the first; None: the provider does not say, and it is
            the last.
    """

    item: Item
    previous_item_id: str | None = None


class ItemDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item of the conversation is as it stays (``conversation.item.done``)."""

    item: Item
    previous_item_id: str | None = None


class ItemDeleted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item left the conversation (``conversation.item.deleted``)."""

    item_id: str


class ItemTruncated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """What the user did not hear is forgotten (``conversation.item.truncated``).

    Attributes:
        audio_end_ms: What is kept, in ms.
        transcript: The words that are kept, where the provider tells.
    """

    item_id: str
    content_index: int = 0
    audio_end_ms: int
    transcript: str | None = None


class ItemRetrieved(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The item that was asked for (``conversation.item.retrieved``)."""

    item: Item


# --- responses -------------------------------------------------------------------------------------------------------


class _Response(ServerMessage, frozen=True, kw_only=True):
    """A response as the provider describes it.

    Attributes:
        status: How it stands.
        reason: Why it is not complete: ``"turn_detected"``, ``"client_cancelled"``, ``"max_output_tokens"``,
            ``"content_filter"`` or a provider's own.
        error: What went wrong, if it failed.
        items: Its output so far.
        conversation_id: The conversation that it belongs to.
        out_of_band: It is no part of the conversation.
        output_audio: The format of its audio.
        voice: Its voice.
        max_output_tokens: Its bound.
        metadata: What `ResponseCreate.metadata` held.
        usage: What it cost.
    """

    response_id: str
    status: ResponseStatus | str = "in_progress"
    reason: str | None = None
    error: ErrorDetail | None = None
    items: tuple[Item, ...] = ()
    conversation_id: str | None = None
    out_of_band: bool = False
    output_modalities: tuple[Modality, ...] | None = None
    output_audio: AudioFormat | None = None
    voice: str | None = None
    max_output_tokens: int | Literal["unlimited"] | None = None
    metadata: dict[str, str] | None = None
    usage: Usage | None = None


class ResponseCreated(_Response, frozen=True, kw_only=True, tag=tag_of):
    """The model begins to answer (``response.created``)."""


class ResponseDone(_Response, frozen=True, kw_only=True, tag=tag_of):
    """Generation has finished; playback may go on (``response.done``)."""

    @property
    def function_calls(self) -> tuple[FunctionCall, ...]:
        """The calls to run: whole ones, of a response that came to its end."""
        if self.status != "completed":
            return ()
        return tuple(
            item for item in self.items if isinstance(item, FunctionCall) and item.status in (None, "completed")
        )

    @property
    def awaits_tool_results(self) -> bool:
        """Whether the model needs results, or an approval, before it can go on."""
        return bool(self.function_calls) or (
            self.status == "completed" and any(isinstance(item, McpApprovalRequest) for item in self.items)
        )


class OutputItemAdded(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A response begins an item (``response.output_item.added``)."""

    response_id: str
    output_index: int = 0
    item: Item


class OutputItemDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """An item of a response is as it stays, whole or not: see `item.status` (``response.output_item.done``)."""

    response_id: str
    output_index: int = 0
    item: Item


class _OutputPart(ServerMessage, frozen=True, kw_only=True):
    response_id: str
    item_id: str
    output_index: int = 0
    content_index: int = 0


class ContentPartAdded(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """An item begins a part (``response.content_part.added``)."""

    part: Content


class ContentPartDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """A part of an item is as it stays (``response.content_part.done``)."""

    part: Content


class OutputTextDelta(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """More text (``response.output_text.delta``)."""

    text: str


class OutputTextDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """All the text of a part (``response.output_text.done``)."""

    text: str


class OutputAudioDelta(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """More audio (``response.output_audio.delta``).

    Attributes:
        audio: Samples in `format`. A provider may end a delta in the middle of a sample; `AudioConversion` and the
            sinks put them together.
        format: What they are.
    """

    audio: bytes
    format: AudioFormat


class OutputAudioDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """No more audio for this part (``response.output_audio.done``)."""


class OutputTranscriptDelta(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """More of the words that the audio says (``response.output_audio_transcript.delta``)."""

    text: str


class OutputTranscriptDone(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """All the words of a part (``response.output_audio_transcript.done``)."""

    text: str


class OutputAudioStarted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The server starts to play a response, where it plays itself (``output_audio_buffer.started``)."""

    response_id: str


class OutputAudioStopped(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The server has played a response to its end (``output_audio_buffer.stopped``)."""

    response_id: str


class OutputAudioCleared(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The server dropped what it had not played (``output_audio_buffer.cleared``)."""

    response_id: str | None = None


class ReasoningDelta(_OutputPart, frozen=True, kw_only=True, tag=tag_of):
    """More of the model's thoughts; never part of the answer."""

    text: str


# --- tools -----------------------------------------------------------------------------------------------------------


class FunctionArgumentsDelta(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """More of a call's arguments (``response.function_call_arguments.delta``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str
    text: str


class FunctionArgumentsDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """All arguments of a call; run it when its item is done (``response.function_call_arguments.done``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    call_id: str
    name: str | None = None
    arguments: str


class ToolCallsCancelled(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The provider takes calls back; their results are not wanted."""

    call_ids: tuple[str, ...]


class ApprovalRequested(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """May this call run? Answer with `FunctionCallApproval`.

    Attributes:
        approval_id: What the answer refers to.
        server_label: The MCP server; None for a function of the application.
        arguments: A JSON object, as text.
    """

    approval_id: str
    name: str
    arguments: str
    server_label: str | None = None


class McpToolsListing(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The provider asks an MCP server for its tools (``mcp_list_tools.in_progress``)."""

    item_id: str


class McpToolsListed(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """It has them (``mcp_list_tools.completed``)."""

    item_id: str


class McpToolsFailed(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """It could not get them (``mcp_list_tools.failed``)."""

    item_id: str
    error: ErrorDetail | None = None


class McpArgumentsDelta(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """More of an MCP call's arguments (``response.mcp_call_arguments.delta``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    text: str
    obfuscation: str | None = None


class McpArgumentsDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """All arguments of an MCP call (``response.mcp_call_arguments.done``)."""

    response_id: str
    item_id: str
    output_index: int = 0
    arguments: str


class McpCallProgress(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """How an MCP call stands (``response.mcp_call.in_progress``, ``.completed``, ``.failed``)."""

    item_id: str
    output_index: int = 0
    status: Literal["in_progress", "completed", "failed"]


# --- turns, costs, errors --------------------------------------------------------------------------------------------


class Interrupted(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """Stop playing now: the user speaks while a response is active or received audio is unplayed.

    It comes once per interruption. What was not heard is truncated at the provider without the application's help.

    Attributes:
        response_id: The response that is interrupted; None when there are several: stop all of them.
        item_id: The item that was playing.
        content_index: Its part.
        heard_ms: How much of that part was heard, in ms.
    """

    response_id: str | None = None
    item_id: str | None = None
    content_index: int = 0
    heard_ms: int | None = None


class TurnDone(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """The last response of a turn is done, follow-ups after tools included.

    Attributes:
        outcome: How the turn ended.
    """

    outcome: TurnOutcome


class UsageReported(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """Usage that comes apart from a response."""

    usage: Usage
    response_id: str | None = None


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One limit of the provider, and what is left of it."""

    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None


class RateLimitsUpdated(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """What is left of the provider's limits (``rate_limits.updated``)."""

    limits: tuple[RateLimit, ...]


class ErrorReported(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """Something went wrong and the session goes on (``error``).

    Attributes:
        kind: What the library makes of it: ``"response_active"``, ``"undecodable"``, ``"invalid_request"``,
            ``"rate_limited"``, ``"server"``, ``"speech"``, ``"dropped_options"`` or ``"other"``.
        error: What the provider says.
        cause_id: The id of the client message that caused it.
        cause: That message itself, where it is still known.
    """

    kind: str
    error: ErrorDetail
    cause_id: str | None = None
    cause: AnyClientMessage | None = None


class RawServerMessage(ServerMessage, frozen=True, kw_only=True, tag=tag_of):
    """A frame that this library has no message for, as the provider sent it.

    Attributes:
        event_type: The frame's ``type``, where it has one.
        data: The frame's JSON text (a JSON string in base64, where the frame was binary).
    """

    event_type: str | None = None
    data: msgspec.Raw = msgspec.Raw(b"null")

    def __repr__(self) -> str:
        return f"RawServerMessage({self.event_type}, {len(bytes(self.data))} bytes)"

    def decoded(self) -> Any:
        """The frame as Python objects."""
        return msgspec.json.decode(self.data)


AnyServerMessage = (
    SessionCreated
    | SessionUpdated
    | SessionExpiring
    | ConnectionLost
    | SessionRestored
    | ResumptionUpdated
    | InputSpeechStarted
    | InputSpeechStopped
    | InputAudioCommitted
    | InputAudioCleared
    | InputIdleTimeout
    | DtmfReceived
    | InputTranscriptDelta
    | InputTranscriptCompleted
    | InputTranscriptFailed
    | InputTranscriptSegment
    | ItemAdded
    | ItemDone
    | ItemDeleted
    | ItemTruncated
    | ItemRetrieved
    | ResponseCreated
    | ResponseDone
    | OutputItemAdded
    | OutputItemDone
    | ContentPartAdded
    | ContentPartDone
    | OutputTextDelta
    | OutputTextDone
    | OutputAudioDelta
    | OutputAudioDone
    | OutputTranscriptDelta
    | OutputTranscriptDone
    | OutputAudioStarted
    | OutputAudioStopped
    | OutputAudioCleared
    | ReasoningDelta
    | FunctionArgumentsDelta
    | FunctionArgumentsDone
    | ToolCallsCancelled
    | ApprovalRequested
    | McpToolsListing
    | McpToolsListed
    | McpToolsFailed
    | McpArgumentsDelta
    | McpArgumentsDone
    | McpCallProgress
    | Interrupted
    | TurnDone
    | UsageReported
    | RateLimitsUpdated
    | ErrorReported
    | RawServerMessage
)
