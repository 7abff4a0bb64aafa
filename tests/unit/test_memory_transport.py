"""The transport inside the process: order, room, and the end."""

from __future__ import annotations

import asyncio

import pytest

from duologue.transports import Closed, Frame, MemoryTransport, memory_pair


class End:
    """One end, and what has arrived there."""

    def __init__(self, transport: MemoryTransport) -> None:
        self.transport = transport
        self.frames: list[Frame] = []
        self.closed: list[Closed] = []

    def frame_received(self, frame: Frame) -> None:
        assert not self.closed
        self.frames.append(frame)

    def connection_closed(self, how: Closed) -> None:
        self.closed.append(how)


def pair(high_water: int = 64, *, start: bool = True) -> tuple[End, End]:
    ends = [End(transport) for transport in memory_pair(high_water)]
    for end in ends if start else []:
        end.transport.start(end)
    return ends[0], ends[1]


async def settle() -> None:
    """Let everything that is scheduled happen."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_that_frames_come_in_order_and_as_they_are() -> None:
    here, there = pair()
    for frame in ("a", b"b", "c"):
        here.transport.write(frame)
    there.transport.write("d")
    assert there.frames == []  # never from within `write`
    await settle()
    assert there.frames == ["a", b"b", "c"]
    assert here.frames == ["d"]


async def test_that_what_came_before_the_start_comes_first() -> None:
    here, there = pair(start=False)
    here.transport.write("a")
    await here.transport.aclose(1000, "bye")
    await settle()
    there.transport.start(there)
    await settle()
    assert there.frames == ["a"]
    assert there.closed == [Closed(by_peer=True, code=1000, reason="bye")]


async def test_that_a_paused_reader_makes_its_peer_wait() -> None:
    here, there = pair(high_water=2)
    there.transport.pause_reading()
    here.transport.write("a")
    await here.transport.drain()
    assert not here.transport.congested
    here.transport.write("b")
    assert here.transport.congested
    draining = asyncio.create_task(here.transport.drain())
    await settle()
    assert not draining.done()
    assert there.frames == []
    there.transport.resume_reading()
    await draining
    assert there.frames == ["a", "b"]


async def test_that_pausing_from_within_stops_at_once() -> None:
    class Pauses(End):
        def frame_received(self, frame: Frame) -> None:
            super().frame_received(frame)
            self.transport.pause_reading()

    here, there = (kind(transport) for kind, transport in zip((End, Pauses), memory_pair(), strict=True))
    there.transport.start(there)
    here.transport.write("a")
    here.transport.write("b")
    await settle()
    assert there.frames == ["a"]
    there.transport.resume_reading()
    await settle()
    assert there.frames == ["a", "b"]


async def test_the_end_as_both_sides_see_it() -> None:
    here, there = pair()
    here.transport.write("last words")
    await here.transport.aclose(4000, "enough")
    await here.transport.aclose(1000, "again")
    here.transport.write("too late")
    there.transport.write("too late")
    await settle()
    assert there.frames == ["last words"]
    assert here.frames == []
    assert here.closed == [Closed(code=4000, reason="enough")]
    assert there.closed == [Closed(by_peer=True, code=4000, reason="enough")]


async def test_a_cut_line() -> None:
    here, there = pair()
    here.transport.cut("reset")
    here.transport.cut("again")
    await settle()
    assert here.closed == there.closed == [Closed(error="reset")]


@pytest.mark.parametrize("end", ["cut", "close"])
async def test_that_the_end_lets_go_of_who_waits(end: str) -> None:
    here, there = pair(high_water=1)
    there.transport.pause_reading()
    here.transport.write("a")
    draining = asyncio.create_task(here.transport.drain())
    await settle()
    if end == "cut":
        there.transport.cut()
    else:
        await there.transport.aclose()
    await draining
    assert not here.transport.congested


async def test_that_a_paused_reader_hears_of_the_end_after_its_frames() -> None:
    here, there = pair()
    there.transport.pause_reading()
    here.transport.write("a")
    here.transport.cut()
    await settle()
    assert (there.frames, there.closed) == ([], [])
    there.transport.resume_reading()
    await settle()
    assert (there.frames, there.closed) == (["a"], [Closed(error="connection reset")])
