"""Server messages as events, for the server's role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import UNSET, UnsetType

from duologue import messages as m
from duologue.lifecycle import new_id
from duologue.messages.base import ServerMessage
from duologue.protocols.base64_text import encode_base64
from duologue.protocols.json_values import JsonObject, put
from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.beta_names import BETA_EVENTS
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.items import write_output_part, write_told_item
from duologue.protocols.openai.responses import write_error_detail, write_response
from duologue.protocols.openai.session_writing import write_session
from duologue.protocols.openai.transcript_writing import TranscriptWriter
from duologue.protocols.openai.usage import write_usage

_CODES = {"response_active": "conversation_already_has_active_response"}
_TYPES = {"server": "server_error", "rate_limited": "rate_limit_error"}

UNSPOKEN = frozenset(
    {
        m.SessionExpiring,
        m.ConnectionLost,
        m.SessionRestored,
        m.ResumptionUpdated,
        m.ApprovalRequested,
        m.ToolCallsCancelled,
        m.ReasoningDelta,
        m.Interrupted,
        m.TurnDone,
        m.UsageReported,
    }
)
"""What this wire has no event for: its clients work it out from the other events, or do without."""

_BARE = frozenset({m.SessionCreated, m.ErrorReported, m.InputTranscriptDelta, m.InputTranscriptCompleted})

Writer = Callable[[Any], wire.ServerEvent | None]


class EventWriter:
    """Writes server messages as events of one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._beta = dialect.event_names == "beta"
        self._transcripts = TranscriptWriter(dialect)
        self._writers: dict[type[ServerMessage], Writer] = {
            m.SessionCreated: self._session_created,
            m.SessionUpdated: self._session_updated,
            m.ItemAdded: self._item_added,
            m.ItemDone: self._item_done,
            m.ItemRetrieved: lambda e: wire.ItemRetrieved(event_id=_id(e), item=self._item(e)),
            m.OutputItemAdded: lambda e: wire.OutputItemAdded(**_place(e), item=self._item(e)),
            m.OutputItemDone: lambda e: wire.OutputItemDone(**_place(e), item=self._item(e)),
            m.ResponseCreated: lambda e: wire.ResponseCreated(event_id=_id(e), response=write_response(e, dialect)),
            m.ResponseDone: lambda e: wire.ResponseDone(
                event_id=_id(e),
                response=write_response(e, dialect),
                usage=write_usage(e.usage) if dialect.usage_beside else None,
            ),
            m.OutputAudioDelta: lambda e: self._named(wire.AudioDelta)(**_part(e), delta=encode_base64(e.audio)),
            m.OutputAudioDone: lambda e: self._named(wire.AudioDone)(**_part(e)),
            m.OutputTextDelta: lambda e: self._named(wire.TextDelta)(**_part(e), delta=e.text),
            m.OutputTextDone: lambda e: self._named(wire.TextDone)(**_part(e), text=e.text),
            m.OutputTranscriptDelta: lambda e: self._named(wire.TranscriptDelta)(**_part(e), delta=e.text),
            m.OutputTranscriptDone: lambda e: self._named(wire.TranscriptDone)(**_part(e), transcript=e.text),
            m.InputTranscriptDelta: self._transcripts.delta,
            m.InputTranscriptCompleted: self._transcripts.completed,
            m.InputTranscriptFailed: self._transcript_failed,
            m.ErrorReported: lambda e: _warning(e) if dialect.warnings and e.kind == "warning" else _error(e),
            **_WRITERS,
        }
        if dialect.bare_transcripts:
            self._writers = {kind: write for kind, write in self._writers.items() if kind in _BARE}

    def write(self, message: ServerMessage) -> wire.ServerEvent | None:
        """The event for `message`; None where the dialect says it in another event.

        Raises:
            KeyError: The wire has no event for it.
        """
        write = self._writers.get(type(message))
        if write is None and self._dialect.bare_transcripts:
            return None
        return self._writers[type(message)](message)

    def _named(self, event: type[Any]) -> type[Any]:
        return BETA_EVENTS[event] if self._beta else event

    def _item(self, message: Any) -> JsonObject:
        return write_told_item(message.item, self._dialect)

    def _session(self, message: m.SessionCreated | m.SessionUpdated) -> JsonObject:
        session: JsonObject = {"object": "realtime.session", **write_session(message.options, self._dialect)}
        put(session, "model", message.options.model)
        return session

    def _session_created(self, message: m.SessionCreated) -> wire.ServerEvent:
        session = self._session(message)
        put(session, "id", message.session_id)
        put(session, "model", message.model)
        put(session, "expires_at", message.expires_at)
        return wire.SessionCreated(event_id=_id(message), session=session)

    def _session_updated(self, message: m.SessionUpdated) -> wire.ServerEvent:
        return wire.SessionUpdated(event_id=_id(message), session=self._session(message))

    def _item_added(self, message: m.ItemAdded) -> wire.ServerEvent:
        event = wire.ItemCreated if self._beta else wire.ItemAdded
        return event(event_id=_id(message), item=self._item(message), previous_item_id=_previous(message))

    def _transcript_failed(self, message: m.InputTranscriptFailed) -> wire.ServerEvent:
        self._transcripts.failed(message.item_id)
        return wire.TranscriptionFailed(**_input(message), error=write_error_detail(message.error))

    def _item_done(self, message: m.ItemDone) -> wire.ServerEvent | None:
        if not self._dialect.items_done:
            return None
        return wire.ItemDone(event_id=_id(message), item=self._item(message), previous_item_id=_previous(message))


def _id(message: Any) -> str:
    return message.id or new_id("event")


