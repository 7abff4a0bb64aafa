"""Turns: what belongs together, and when it is over."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.runtime.turns import TurnTracker

CALL = m.FunctionCall(call_id="c", name="f", status="completed")
WROTE = m.ItemCreate(item=m.MessageItem.user("hi"))
RESULT = m.ItemCreate(item=m.FunctionResult(call_id="c", output="42"))


def speech() -> m.InputSpeechStarted:
    return m.InputSpeechStarted()


def began(response: str = "r1", *, aside: bool = False) -> m.ResponseCreated:
    return m.ResponseCreated(response_id=response, out_of_band=aside)


def delta(response: str = "r1") -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id=response, item_id="i", text="hi")


def done(
    response: str = "r1", status: str = "completed", *, calls: bool = False, aside: bool = False
) -> m.ResponseDone:
    items = (CALL,) if calls else ()
    return m.ResponseDone(response_id=response, status=status, items=items, out_of_band=aside)


def follow(*steps: ServerMessage | ClientMessage, waits: bool = False) -> list[str]:
    """What the reader gets, each with its turn; a turn's end with its outcome."""
    tracker, seen = TurnTracker(), []
    for step in steps:
        out = tracker.sent(step) if isinstance(step, ClientMessage) else tracker.received(step, waits)
        for message in out:
            what = message.outcome if isinstance(message, m.TurnDone) else message.type
            seen.append(f"{what} {(message.turn_id or '-').removeprefix('turn_')}")
    return seen


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("completed", "completed"), ("cancelled", "interrupted"), ("incomplete", "incomplete"), ("failed", "failed")],
)
def test_the_outcome_of_a_turn(status: str, outcome: str) -> None:
    assert follow(speech(), m.InputAudioCommitted(), began(), delta(), done(status=status)) == [
        "input_speech_started 1",
        "input_audio_committed 1",
        "response_created 1",
        "output_text_delta 1",
        "response_done 1",
        f"{outcome} 1",
    ]


def test_that_a_written_message_begins_a_turn() -> None:
    assert follow(WROTE, began(), done(), WROTE, began("r2"), done("r2"))[-3:] == [
        "response_created 2",
        "response_done 2",
        "completed 2",
    ]


def test_that_a_response_that_nobody_asked_for_is_a_turn() -> None:
    assert follow(began(), done()) == ["response_created 1", "response_done 1", "completed 1"]


def test_that_items_of_others_begin_none() -> None:
    assert follow(RESULT, m.ItemCreate(item=m.MessageItem.system("hm")), m.ItemDeleted(item_id="i")) == [
        "item_deleted -"
    ]


def test_that_several_messages_of_the_user_are_one_turn() -> None:
    assert follow(WROTE, WROTE, speech(), began()) == ["input_speech_started 1", "response_created 1"]


def test_that_a_turn_goes_on_after_function_calls() -> None:
    steps = (WROTE, began(), done(calls=True), RESULT, began("r2"), delta("r2"), done("r2"))
    assert follow(*steps) == [
        "response_created 1",
        "response_done 1",
        "response_created 1",
        "output_text_delta 1",
        "response_done 1",
        "completed 1",
    ]


def test_that_calls_of_a_response_that_failed_end_the_turn() -> None:
    assert follow(WROTE, began(), done(calls=True, status="failed"))[-1] == "failed 1"


def test_that_a_turn_goes_on_while_a_follow_up_waits() -> None:
    assert follow(WROTE, began(), done(), waits=True) == ["response_created 1", "response_done 1"]


def test_that_a_new_turn_ends_one_that_waits_for_results() -> None:
    assert follow(WROTE, began(), done(calls=True), speech()) == [
        "response_created 1",
        "response_done 1",
        "interrupted 1",
        "input_speech_started 2",
    ]
    assert follow(WROTE, began(), done(calls=True), WROTE)[-1] == "interrupted 1"


