"""Server events that mean the same whatever came before, as messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from duologue import messages as m
from duologue.items import FunctionResult, Item, MessageItem
from duologue.messages.base import ServerMessage
from duologue.protocols.json_values import as_float, as_int, as_object, as_objects, as_text
from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.beta_names import ALIASES
from duologue.protocols.openai.decoding import UnknownEvent
from duologue.protocols.openai.errors import with_text
from duologue.protocols.openai.items import read_item, read_part
from duologue.protocols.openai.responses import read_error_detail
from duologue.protocols.openai.usage import read_logprobs, read_usage
from duologue.transports.base import Frame

Reader = Callable[[Any], list[ServerMessage]]
Meaning = TypeVar("Meaning")


def _where(event: Any) -> dict[str, Any]:
    return {
        "id": event.event_id,
        "response_id": event.response_id,
        "item_id": event.item_id,
        "output_index": event.output_index,
    }


def _part(event: Any) -> dict[str, Any]:
    return {**_where(event), "content_index": event.content_index}


# --- the user's input ---


def _input_delta(event: wire.TranscriptionDelta) -> list[ServerMessage]:
    return [
        m.InputTranscriptDelta(
            id=event.event_id,
            item_id=event.item_id,
            content_index=event.content_index or 0,
            text=event.delta or "",
            logprobs=read_logprobs(event.logprobs),
        )
    ]


def _input_so_far(event: wire.TranscriptionUpdated | wire.TranscriptionText) -> list[ServerMessage]:
    text = event.transcript if isinstance(event, wire.TranscriptionUpdated) else event.text + event.stash
    return [
        m.InputTranscriptDelta(
            id=event.event_id,
            item_id=event.item_id,
            content_index=event.content_index or 0,
            text=text,
            replaces=True,
        )
    ]


def _input_completed(event: wire.TranscriptionCompleted) -> list[ServerMessage]:
    languages = [
        m.SpokenLanguage(code=as_text(entry.get("code")) or "", confidence=as_float(entry.get("confidence")))
        for entry in as_objects(event.languages)
    ]
    return [
        m.InputTranscriptCompleted(
            id=event.event_id,
            item_id=event.item_id,
            content_index=event.content_index or 0,
            text=event.transcript or "",
            usage=read_usage(event.usage),
            languages=None if event.languages is None else tuple(languages),
            logprobs=read_logprobs(event.logprobs),
        )
    ]


def _input_failed(event: wire.TranscriptionFailed) -> list[ServerMessage]:
    error = read_error_detail(event.error) or m.ErrorDetail(message="The transcription failed.")
    return [
        m.InputTranscriptFailed(
            id=event.event_id, item_id=event.item_id, content_index=event.content_index or 0, error=error
        )
    ]


def _input_segment(event: wire.TranscriptionSegment) -> list[ServerMessage]:
    return [
        m.InputTranscriptSegment(
            id=event.event_id,
            item_id=event.item_id,
            content_index=event.content_index or 0,
            segment_id=event.id,
            speaker=event.speaker,
            text=event.text,
            start_ms=event.start * 1000,
            end_ms=event.end * 1000,
        )
    ]


# --- the conversation ---


def _previous(event: wire.ItemAdded | wire.ItemCreated | wire.ItemDone) -> str | None:
    return event.previous_item_id if isinstance(event.previous_item_id, str) else None


def is_whole(item: Item) -> bool:
    """Whether an item that is added will not change: what the application adds, and what the user said."""
    return isinstance(item, FunctionResult) or (isinstance(item, MessageItem) and item.role != "assistant")


def _item_done(event: wire.ItemDone) -> list[ServerMessage]:
    return [m.ItemDone(id=event.event_id, item=read_item(event.item), previous_item_id=_previous(event))]


def _item_truncated(event: wire.ItemTruncated) -> list[ServerMessage]:
    return [
        m.ItemTruncated(
            id=event.event_id,
            item_id=event.item_id,
            content_index=event.content_index,
            audio_end_ms=event.audio_end_ms,
        )
    ]


# --- tools, limits ---


def _mcp_call(status: Any) -> Reader:
    def read(event: Any) -> list[ServerMessage]:
        return [
            m.McpCallProgress(id=event.event_id, item_id=event.item_id, output_index=event.output_index, status=status)
        ]

    return read


def _mcp_arguments_delta(event: wire.McpArgumentsDelta) -> list[ServerMessage]:
    return [m.McpArgumentsDelta(**_where(event), text=event.delta, obfuscation=event.obfuscation)]


def _mcp_tools_failed(event: wire.McpToolsFailed) -> list[ServerMessage]:
    return [m.McpToolsFailed(id=event.event_id, item_id=event.item_id, error=read_error_detail(event.error))]


def _rate_limits(event: wire.RateLimitsUpdated) -> list[ServerMessage]:
    limits = tuple(
        m.RateLimit(
            name=as_text(entry.get("name")),
            limit=as_int(entry.get("limit")),
            remaining=as_int(entry.get("remaining")),
            reset_seconds=as_float(entry.get("reset_seconds")),
        )
        for entry in as_objects(event.rate_limits)
    )
    return [m.RateLimitsUpdated(id=event.event_id, limits=limits)]


def _warning(event: wire.ServerWarning) -> list[ServerMessage]:
    error = read_error_detail(event.warning) or m.ErrorDetail(message="The provider warns of something.")
    return [m.ErrorReported(id=event.event_id, kind="warning", error=error)]


_READERS: dict[type[wire.ServerEvent], Reader] = {
    wire.TextDelta: lambda e: [m.OutputTextDelta(**_part(e), text=e.delta)],
    wire.TranscriptDelta: lambda e: [m.OutputTranscriptDelta(**_part(e), text=e.delta)],
    wire.SpeechStarted: lambda e: [
        m.InputSpeechStarted(id=e.event_id, item_id=e.item_id, audio_start_ms=e.audio_start_ms)
    ],
    wire.SpeechStopped: lambda e: [m.InputSpeechStopped(id=e.event_id, item_id=e.item_id, audio_end_ms=e.audio_end_ms)],
    wire.AudioCommitted: lambda e: [
        m.InputAudioCommitted(id=e.event_id, item_id=e.item_id, previous_item_id=e.previous_item_id)
    ],
    wire.AudioCleared: lambda e: [m.InputAudioCleared(id=e.event_id)],
    wire.IdleTimeout: lambda e: [
        m.InputIdleTimeout(
            id=e.event_id, item_id=e.item_id, audio_start_ms=e.audio_start_ms, audio_end_ms=e.audio_end_ms
        )
    ],
    wire.DtmfReceived: lambda e: [m.DtmfReceived(id=e.event_id, key=e.event, received_at=e.received_at)],
    wire.TranscriptionDelta: _input_delta,
    wire.TranscriptionUpdated: _input_so_far,
    wire.TranscriptionText: _input_so_far,
    wire.TranscriptionCompleted: _input_completed,
    wire.TranscriptionFailed: _input_failed,
    wire.TranscriptionSegment: _input_segment,
    wire.ItemDone: _item_done,
    wire.ItemRetrieved: lambda e: [m.ItemRetrieved(id=e.event_id, item=read_item(e.item))],
    wire.ItemDeleted: lambda e: [m.ItemDeleted(id=e.event_id, item_id=e.item_id)],
    wire.ItemTruncated: _item_truncated,
    wire.OutputItemAdded: lambda e: [
        m.OutputItemAdded(id=e.event_id, response_id=e.response_id, output_index=e.output_index, item=read_item(e.item))
    ],
    wire.OutputItemDone: lambda e: [
        m.OutputItemDone(id=e.event_id, response_id=e.response_id, output_index=e.output_index, item=read_item(e.item))
    ],
    wire.ContentPartAdded: lambda e: [m.ContentPartAdded(**_part(e), part=read_part(e.part))],
    wire.ContentPartDone: lambda e: [m.ContentPartDone(**_part(e), part=read_part(e.part))],
    wire.TextDone: lambda e: [m.OutputTextDone(**_part(e), text=e.text)],
    wire.AudioDone: lambda e: [m.OutputAudioDone(**_part(e))],
    wire.TranscriptDone: lambda e: [m.OutputTranscriptDone(**_part(e), text=e.transcript)],
    wire.PlaybackStarted: lambda e: [m.OutputAudioStarted(id=e.event_id, response_id=e.response_id)],
    wire.PlaybackStopped: lambda e: [m.OutputAudioStopped(id=e.event_id, response_id=e.response_id)],
    wire.PlaybackCleared: lambda e: [m.OutputAudioCleared(id=e.event_id, response_id=e.response_id)],
    wire.ArgumentsDelta: lambda e: [m.FunctionArgumentsDelta(**_where(e), call_id=e.call_id, text=e.delta)],
    wire.ArgumentsDone: lambda e: [
        m.FunctionArgumentsDone(**_where(e), call_id=e.call_id, name=e.name, arguments=e.arguments)
    ],
    wire.McpArgumentsDelta: _mcp_arguments_delta,
    wire.McpArgumentsDone: lambda e: [m.McpArgumentsDone(**_where(e), arguments=e.arguments)],
    wire.McpCallInProgress: _mcp_call("in_progress"),
    wire.McpCallCompleted: _mcp_call("completed"),
    wire.McpCallFailed: _mcp_call("failed"),
    wire.McpToolsListing: lambda e: [m.McpToolsListing(id=e.event_id, item_id=e.item_id)],
    wire.McpToolsListed: lambda e: [m.McpToolsListed(id=e.event_id, item_id=e.item_id)],
    wire.McpToolsFailed: _mcp_tools_failed,
    wire.RateLimitsUpdated: _rate_limits,
    wire.ServerWarning: _warning,
}


def with_aliases(meanings: dict[type[wire.ServerEvent], Meaning]) -> dict[type[Any], Meaning]:
    """What the events mean, by every dialect's names."""
    aliased = {alias: meanings[event] for alias, event in ALIASES.items() if event in meanings}
    return {**meanings, **aliased}


