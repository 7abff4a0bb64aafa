"""Which answer a verdict hits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from duologue import messages as m
from duologue.middleware.guardrails.answers import Answer, Answers, items_to_delete

Story = Callable[[Answers[str]], object]


def begins(response: str, turn: str = "t1", *, out_of_band: bool = False) -> Story:
    created = m.ResponseCreated(response_id=response, turn_id=turn, out_of_band=out_of_band)
    return lambda answers: answers.created(created)


def ends(response: str) -> Story:
    return lambda answers: answers.done(response)


def turn_over(turn: str) -> Story:
    return lambda answers: answers.turn_done(turn)


def interrupted(response: str | None = None) -> Story:
    return lambda answers: answers.interrupted(response)


def told(*story: Story) -> tuple[Answers[str], dict[str, Answer]]:
    """What is known after `story`, and the answers in it."""
    answers: Answers[str] = Answers(200, 0)
    seen: dict[str, Answer] = {}
    for step in story:
        step(answers)
        seen.update({answer.response_id: answer for answer in answers.unfinished()})
    return answers, seen


@pytest.mark.parametrize(
    ("story", "stops"),
    [
        pytest.param([begins("a")], True, id="it runs"),
        pytest.param([begins("a"), ends("a")], True, id="it may be playing"),
        pytest.param([begins("a"), ends("a"), turn_over("t1")], True, id="it may be playing, its turn is over"),
        pytest.param([begins("a"), begins("b")], False, id="a newer one has begun"),
        pytest.param([begins("a"), ends("a"), begins("b")], False, id="a newer one has begun after it"),
        pytest.param([begins("a"), begins("o", out_of_band=True)], True, id="another beside the conversation"),
        pytest.param([begins("a"), interrupted("a")], False, id="the user interrupted it"),
        pytest.param([begins("a"), interrupted()], False, id="the user interrupted everything"),
        pytest.param(
            [begins("a"), begins("o", out_of_band=True), interrupted("o")], True, id="another was interrupted"
        ),
        pytest.param([begins("a", out_of_band=True)], True, id="it runs beside the conversation"),
        pytest.param([begins("a", out_of_band=True), begins("b")], True, id="it runs beside a newer one"),
        pytest.param([begins("a", out_of_band=True), ends("a")], False, id="it was beside the conversation"),
    ],
)
def test_what_a_verdict_about_the_words_of_an_answer_may_stop(story: list[Story], stops: bool) -> None:
    answers, seen = told(*story)
    assert answers.may_stop(seen["a"]) is stops


@pytest.mark.parametrize(
    ("story", "hit", "waits"),
    [
        pytest.param([], None, True, id="no answer yet"),
        pytest.param([begins("a")], "a", True, id="it runs"),
        pytest.param([begins("a"), ends("a")], "a", True, id="it may be playing, and another may follow its calls"),
        pytest.param([begins("a"), ends("a"), turn_over("t1")], "a", False, id="it may be playing"),
        pytest.param([begins("a"), interrupted("a")], None, True, id="it was interrupted"),
        pytest.param([begins("a"), ends("a"), begins("b")], "b", True, id="the answer after its calls"),
        pytest.param([begins("x", "t0")], None, True, id="the answer to an earlier turn"),
        pytest.param([begins("a"), turn_over("t1"), begins("b", "t2")], None, False, id="the answer to a newer turn"),
        pytest.param([begins("a", out_of_band=True)], None, True, id="a response beside the conversation"),
    ],
)
def test_what_a_verdict_about_the_words_of_the_user_hits(story: list[Story], hit: str | None, waits: bool) -> None:
    answers, _ = told(*story)
    aim = answers.aim_at_turn("t1")
    assert (aim.answer.response_id if aim.answer else None, aim.waits) == (hit, waits)


@pytest.mark.parametrize(
    ("story", "of", "superseded"),
    [
        pytest.param([], None, False, id="nothing has begun"),
        pytest.param([begins("a"), turn_over("t1")], None, False, id="the turn is over"),
        pytest.param([begins("x", "t0")], None, False, id="an earlier answer"),
        pytest.param([begins("a"), turn_over("t1"), begins("b", "t2")], None, True, id="a newer turn is answered"),
        pytest.param([begins("a"), interrupted("a")], "a", False, id="it is over"),
        pytest.param([begins("a"), begins("b")], "a", True, id="a newer answer"),
    ],
)
def test_what_an_end_comes_too_late_for(story: list[Story], of: str | None, superseded: bool) -> None:
    answers, seen = told(*story)
    assert answers.is_superseded(seen[of] if of else None, "t1") is superseded


def test_that_what_waits_meets_every_answer_of_its_turn() -> None:
    answers: Answers[str] = Answers(200, 0)
    answers.wait("t1", "stop")
    created = [
        m.ResponseCreated(response_id=response, turn_id=turn, out_of_band=beside)
        for response, turn, beside in (("a", "t1", False), ("o", "t1", True), ("b", "t1", False), ("c", "t2", False))
    ]
    assert [answers.created(message)[1] for message in created] == ["stop", None, "stop", None]
    assert answers.turn_done("t1") == "stop"
    assert answers.turn_done("t1") is None
    answers.wait("t1", "stop")  # too late
    assert answers.created(created[0])[1] is None


def test_that_the_next_answer_is_the_replacement() -> None:
    answers: Answers[str] = Answers(200, 0)
    answers.expect_replacement("Sorry.")
    replaces = [
        answers.created(m.ResponseCreated(response_id=response, out_of_band=beside))[0].replaces
        for response, beside in (("o", True), ("a", False), ("b", False))
    ]
    assert replaces == [None, "Sorry.", None]


def test_that_nothing_is_kept_of_answers_that_do_not_matter() -> None:
    answers: Answers[str] = Answers(200, 0)
    for number in range(1000):
        response, turn = f"r{number}", f"t{number}"
        answer, _ = answers.created(m.ResponseCreated(response_id=response, turn_id=turn))
        answers.add_item(answer, m.MessageItem(id=f"i{number}", role="assistant"))
        answers.done(response)
        answers.turn_done(turn)
    assert [answer.response_id for answer in answers.unfinished()] == ["r999"]
    assert len(answers._of_items) == 1
    assert len(answers._over) < 1000
    assert answers.of(m.ItemDone(item=m.MessageItem(id="i999", role="assistant"))) is answers.current
    assert answers.of(m.ItemDone(item=m.MessageItem(id="i1", role="assistant"))) is None


@pytest.mark.parametrize(
    ("notice", "runtime_deletes", "left"),
    [
        pytest.param(None, True, ["i1", "i2", "i3"], id="nothing was interrupted"),
        pytest.param(m.Interrupted(response_id="r1"), True, ["i1", "i2", "i3"], id="no audio was left"),
        pytest.param(m.Interrupted(item_id="i2", heard_ms=0), True, ["i1", "i3"], id="nothing of the second was heard"),
        pytest.param(m.Interrupted(item_id="i2", heard_ms=9), True, ["i1", "i2", "i3"], id="part of it was heard"),
        pytest.param(m.Interrupted(item_id="i1", heard_ms=0), True, ["i3"], id="nothing was heard"),
        pytest.param(m.Interrupted(item_id="old", heard_ms=9), True, ["i3"], id="an earlier answer was playing"),
        pytest.param(m.Interrupted(item_id="i1", heard_ms=0), False, ["i1", "i2", "i3"], id="the server plays"),
    ],
)
def test_what_the_runtime_leaves_in_the_conversation(
    notice: m.Interrupted | None, runtime_deletes: bool, left: list[str]
) -> None:
    answer, _ = Answers[str](200, 0).created(m.ResponseCreated(response_id="r1"))
    answer.message_items = {"i1": True, "i2": True, "i3": False}  # the third is text
    assert items_to_delete(answer, notice, runtime_deletes=runtime_deletes) == left