def test_that_speech_during_a_response_begins_the_next_turn_and_the_last_one_ends_by_itself() -> None:
    steps = (WROTE, began(), speech(), delta(), done(status="cancelled"), began("r2"), done("r2"))
    assert follow(*steps) == [
        "response_created 1",
        "input_speech_started 2",
        "output_text_delta 1",
        "response_done 1",
        "interrupted 1",
        "response_created 2",
        "response_done 2",
        "completed 2",
    ]


def test_that_a_replaced_turn_that_still_wants_results_is_interrupted() -> None:
    assert follow(WROTE, began(), speech(), done(calls=True)) == [
        "response_created 1",
        "input_speech_started 2",
        "response_done 1",
        "interrupted 1",
    ]


def test_that_out_of_band_responses_belong_to_no_turn() -> None:
    steps = (WROTE, began(), began("x", aside=True), delta("x"), done("x", aside=True), done())
    assert follow(*steps) == [
        "response_created 1",
        "response_created -",
        "output_text_delta -",
        "response_done -",
        "response_done 1",
        "completed 1",
    ]


def test_that_a_turn_that_the_message_names_stays() -> None:
    tracker = TurnTracker()
    tracker.sent(WROTE)
    message = m.OutputTextDelta(response_id="r1", item_id="i", text="hi", turn_id="theirs")
    tracker.mark(message)
    assert message.turn_id == "theirs"


def test_that_responses_of_long_ago_are_forgotten() -> None:
    tracker = TurnTracker()
    for number in range(1000):
        tracker.received(began(f"r{number}"), False)
        tracker.received(done(f"r{number}"), False)
    assert len(tracker._turn_of) < 500
    assert tracker._running == set()


def test_that_late_words_belong_to_the_turn_of_their_item() -> None:
    def words(item_id: str) -> m.InputTranscriptCompleted:
        return m.InputTranscriptCompleted(item_id=item_id, text="hi")

    first, second = m.InputSpeechStarted(item_id="u1"), m.InputSpeechStarted(item_id="u2")
    added = m.OutputItemAdded(response_id="r1", item=m.MessageItem(id="a1", role="assistant"))
    late = m.ItemDone(item=m.MessageItem(id="a1", role="assistant"))
    steps = (first, m.InputAudioCommitted(item_id="u1"), began(), added, second, late, words("u1"), words("u2"))
    assert follow(*steps) == [
        "input_speech_started 1",
        "input_audio_committed 1",
        "response_created 1",
        "output_item_added 1",
        "input_speech_started 2",
        "item_done 1",
        "input_transcript_completed 1",
        "input_transcript_completed 2",
    ]


@pytest.mark.parametrize("item_id", ["u2", None])
def test_that_a_turn_of_the_application_begins_with_its_commit(item_id: str | None) -> None:
    commit = m.InputAudioCommitted(item_id=item_id)
    assert follow(WROTE, began(), done(calls=True), commit) == [
        "response_created 1",
        "response_done 1",
        "interrupted 1",
        "input_audio_committed 2",
    ]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["wrote", "speech", "begin", "done", "calls", "cancelled", "delta"]), max_size=30))
def test_that_every_turn_with_a_response_ends_at_most_once_and_after_its_responses(steps: list[str]) -> None:
    tracker, response, running = TurnTracker(), 0, False
    ended: list[str] = []
    seen: list[ServerMessage] = []
    for step in steps:
        match step:
            case "wrote":
                seen += tracker.sent(WROTE)
            case "speech":
                seen += tracker.received(speech(), False)
            case "begin" if not running:
                response, running = response + 1, True
                seen += tracker.received(began(f"r{response}"), False)
            case "delta" if running:
                seen += tracker.received(delta(f"r{response}"), False)
            case "done" | "calls" | "cancelled" if running:
                running = False
                status = "cancelled" if step == "cancelled" else "completed"
                seen += tracker.received(done(f"r{response}", status, calls=step == "calls"), False)
            case _:
                pass
    for message in seen:
        if isinstance(message, m.TurnDone):
            assert message.turn_id is not None
            ended.append(message.turn_id)
        elif getattr(message, "response_id", None) is not None:
            assert message.turn_id is not None
            assert message.turn_id not in ended
    assert len(set(ended)) == len(ended)
    answered = {message.turn_id for message in seen if isinstance(message, m.ResponseDone)}
    last = max((int((turn or "").removeprefix("turn_")) for turn in answered), default=0)
    assert {f"turn_{number}" for number in range(1, last)} & answered <= set(ended)


