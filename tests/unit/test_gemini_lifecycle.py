"""Responses and turns, whatever the order of the wire's marks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols.gemini import GeminiClientProtocol
from duologue.testing.lifecycle import LifecycleChecker
from duologue.transports import Closed
from gemini_wire import (
    CALL,
    GENERATED,
    INTERRUPTED,
    TURN_COMPLETE,
    audio,
    calls,
    content,
    frame,
    heard,
    only,
    opened,
    read,
    said,
    sent,
    without_items,
    words,
)

THOUGHT = content(modelTurn={"parts": [{"text": "Hm.", "thought": True}]})
WAITING = content(waitingForInput=True)


def _done(messages: list[ServerMessage]) -> m.ResponseDone:
    [done] = only(messages, m.ResponseDone)
    assert isinstance(done, m.ResponseDone)
    return done


@pytest.mark.parametrize(
    "first",
    [audio(), words("Hi"), THOUGHT, calls(CALL), content(modelTurn={"parts": [{"text": "Hi"}]})],
    ids=["audio", "words", "thought", "call", "text"],
)
def test_that_a_response_begins_with_the_first_sign_of_an_answer(first: bytes) -> None:
    messages = read(opened(), first)
    assert isinstance(messages[0], m.ResponseCreated)
    assert messages[0].status == "in_progress"


MARKS: dict[str, tuple[list[bytes], str, str]] = {
    "as documented": ([GENERATED, TURN_COMPLETE], "completed", "completed"),
    "no end of generation": ([TURN_COMPLETE], "completed", "completed"),
    "both in one": ([content(generationComplete=True, turnComplete=True)], "completed", "completed"),
    "interrupted": ([INTERRUPTED, TURN_COMPLETE], "cancelled", "interrupted"),
    "interrupted and complete in one": ([content(interrupted=True, turnComplete=True)], "cancelled", "interrupted"),
    "interrupted twice": ([INTERRUPTED, INTERRUPTED, TURN_COMPLETE], "cancelled", "interrupted"),
    "interrupted while it is played": ([GENERATED, INTERRUPTED, TURN_COMPLETE], "completed", "interrupted"),
    "waiting for more": ([WAITING, TURN_COMPLETE], "completed", "completed"),
    "waiting at the end": ([GENERATED, content(waitingForInput=True, turnComplete=True)], "completed", "completed"),
    "turn complete twice": ([TURN_COMPLETE, TURN_COMPLETE], "completed", "completed"),
    "generated after the turn": ([TURN_COMPLETE, GENERATED], "completed", "completed"),
    "late words": ([GENERATED, words(" there"), TURN_COMPLETE], "completed", "completed"),
    "safety": (
        [content(turnComplete=True, turnCompleteReason="GENERATED_AUDIO_SAFETY")],
        "incomplete",
        "incomplete",
    ),
    "generated, and a reason with the end": (
        [content(generationComplete=True, turnComplete=True, turnCompleteReason="RESPONSE_REJECTED")],
        "incomplete",
        "incomplete",
    ),
    "malformed call": (
        [content(turnComplete=True, turnCompleteReason="MALFORMED_FUNCTION_CALL")],
        "failed",
        "failed",
    ),
    "needs more input": ([content(turnComplete=True, turnCompleteReason="NEED_MORE_INPUT")], "completed", "completed"),
}


@pytest.mark.parametrize(("marks", "status", "outcome"), MARKS.values(), ids=MARKS)
def test_that_a_response_is_done_once_and_the_turn_after_it(marks: list[bytes], status: str, outcome: str) -> None:
    messages = read(opened(), words("Hello"), audio(), *marks)
    checker = LifecycleChecker()
    checker.feed_all([m.SessionCreated(options=SessionOptions()), *messages])
    checker.finish()
    assert len(only(messages, m.ResponseCreated)) == 1
    assert _done(messages).status == status
    [over] = only(messages, m.TurnDone)
    assert over.outcome == outcome
    assert messages.index(over) > messages.index(_done(messages))
    assert len(only(messages, m.Interrupted)) == ("interrupted" in outcome)


def test_that_a_response_is_done_when_it_is_generated() -> None:
    protocol = opened()
    messages = read(protocol, words("Hello"), audio(), GENERATED)
    assert without_items(messages) == [
        "ResponseCreated",
        "OutputTranscriptDelta",
        "OutputAudioDelta",
        "OutputAudioDone",
        "OutputTranscriptDone",
        "ResponseDone",
    ]
    assert only(read(protocol, TURN_COMPLETE), m.TurnDone)


def test_that_the_next_response_has_another_id_and_other_items() -> None:
    protocol = opened()
    messages = read(protocol, audio(), GENERATED, TURN_COMPLETE, audio(), GENERATED, TURN_COMPLETE)
    first, second = only(messages, m.ResponseDone)
    assert first.response_id != second.response_id
    assert {item.id for item in first.items}.isdisjoint(item.id for item in second.items)


def test_that_an_interruption_comes_before_the_end_of_its_response_and_says_why() -> None:
    messages = read(opened(), audio(), INTERRUPTED)
    done = _done(messages)
    assert done.reason == "turn_detected"
    [interrupted] = only(messages, m.Interrupted)
    assert interrupted.response_id == done.response_id
    assert messages.index(interrupted) < messages.index(done)
    [item] = done.items
    assert item.status == "incomplete"


def test_that_an_interruption_of_nothing_is_not_told() -> None:
    assert read(opened(), INTERRUPTED, TURN_COMPLETE) == []


def test_that_late_words_are_told_with_their_item() -> None:
    protocol = opened()
    messages = read(protocol, words("Hello"), audio(), GENERATED, words(" there"), words("."), TURN_COMPLETE)
    conversation = Conversation()
    for message in messages:
        conversation.feed(message)
    [item] = conversation.items
    assert isinstance(item, m.MessageItem)
    assert item.text == "Hello there."
    assert len(only(messages, m.ResponseCreated)) == 1


def test_that_words_of_the_next_turn_are_no_late_words() -> None:
    protocol = opened()
    messages = read(protocol, words("Hello"), GENERATED, TURN_COMPLETE, words("Again"))
    assert len(only(messages, m.ResponseCreated)) == 2


def test_that_what_is_heard_after_an_interruption_is_not_said() -> None:
    messages = read(opened(), words("One"), audio(), INTERRUPTED, words(" two"), TURN_COMPLETE)
    assert len(only(messages, m.ResponseCreated)) == 1
    assert not only(messages, m.ItemRetrieved)


def test_that_audio_after_an_interruption_belongs_to_the_next_response() -> None:
    messages = read(opened(), audio(), INTERRUPTED, audio())
    first, second = only(messages, m.ResponseCreated)
    assert messages[-1].response_id == second.response_id != first.response_id  # type: ignore[attr-defined]


def test_that_a_turn_that_was_refused_has_a_response_all_the_same() -> None:
    protocol = opened()
    said(protocol, m.ItemCreate(item=m.MessageItem.user("Hi")))
    said(protocol, m.ResponseCreate())
    messages = read(protocol, content(turnComplete=True, turnCompleteReason="PROHIBITED_INPUT_CONTENT"))
    assert without_items(messages) == ["ResponseCreated", "ResponseDone", "TurnDone"]
    assert (_done(messages).status, _done(messages).reason) == ("incomplete", "PROHIBITED_INPUT_CONTENT")


def test_that_an_answer_that_was_asked_for_and_is_empty_has_a_response() -> None:
    protocol = opened()
    said(protocol, m.ResponseCreate())
    messages = read(protocol, TURN_COMPLETE)
    assert without_items(messages) == ["ResponseCreated", "ResponseDone", "TurnDone"]
    assert read(protocol, TURN_COMPLETE) == []


def test_that_an_answer_that_is_stopped_before_it_begins_is_cancelled() -> None:
    protocol = opened()
    said(protocol, m.ResponseCreate())
    messages = read(protocol, INTERRUPTED, TURN_COMPLETE)
    assert without_items(messages) == ["ResponseCreated", "ResponseDone", "TurnDone"]
    assert (_done(messages).status, _done(messages).reason) == ("cancelled", "turn_detected")
    assert only(read(protocol, audio()), m.ResponseCreated)


# --- several things in one frame ---


def test_that_all_that_a_frame_tells_is_told_in_order() -> None:
    protocol = opened(options=SessionOptions(transcription=Transcription()))
    everything = frame(
        serverContent={
            "inputTranscription": {"text": "Hi"},
            "modelTurn": {
                "parts": [{"text": "Hm.", "thought": True}, {"inlineData": _blob()}, {"inlineData": _blob()}]
            },
            "outputTranscription": {"text": "Hello"},
            "generationComplete": True,
            "turnComplete": True,
        },
        usageMetadata={"promptTokenCount": 3, "responseTokenCount": 4, "totalTokenCount": 7},
        sessionResumptionUpdate={"newHandle": "h1", "resumable": True},
        goAway={"timeLeft": "9.5s"},
    )
    messages = read(protocol, everything)
    assert without_items(messages) == [
        "InputAudioCommitted",
        "InputTranscriptDelta",
        "ResponseCreated",
        "ReasoningDelta",
        "OutputAudioDelta",
        "OutputAudioDelta",
        "OutputTranscriptDelta",
        "OutputAudioDone",
        "OutputTranscriptDone",
        "ResponseDone",
        "InputTranscriptCompleted",
        "TurnDone",
        "ResumptionUpdated",
        "SessionExpiring",
    ]
    assert _done(messages).usage == m.Usage(input_tokens=3, output_tokens=4, total_tokens=7)


def test_that_words_of_who_interrupts_come_after_the_interruption() -> None:
    protocol = opened()
    read(protocol, audio())
    messages = read(protocol, content(interrupted=True, inputTranscription={"text": "Stop"}))
    names = without_items(messages)
    assert names.index("Interrupted") < names.index("ResponseDone") < names.index("InputTranscriptDelta")


def _blob() -> dict[str, Any]:
    return {"mimeType": "audio/pcm;rate=24000", "data": "AAEC"}


# --- cancelling ---


def test_that_a_cancelled_response_is_done_at_once_and_the_rest_is_dropped() -> None:
    protocol = opened()
    read(protocol, audio())
    assert said(protocol, m.ResponseCancel()) == []
    told = protocol.tick(0.0)
    done = _done(told)
    assert (done.status, done.reason) == ("cancelled", "client_cancelled")
    [over] = only(told, m.TurnDone)
    assert over.outcome == "interrupted"
    assert read(protocol, audio(), words("more"), THOUGHT, GENERATED, words(" and more"), TURN_COMPLETE) == []
    assert only(read(protocol, audio()), m.ResponseCreated)


def test_that_a_response_can_be_cancelled_before_it_begins() -> None:
    protocol = opened()
    said(protocol, m.ResponseCreate())
    said(protocol, m.ResponseCancel())
    messages = read(protocol, audio(), audio(), TURN_COMPLETE)
    assert without_items(messages) == ["ResponseCreated", "ResponseDone", "TurnDone"]
    assert _done(messages).status == "cancelled"


def test_that_what_follows_the_results_of_calls_can_be_cancelled_before_it_begins() -> None:
    protocol = opened()
    read(protocol, calls(CALL))
    said(protocol, m.ItemCreate(item=m.FunctionResult(call_id="c1", output="rain")))
    said(protocol, m.ResponseCancel())
    protocol.tick(0.0)
    assert _done(read(protocol, audio(), audio())).status == "cancelled"


def test_that_cancelling_nothing_or_another_response_is_harmless() -> None:
    protocol = opened()
    said(protocol, m.ResponseCancel())
    assert only(read(protocol, audio()), m.OutputAudioDelta)
    said(protocol, m.ResponseCancel(response_id="another"))
    assert protocol.tick(0.0) == []
    assert only(read(protocol, audio()), m.OutputAudioDelta)


def test_that_the_server_need_not_wait_for_calls_of_a_cancelled_response() -> None:
    protocol = opened()
    read(protocol, audio())
    said(protocol, m.ResponseCancel())
    protocol.tick(0.0)
    assert read(protocol, calls(CALL)) == []
    [answer] = sent(protocol)
    [result] = answer["toolResponse"]["functionResponses"]
    assert (result["id"], result["name"], list(result["response"])) == ("c1", "get_weather", ["error"])


# --- what we send ourselves ---


def test_that_our_own_request_interrupts_nobody() -> None:
    protocol = opened()
    read(protocol, audio(), GENERATED)
    said(protocol, m.ItemCreate(item=m.MessageItem.user("And?")))
    said(protocol, m.ResponseCreate())
    messages = read(protocol, INTERRUPTED, TURN_COMPLETE, audio())
    assert not only(messages, m.Interrupted)
    assert len(only(messages, m.ResponseCreated)) == 1


def test_that_a_connection_that_is_lost_ends_what_is_open() -> None:
    protocol = opened()
    read(protocol, words("Hel"))
    ends, _ = protocol.connection_lost(Closed(code=1006))
    done = _done(list(ends))
    assert done.status == "failed"
    assert done.error is not None
    assert done.items[0].status == "incomplete"


# --- any order at all ---

FRAMES = (
    audio(),
    words("word "),
    THOUGHT,
    calls(CALL),
    calls(CALL, {"id": "c2", "name": "get_time", "args": {}}),
    content(modelTurn={"parts": [{"text": "text"}]}),
    GENERATED,
    TURN_COMPLETE,
    INTERRUPTED,
    WAITING,
    content(generationComplete=True, turnComplete=True),
    content(interrupted=True, turnComplete=True, inputTranscription={"text": "no"}),
    content(turnComplete=True, turnCompleteReason="RESPONSE_REJECTED"),
    heard("user "),
    heard("end", finished=True),
    heard("", finished=True),
    content(interimInputTranscription={"text": "may be"}),
    frame(toolCallCancellation={"ids": ["c1"]}),
    frame(usageMetadata={"promptTokenCount": 5, "totalTokenCount": 9}),
    frame(voiceActivity={"voiceActivityType": "ACTIVITY_START", "audioOffset": "1.5s"}),
    frame(voiceActivity={"voiceActivityType": "ACTIVITY_END"}),
    frame(setupComplete={}),
    content(groundingMetadata={"webSearchQueries": ["a"]}),
)
MESSAGES: tuple[ClientMessage, ...] = (
    m.ItemCreate(item=m.MessageItem.user("Hi")),
    m.ItemCreate(item=m.FunctionResult(call_id="c1", output="{}")),
    m.ItemCreate(item=m.FunctionResult(call_id="c2", output="[]", scheduling="silent")),
    m.ResponseCreate(),
    m.ResponseCancel(),
    m.Say(text="Hello."),
    m.InputAudioAppend(audio=bytes(320)),
    m.InputAudioEnd(),
)
MANUAL = (m.UserTurnStart(), m.UserTurnEnd(), m.UserTurnEnd(respond=False), m.InputAudioCommit())
STEPS = st.lists(st.one_of(st.sampled_from(FRAMES), st.sampled_from(MESSAGES + MANUAL)), max_size=40)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS, is_manual=st.booleans())
def test_that_any_order_of_marks_is_brought_into_the_documented_one(steps: list[Any], is_manual: bool) -> None:
    protocol = GeminiClientProtocol()
    protocol.open(SessionOptions(transcription=Transcription(), turn_detection=OFF if is_manual else None))
    checker, conversation = LifecycleChecker(), Conversation()
    messages = read(protocol, frame(setupComplete={}))
    for step in steps:
        if isinstance(step, bytes):
            messages += read(protocol, step)
        elif is_manual or step not in MANUAL:
            protocol.send(step)
            messages += protocol.tick(0.0) if isinstance(step, m.ItemCreate) else []
    ends, _ = protocol.connection_lost(Closed(code=1000))
    for message in [*messages, *ends]:
        checker.feed(message)
        conversation.feed(message)
    checker.finish()
    created, done = only([*messages, *ends], m.ResponseCreated), only([*messages, *ends], m.ResponseDone)
    assert [one.response_id for one in created] == [one.response_id for one in done]
    assert len(only(messages, m.TurnDone)) <= len(created)
