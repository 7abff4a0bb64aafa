"""The way out past the faults, with any faults and any messages, into a wire that remembers."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.testing.loopback import Cut, Delay, Duplicate, Garbage, Oversized, Reorder
from duologue.testing.loopback.framing import inserted
from duologue.testing.loopback.outbound import Outbound
from duologue.testing.loopback.wire import Wire

Fault = Garbage | Oversized | Reorder | Duplicate | Delay | Cut
Step = Fault | bytes

EVERY = st.integers(1, 4)
MESSAGES = st.integers(0, 255).map(lambda byte: bytes([byte]) * (byte % 5 + 1))
SHUFFLES = st.one_of(EVERY.map(Reorder), EVERY.map(Duplicate))
INSERTIONS = st.sampled_from([Garbage("json"), Garbage("wire"), Oversized(64)])
DELAYS = st.sampled_from([0, 0, 0.001, 0.002]).map(Delay)
FAULTS: st.SearchStrategy[Fault] = st.one_of(SHUFFLES, INSERTIONS, DELAYS)
STEPS: st.SearchStrategy[list[Step]] = st.lists(st.one_of(MESSAGES, MESSAGES, FAULTS), max_size=12)


class FakeWire:
    """Remembers what is written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ended = asyncio.Event()

    def write(self, data: bytes) -> None:
        assert not self.ended.is_set()
        self.pieces.append(data)

    def end(self) -> None:
        assert not self.ended.is_set()
        self.ended.set()


def sent(steps: list[Step], *first: Fault) -> tuple[list[bytes], list[Cut]]:
    """Take the steps, then end; gives what was written, and the cuts."""
    cuts: list[Cut] = []

    async def run() -> list[bytes]:
        wire = FakeWire()

        def cut_off(cut: Cut) -> None:
            cuts.append(cut)
            wire.ended.set()

        outbound = Outbound(cast(Wire, wire), cut_off)
        for step in (*first, *steps):
            if isinstance(step, bytes):
                outbound.message(step)
            else:
                outbound.add(step)
        outbound.flush()
        outbound.end()
        outbound.message(b"after the end")
        async with asyncio.timeout(5):
            await wire.ended.wait()
        loop: Any = asyncio.get_running_loop()
        assert all(timer.cancelled() for timer in loop._scheduled)
        return wire.pieces

    return asyncio.run(run()), cuts


@settings(deadline=None)
@given(STEPS)
def test_that_nothing_is_lost_or_made_up(steps: list[Step]) -> None:
    pieces, _ = sent(steps)
    insertions = [inserted(step) for step in steps if isinstance(step, Garbage | Oversized)]
    messages = [step for step in steps if isinstance(step, bytes)]
    assert [piece for piece in pieces if piece in insertions] == insertions
    rest = [piece for piece in pieces if piece not in insertions]
    assert len(rest) >= len(messages)
    assert set(rest) == set(messages)
    if not any(isinstance(step, Duplicate) for step in steps):
        assert sorted(rest) == sorted(messages)
        if not any(isinstance(step, Reorder) for step in steps):
            assert rest == messages


@settings(deadline=None)
@given(EVERY, st.integers(0, 12))
def test_that_a_message_moves_by_one_place(every: int, count: int) -> None:
    messages: list[Step] = [bytes([number]) for number in range(count)]
    pieces, _ = sent(messages, Reorder(every))
    assert all(abs(place - piece[0]) <= 1 for place, piece in enumerate(pieces))
    assert len(pieces) == count


@settings(deadline=None)
@given(STEPS, st.integers(0, 300))
def test_that_a_cut_takes_the_rest_and_nothing_else(steps: list[Step], after_bytes: int) -> None:
    whole = b"".join(sent(steps)[0])
    cut = Cut(after_bytes)
    pieces, cuts = sent(steps, cut)
    assert b"".join(pieces) == whole[:after_bytes]
    assert cuts == ([cut] if after_bytes <= len(whole) else [])
