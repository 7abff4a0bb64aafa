"""What counts as used, and when a limit is crossed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.middleware.usage_totals import Gauge, TokenCount, token_totals


@pytest.mark.parametrize(
    ("warn_at", "amounts", "crossings"),
    [
        (0.8, [79, 1, 5], [None, "warned", None]),
        (0.8, [85, 14, 1, 1], ["warned", None, "reached", None]),
        (0.8, [100, 1], ["reached", None]),  # past both at once: there is nothing to warn of any more
        (0.8, [0, 0], [None, None]),
        (None, [99, 1, 1], [None, "reached", None]),
    ],
)
def test_that_a_limit_warns_once_and_is_reached_once(
    warn_at: float | None, amounts: list[float], crossings: list[str | None]
) -> None:
    gauge = Gauge("total_tokens", 100, warn_at)
    assert [gauge.add(amount) for amount in amounts] == crossings
    assert gauge.used == sum(amounts)


@given(st.lists(st.floats(0, 1e6), max_size=30))
def test_that_infinity_only_counts(amounts: list[float]) -> None:
    gauge = Gauge("session_seconds", math.inf, 0.8)
    assert [gauge.add(amount) for amount in amounts] == [None] * len(amounts)
    assert gauge.used == pytest.approx(sum(amounts))


@given(st.lists(st.floats(0, 60), max_size=40), st.sampled_from([None, 0.5, 0.8]))
def test_the_order_of_warning_and_limit(amounts: list[float], warn_at: float | None) -> None:
    gauge = Gauge("total_tokens", 100, warn_at)
    crossings = [crossing for amount in amounts if (crossing := gauge.add(amount))]
    assert crossings in ([], ["warned"], ["warned", "reached"], ["reached"])
    assert ("reached" in crossings) == (gauge.used >= 100)


def tokens(total: int) -> m.Usage:
    return m.Usage(input_tokens=total - 1, output_tokens=1, total_tokens=total)


def done(response_id: str, usage: m.Usage | None) -> m.ResponseDone:
    return m.ResponseDone(response_id=response_id, status="completed", usage=usage)


def report(usage: m.Usage, response_id: str | None = None) -> m.UsageReported:
    return m.UsageReported(usage=usage, response_id=response_id)


@pytest.mark.parametrize(
    ("messages", "total"),
    [
        pytest.param([done("a", tokens(5)), done("b", tokens(7))], 12, id="responses add up"),
        pytest.param([done("a", None)], 0, id="a cancelled response may tell nothing"),
        pytest.param([report(tokens(5)), report(tokens(7))], 12, id="reports without a response add up"),
        pytest.param([report(tokens(5), "a"), report(tokens(7), "a")], 7, id="a response stands at its last report"),
        pytest.param([report(tokens(5), "a"), report(tokens(7), "b")], 12, id="each response has its own"),
        pytest.param([report(tokens(5), "a"), done("a", tokens(9))], 9, id="the end replaces the reports"),
        pytest.param([report(tokens(5), "a"), done("a", None)], 5, id="an end without usage leaves the report"),
    ],
)
def test_how_usage_is_summed(messages: list[ServerMessage], total: int) -> None:
    count = TokenCount()
    for message in messages:
        count.feed(message)
    assert token_totals(count.responses)["total_tokens"] == total


def test_that_transcription_is_apart() -> None:
    count = TokenCount()
    assert not count.feed(m.InputTranscriptCompleted(item_id="i", text="", usage=m.Usage(total_tokens=9, seconds=2.0)))
    assert not count.feed(m.InputTranscriptCompleted(item_id="j", text=""))
    assert count.transcription == m.Usage(total_tokens=9, seconds=2.0)
    assert count.responses == m.Usage()


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (m.Usage(), (0, 0, 0, 0, 0)),
        (m.Usage(input_tokens=3, output_tokens=4), (7, 3, 4, 0, 0)),  # a total that was not told
        (m.Usage(input_tokens=3, output_tokens=4, total_tokens=9), (9, 3, 4, 0, 0)),
        (m.Usage(input=m.TokenCounts(text=1, audio=2), output=m.TokenCounts(audio=5)), (0, 0, 0, 2, 5)),
    ],
)
def test_the_numbers_that_limits_are_set_on(usage: m.Usage, expected: tuple[int, ...]) -> None:
    assert tuple(token_totals(usage).values()) == expected
