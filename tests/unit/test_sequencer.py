"""The sequencer: by tables, and against a model of a server at the other end of a slow line."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue.errors import TooManyRequests
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import OFF, SemanticTurnDetection, ServerTurnDetection, SessionOptions
from duologue.runtime.sequencer import MAX_WAITING, Request, ResponseSequencer


def make(options: SessionOptions | None = None) -> ResponseSequencer:
    return ResponseSequencer(options or SessionOptions())


def plain(id: str) -> m.ResponseCreate:
    return m.ResponseCreate(id=id)


def special(id: str) -> m.ResponseCreate:
    """A request that merges with no other."""
    return m.ResponseCreate(id=id, instructions=id)


def follow_up(id: str) -> m.ResponseCreate:
    return m.ResponseCreate(id=id, follow_up=True)


def began(id: str) -> m.ResponseCreated:
    return m.ResponseCreated(response_id=id)


def done(id: str) -> m.ResponseDone:
    return m.ResponseDone(response_id=id, status="completed")


def refused(cause: str | None = None, kind: str = "response_active") -> m.ErrorReported:
    return m.ErrorReported(kind=kind, error=m.ErrorDetail(message="no"), cause_id=cause)


def result(call_id: str) -> m.FunctionResult:
    return m.FunctionResult(call_id=call_id, output="42")


def play(sequencer: ResponseSequencer, *steps: ServerMessage | Request) -> list[str | None]:
    """The ids of what is sent, in order."""
    sent: list[ClientMessage] = []
    for step in steps:
        if isinstance(step, m.ResponseCreate | m.Say):
            sent += sequencer.request(step)
        else:
            sent += sequencer.received(step)[1]
    return [request.id for request in sent]


def test_that_a_request_goes_out_at_once_when_nothing_runs() -> None:
    assert play(make(), plain("a")) == ["a"]


def test_that_requests_wait_behind_the_active_response_in_order() -> None:
    sequencer = make()
    assert play(sequencer, began("r1"), special("a"), special("b"), m.Say(id="c", text="hi")) == []
    assert (sequencer.waiting, sequencer.active) == (3, "r1")
    assert play(sequencer, done("r1")) == ["a"]
    assert play(sequencer, began("r2"), done("r2"), began("r3"), done("r3")) == ["b", "c"]
    assert (sequencer.waiting, sequencer.active) == (0, None)


def test_that_a_second_request_waits_for_the_answer_to_the_first() -> None:
    assert play(make(), special("a"), special("b")) == ["a"]


def test_that_the_end_of_another_response_releases_nothing() -> None:
    sequencer = make()
    oob = [m.ResponseCreated(response_id="x", out_of_band=True), m.ResponseDone(response_id="x", out_of_band=True)]
    assert play(sequencer, began("r1"), plain("a"), done("r0"), *oob) == []
    assert sequencer.active == "r1"


@pytest.mark.parametrize(
    ("first", "second", "merges"),
    [
        (plain("a"), plain("b"), True),
        (follow_up("a"), follow_up("b"), True),
        (plain("a"), follow_up("b"), False),
        (special("a"), special("a"), False),
        (m.ResponseCreate(id="a", metadata={"n": "1"}), m.ResponseCreate(id="b", metadata={"n": "1"}), False),
        (m.ResponseCreate(id="a", extra={"n": 1}), m.ResponseCreate(id="b", extra={"n": 1}), False),
        (m.Say(id="a", text="hi"), m.Say(id="b", text="hi"), False),
    ],
)
def test_that_only_equal_requests_without_overrides_merge(first: Request, second: Request, merges: bool) -> None:
    sequencer = make()
    play(sequencer, began("r1"), first, second)
    assert sequencer.waiting == (1 if merges else 2)


def test_that_now_goes_out_at_once_and_its_error_comes_back() -> None:
    sequencer = make()
    now = m.ResponseCreate(id="n", when="now")
    assert play(sequencer, began("r1"), plain("a"), now) == ["n"]
    assert sequencer.received(refused("n")) == (True, [])
    assert play(sequencer, done("r1")) == ["a"]


def test_that_a_refusal_of_now_does_not_forget_what_was_sent_before() -> None:
    sequencer = make()
    assert play(sequencer, plain("a"), m.Say(id="n", text="hi", when="now"), began("r1")) == ["a", "n"]
    assert sequencer.received(refused("a")) == (False, [])
    assert sequencer.received(refused("n")) == (True, [])
    assert play(sequencer, done("r1")) == ["a"]


def test_that_out_of_band_passes_by() -> None:
    sequencer = make()
    aside = m.ResponseCreate(id="x", out_of_band=True)
    assert play(sequencer, began("r1"), plain("a"), aside) == ["x"]
    assert play(sequencer, refused("x", "invalid_request"), m.ResponseCreated(response_id="x1", out_of_band=True)) == []
    assert sequencer.active == "r1"


@pytest.mark.parametrize("cause", ["a", None])
def test_that_a_request_that_lost_the_race_goes_out_again(cause: str | None) -> None:
    sequencer = make()
    assert play(sequencer, special("a"), special("b"), began("servers")) == ["a"]
    assert sequencer.received(refused(cause)) == (False, [])
    assert sequencer.waiting == 2
    assert play(sequencer, done("servers"), began("r2"), done("r2")) == ["a", "b"]


def test_that_a_refusal_because_of_a_response_that_was_not_seen_waits_for_its_end() -> None:
    sequencer = make()
    assert play(sequencer, plain("a")) == ["a"]
    assert sequencer.received(refused("a")) == (False, [])
    assert play(sequencer, special("b")) == []
    assert play(sequencer, done("unseen")) == ["a"]


@pytest.mark.parametrize("cause", ["a", None])
def test_that_a_request_that_was_refused_for_itself_makes_way(cause: str | None) -> None:
    sequencer = make()
    assert play(sequencer, special("a"), special("b")) == ["a"]
    shown, requests = sequencer.received(refused(cause, "invalid_request"))
    assert shown
    assert [request.id for request in requests] == ["b"]


@pytest.mark.parametrize(("cause", "kind"), [("other", "invalid_request"), (None, "undecodable"), (None, "speech")])
def test_that_an_error_of_something_else_changes_nothing(cause: str | None, kind: str) -> None:
    sequencer = make()
    play(sequencer, special("a"), special("b"))
    assert sequencer.received(refused(cause, kind)) == (True, [])
    assert play(sequencer, began("r1"), done("r1")) == ["b"]


@pytest.mark.parametrize(
    ("steps", "awaits"),
    [
        ((), False),
        ((plain("a"),), True),
        ((plain("a"), began("r1")), False),
        ((plain("a"), refused("a", "other")), False),
        ((m.InputAudioCommitted(item_id="u1"),), True),
        ((m.InputAudioCommitted(item_id="u1"), began("r1")), False),
        ((m.UserTurnEnd(id="t"),), True),
        ((m.UserTurnEnd(id="t", respond=False),), False),
        ((m.UserTurnEnd(id="t"), began("r1")), False),
        ((m.UserTurnEnd(id="t"), refused("t", "invalid_request")), False),
        ((m.UserTurnEnd(id="t"), refused("other", "invalid_request")), True),
    ],
)
def test_when_a_response_is_on_its_way(steps: tuple[ServerMessage | ClientMessage, ...], awaits: bool) -> None:
    sequencer = make()
    for step in steps:
        if isinstance(step, m.ResponseCreate):
            sequencer.request(step)
        elif isinstance(step, ClientMessage):
            sequencer.sent(step)
        else:
            assert isinstance(step, ServerMessage)
            sequencer.received(step)
    assert sequencer.awaits_response is awaits


def test_that_what_could_not_even_wait_does_not() -> None:
    sequencer = make()
    play(sequencer, began("r1"), special("a"))
    waits = special("b")
    sequencer.request(waits)
    assert sequencer.withdraw(waits) == []
    assert play(sequencer, done("r1"), began("r2"), done("r2")) == ["a"]


def test_that_no_more_than_so_many_wait() -> None:
    sequencer = make()
    play(sequencer, began("r1"), *(special(str(number)) for number in range(MAX_WAITING)))
    with pytest.raises(TooManyRequests, match="32 response requests wait"):
        sequencer.request(special("one more"))
    assert sequencer.waiting == MAX_WAITING
    assert sequencer.request(m.ResponseCreate(id="n", when="now")) != []


def test_that_what_could_not_be_written_is_as_if_it_had_not_been_asked_for() -> None:
    sequencer = make()
    request = special("a")
    assert sequencer.request(request) == [request]
    assert play(sequencer, special("b")) == []
    assert [other.id for other in sequencer.withdraw(request)] == ["b"]


# --- follow-ups ---

SPEECH = m.InputSpeechStarted(item_id="u1")
COMMIT = m.InputAudioCommitted(item_id="u1")


def test_that_a_follow_up_waits_for_open_speech_and_is_satisfied_by_its_answer() -> None:
    sequencer = make()
    assert play(sequencer, SPEECH, follow_up("f"), m.InputSpeechStopped(item_id="u1"), COMMIT) == []
    assert sequencer.awaits_follow_up
    assert play(sequencer, began("servers"), done("servers")) == []
    assert not sequencer.awaits_follow_up


def test_that_other_requests_do_not_wait_for_speech() -> None:
    assert play(make(), SPEECH, plain("a")) == ["a"]


@pytest.mark.parametrize(
    ("detection", "goes_out"),
    [
        (None, False),
        (ServerTurnDetection(), False),
        (SemanticTurnDetection(create_response=True), False),
        (ServerTurnDetection(create_response=False), True),
        (OFF, True),
    ],
)
def test_that_a_follow_up_goes_out_after_speech_that_the_server_does_not_answer(
    detection: ServerTurnDetection | SemanticTurnDetection | None, goes_out: bool
) -> None:
    sequencer = make(SessionOptions(turn_detection=detection))
    assert play(sequencer, SPEECH, follow_up("f"), COMMIT) == (["f"] if goes_out else [])


@pytest.mark.parametrize(
    ("steps", "goes_out"),
    [
        ((SPEECH, m.InputAudioCleared()), True),
        ((SPEECH, COMMIT, m.InputAudioCleared()), False),
        ((SPEECH, COMMIT, m.ItemDeleted(item_id="u1")), True),
        ((SPEECH, m.ItemDeleted(item_id="assistant's")), False),
        ((SPEECH, COMMIT, m.ItemDeleted(item_id="assistant's")), False),
        ((SPEECH, COMMIT, refused(None)), True),
    ],
)
def test_what_ends_the_wait_for_an_answer_to_speech(steps: tuple[ServerMessage, ...], goes_out: bool) -> None:
    assert play(make(), SPEECH, follow_up("f"), *steps) == (["f"] if goes_out else [])


@pytest.mark.parametrize("acknowledged", [True, False])
def test_that_only_a_response_that_knows_the_results_satisfies_a_follow_up(acknowledged: bool) -> None:
    sequencer = make()
    play(sequencer, SPEECH, COMMIT)
    sequencer.sent(m.ItemCreate(item=result("c1")))
    play(sequencer, follow_up("f"))
    added = m.ItemAdded(item=result("c1"))
    if acknowledged:
        assert play(sequencer, added, began("servers"), done("servers")) == []
    else:  # it began before the results had arrived
        assert play(sequencer, began("servers"), added, done("servers")) == ["f"]


@pytest.mark.parametrize("acknowledged", [True, False])
def test_that_a_follow_up_that_lost_the_race_goes_out_again_if_it_is_needed(acknowledged: bool) -> None:
    sequencer = make()
    sequencer.sent(m.ItemCreate(item=result("c1")))
    assert play(sequencer, follow_up("f")) == ["f"]
    added = m.ItemAdded(item=result("c1"))
    steps = (added, began("servers")) if acknowledged else (began("servers"), added)
    assert play(sequencer, *steps) == []
    assert sequencer.received(refused("f")) == (False, [])
    assert play(sequencer, done("servers")) == ([] if acknowledged else ["f"])


def test_that_a_wire_without_acknowledgements_is_followed_up_once() -> None:
    sequencer = make()
    sequencer.sent(m.ItemCreate(item=result("c1")))
    assert play(sequencer, follow_up("f"), began("r1"), done("r1")) == ["f"]
    assert play(sequencer, SPEECH, follow_up("g"), COMMIT, began("r2"), done("r2")) == []


def test_that_a_follow_up_does_not_wait_for_an_answer_to_the_applications_own_commit() -> None:
    sequencer = make()
    sequencer.sent(m.InputAudioCommit(id="c1"))
    sequencer.received(m.InputAudioCommitted(item_id="u1"))
    assert [message.id for message in sequencer.request(follow_up("f1"))] == ["f1"]


def test_that_a_commit_that_was_refused_is_forgotten() -> None:
    sequencer = make()
    sequencer.sent(m.InputAudioCommit(id="c1"))
    sequencer.received(refused("c1", kind="invalid_request"))
    sequencer.received(m.InputAudioCommitted(item_id="u1"))
    assert sequencer.request(follow_up("f1")) == []
