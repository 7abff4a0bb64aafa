"""What live servers send against their own documents: it costs the field, never the event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duologue import messages as m
from duologue.content import AudioContent, ErrorDetail, RawContent, TextContent, Usage
from duologue.formats import PCM16_24K
from duologue.items import FunctionCall, MessageItem, RawItem
from duologue.messages.base import ServerMessage
from duologue.protocols.openai import (
    XAI,
)
from openai_wire import frame, opened

WHERE: dict[str, Any] = {"response_id": "r", "item_id": "i", "output_index": 0, "content_index": 0}
PLACE: dict[str, Any] = {"id": "event_1", "response_id": "r", "item_id": "i"}
SPOKEN = "conversation.item.input_audio_transcription"
HUGE = 10**30


def _response(**fields: Any) -> dict[str, Any]:
    return {"id": "r", "status": "completed", **fields}


def _done(**fields: Any) -> m.ResponseDone:
    return m.ResponseDone(id="event_1", response_id="r", **{"status": "completed", **fields})


def _item(**fields: Any) -> dict[str, Any]:
    return {"id": "i", "type": "message", "role": "user", "content": [], **fields}


def _error(error: ErrorDetail, kind: str = "other") -> m.ErrorReported:
    return m.ErrorReported(id="event_1", kind=kind, error=error)


def _retrieved(item: m.Item) -> m.ItemRetrieved:
    return m.ItemRetrieved(id="event_1", item=item)


_ENDED = m.ResponseDone(id="event_1", response_id="", status="completed")
NOTHING_SAID = "The server reports an error without saying which."
ODD: list[tuple[str, str, dict[str, Any], ServerMessage]] = [
    # --- values of another type than documented ---
    ("text as status_details", "response.done", {"response": _response(status_details="unimplemented")}, _done()),
    ("a list as status_details", "response.done", {"response": _response(status_details=["x"])}, _done()),
    ("an empty usage", "response.done", {"response": _response(usage={})}, _done()),
    (
        "usage beside the response",
        "response.done",
        {"response": _response(usage={}), "usage": {"total_tokens": 3}},
        _done(usage=Usage(total_tokens=3)),
    ),
    (
        "token counts as fractions",
        "response.done",
        {"response": _response(usage={"total_tokens": 3.0, "input_tokens": "4", "input_token_details": 5})},
        _done(usage=Usage(total_tokens=3)),
    ),
    (
        "token counts without bounds",
        "response.done",
        {"response": _response(usage={"total_tokens": HUGE, "output_tokens": -1})},
        _done(usage=Usage(total_tokens=int(float(HUGE)), output_tokens=-1)),
    ),
    ("output that is no list", "response.done", {"response": _response(output={"a": 1})}, _done()),
    ("output of no objects", "response.done", {"response": _response(output=[None, 5, "x"])}, _done()),
    (
        "metadata that is no text",
        "response.done",
        {"response": _response(metadata={"a": 1, "b": "c"})},
        _done(metadata={"b": "c"}),
    ),
    ("a response without an id", "response.done", {"response": {}}, _ENDED),
    ("no response", "response.done", {}, _ENDED),
    ("null as the response", "response.done", {"response": None}, _ENDED),
    (
        "numbers as text",
        "input_audio_buffer.speech_started",
        {"item_id": "i", "audio_start_ms": "12"},
        m.InputSpeechStarted(id="event_1", item_id="i", audio_start_ms=12),
    ),
    (
        "a number as an id",
        "input_audio_buffer.speech_stopped",
        {"item_id": 7, "audio_end_ms": 12.0},
        m.InputSpeechStopped(id="event_1", audio_end_ms=12),
    ),
    (
        "a number without bounds",
        "input_audio_buffer.speech_started",
        {"item_id": "i", "audio_start_ms": HUGE},
        m.InputSpeechStarted(id="event_1", item_id="i", audio_start_ms=HUGE),
    ),
    (
        "an index that is null",
        "response.output_text.done",
        {**WHERE, "content_index": None, "text": "x"},
        m.OutputTextDone(**PLACE, text="x"),
    ),
    (
        "an index that is no number",
        "response.output_text.done",
        {**WHERE, "content_index": "first", "text": "x"},
        m.OutputTextDone(**PLACE, text="x"),
    ),
    # --- deltas and texts that are null ---
    (
        "a null delta of text",
        "response.output_text.delta",
        {**WHERE, "delta": None},
        m.OutputTextDelta(**PLACE, text=""),
    ),
    (
        "a null delta of a transcript",
        "response.output_audio_transcript.delta",
        {**WHERE, "delta": None},
        m.OutputTranscriptDelta(**PLACE, text=""),
    ),
    (
        "a null delta of audio",
        "response.output_audio.delta",
        {**WHERE, "delta": None},
        m.OutputAudioDelta(**PLACE, audio=b"", format=PCM16_24K),
    ),
    (
        "a null delta of the user's words",
        f"{SPOKEN}.delta",
        {"item_id": "i", "content_index": None, "delta": None},
        m.InputTranscriptDelta(id="event_1", item_id="i", text=""),
    ),
    (
        "null as the user's words",
        f"{SPOKEN}.completed",
        {"item_id": "i", "transcript": None, "usage": None},
        m.InputTranscriptCompleted(id="event_1", item_id="i", text=""),
    ),
    # --- ids ---
    ("an empty id", "conversation.item.deleted", {"item_id": ""}, m.ItemDeleted(id="event_1", item_id="")),
    ("no id", "conversation.item.deleted", {}, m.ItemDeleted(id="event_1", item_id="")),
    (
        "the item before, as 0",
        "input_audio_buffer.committed",
        {"item_id": "i", "previous_item_id": "0"},
        m.InputAudioCommitted(id="event_1", item_id="i", previous_item_id="0"),
    ),
    (
        "a part with an item before it",
        "response.content_part.added",
        {**WHERE, "previous_item_id": "0", "part": {"type": "audio", "transcript": ""}},
        m.ContentPartAdded(**PLACE, part=AudioContent(transcript="")),
    ),
    # --- parts and items ---
    ("no part", "response.content_part.done", WHERE, m.ContentPartDone(**PLACE, part=AudioContent())),
    (
        "an empty part",
        "response.content_part.done",
        {**WHERE, "part": {}},
        m.ContentPartDone(**PLACE, part=AudioContent()),
    ),
    (
        "text as a part",
        "response.content_part.done",
        {**WHERE, "part": "x"},
        m.ContentPartDone(**PLACE, part=AudioContent()),
    ),
    (
        "a part of a new type",
        "response.content_part.done",
        {**WHERE, "part": {"type": "video", "url": "x"}},
        m.ContentPartDone(**PLACE, part=RawContent(data={"type": "video", "url": "x"})),
    ),
    (
        "an item of a new type",
        "conversation.item.retrieved",
        {"item": {"id": "i", "type": "thought", "status": "completed"}},
        _retrieved(RawItem(id="i", status="completed", data={"id": "i", "type": "thought", "status": "completed"})),
    ),
    (
        "a role that is new",
        "conversation.item.retrieved",
        {"item": _item(role="narrator")},
        _retrieved(RawItem(id="i", data=_item(role="narrator"))),
    ),
    (
        "a status that is new",
        "conversation.item.retrieved",
        {"item": _item(status="thinking")},
        _retrieved(MessageItem(id="i", role="user")),
    ),
    (
        "content that is null",
        "conversation.item.retrieved",
        {"item": _item(content=None)},
        _retrieved(MessageItem(id="i", role="user")),
    ),
    (
        "content of a new type beside text",
        "conversation.item.retrieved",
        {"item": _item(content=[{"type": "input_text", "text": None}, {"type": "smell"}, 5])},
        _retrieved(
            MessageItem(id="i", role="user", content=(TextContent(text=""), RawContent(data={"type": "smell"})))
        ),
    ),
    (
        "a call with a role and a null status",
        "conversation.item.retrieved",
        {"item": {"id": "i", "type": "function_call", "role": "user", "status": None, "call_id": "c", "name": None}},
        _retrieved(FunctionCall(id="i", call_id="c", name="")),
    ),
    ("no item", "conversation.item.retrieved", {}, _retrieved(RawItem(data={}))),
    # --- enumerations ---
    (
        "a status of a response that is new",
        "response.done",
        {"response": _response(status="paused")},
        _done(status="paused"),
    ),
    (
        "a reason that is new",
        "response.done",
        {"response": _response(status="incomplete", status_details={"type": "x", "reason": "bored"})},
        _done(status="incomplete", reason="bored"),
    ),
    (
        "a limit that is new",
        "rate_limits.updated",
        {"rate_limits": [{"name": "sighs", "limit": None}, None, 5]},
        m.RateLimitsUpdated(id="event_1", limits=(m.RateLimit(name="sighs"),)),
    ),
    (
        "limits that are null",
        "rate_limits.updated",
        {"rate_limits": None},
        m.RateLimitsUpdated(id="event_1", limits=()),
    ),
    # --- errors ---
    ("no error", "error", {}, _error(ErrorDetail(message=NOTHING_SAID))),
    ("text as the error", "error", {"error": "No model."}, _error(ErrorDetail(message="No model."))),
    (
        "text as the error, and its code beside it",
        "error",
        {"error": "No model.", "code": "no_model"},
        _error(ErrorDetail(message="No model.", code="no_model")),
    ),
    (
        "all of the error beside it",
        "error",
        {"message": "Slow down.", "code": "rate_limit_exceeded"},
        _error(ErrorDetail(message="Slow down.", code="rate_limit_exceeded"), kind="rate_limited"),
    ),
    (
        "a number as the code",
        "error",
        {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}},
        _error(ErrorDetail(message="Slow down.", code="429")),
    ),
    ("a list as the error", "error", {"error": ["x"]}, _error(ErrorDetail(message=NOTHING_SAID))),
    (
        "an error of which nothing but the type is known",
        "error",
        {"error": {"type": "server_error", "message": None, "param": 5, "event_id": None}},
        _error(ErrorDetail(message="server_error", type="server_error"), kind="server"),
    ),
    (
        "an error of which nothing but the code and the type is known",
        "error",
        {"error": {"type": "invalid_request_error", "code": "bad_voice", "message": ""}},
        _error(
            ErrorDetail(message="bad_voice", type="invalid_request_error", code="bad_voice"), kind="invalid_request"
        ),
    ),
    (
        "a transcription that failed for no reason",
        f"{SPOKEN}.failed",
        {"item_id": "i", "error": None},
        m.InputTranscriptFailed(id="event_1", item_id="i", error=ErrorDetail(message="The transcription failed.")),
    ),
    (
        "a warning in text",
        "warning",
        {"warning": "Careful."},
        _error(ErrorDetail(message="Careful."), kind="warning"),
    ),
    (
        "a warning that says nothing",
        "warning",
        {},
        _error(ErrorDetail(message="The provider warns of something."), kind="warning"),
    ),
]


@pytest.mark.parametrize(("kind", "fields", "expected"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_that_an_odd_value_costs_no_event(kind: str, fields: dict[str, Any], expected: ServerMessage) -> None:
    protocol = opened()
    assert protocol.receive(frame(kind, **fields)) == [expected]
    assert [type(message) for message in protocol.receive(frame("input_audio_buffer.cleared"))] == [m.InputAudioCleared]


def test_that_items_without_ids_are_each_told() -> None:
    protocol = opened(XAI)
    for item in (_item(id=""), _item(id=""), _item(id=None), _item(id=None)):
        for kind in ("added", "done"):
            [*_, done] = protocol.receive(frame(f"conversation.item.{kind}", item=item))
            assert isinstance(done, m.ItemDone)


@pytest.mark.parametrize("kind", sorted({row[1] for row in ODD}))
@pytest.mark.parametrize("value", [None, 5, "x", [], {}, True, 1e300, [None], {"type": 5}, {"id": {}}], ids=json.dumps)
def test_that_any_value_of_any_field_leaves_an_event(kind: str, value: Any) -> None:
    names = {name for _, same, fields, _ in ODD if same == kind for name in fields} | {"event_id", "item", "response"}
    for name in names:
        fields = {**WHERE, "delta": "AAAA", "event_id": "event_1", name: value}
        messages = opened().receive(json.dumps({"type": kind, **fields}))
        assert messages
        assert not [message for message in messages if isinstance(message, m.RawServerMessage)]