def _place(message: Any) -> dict[str, Any]:
    return {"event_id": _id(message), "response_id": message.response_id, "output_index": message.output_index}


def _where(message: Any) -> dict[str, Any]:
    return {**_place(message), "item_id": message.item_id}


def _part(message: Any) -> dict[str, Any]:
    return {
        "event_id": message.id or new_id("event"),
        "response_id": message.response_id,
        "item_id": message.item_id,
        "output_index": message.output_index,
        "content_index": message.content_index,
    }


def _input(message: Any) -> dict[str, Any]:
    return {"event_id": _id(message), "item_id": message.item_id, "content_index": message.content_index}


def _previous(message: m.ItemAdded | m.ItemDone) -> str | UnsetType | None:
    if message.previous_item_id is None:
        return UNSET
    return None if message.previous_item_id == "root" else message.previous_item_id


def _warning(message: m.ErrorReported) -> wire.ServerEvent:
    warning: JsonObject = {"message": message.error.message}
    put(warning, "code", message.error.code)
    put(warning, "param", message.error.param)
    return wire.ServerWarning(event_id=_id(message), warning=warning)


def _error(message: m.ErrorReported) -> wire.ServerEvent:
    error = write_error_detail(message.error)
    error["code"] = error["code"] or _CODES.get(message.kind)
    if message.error.type is None:
        error["type"] = _TYPES.get(message.kind, "invalid_request_error")
    error["event_id"] = message.cause_id
    return wire.Error(event_id=_id(message), error=error)


def _input_segment(message: m.InputTranscriptSegment) -> wire.ServerEvent:
    return wire.TranscriptionSegment(
        **_input(message),
        id=message.segment_id,
        speaker=message.speaker,
        text=message.text,
        start=message.start_ms / 1000,
        end=message.end_ms / 1000,
    )


def _mcp_call(message: m.McpCallProgress) -> wire.ServerEvent:
    event: type[Any] = {
        "in_progress": wire.McpCallInProgress,
        "completed": wire.McpCallCompleted,
        "failed": wire.McpCallFailed,
    }[message.status]
    written: wire.ServerEvent = event(event_id=_id(message), item_id=message.item_id, output_index=message.output_index)
    return written


def _rate_limits(message: m.RateLimitsUpdated) -> wire.ServerEvent:
    limits: list[JsonObject] = [
        {
            "name": limit.name,
            "limit": limit.limit,
            "remaining": limit.remaining,
            "reset_seconds": limit.reset_seconds,
        }
        for limit in message.limits
    ]
    return wire.RateLimitsUpdated(event_id=_id(message), rate_limits=limits)


_WRITERS: dict[type[ServerMessage], Writer] = {
    m.RateLimitsUpdated: _rate_limits,
    m.InputSpeechStarted: lambda e: wire.SpeechStarted(
        event_id=_id(e), item_id=e.item_id, audio_start_ms=e.audio_start_ms
    ),
    m.InputSpeechStopped: lambda e: wire.SpeechStopped(event_id=_id(e), item_id=e.item_id, audio_end_ms=e.audio_end_ms),
    m.InputAudioCommitted: lambda e: wire.AudioCommitted(
        event_id=_id(e), item_id=e.item_id, previous_item_id=e.previous_item_id
    ),
    m.InputAudioCleared: lambda e: wire.AudioCleared(event_id=_id(e)),
    m.InputIdleTimeout: lambda e: wire.IdleTimeout(
        event_id=_id(e), item_id=e.item_id, audio_start_ms=e.audio_start_ms, audio_end_ms=e.audio_end_ms
    ),
    m.DtmfReceived: lambda e: wire.DtmfReceived(event_id=e.id, event=e.key, received_at=e.received_at),
    m.InputTranscriptSegment: _input_segment,
    m.ItemDeleted: lambda e: wire.ItemDeleted(event_id=_id(e), item_id=e.item_id),
    m.ItemTruncated: lambda e: wire.ItemTruncated(**_input(e), audio_end_ms=e.audio_end_ms),
    m.ContentPartAdded: lambda e: wire.ContentPartAdded(**_part(e), part=write_output_part(e.part)),
    m.ContentPartDone: lambda e: wire.ContentPartDone(**_part(e), part=write_output_part(e.part)),
    m.OutputAudioStarted: lambda e: wire.PlaybackStarted(event_id=_id(e), response_id=e.response_id),
    m.OutputAudioStopped: lambda e: wire.PlaybackStopped(event_id=_id(e), response_id=e.response_id),
    m.OutputAudioCleared: lambda e: wire.PlaybackCleared(event_id=_id(e), response_id=e.response_id),
    m.FunctionArgumentsDelta: lambda e: wire.ArgumentsDelta(**_where(e), call_id=e.call_id, delta=e.text),
    m.FunctionArgumentsDone: lambda e: wire.ArgumentsDone(
        **_where(e), call_id=e.call_id, name=e.name, arguments=e.arguments
    ),
    m.McpToolsListing: lambda e: wire.McpToolsListing(event_id=_id(e), item_id=e.item_id),
    m.McpToolsListed: lambda e: wire.McpToolsListed(event_id=_id(e), item_id=e.item_id),
    m.McpToolsFailed: lambda e: wire.McpToolsFailed(
        event_id=_id(e), item_id=e.item_id, error=None if e.error is None else write_error_detail(e.error)
    ),
    m.McpArgumentsDelta: lambda e: wire.McpArgumentsDelta(**_where(e), delta=e.text, obfuscation=e.obfuscation),
    m.McpArgumentsDone: lambda e: wire.McpArgumentsDone(**_where(e), arguments=e.arguments),
    m.McpCallProgress: _mcp_call,
}
