"""How sessions end: this wire tells its errors in the reason of the close."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, SessionEnded
from duologue.options import SessionOptions
from duologue.protocols import ProtocolState
from duologue.protocols.gemini import GEMINI, VERTEX_AI, GeminiClientProtocol, GeminiServerProtocol
from duologue.transports import Closed
from gemini_wire import frame, only, opened, read


def _close(code: int, reason: str = "") -> Closed:
    return Closed(by_peer=True, code=code, reason=reason)


ENDS: dict[str, tuple[Closed, type[SessionEnded], bool, str]] = {
    "orderly": (_close(1000), HungUp, True, "Open a new one"),
    "invalid": (_close(1007, "Request contains an invalid argument."), HungUp, False, "same again will fail"),
    "audio during a call": (
        _close(1008, "Operation is not implemented, or supported, or enabled."),
        HungUp,
        False,
        "waits for a function's result",
    ),
    "policy": (_close(1008), HungUp, False, "check the key"),
    "internal": (_close(1011, "Internal error encountered."), HungUp, True, "error of its own"),
    "deadline": (_close(1011, "Deadline expired before operation could complete."), Expired, True, "last handle"),
    "quota": (_close(1011, "You exceeded your current quota, please check your plan."), HungUp, True, "quota"),
    "full": (_close(1007, "The input token count exceeds the maximum."), HungUp, False, "context_compression"),
    "handle": (_close(1007, "Invalid session resumption handle."), HungUp, False, "with history"),
    "lost": (Closed(code=1006), CutOff, True, "Open a new session"),
    "broken": (Closed(error="Connection reset by peer."), CutOff, True, "Open a new session"),
}


@pytest.mark.parametrize(("how", "kind", "retryable", "hint"), ENDS.values(), ids=ENDS)
def test_that_an_end_says_what_it_means(how: Closed, kind: type[SessionEnded], retryable: bool, hint: str) -> None:
    _, end = opened(VERTEX_AI).connection_lost(how)
    assert type(end) is kind
    assert end.retryable is retryable
    assert hint in end.hint
    assert (end.provider, end.close_code) == ("vertex-ai", how.code)
    assert (how.reason or how.error or "") in str(end)


REFUSALS: dict[str, tuple[Closed, str | None, bool, str]] = {
    "key": (_close(1007, "API key not valid. Please pass a valid API key."), "UNAUTHENTICATED", False, "Check the key"),
    "model": (
        _close(1008, "models/x is not found for API version v1beta, or is not supported for bidiGenerateContent."),
        "NOT_FOUND",
        False,
        "model's name",
    ),
    "overloaded": (_close(1013, "The service is currently unavailable."), "UNAVAILABLE", True, "Wait"),
    "permission": (_close(1008, "Permission denied on resource."), "PERMISSION_DENIED", False, "may not use"),
    "unknown": (_close(1007, "Cannot extract voices."), None, False, "does not take"),
}


@pytest.mark.parametrize(("how", "code", "retryable", "hint"), REFUSALS.values(), ids=REFUSALS)
def test_that_a_refusal_says_why(how: Closed, code: str | None, retryable: bool, hint: str) -> None:
    protocol = GeminiClientProtocol()
    protocol.open(SessionOptions())
    _, end = protocol.connection_lost(how)
    assert type(end) is ConnectRefused
    assert (end.code, end.retryable) == (code, retryable)
    assert hint in end.hint


def test_that_an_end_that_was_announced_is_an_expiry() -> None:
    protocol = opened()
    read(protocol, frame(goAway={"timeLeft": "5s"}))
    _, end = protocol.connection_lost(_close(1001))
    assert type(end) is Expired
    assert end.retryable


ERRORS = [
    {"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}},
    {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"},
]


@pytest.mark.parametrize("fields", ERRORS)
def test_that_an_error_in_a_frame_is_a_message(fields: dict[str, object]) -> None:
    protocol = opened()
    [report] = read(protocol, frame(**fields))
    assert report == m.ErrorReported(
        kind="rate_limited", error=m.ErrorDetail(message="Slow down.", code="RESOURCE_EXHAUSTED")
    )
    _, end = protocol.connection_lost(_close(1011))
    assert end.last_error is not None


@pytest.mark.parametrize("fields", ERRORS)
def test_that_an_error_in_place_of_a_confirmation_refuses_the_session(fields: dict[str, object]) -> None:
    protocol = GeminiClientProtocol()
    protocol.open(SessionOptions())
    read(protocol, frame(**fields))
    assert protocol.state is ProtocolState.CLOSED
    _, end = protocol.connection_lost(Closed(by_peer=True))
    assert type(end) is ConnectRefused
    assert (end.message, end.code, end.retryable) == ("Slow down.", "RESOURCE_EXHAUSTED", True)


@pytest.mark.parametrize("error", ["odd", {"message": "odd"}, {"status": "INTERNAL"}, {}, 7, []])
def test_that_an_error_of_any_form_is_taken(error: object) -> None:
    reports = only(read(opened(), frame(error=error)), m.ErrorReported)
    assert len(reports) == (error in ("odd", {"message": "odd"}, {"status": "INTERNAL"}))


def test_that_closing_says_nothing() -> None:
    for protocol in (opened(), GeminiServerProtocol(GEMINI)):
        protocol.close()
        assert protocol.state is ProtocolState.CLOSING
        assert protocol.frames_to_send() == []


@pytest.mark.parametrize(("how", "kind"), [(_close(1000), HungUp), (Closed(code=1006), CutOff)])
def test_that_a_server_sees_its_client_go(how: Closed, kind: type[SessionEnded]) -> None:
    server = GeminiServerProtocol()
    _, end = server.connection_lost(how)
    assert type(end) is kind
    assert server.state is ProtocolState.CLOSED
