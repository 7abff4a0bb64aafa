"""When the words of an answer are checked, and which of them go on."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.messages.base import ServerMessage
from duologue.middleware.guardrails.answers import Answer
from duologue.middleware.guardrails.gate import Gate, without_unsaid
from duologue.middleware.guardrails.words import Words, is_quote

PART = ("i1", 0)


@pytest.mark.parametrize(
    ("deltas", "due"),
    [
        (["Hello"], False),
        (["Hello", "."], True),
        (["Hello. "], True),
        (["He said: “No!”"], True),
        (["Is it 3.5?"], True),
        (["It is 3.5 or"], False),  # no end of a sentence
        (["これです。"], True),
        (["a" * 19], False),
        (["a" * 10, "b" * 10], True),
        ([""], False),
    ],
)
def test_when_a_check_is_due(deltas: list[str], due: bool) -> None:
    words = Words(check_every=20)
    for delta in deltas:
        words.add(PART, delta)
    assert words.is_due is due


def test_that_what_was_taken_is_not_due_again() -> None:
    words = Words(check_every=20)
    words.add(PART, "One.")
    assert words.take() == "One."
    assert words.take() is None
    words.add(PART, " Two")
    assert words.take() is None
    words.finish()
    assert words.take() == "One. Two"
    words.finish()
    assert words.take() is None


def test_that_every_part_is_a_paragraph() -> None:
    words = Words(check_every=20)
    for part, text in ((PART, "One"), (("i2", 0), "Two"), (PART, " more")):
        words.add(part, text)
    assert words.until(3) == "One more\nTwo"
    assert words.until(1) == "One"
    assert words.of_part(PART, 3) == "One more"


@pytest.mark.parametrize(
    ("deltas", "whole", "said"),
    [
        (["One", " two"], "One two", "One two"),
        (["One", " two "], "One two", "One two "),  # spaces aside
        (["One"], "One two", "One two"),  # deltas that did not come
        ([], "One two", "One two"),
    ],
)
def test_that_a_part_is_complete(deltas: list[str], whole: str, said: str) -> None:
    words = Words(check_every=200)
    for delta in deltas:
        words.add(PART, delta)
    words.complete(PART, whole)
    assert words.take() == said


@pytest.mark.parametrize(
    ("text", "of", "quote"),
    [
        ("", "Sorry.", True),
        ("Sor", "Sorry.", True),
        ("sorry,  i", "Sorry, I cannot.", True),
        ("Sorry. But", "Sorry.", False),
        ("Well", "Sorry.", False),
    ],
)
def test_what_is_a_quote(text: str, of: str, quote: bool) -> None:
    assert is_quote(text, of) is quote


# --- what goes on ---


def answer(allowed: float, response: str = "r1") -> Answer:
    return Answer(m.ResponseCreated(response_id=response), Words(200), allowed)


def words_of(said: Answer, text: str) -> m.OutputTranscriptDelta:
    said.words.add(PART, text)
    return m.OutputTranscriptDelta(response_id=said.response_id, item_id=PART[0], text=text)


def sound(said: Answer, size: int = 4) -> m.OutputAudioDelta:
    return m.OutputAudioDelta(response_id=said.response_id, item_id=PART[0], audio=bytes(size), format=PCM16_24K)


def test_that_all_goes_on_where_nothing_is_held() -> None:
    gate, said = Gate(), answer(math.inf)
    messages: list[ServerMessage] = [sound(said), words_of(said, "One."), sound(said)]
    assert [gate.take(message, said) for message in messages] == [(message,) for message in messages]


def test_that_words_and_sound_wait_until_they_have_passed() -> None:
    gate, said = Gate(), answer(0)
    first = [sound(said), words_of(said, "One."), sound(said)]
    assert [gate.take(message, said) for message in first] == [(), (), ()]
    assert gate.release() == []
    said.allowed = len(said.words)
    assert gate.release() == first
    more = sound(said)
    assert gate.take(more, said) == (more,)
    assert gate.take(words_of(said, " Two."), said) == ()
    assert gate.holds(said)


def test_that_what_comes_after_words_waits_with_them() -> None:
    gate, said, other = Gate(), answer(0), m.RateLimitsUpdated(limits=())
    held = words_of(said, "One.")
    assert gate.take(held, said) == ()
    assert gate.take(other, None) == ()
    said.allowed = 1
    assert gate.release() == [held, other]


def test_that_nothing_more_of_a_stopped_answer_goes_on() -> None:
    gate, said, other = Gate(), answer(0), m.RateLimitsUpdated(limits=())
    held = words_of(said, "One.")
    gate.take(held, said)
    said.allowed = 1
    assert gate.release() == [held]
    gate.take(words_of(said, " Two."), said)
    gate.take(sound(said), said)
    gate.take(other, None)
    said.stop()
    assert gate.release() == [other]
    assert gate.take(sound(said), said) == ()
    text = m.OutputTranscriptDone(response_id="r1", item_id="i1", text="One. Two.")
    assert gate.take(text, said) == (m.OutputTranscriptDone(response_id="r1", item_id="i1", text="One."),)


@given(st.lists(st.tuples(st.sampled_from(["words", "sound", "other", "check"]), st.integers(0, 5))))
def test_that_no_unchecked_word_goes_on_and_the_order_stays(steps: list[tuple[str, int]]) -> None:
    gate, said = Gate(), answer(0)
    taken: list[ServerMessage] = []
    out: list[ServerMessage] = []
    for step, number in steps:
        if step == "check":
            said.allowed = min(len(said.words), max(said.allowed, number))
            out += gate.release()
        else:
            message: ServerMessage
            if step == "words":
                message = words_of(said, f"{number}")
            else:
                message = sound(said, number) if step == "sound" else m.RateLimitsUpdated(limits=())
            taken.append(message)
            out += gate.take(message, said if step != "other" else None)
        assert sum(isinstance(message, m.OutputTranscriptDelta) for message in out) <= said.allowed
    assert all(one is other for one, other in zip(out, taken, strict=False))
    said.allowed = math.inf
    assert [*out, *gate.release()] == taken


# --- what closes a stopped answer ---


def stopped() -> Answer:
    said = answer(math.inf)
    words_of(said, "One.")
    said.stop()
    return said


MESSAGE = m.MessageItem(
    id="i1", role="assistant", status="completed", content=(m.AudioContent(transcript="One. Two."),)
)
CUT = m.MessageItem(id="i1", role="assistant", status="incomplete", content=(m.AudioContent(transcript="One."),))
CALL = m.FunctionCall(id="i2", call_id="c", name="f", status="completed")
OF: dict[str, Any] = {"response_id": "r1", "item_id": "i1"}


@pytest.mark.parametrize(
    ("message", "cut"),
    [
        (m.OutputTextDelta(text="x", **OF), None),
        (m.OutputTextDone(text="One. Two.", **OF), m.OutputTextDone(text="One.", **OF)),
        (
            m.ContentPartDone(part=m.TextContent(text="One. Two."), **OF),
            m.ContentPartDone(part=m.TextContent(text="One."), **OF),
        ),
        (m.OutputItemDone(response_id="r1", item=MESSAGE), m.OutputItemDone(response_id="r1", item=CUT)),
        (m.ItemDone(item=MESSAGE), m.ItemDone(item=CUT)),
        (
            m.ResponseDone(response_id="r1", status="completed", items=(MESSAGE,)),
            m.ResponseDone(response_id="r1", status="incomplete", reason="content_filter", items=(CUT,)),
        ),
        (
            m.ResponseDone(response_id="r1", status="cancelled", reason="client_cancelled"),
            m.ResponseDone(response_id="r1", status="cancelled", reason="client_cancelled"),
        ),
        (m.OutputAudioDone(**OF), m.OutputAudioDone(**OF)),
    ],
)
def test_what_is_left_of_the_messages_of_a_stopped_answer(message: ServerMessage, cut: ServerMessage | None) -> None:
    assert without_unsaid(message, stopped()) == cut


def test_that_no_call_of_a_stopped_answer_is_to_be_run() -> None:
    done = without_unsaid(m.ResponseDone(response_id="r1", status="completed", items=(CALL,)), stopped())
    assert isinstance(done, m.ResponseDone)
    assert done.function_calls == ()
    item = without_unsaid(m.OutputItemDone(response_id="r1", item=CALL), stopped())
    assert isinstance(item, m.OutputItemDone)
    assert item.item.status == "incomplete"
