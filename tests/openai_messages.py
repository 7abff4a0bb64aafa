"""Any message that a dialect of OpenAI's wire carries, as strategies for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from duologue import messages as m
from duologue.content import ErrorDetail, ImageContent, TokenCounts, Usage
from duologue.formats import PCM16_24K
from duologue.items import Item
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.protocols.openai import Dialect
from openai_options import (
    DIALECTS,
    EFFORTS,
    ERRORS,
    FLAGS,
    IDS,
    LIMITS,
    NOTHING,
    NUMBERS,
    PAIRS,
    PICTURE,
    PROMPTS,
    REFERENCES,
    SHARES,
    SPEECH,
    TEXT,
    TOLD_ITEMS,
    WORDS,
    Fields,
    formats,
    modalities,
    once_a_dialect,
    option_values,
    options,
    perhaps,
    sent_items,
    transcription_options,
)

__all__ = ["DIALECTS", "client_messages", "option_values", "options", "server_messages", "transcription_options"]


# --- what a client says ---


@once_a_dialect
def client_messages(dialect: Dialect) -> dict[type[ClientMessage], Fields]:
    """Values for the fields of every message that the dialect carries whole."""
    can = dialect.capabilities
    event: Fields = {"id": IDS}
    found: dict[type[ClientMessage], Fields] = {
        m.SessionUpdate: {"options": options(dialect)},
        m.InputAudioAppend: {"audio": st.binary(max_size=16)},
        m.InputAudioCommit: {},
        m.InputAudioEnd: {},
        m.InputAudioClear: {},
        m.InputImageAppend: {
            "image": st.builds(ImageContent, data=st.binary(max_size=8), media_type=st.just("image/jpeg"))
        },
        m.ItemCreate: {
            "item": sent_items(dialect),
            "previous_item_id": perhaps(IDS) if can.insert_position else NOTHING,
        },
        m.ItemDelete: {"item_id": IDS},
        m.ItemRetrieve: {"item_id": IDS},
        m.ItemTruncate: {"item_id": IDS, "content_index": NUMBERS, "audio_end_ms": NUMBERS},
        m.ResponseCreate: requests(dialect),
        m.ResponseCancel: {"response_id": perhaps(IDS)},
        m.Say: {"text": WORDS},
        m.OutputAudioClear: {},
        m.FunctionCallApproval: {
            "approval_id": IDS,
            "approve": FLAGS,
            "reason": NOTHING if "approval.reason" in dialect.lacks else perhaps(WORDS),
        },
    }
    carried = {
        m.InputAudioEnd: dialect.marks_final_commit,
        m.InputAudioClear: can.input_clear,
        m.InputImageAppend: can.video,
        m.ItemCreate: dialect.added_items != "none",
        m.ItemDelete: can.delete,
        m.ItemRetrieve: can.retrieve,
        m.ItemTruncate: can.truncate,
        m.ResponseCreate: can.explicit_response,
        m.ResponseCancel: can.cancel,
        m.Say: can.say == "exact",
        m.FunctionCallApproval: can.hosted_mcp,
    }
    return {kind: {**event, **fields} for kind, fields in found.items() if carried.get(kind, True)}


def _inputs(dialect: Dialect) -> st.SearchStrategy[Item]:
    return sent_items(dialect) | REFERENCES if dialect.added_items == "all" else sent_items(dialect)


@once_a_dialect
def requests(dialect: Dialect) -> Fields:
    """Values for the fields of a request that the dialect carries whole."""
    can = dialect.capabilities
    values = option_values(dialect)
    fields: Fields = {
        "items": st.lists(_inputs(dialect), max_size=2).map(tuple),
        "instructions": WORDS,
        "output_audio": formats(can.output_formats),
        "voice": IDS,
        "output_modalities": modalities(can),
        "tools": values.get("tools", NOTHING),
        "tool_choice": values.get("tool_choice", NOTHING),
        "parallel_tool_calls": FLAGS,
        "max_output_tokens": LIMITS,
        "reasoning_effort": EFFORTS,
        "prompt": PROMPTS,
        "extra": st.just({"their_own": 1}),
    }
    stated = {name: perhaps(value) for name, value in fields.items() if name in can.response_options - {"extra"}}
    if "extra" in can.response_options:
        stated["extra"] = st.just({}) | fields["extra"]
    if can.metadata:
        stated["metadata"] = perhaps(PAIRS)
    if can.out_of_band:
        stated["out_of_band"] = FLAGS
    return stated


# --- what a server says ---

COUNTS = st.builds(TokenCounts, text=perhaps(NUMBERS), audio=perhaps(NUMBERS), image=perhaps(NUMBERS))
USAGE = st.builds(
    Usage,
    input_tokens=NUMBERS,
    output_tokens=NUMBERS,
    total_tokens=NUMBERS,
    input=COUNTS,
    output=COUNTS,
    cached_tokens=perhaps(NUMBERS),
    cached=COUNTS,
    reasoning_tokens=perhaps(NUMBERS),
)
LOGPROBS = st.lists(
    st.builds(
        m.TokenProbability,
        token=WORDS,
        logprob=st.floats(-20, 0),
        bytes=st.lists(st.integers(0, 255), min_size=1, max_size=2).map(tuple),
    ),
    max_size=2,
).map(tuple)
LANGUAGES = st.lists(st.builds(m.SpokenLanguage, code=IDS, confidence=perhaps(SHARES)), max_size=2).map(tuple)
_EVENT: Fields = {"id": IDS}
_PLACE: Fields = {**_EVENT, "response_id": IDS, "output_index": NUMBERS}
_CALL: Fields = {**_PLACE, "item_id": IDS}
_PART: Fields = {**_CALL, "content_index": NUMBERS}
_USER: Fields = {**_EVENT, "item_id": IDS, "content_index": NUMBERS}
_RESULT_PART = TEXT | SPEECH | PICTURE
_SECONDS = st.integers(0, 1_000).map(lambda seconds: float(seconds * 1_000))


def _response(dialect: Dialect) -> Fields:
    can = dialect.capabilities
    return {
        **_EVENT,
        "response_id": IDS,
        "status": st.sampled_from(["in_progress", "completed", "cancelled", "incomplete", "failed", "new"]),
        "reason": perhaps(IDS),
        "error": perhaps(st.builds(ErrorDetail, message=WORDS, type=perhaps(IDS), code=perhaps(IDS))),
        "items": st.lists(TOLD_ITEMS.filter(lambda item: item.id is None), max_size=2).map(tuple),
        "conversation_id": IDS,
        "output_modalities": perhaps(modalities(can)),
        "output_audio": perhaps(formats(can.output_formats)),
        "voice": perhaps(IDS),
        "max_output_tokens": perhaps(LIMITS),
        "metadata": perhaps(PAIRS),
        "usage": perhaps(USAGE),
    }


@once_a_dialect
def server_messages(dialect: Dialect) -> dict[type[ServerMessage], Fields]:
    """Values for the fields of every message that the dialect carries whole."""
    found: dict[type[ServerMessage], Fields] = {
        m.SessionUpdated: {**_EVENT, "options": options(dialect)},
        m.InputSpeechStarted: {**_EVENT, "item_id": perhaps(IDS), "audio_start_ms": perhaps(NUMBERS)},
        m.InputSpeechStopped: {**_EVENT, "item_id": perhaps(IDS), "audio_end_ms": perhaps(NUMBERS)},
        m.InputAudioCommitted: {**_EVENT, "item_id": perhaps(IDS), "previous_item_id": perhaps(IDS)},
        m.InputAudioCleared: _EVENT,
        m.InputIdleTimeout: {**_EVENT, "item_id": IDS, "audio_start_ms": NUMBERS, "audio_end_ms": NUMBERS},
        m.DtmfReceived: {"key": IDS, "received_at": perhaps(NUMBERS)},
        m.InputTranscriptDelta: {**_USER, "text": WORDS, "logprobs": perhaps(LOGPROBS)},
        m.InputTranscriptCompleted: {
            **_USER,
            "text": WORDS,
            "usage": USAGE | st.builds(Usage, seconds=st.floats(0, 100)),
            "languages": perhaps(LANGUAGES),
            "logprobs": perhaps(LOGPROBS),
        },
        m.InputTranscriptFailed: {**_USER, "error": ERRORS},
        m.InputTranscriptSegment: {
            **_USER,
            "segment_id": perhaps(IDS),
            "speaker": perhaps(IDS),
            "text": WORDS,
            "start_ms": _SECONDS,
            "end_ms": _SECONDS,
        },
        m.ItemAdded: {
            **_EVENT,
            "item": TOLD_ITEMS,
            "previous_item_id": st.just("root" if dialect.first_item_is_null else None) | IDS | NOTHING,
        },
        m.ItemDone: {**_EVENT, "item": TOLD_ITEMS, "previous_item_id": perhaps(IDS)},
        m.ItemRetrieved: {**_EVENT, "item": TOLD_ITEMS},
        m.ItemDeleted: {**_EVENT, "item_id": IDS},
        m.ItemTruncated: {**_USER, "audio_end_ms": NUMBERS},
        m.ResponseCreated: _response(dialect),
        m.ResponseDone: _response(dialect),
        m.OutputItemAdded: {**_PLACE, "item": TOLD_ITEMS},
        m.OutputItemDone: {**_PLACE, "item": TOLD_ITEMS},
        m.ContentPartAdded: {**_PART, "part": _RESULT_PART},
        m.ContentPartDone: {**_PART, "part": _RESULT_PART},
        m.OutputTextDelta: {**_PART, "text": WORDS},
        m.OutputTextDone: {**_PART, "text": WORDS},
        m.OutputAudioDelta: {**_PART, "audio": st.binary(max_size=16), "format": st.just(PCM16_24K)},
        m.OutputAudioDone: _PART,
        m.OutputTranscriptDelta: {**_PART, "text": WORDS},
        m.OutputTranscriptDone: {**_PART, "text": WORDS},
        m.OutputAudioStarted: {**_EVENT, "response_id": IDS},
        m.OutputAudioStopped: {**_EVENT, "response_id": IDS},
        m.OutputAudioCleared: {**_EVENT, "response_id": IDS},
        m.FunctionArgumentsDelta: {**_CALL, "call_id": IDS, "text": WORDS},
        m.FunctionArgumentsDone: {**_CALL, "call_id": IDS, "name": IDS, "arguments": WORDS},
        m.McpToolsListing: {**_EVENT, "item_id": IDS},
        m.McpToolsListed: {**_EVENT, "item_id": IDS},
        m.McpToolsFailed: {**_EVENT, "item_id": IDS},
        m.McpArgumentsDelta: {**_CALL, "text": WORDS, "obfuscation": perhaps(WORDS)},
        m.McpArgumentsDone: {**_CALL, "arguments": WORDS},
        m.McpCallProgress: {
            **_EVENT,
            "item_id": IDS,
            "output_index": NUMBERS,
            "status": st.sampled_from(["in_progress", "completed", "failed"]),
        },
        m.RateLimitsUpdated: {
            **_EVENT,
            "limits": st.lists(
                st.builds(
                    m.RateLimit,
                    name=st.sampled_from([None, "requests", "tokens"]),
                    limit=perhaps(NUMBERS),
                    remaining=perhaps(NUMBERS),
                    reset_seconds=perhaps(st.floats(0, 100)),
                ),
                max_size=2,
            ).map(tuple),
        },
        m.ErrorReported: {
            **_EVENT,
            "kind": st.just("invalid_request"),
            "error": ERRORS.map(
                lambda error: ErrorDetail(message="x", type="invalid_request_error", param=error.param)
            ),
        },
    }
    return found