def test_that_without_answers_a_turn_is_over_when_its_words_are_known() -> None:
    tracker = TurnTracker(answers=False)
    tracker.received(m.InputSpeechStarted(item_id="u1"), False)
    tracker.received(m.InputAudioCommitted(item_id="u1"), False)
    tracker.received(m.InputSpeechStarted(item_id="u2"), False)  # before the words of the first are known
    words = m.InputTranscriptCompleted(item_id="u1", text="one")
    assert tracker.received(words, False) == [words, m.TurnDone(turn_id="turn_1", outcome="completed")]
    failed = m.InputTranscriptFailed(item_id="u2", error=m.ErrorDetail(message="x"))
    assert tracker.received(failed, False) == [failed, m.TurnDone(turn_id="turn_2", outcome="failed")]
    assert (words.turn_id, failed.turn_id) == ("turn_1", "turn_2")


# --- wires that tell the ends of turns themselves ---


def _told(*steps: ServerMessage | ClientMessage) -> list[str]:
    tracker, seen = TurnTracker(waits_for_calls=False, ends_are_told=True), []
    for step in steps:
        out = tracker.sent(step) if isinstance(step, ClientMessage) else tracker.received(step, False)
        seen += [
            f"{message.outcome if isinstance(message, m.TurnDone) else message.type} {message.turn_id}"
            for message in out
        ]
    return [line.replace("turn_", "") for line in seen]


TOLD = m.TurnDone(turn_id="theirs", outcome="completed")


@pytest.mark.parametrize(
    ("status", "outcome"), [("completed", "completed"), ("cancelled", "interrupted"), ("failed", "failed")]
)
def test_that_a_turn_is_over_when_the_wire_says_so(status: str, outcome: str) -> None:
    usage = m.UsageReported(usage=m.Usage(), response_id="r1")
    assert _told(WROTE, began(), done(status=status), usage, TOLD, TOLD) == [
        "response_created 1",
        "response_done 1",
        "usage_reported 1",
        f"{outcome} 1",
    ]


def test_that_a_turn_with_calls_goes_on_until_the_wire_says_otherwise() -> None:
    assert _told(WROTE, began(), done(calls=True), RESULT, began("r2"), done("r2"), TOLD) == [
        "response_created 1",
        "response_done 1",
        "response_created 1",
        "response_done 1",
        "completed 1",
    ]
    assert _told(WROTE, began(), done(calls=True), TOLD, began("r2"), done("r2"), TOLD) == [
        "response_created 1",
        "response_done 1",
        "completed 1",
        "response_created 2",
        "response_done 2",
        "completed 2",
    ]


def test_that_a_turn_that_is_replaced_before_its_end_is_told_ended_as_its_response_did() -> None:
    assert _told(WROTE, began(), done(), WROTE, TOLD, began("r2"), done("r2"), TOLD) == [
        "response_created 1",
        "response_done 1",
        "completed 1",
        "response_created 2",
        "response_done 2",
        "completed 2",
    ]


def test_that_the_end_of_an_interrupted_turn_is_not_that_of_the_one_that_interrupts() -> None:
    assert _told(WROTE, began(), speech(), done(status="cancelled"), TOLD, began("r2"), done("r2"), TOLD) == [
        "response_created 1",
        "input_speech_started 2",
        "response_done 1",
        "interrupted 1",
        "response_created 2",
        "response_done 2",
        "completed 2",
    ]
