"""A strict server refuses, by name, what of a client's event it would lose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI, Dialect, OpenAIServerProtocol

TOOL = {"type": "function", "name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}

TAKEN: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {"type": "realtime", "model": "any", "tracing": "auto", "truncation": "auto"},
    },
    {"type": "session.update", "session": {"type": "realtime", "id": "sess", "object": "realtime.session"}},
    {
        "type": "session.update",
        "session": {"type": "realtime", "audio": {"output": {"voice": {"id": "v"}, "speed": 1}}},
    },
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": None}}},
        },
    },
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"transcription": None}}}},
    {"type": "session.update", "session": {"type": "realtime", "tools": [TOOL], "tool_choice": "auto"}},
    {"type": "session.update", "session": {"type": "realtime", "max_output_tokens": "inf", "instructions": ""}},
    {"type": "response.create"},
    {"type": "response.create", "response": {"metadata": {"a": "1"}, "input": [MESSAGE], "conversation": "none"}},
    {"type": "response.create", "response": {"input": []}},
    {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": "root"},
    {"type": "conversation.item.create", "item": {**MESSAGE, "status": "completed", "object": "realtime.item"}},
    {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": "{}"}},
    {"type": "input_audio_buffer.append", "audio": "AAA="},
    {"type": "response.cancel", "response_id": None},
]

REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    (
        {"type": "session.update", "session": {"type": "realtime", "nonsense": 1}},
        "unknown_parameter",
        "session.nonsense",
    ),
    (
        {"type": "session.update", "session": {"type": "realtime", "audio": {"input": {"gain": 2}}}},
        "unknown_parameter",
        "session.audio.input.gain",
    ),
    (
        {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"speed": "fast"}}}},
        "invalid_value",
        "session.audio.output.speed",
    ),
    ({"type": "session.update", "session": {"type": "realtime", "model": 1}}, "invalid_value", "session.model"),
    (
        {"type": "session.update", "session": {"type": "realtime", "tools": [{"type": "x"}]}},
        "invalid_value",
        "session.tools",
    ),
    ({"type": "session.update", "session": {"type": "realtime", "voice": "v"}}, "invalid_value", "session.voice"),
    ({"type": "session.update", "session": []}, "invalid_type", "session"),
    ({"type": "response.create", "response": {"metadata": {"a": 1}}}, "unknown_parameter", "response.metadata.a"),
    ({"type": "response.create", "response": {"conversation": "mine"}}, "invalid_value", "response.conversation"),
    ({"type": "response.create", "response": {"input": [{"type": "x"}]}}, "invalid_value", "response.input[0].type"),
    ({"type": "response.create", "response": {"input": "x"}}, "invalid_value", "response.input"),
    ({"type": "conversation.item.create", "item": {**MESSAGE, "role": "god"}}, "invalid_value", "item.role"),
    (
        {"type": "conversation.item.create", "item": {**MESSAGE, "content": [{}]}},
        "invalid_value",
        "item.content[0].type",
    ),
    (
        {"type": "conversation.item.create", "item": {**MESSAGE, "content": [{"type": "input_audio", "audio": "?"}]}},
        "invalid_value",
        "item.content[0].audio",
    ),
    (
        {"type": "conversation.item.create", "item": {"type": "function_call_output", "call_id": "c", "output": {}}},
        "invalid_value",
        "item.output",
    ),
    ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
    ({"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": "1"}, "invalid_type", "audio_end_ms"),
    ({"type": "conversation.item.truncate", "item_id": "i", "audio_end_ms": -1}, "invalid_value", "audio_end_ms"),
    ({"type": "conversation.item.delete"}, "missing_required_parameter", "item_id"),
    ({"type": "response.cancel", "why": "because"}, "unknown_parameter", "why"),
    ({"type": "input_audio_buffer.append", "audio": "?"}, "invalid_value", None),
    ({"type": "input_audio_buffer.append", "audio": 5}, "invalid_type", "audio"),
]


def _receive(event: Any, dialect: Dialect = OPENAI) -> tuple[list[Any], list[Any]]:
    protocol = OpenAIServerProtocol(dialect, strict=True)
    messages = protocol.receive(event if isinstance(event, str) else json.dumps(event))
    return messages, [json.loads(frame) for frame in protocol.frames_to_send()]


@pytest.mark.parametrize("event", TAKEN, ids=json.dumps)
def test_what_is_documented_is_taken(event: dict[str, Any]) -> None:
    messages, answers = _receive(event)
    assert len(messages) == 1
    assert answers == []


@pytest.mark.parametrize(("event", "code", "param"), REFUSED, ids=lambda value: json.dumps(value)[:80])
def test_what_would_be_lost_is_refused_by_name(event: dict[str, Any], code: str, param: str | None) -> None:
    messages, (answer,) = _receive({**event, "event_id": "mine"})
    assert messages == []
    assert answer["type"] == "error"
    assert (answer["error"]["code"], answer["error"]["param"]) == (code, param)
    assert answer["error"]["event_id"] == "mine"


def test_the_retired_layout_is_read_where_it_is_spoken() -> None:
    session = {"modalities": ["text", "audio"], "input_audio_format": "g711_ulaw", "temperature": 0.8, "voice": "echo"}
    (message,), answers = _receive({"type": "session.update", "session": session}, AZURE_PREVIEW)
    assert isinstance(message, m.SessionUpdate)
    assert (message.options.voice, message.options.temperature) == ("echo", 0.8)
    assert answers == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(TAKEN), st.text(max_size=12), JSON, st.booleans())
def test_every_event_is_a_message_or_an_error(event: dict[str, Any], name: str, value: Any, inside: bool) -> None:
    nested = next((field for field in ("session", "response", "item") if field in event), None)
    mutated = {**event, nested: {**event[nested], name: value}} if inside and nested else {**event, name: value}
    messages, answers = _receive(mutated)
    assert len(messages) + len(answers) == 1


@given(st.text(max_size=30))
def test_what_is_no_event_is_an_error(frame: str) -> None:
    messages, answers = _receive(frame)
    assert len(messages) + len(answers) == 1
