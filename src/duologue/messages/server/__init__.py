"""Messages from the model towards the application.

Each names the event of OpenAI's realtime API (GA) that it stands for; on other wires the protocol makes it up from what
they send.
"""

from __future__ import annotations

from duologue.messages.server.conversation import (
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
)
from duologue.messages.server.input import (
    DtmfReceived,
    InputAudioCleared,
    InputAudioCommitted,
    InputIdleTimeout,
    InputSpeechStarted,
    InputSpeechStopped,
    InputTranscriptCompleted,
    InputTranscriptDelta,
    InputTranscriptFailed,
    InputTranscriptSegment,
    SpokenLanguage,
    TokenProbability,
)
from duologue.messages.server.output import (
    ContentPartAdded,
    ContentPartDone,
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
    ReasoningDelta,
    ResponseCreated,
    ResponseDone,
    ResponseStatus,
)
from duologue.messages.server.session import (
    ConnectionLost,
    ErrorReported,
    Interrupted,
    RateLimit,
    RateLimitsUpdated,
    RawServerMessage,
    RestoredCause,
    RestoredHow,
    ResumptionUpdated,
    SessionCreated,
    SessionExpiring,
    SessionRestored,
    SessionUpdated,
    TurnDone,
    TurnOutcome,
    UsageReported,
)
from duologue.messages.server.tools import (
    ApprovalRequested,
    FunctionArgumentsDelta,
    FunctionArgumentsDone,
    McpArgumentsDelta,
    McpArgumentsDone,
    McpCallProgress,
    McpToolsFailed,
    McpToolsListed,
    McpToolsListing,
    ToolCallsCancelled,
)

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

__all__ = [
    "AnyServerMessage",
    "ApprovalRequested",
    "ConnectionLost",
    "ContentPartAdded",
    "ContentPartDone",
    "DtmfReceived",
    "ErrorReported",
    "FunctionArgumentsDelta",
    "FunctionArgumentsDone",
    "InputAudioCleared",
    "InputAudioCommitted",
    "InputIdleTimeout",
    "InputSpeechStarted",
    "InputSpeechStopped",
    "InputTranscriptCompleted",
    "InputTranscriptDelta",
    "InputTranscriptFailed",
    "InputTranscriptSegment",
    "Interrupted",
    "ItemAdded",
    "ItemDeleted",
    "ItemDone",
    "ItemRetrieved",
    "ItemTruncated",
    "McpArgumentsDelta",
    "McpArgumentsDone",
    "McpCallProgress",
    "McpToolsFailed",
    "McpToolsListed",
    "McpToolsListing",
    "OutputAudioCleared",
    "OutputAudioDelta",
    "OutputAudioDone",
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
    "RawServerMessage",
    "ReasoningDelta",
    "ResponseCreated",
    "ResponseDone",
    "ResponseStatus",
    "RestoredCause",
    "RestoredHow",
    "ResumptionUpdated",
    "SessionCreated",
    "SessionExpiring",
    "SessionRestored",
    "SessionUpdated",
    "SpokenLanguage",
    "TokenProbability",
    "ToolCallsCancelled",
    "TurnDone",
    "TurnOutcome",
    "UsageReported",
]
