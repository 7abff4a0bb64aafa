"""OpenAI's wire in the client's role: requests, cancelling, errors, time, the end."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.errors import CutOff, Expired, HungUp, SessionEnded
from duologue.protocols import ProtocolState
from duologue.protocols.openai import (
    OPENAI,
    QWEN,
    XAI,
    OpenAIClientProtocol,
)
from duologue.transports import Closed
from openai_wire import frame, opened, said, sent

WHERE = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}


def begin(protocol: OpenAIClientProtocol, response_id: str = "r1", **fields: Any) -> list[m.ServerMessage]:
    response = {"id": response_id, "status": "in_progress", "conversation_id": "c", **fields}
    return protocol.receive(frame("response.created", response=response))


# --- requests and cancellation ---


def test_that_requests_are_tagged_and_the_tag_does_not_show() -> None:
    protocol = opened()
    [event] = said(protocol, m.ResponseCreate(id="a", out_of_band=True, metadata={"k": "v"}))
    assert event["response"]["conversation"] == "none"
    [created] = begin(protocol, metadata=event["response"]["metadata"], conversation_id=None)
    assert isinstance(created, m.ResponseCreated)
    assert (created.metadata, created.out_of_band) == ({"k": "v"}, True)
    assert said(opened(XAI), m.ResponseCreate(id="a")) == [{"type": "response.create", "event_id": "a"}]


@pytest.mark.parametrize("dialect", [OPENAI, XAI])
def test_that_a_cancellation_before_the_response_begins_is_remembered(dialect: Any) -> None:
    protocol = opened(dialect)
    [event] = said(protocol, m.ResponseCreate(id="a"))
    said(protocol, m.ResponseCancel(id="b"))
    refused = {"code": "response_cancel_not_active", "message": "x", "event_id": "b"}
    assert protocol.receive(frame("error", error=refused)) == []
    begin(protocol, metadata=event.get("response", {}).get("metadata"))
    assert sent(protocol) == [{"type": "response.cancel", "event_id": "cancel_r1", "response_id": "r1"}]
    assert protocol.receive(frame("response.output_audio.delta", **WHERE, delta="AAAA")) == []
    begin(protocol, "r2")
    assert sent(protocol) == []


def test_that_deltas_of_a_cancelled_response_stop_until_its_end() -> None:
    protocol = opened()
    begin(protocol)
    said(protocol, m.ResponseCancel(id="a"))
    for kind in ("output_audio", "output_audio_transcript", "output_text", "function_call_arguments", "text"):
        assert protocol.receive(frame(f"response.{kind}.delta", **WHERE, delta="AAAA", call_id="c")) == []
    [text] = protocol.receive(frame("response.output_text.done", **WHERE, text="x"))
    assert isinstance(text, m.OutputTextDone)
    assert len(protocol.receive(frame("response.output_text.delta", **{**WHERE, "response_id": "r2"}, delta="x"))) == 1
    protocol.receive(frame("response.done", response={"id": "r1", "status": "cancelled"}))
    assert len(protocol.receive(frame("response.output_text.delta", **WHERE, delta="x"))) == 1


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "conversation_already_has_active_response", "message": ""}, "response_active"),
        ({"message": "Conversation already has an active response in progress."}, "response_active"),
        ({"type": "invalid_request_error", "code": "invalid_value", "message": ""}, "invalid_request"),
        ({"type": "server_error", "message": ""}, "server"),
        ({"code": "rate_limit_exceeded", "message": ""}, "rate_limited"),
        ({"message": "?"}, "other"),
    ],
)
def test_that_errors_are_classified_and_find_their_cause(error: dict[str, Any], kind: str) -> None:
    protocol = opened()
    message = m.ResponseCreate(id="a")
    protocol.send(message)
    [report] = protocol.receive(frame("error", error={**error, "event_id": "a"}))
    assert isinstance(report, m.ErrorReported)
    assert (report.kind, report.cause_id, report.cause) == (kind, "a", message)


# --- time and the end ---


def test_that_the_end_of_the_session_is_told_ahead() -> None:
    protocol = opened()
    assert protocol.deadline() == 0.0
    assert protocol.tick(100.0) == []
    assert protocol.deadline() == 100 + 3_540
    assert protocol.tick(3_641.0) == [m.SessionExpiring(seconds_left=59.0)]
    assert protocol.deadline() == 3_700
    assert protocol.tick(3_700.0) == []
    assert protocol.deadline() is None
    assert isinstance(protocol.connection_lost(Closed(by_peer=True, code=1000))[1], Expired)


def test_that_the_provider_s_own_end_counts() -> None:
    protocol = opened(started_at=1_000.0, expires_at=1_600)
    protocol.tick(0.0)
    assert protocol.deadline() == 540


def test_that_the_provider_may_move_the_end() -> None:
    protocol = opened(started_at=1_000.0, expires_at=4_600)
    protocol.tick(0.0)
    protocol.receive('{"type":"session.updated","session":{"type":"realtime","expires_at":4600}}')
    assert protocol.deadline() == 3_540
    protocol.receive('{"type":"session.updated","session":{"type":"realtime","expires_at":1130}}')
    assert protocol.tick(100.0) == [m.SessionExpiring(seconds_left=30.0)]
    assert protocol.deadline() == 130


@pytest.mark.parametrize(
    ("how", "kind", "retryable"),
    [
        (Closed(by_peer=True, code=1000), HungUp, True),
        (Closed(by_peer=True, code=1008, reason="policy"), HungUp, False),
        (Closed(code=1006), CutOff, True),
        (Closed(by_peer=True, code=4001), HungUp, False),
        (Closed(error="reset by peer"), CutOff, True),
        (Closed(by_peer=True, code=1000, reason="session_expired"), Expired, True),
    ],
)
def test_that_the_end_says_why(how: Closed, kind: type[SessionEnded], retryable: bool) -> None:
    protocol = opened()
    begin(protocol, metadata={"k": "v"})
    [done], end = protocol.connection_lost(how)
    assert isinstance(done, m.ResponseDone)
    assert (done.response_id, done.status, done.metadata) == ("r1", "failed", {"k": "v"})
    assert type(end) is kind
    assert end.retryable is retryable
    assert end.hint
    assert protocol.state is ProtocolState.CLOSED


QUOTA = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "No credit."}


@pytest.mark.parametrize(
    ("error", "after", "code"),
    [
        (QUOTA, None, "insufficient_quota"),
        ({"type": "server_error", "message": "Oh."}, None, "server_error"),
        (QUOTA, frame("rate_limits.updated", rate_limits=[]), None),  # it went on
        ({"type": "invalid_request_error", "code": "invalid_value", "message": "No."}, None, None),  # the client's own
    ],
)
def test_that_the_end_has_the_code_of_the_error_that_came_with_it(
    error: dict[str, Any], after: str | None, code: str | None
) -> None:
    protocol = opened()
    protocol.receive(frame("error", error=error))
    if after is not None:
        protocol.receive(after)
    _, end = protocol.connection_lost(Closed(by_peer=True, code=1000))
    assert type(end) is HungUp
    assert end.code == code
    assert end.last_error is not None


def test_that_a_line_that_broke_has_no_code() -> None:
    protocol = opened()
    protocol.receive(frame("error", error=QUOTA))
    _, end = protocol.connection_lost(Closed(error="reset by peer"))
    assert (type(end), end.code, end.retryable) == (CutOff, None, True)


def test_that_a_close_says_goodbye_where_there_is_one() -> None:
    protocol = opened(QWEN)
    protocol.close()
    assert sent(protocol) == [{"type": "session.finish", "event_id": "goodbye"}]
    assert protocol.state is ProtocolState.CLOSING
    protocol.receive(frame("session.finished"))
    assert str(protocol.state) == str(ProtocolState.CLOSED)
    plain = opened()
    plain.close()
    assert plain.frames_to_send() == []
