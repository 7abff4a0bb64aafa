"""OpenAI's wire in the client's role: which response a cancellation, a refusal or an end belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.options import OFF, ServerTurnDetection, SessionOptions
from duologue.protocols.openai import OPENAI, QWEN, XAI, OpenAIClientProtocol
from openai_wire import frame, opened, said, sent

WHERE = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}
CANCEL = {"type": "response.cancel", "event_id": "cancel_r1", "response_id": "r1"}
COMMITTED = frame("input_audio_buffer.committed", item_id="u1")
SPEECH = frame("input_audio_buffer.speech_started", item_id="u2", audio_start_ms=0)


def begin(protocol: OpenAIClientProtocol, response_id: str = "r1", **fields: Any) -> list[m.ServerMessage]:
    response = {"id": response_id, "status": "in_progress", "conversation_id": "c", **fields}
    return protocol.receive(frame("response.created", response=response))


def words(protocol: OpenAIClientProtocol, response_id: str = "r1") -> list[m.ServerMessage]:
    return protocol.receive(frame("response.output_text.delta", **{**WHERE, "response_id": response_id}, delta="x"))


def end(protocol: OpenAIClientProtocol, response_id: str = "r1") -> list[m.ServerMessage]:
    return protocol.receive(frame("response.done", response={"id": response_id, "status": "completed", "output": []}))


@pytest.mark.parametrize("dialect", [OPENAI, XAI])
def test_that_what_the_server_is_about_to_answer_can_be_cancelled(dialect: Any) -> None:
    protocol = opened(dialect)
    protocol.receive(COMMITTED)
    said(protocol, m.ResponseCancel(id="a"))
    begin(protocol)
    assert sent(protocol) == [CANCEL]
    assert words(protocol) == []
    begin(protocol, "r2")
    assert sent(protocol) == []


@pytest.mark.parametrize(
    ("options", "between"),
    [
        (SessionOptions(), SPEECH),  # another turn of the user
        (SessionOptions(turn_detection=OFF), None),
        (SessionOptions(turn_detection=ServerTurnDetection(create_response=False)), None),
    ],
)
def test_that_no_later_answer_is_cancelled_for_it(options: SessionOptions, between: str | None) -> None:
    protocol = opened(options=options)
    protocol.receive(COMMITTED)
    said(protocol, m.ResponseCancel(id="a"))
    if between is not None:
        protocol.receive(between)
        protocol.receive(COMMITTED)
    begin(protocol)
    assert sent(protocol) == []
    assert len(words(protocol)) == 1


def test_that_a_request_without_room_for_a_tag_can_be_cancelled() -> None:
    protocol = opened()
    full = {f"k{number}": "v" for number in range(16)}
    [event] = said(protocol, m.ResponseCreate(id="a", metadata=full))
    assert event["response"]["metadata"] == full
    said(protocol, m.ResponseCancel(id="b"))
    begin(protocol, metadata=full)
    assert sent(protocol) == [CANCEL]


@pytest.mark.parametrize("dialect", [XAI, QWEN])
@pytest.mark.parametrize("spoke", [True, False])
def test_that_a_request_that_may_have_been_refused_is_not_answered_after_the_next_words(
    dialect: Any, spoke: bool
) -> None:
    protocol = opened(dialect)
    said(protocol, m.ResponseCreate(id="a"))
    said(protocol, m.ResponseCancel(id="b"))
    protocol.receive(frame("error", error={"type": "invalid_request_error", "message": "No."}))
    if spoke:
        protocol.receive(SPEECH)
        protocol.receive(COMMITTED)
    begin(protocol)
    assert sent(protocol) == ([] if spoke else [CANCEL])
    assert len(words(protocol)) == (1 if spoke else 0)


@pytest.mark.parametrize("dialect", [OPENAI, XAI, QWEN])
def test_that_what_is_asked_for_after_a_cancellation_is_answered(dialect: Any) -> None:
    protocol = opened(dialect)
    protocol.receive(COMMITTED)
    said(protocol, m.ResponseCancel(id="a"))
    [event] = said(protocol, m.ResponseCreate(id="b"))
    begin(protocol)
    assert sent(protocol) == [CANCEL]
    end(protocol)
    begin(protocol, "r2", metadata=event.get("response", {}).get("metadata"))
    assert sent(protocol) == []
    assert len(words(protocol, "r2")) == 1


@pytest.mark.parametrize("refused", [True, False])
def test_that_the_server_answers_no_commit_of_the_application(refused: bool) -> None:
    protocol = opened()
    said(protocol, m.InputAudioCommit(id="c"))
    if refused:
        protocol.receive(frame("error", error={"type": "invalid_request_error", "message": "No.", "event_id": "c"}))
    protocol.receive(COMMITTED)
    said(protocol, m.ResponseCancel(id="a"))
    begin(protocol)
    assert sent(protocol) == ([CANCEL] if refused else [])


def test_that_the_server_s_own_answer_is_over_when_another_has_begun() -> None:
    protocol = opened()
    protocol.receive(COMMITTED)
    [event] = said(protocol, m.ResponseCreate(id="a"))
    said(protocol, m.ResponseCancel(id="b"))
    begin(protocol, metadata=event["response"]["metadata"])
    assert sent(protocol) == [CANCEL]
    end(protocol)
    begin(protocol, "r2")
    assert sent(protocol) == []


def test_that_a_cancellation_that_was_refused_stops_nothing() -> None:
    protocol = opened()
    begin(protocol)
    said(protocol, m.ResponseCancel(id="a"))
    assert words(protocol) == []
    [report] = protocol.receive(frame("error", error={"type": "server_error", "message": "No.", "event_id": "a"}))
    assert isinstance(report, m.ErrorReported)
    assert len(words(protocol)) == 1


@pytest.mark.parametrize(
    ("text", "is_harmless"),
    [
        ("Cancellation failed: no active response found.", True),
        ("Cancel failed: response not active.", True),
        ("Cannot cancel: the response is not active.", True),
        ("The user cancelled: the subscription is not active.", False),
    ],
)
def test_what_is_nothing_to_cancel(text: str, is_harmless: bool) -> None:
    assert (opened().receive(frame("error", error={"message": text})) == []) is is_harmless


def test_that_a_response_ends_once() -> None:
    protocol = opened()
    begin(protocol)
    assert len(end(protocol)) == 1
    assert end(protocol) == []
    begin(protocol)  # of a server that numbers them anew
    assert len(end(protocol)) == 1


@pytest.mark.parametrize("status", [{}, {"status": ""}, {"status": None}, {"status": 5}])
def test_that_what_has_ended_without_saying_how_is_completed(status: dict[str, Any]) -> None:
    protocol = opened()
    begin(protocol)
    [done] = protocol.receive(frame("response.done", response={"id": "r1", "output": [], **status}))
    assert isinstance(done, m.ResponseDone)
    assert done.status == "completed"


@pytest.mark.parametrize(
    ("raw", "cause_id"),
    [
        (m.RawClientMessage(id="a", data={"type": "x"}), "a"),
        (m.RawClientMessage(id="b", data={"type": "x", "event_id": "a"}), "b"),
    ],
)
def test_that_errors_find_a_raw_message(raw: m.RawClientMessage, cause_id: str) -> None:
    protocol = opened()
    said(protocol, raw)
    [report] = protocol.receive(frame("error", error={"message": "No.", "event_id": "a"}))
    assert isinstance(report, m.ErrorReported)
    assert (report.cause_id, report.cause) == (cause_id, raw)
