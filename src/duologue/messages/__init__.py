"""The vocabulary of a session: ``from duologue import messages as m``.

Client messages go towards the model, server messages come from it; the items and parts that they carry are here too.
"""

from __future__ import annotations

import msgspec

from duologue.content import (
    AudioContent,
    Content,
    ErrorDetail,
    ImageContent,
    RawContent,
    TextContent,
    TokenCounts,
    Usage,
)
from duologue.items import (
    BaseItem,
    FunctionCall,
    FunctionResult,
    Item,
    ItemReference,
    ItemStatus,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpToolDescription,
    McpToolList,
    MessageItem,
    RawItem,
    Role,
)
from duologue.messages.base import (
    ClientMessage,
    Message,
    Meta,
    ServerMessage,
)
from duologue.messages.client import (
    AnyClientMessage,
    FunctionCallApproval,
    InputAudioAppend,
    InputAudioClear,
    InputAudioCommit,
    InputAudioEnd,
    InputImageAppend,
    ItemCreate,
    ItemDelete,
    ItemRetrieve,
    ItemTruncate,
    OutputAudioClear,
    OutputAudioPlayed,
    RawClientMessage,
    ResponseCancel,
    ResponseCreate,
    Say,
    SessionUpdate,
    UserTurnEnd,
    UserTurnStart,
)
from duologue.messages.server import (
    AnyServerMessage,
    ApprovalRequested,
    ConnectionLost,
    ContentPartAdded,
    ContentPartDone,
    DtmfReceived,
    ErrorReported,
    FunctionArgumentsDelta,
    FunctionArgumentsDone,
    InputAudioCleared,
    InputAudioCommitted,
    InputIdleTimeout,
    InputSpeechStarted,
    InputSpeechStopped,
    InputTranscriptCompleted,
    InputTranscriptDelta,
    InputTranscriptFailed,
    InputTranscriptSegment,
    Interrupted,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    McpArgumentsDelta,
    McpArgumentsDone,
    McpCallProgress,
    McpToolsFailed,
    McpToolsListed,
    McpToolsListing,
    OutputAudioCleared,
    OutputAudioDelta,
    OutputAudioDone,
    OutputAudioStarted,
    OutputAudioStopped,
    OutputItemAdded,
    OutputItemDone,
    OutputTextDelta,
    OutputTextDone,
    OutputTranscriptDelta,
    OutputTranscriptDone,
    RateLimit,
    RateLimitsUpdated,
    RawServerMessage,
    ReasoningDelta,
    ResponseCreated,
    ResponseDone,
    ResponseStatus,
    RestoredCause,
    RestoredHow,
    ResumptionUpdated,
    SessionCreated,
    SessionExpiring,
    SessionRestored,
    SessionUpdated,
    SpokenLanguage,
    TokenProbability,
    ToolCallsCancelled,
    TurnDone,
    TurnOutcome,
    UsageReported,
)


def _encode_callable(value: object) -> None:
    """`SessionOptions.raw_factory` is code, and no part of JSON."""
    if not callable(value):
        raise TypeError(f"{type(value).__name__} has no place in a message's JSON.")


_encoder = msgspec.json.Encoder(enc_hook=_encode_callable)


def _decode_nothing(kind: type, value: object) -> object:
    if value is None:
        return None
    raise TypeError(f"{kind} cannot be read from JSON.")


_client_decoder: msgspec.json.Decoder[AnyClientMessage] | None = None
_server_decoder: msgspec.json.Decoder[AnyServerMessage] | None = None


def to_json(message: Message) -> bytes:
    """The message as JSON text: `type` first, audio as base64, secrets as ``***``."""
    return _encoder.encode(message)


def client_from_json(text: bytes | str) -> AnyClientMessage:
    """A client message from its JSON text.

    Raises:
        msgspec.ValidationError: It is none.
    """
    global _client_decoder
    if _client_decoder is None:
        _client_decoder = msgspec.json.Decoder(AnyClientMessage, dec_hook=_decode_nothing)
    return _client_decoder.decode(text)


def server_from_json(text: bytes | str) -> AnyServerMessage:
    """A server message from its JSON text.

    Raises:
        msgspec.ValidationError: It is none.
    """
    global _server_decoder
    if _server_decoder is None:
        _server_decoder = msgspec.json.Decoder(AnyServerMessage, dec_hook=_decode_nothing)
    return _server_decoder.decode(text)


__all__ = [
    "AnyClientMessage",
    "AnyServerMessage",
    "ApprovalRequested",
    "AudioContent",
    "BaseItem",
    "ClientMessage",
    "ConnectionLost",
    "Content",
    "ContentPartAdded",
    "ContentPartDone",
    "DtmfReceived",
    "ErrorDetail",
    "ErrorReported",
    "FunctionArgumentsDelta",
    "FunctionArgumentsDone",
    "FunctionCall",
    "FunctionCallApproval",
    "FunctionResult",
    "ImageContent",
    "InputAudioAppend",
    "InputAudioClear",
    "InputAudioCleared",
    "InputAudioCommit",
    "InputAudioCommitted",
    "InputAudioEnd",
    "InputIdleTimeout",
    "InputImageAppend",
    "InputSpeechStarted",
    "InputSpeechStopped",
    "InputTranscriptCompleted",
    "InputTranscriptDelta",
    "InputTranscriptFailed",
    "InputTranscriptSegment",
    "Interrupted",
    "Item",
    "ItemAdded",
    "ItemCreate",
    "ItemDelete",
    "ItemDeleted",
    "ItemDone",
    "ItemReference",
    "ItemRetrieve",
    "ItemRetrieved",
    "ItemStatus",
    "ItemTruncate",
    "ItemTruncated",
    "McpApprovalRequest",
    "McpApprovalResponse",
    "McpArgumentsDelta",
    "McpArgumentsDone",
    "McpCall",
    "McpCallProgress",
    "McpToolDescription",
    "McpToolList",
    "McpToolsFailed",
    "McpToolsListed",
    "McpToolsListing",
    "Message",
    "MessageItem",
    "Meta",
    "OutputAudioClear",
    "OutputAudioCleared",
    "OutputAudioDelta",
    "OutputAudioDone",
    "OutputAudioPlayed",
    "OutputAudioStarted",
    "OutputAudioStopped",
    "OutputItemAdded",
    "OutputItemDone",
    "OutputTextDelta",
    "OutputTextDone",
    "OutputTranscriptDelta",
    "OutputTranscriptDone",
    "RateLimit",
    "RateLimitsUpdated",
    "RawClientMessage",
    "RawContent",
    "RawItem",
    "RawServerMessage",
    "ReasoningDelta",
    "ResponseCancel",
    "ResponseCreate",
    "ResponseCreated",
    "ResponseDone",
    "ResponseStatus",
    "RestoredCause",
    "RestoredHow",
    "ResumptionUpdated",
    "Role",
    "Say",
    "ServerMessage",
    "SessionCreated",
    "SessionExpiring",
    "SessionRestored",
    "SessionUpdate",
    "SessionUpdated",
    "SpokenLanguage",
    "TextContent",
    "TokenCounts",
    "TokenProbability",
    "ToolCallsCancelled",
    "TurnDone",
    "TurnOutcome",
    "Usage",
    "UsageReported",
    "UserTurnEnd",
    "UserTurnStart",
    "client_from_json",
    "server_from_json",
    "to_json",
]
