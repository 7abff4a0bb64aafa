"""Which calls belong together, and when the model is asked to go on: whatever the order of events."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from duologue.middleware.call_rounds import CallRounds, Round

CALLS = ("a", "b", "c", "d")
EVENTS = ["done", *(f"call {call}" for call in CALLS), *(f"answer {call}" for call in CALLS)]


@st.composite
def histories(draw: st.DrawFn) -> list[str]:
    """Every event of a response with calls, in an order that can happen, some of them twice."""
    order = draw(st.permutations(EVENTS))
    position = {event: index for index, event in enumerate(order)}
    order.sort(
        key=lambda event: (max(position[event], position[event.replace("answer", "call")]), event.startswith("answer"))
    )
    done = max(order.index("done"), *(order.index(f"call {call}") for call in CALLS))
    order.remove("done")
    order.insert(done, "done")
    for repeated in draw(st.lists(st.sampled_from([f"call {call}" for call in CALLS]), max_size=4)):
        order.insert(draw(st.integers(order.index(repeated) + 1, len(order))), repeated)
    return order


@given(history=histories(), taken_back=st.sets(st.sampled_from(CALLS)))
def test_a_round_is_due_once_when_all_is_known_and_nothing_open(history: list[str], taken_back: set[str]) -> None:
    rounds = CallRounds()
    round = rounds.of("r")
    ran: list[str] = []
    due_at: list[int] = []
    for index, event in enumerate(history):
        kind, _, call = event.partition(" ")
        if kind == "call" and round.add(call):
            ran.append(call)
            rounds.number(round, "turn_1")
        elif kind == "answer":
            rounds.close(call, answered=call not in taken_back)
        elif kind == "done":
            assert rounds.response_done("r", completed=True) is round
        if round.is_due():
            round.followed_up = True
            due_at.append(index)
    assert sorted(ran) == list(CALLS)
    last = max(index for index, event in enumerate(history) if not event.startswith("call"))
    assert due_at == ([] if taken_back == set(CALLS) else [last])


def test_a_response_that_was_cut_off_is_never_due() -> None:
    rounds = CallRounds()
    round = rounds.of("r")
    round.add("a")
    rounds.number(round, None)
    rounds.response_done("r", completed=False)
    rounds.close("a", answered=True)
    assert not round.is_due()


def test_rounds_are_counted_by_turn_and_once_each() -> None:
    rounds = CallRounds()
    numbered = []
    for response_id, turn_id in (("r1", "t1"), ("r1", "t1"), ("r2", "t1"), ("r3", "t2")):
        is_new = rounds.number(rounds.of(response_id), turn_id)
        numbered.append((is_new, rounds.of(response_id).number))
    assert numbered == [(True, 1), (False, 1), (True, 2), (True, 1)]


def test_old_rounds_are_forgotten_and_recent_ones_known() -> None:
    rounds = CallRounds()
    for number in range(100):
        assert rounds.of(f"r{number}").add("a")
        rounds.response_done(f"r{number}", completed=True)
    assert not rounds.of("r99").add("a")
    assert rounds.response_done("r0", completed=True) is None


def over(rounds: CallRounds, response_id: str, turn_id: str, *calls: Exception | str | None) -> Round:
    """A round whose calls ended so: with an exception, with a result, or without having been run (None)."""
    round = rounds.of(response_id)
    for number, end in enumerate(calls):
        round.add(f"{response_id} {number}")
        rounds.number(round, turn_id)
        error = end if isinstance(end, Exception) else None
        round.close(f"{response_id} {number}", answered=True, succeeded=isinstance(end, str), error=error)
    return round


def test_rounds_that_fail_in_a_row_are_counted_and_the_first_error_is_given() -> None:
    rounds = CallRounds()
    first, second, third = OSError("1"), OSError("2"), OSError("3")
    assert rounds.count_failure(over(rounds, "r1", "t", first), 1) is None
    assert rounds.count_failure(over(rounds, "r2", "t", second, third), 1) is second


def test_a_success_begins_the_count_anew_and_what_was_not_run_leaves_it() -> None:
    rounds = CallRounds()
    error = OSError()
    assert rounds.count_failure(over(rounds, "r1", "t", error), 1) is None
    assert rounds.count_failure(over(rounds, "r2", "t", error, "fine"), 1) is None
    assert rounds.count_failure(over(rounds, "r3", "t", error), 1) is None
    assert rounds.count_failure(over(rounds, "r4", "t", None), 1) is None
    assert rounds.count_failure(over(rounds, "r5", "t", error, None), 1) is error


def test_every_turn_may_fail_anew() -> None:
    rounds = CallRounds()
    error = OSError()
    late = over(rounds, "r1", "t1", error)
    assert rounds.count_failure(over(rounds, "r2", "t2", error), 1) is None
    assert rounds.count_failure(late, 1) is None  # of a turn that is over
    assert rounds.count_failure(over(rounds, "r3", "t3", error), 0) is error