def read_error(event: wire.Error) -> tuple[m.ErrorDetail, str | None]:
    """What an ``error`` says, and the id of the client's event that it is about, if it names one."""
    beside = {"message": event.message, "code": event.code}
    error = read_error_detail(event.error) or read_error_detail(beside) or m.ErrorDetail(message="")
    if error.code is None and isinstance(event.code, str | int):
        error = replace(error, code=str(event.code))
    return with_text(error), as_text(as_object(event.error).get("event_id"))


def undecodable(text: str, event_id: str | None = None) -> m.ErrorReported:
    """The message for what cannot be read."""
    return m.ErrorReported(id=event_id, kind="undecodable", error=m.ErrorDetail(message=text))


def raw_message(event: UnknownEvent, frame: Frame) -> m.RawServerMessage:
    """The message for an event that the wire's documents do not know."""
    data = frame.encode() if isinstance(frame, str) else bytes(frame)
    return m.RawServerMessage(id=event.event_id, event_type=event.event_type, data=msgspec.Raw(data))


READERS = with_aliases(_READERS)
"""How each event becomes messages."""

_WORDS: dict[type[wire.ServerEvent], type[m.OutputTranscriptDelta] | type[m.OutputTextDelta]] = {
    wire.TranscriptDelta: m.OutputTranscriptDelta,
    wire.TextDelta: m.OutputTextDelta,
}

WORDS = with_aliases(_WORDS)
"""More of an answer's words: the message that each such event becomes."""
