from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_server import chunk
from duologue.content import Usage
from duologue.speech.chat.answer import AnswerReader, Chunk
from duologue.speech.responder import CallRequested, Finished, ResponderEvent, TextChunk


def read(*chunks: dict[str, Any]) -> list[ResponderEvent]:
    reader = AnswerReader()
    events = [event for data in chunks for event in reader.read(msgspec.convert(data, Chunk))]
    return [*events, reader.finish()]


def delta(arguments: Any = None, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


TWO = [CallRequested("f", '{"a":1}', None), CallRequested("g", "{}", None)]


@pytest.mark.parametrize(
    ("deltas", "expected"),
    [
        # OpenAI: an index always, id and name at first.
        (
            [
                delta("", "f", index=0, id="x"),
                delta('{"a":', index=0),
                delta("1}", index=0),
                delta("{}", "g", index=1, id="y"),
            ],
            [CallRequested("f", '{"a":1}', "x"), CallRequested("g", "{}", "y")],
        ),
        # Interleaved.
        (
            [
                delta("{", "f", index=0, id="x"),
                delta("{", "g", index=1, id="y"),
                delta("}", index=0),
                delta("}", index=1),
            ],
            [CallRequested("f", "{}", "x"), CallRequested("g", "{}", "y")],
        ),
        # Id and name in every piece.
        (
            [delta('{"a":', "f", index=0, id="x"), delta("1}", "f", index=0, id="x")],
            [CallRequested("f", '{"a":1}', "x")],
        ),
        # The name, but no id, in every piece.
        ([delta('{"a":', "f", index=0), delta("1}", "f", index=0)], [CallRequested("f", '{"a":1}', None)]),
        # Whole calls, each with index 0.
        (
            [delta('{"a":1}', "f", index=0, id="x"), delta("{}", "g", index=0, id="y")],
            [CallRequested("f", '{"a":1}', "x"), CallRequested("g", "{}", "y")],
        ),
        ([delta('{"a":1}', "f", index=0), delta("{}", "g", index=0)], TWO),
        ([delta("{}", "f", index=0), delta("{}", "f", index=0)], [CallRequested("f", "{}", None)] * 2),
        # No index, no id.
        ([delta('{"a":1}', "f"), delta("{}", "g")], TWO),
        ([delta('{"a":', "f"), delta("1}"), delta("{", "g"), delta("}")], TWO),
        ([delta("", "f"), delta("", "f")], [CallRequested("f", "{}", None)] * 2),
        ([delta("", "f", id=""), delta("", "g", id="")], [CallRequested("f", "{}"), CallRequested("g", "{}")]),
        # No index, but ids.
        (
            [delta("{", "f", id="x"), delta("{", "g", id="y"), delta("}", id="x"), delta("}", id="y")],
            [CallRequested("f", "{}", "x"), CallRequested("g", "{}", "y")],
        ),
        # Arguments as an object, as null, and missing.
        ([delta({"a": 1}, "f"), delta("null", "g")], TWO),
        ([delta({"a": 1}, "f"), {"function": {"name": "g"}}], TWO),
        # Arguments that are no JSON are for the application to refuse.
        ([delta("{oops", "f")], [CallRequested("f", "{oops", None)]),
        # No name: nothing to call.
        ([delta("{}", index=0, id="x")], []),
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_calls_are_gathered(deltas: list[dict[str, Any]], expected: list[ResponderEvent], together: bool) -> None:
    chunks = [chunk(calls=deltas)] if together else [chunk(calls=[one]) for one in deltas]
    assert read(*chunks, chunk(finish="tool_calls")) == [*expected, Finished()]


@given(
    st.lists(st.tuples(st.sampled_from("fg"), st.dictionaries(st.text(), st.integers()).map(json.dumps)), max_size=3),
    st.data(),
)
def test_however_arguments_are_cut(calls: list[tuple[str, str]], data: st.DataObject) -> None:
    deltas: list[dict[str, Any]] = []
    for index, (name, arguments) in enumerate(calls):
        deltas.append(delta("", name, index=index, id=f"id{index}"))
        while arguments:
            size = data.draw(st.integers(1, len(arguments)))
            deltas.append(delta(arguments[:size], index=index))
            arguments = arguments[size:]
    got = read(*(chunk(calls=[one]) for one in deltas), chunk(finish="tool_calls"))
    expected = [CallRequested(name, arguments, f"id{index}") for index, (name, arguments) in enumerate(calls)]
    assert got == [*expected, Finished()]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "stop"),
        ("tool_calls", "stop"),
        ("eos_token", "stop"),
        ("length", "max_output_tokens"),
        ("max_tokens", "max_output_tokens"),
        ("content_filter", "content_filter"),
    ],
)
def test_reasons_of_the_end(reason: str, expected: Any) -> None:
    assert read(chunk("Hi", finish=reason)) == [TextChunk("Hi"), Finished(expected)]


def test_a_call_that_was_cut_is_not_made() -> None:
    cut = chunk(calls=[delta("{}", "f", index=0), delta('{"a', "g", index=1)])
    assert read(cut, chunk(finish="length")) == [CallRequested("f", "{}"), Finished("max_output_tokens")]


def test_a_refusal_is_said() -> None:
    refusal = {"choices": [{"delta": {"refusal": "I will not."}, "finish_reason": "stop"}]}
    assert read(refusal) == [TextChunk("I will not."), Finished()]


def test_chunks_without_much() -> None:
    bare: list[dict[str, Any]] = [
        {},
        {"choices": None},
        {"choices": []},
        {"choices": [{}]},
        {"choices": [{"delta": None}]},
    ]
    assert read(*bare, chunk("Hi", finish="stop"), {"usage": {}}) == [TextChunk("Hi"), Finished(usage=Usage())]
