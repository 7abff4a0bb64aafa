"""The inbox: nothing is lost, nothing grows without end, an interruption goes ahead."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.errors import ConcurrentRead, HungUp, SessionClosed, SessionFailed
from duologue.inbox import Inbox
from duologue.messages.base import Meta, ServerMessage, set_meta
from duologue.options import SessionOptions
from links import audio


class Reading:
    """Counts how often reading was paused and resumed."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def pause(self) -> None:
        self.calls.append("pause")

    def resume(self) -> None:
        self.calls.append("resume")


def make(*, max_bytes: int = 2**20, max_messages: int = 1000) -> tuple[Inbox, Reading]:
    reading = Reading()
    return Inbox(reading.pause, reading.resume, max_bytes=max_bytes, max_messages=max_messages), reading


def text(number: int | str, response: str = "r1") -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id=response, item_id="i1", text=str(number))


async def drain(inbox: Inbox) -> list[ServerMessage]:
    return [await inbox.get() for _ in range(len(inbox))]


async def test_that_messages_come_in_order() -> None:
    inbox, _ = make()
    messages = [text(number) for number in range(5)]
    for message in messages:
        inbox.received(message)
    assert await drain(inbox) == messages
    assert inbox.size == 0


async def test_that_a_reader_is_woken() -> None:
    inbox, _ = make()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.received(text(1))
    inbox.received(text(2))
    assert await reader == text(1)
    assert await inbox.get() == text(2)


async def test_that_a_second_reader_at_once_gets_an_error() -> None:
    inbox, _ = make()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    with pytest.raises(ConcurrentRead):
        await inbox.get()
    inbox.received(text(1))
    with pytest.raises(ConcurrentRead):  # the first one is still about to take it
        await inbox.get()
    assert await reader == text(1)
    inbox.received(text(2))
    assert await inbox.get() == text(2)


async def test_that_a_cancelled_read_loses_nothing_even_when_a_message_has_just_come() -> None:
    inbox, _ = make()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.received(text(1))
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await inbox.get() == text(1)


STEPS = st.lists(st.sampled_from(["put", "cancel", "read", "yield"]), max_size=40)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(STEPS)
def test_that_no_interleaving_of_puts_reads_and_cancellations_loses_or_repeats(steps: list[str]) -> None:
    async def run() -> None:
        inbox, _ = make()
        put = 0
        got: list[ServerMessage] = []
        reader: asyncio.Task[ServerMessage] | None = None
        for step in steps:
            match step:
                case "put":
                    inbox.received(text(put))
                    put += 1
                case "read" if reader is None:
                    reader = asyncio.create_task(inbox.get())
                case "cancel" if reader is not None:
                    reader.cancel()
                case _:
                    await asyncio.sleep(0)
            if reader is not None and reader.done():
                got += [] if reader.cancelled() else [reader.result()]
                reader = None
        if reader is not None:
            inbox.received(text(put))
            put += 1
            await asyncio.wait([reader])
            got += [] if reader.cancelled() else [reader.result()]
        got += await drain(inbox)
        assert got == [text(number) for number in range(put)]

    asyncio.run(run())


async def test_that_reading_pauses_when_full_and_goes_on_when_half_empty() -> None:
    inbox, reading = make(max_messages=10)
    for number in range(10):
        inbox.received(text(number))
    assert reading.calls == []
    inbox.received(text(10))
    inbox.received(text(11))  # what was on its way still comes, and is kept
    assert reading.calls == ["pause"]
    while len(inbox) > 5:
        await inbox.get()
    assert reading.calls == ["pause"]
    await inbox.get()
    assert reading.calls == ["pause", "resume"]
    for number in range(7):
        inbox.received(text(number))
    assert reading.calls == ["pause", "resume", "pause"]


async def test_that_bytes_count_as_audio_and_as_frames() -> None:
    inbox, reading = make(max_bytes=20_000)
    delta = audio(100)
    set_meta(delta, Meta(0, 0, b"f" * 6400))
    inbox.received(delta)
    assert inbox.size >= 4800 + 6400
    assert reading.calls == []
    inbox.received(audio(220))
    assert reading.calls == ["pause"]
    await inbox.get()
    assert reading.calls == ["pause"]
    await inbox.get()
    assert reading.calls == ["pause", "resume"]
    assert inbox.size == 0


async def test_that_an_interruption_goes_ahead_and_takes_the_audio_of_its_response_along() -> None:
    inbox, _ = make()
    kept = [text("a"), audio(response="r2"), text("b"), m.OutputAudioDone(response_id="r1", item_id="i1")]
    for message in (audio(), kept[0], kept[1], audio(), kept[2], kept[3], audio()):
        inbox.received(message)
    stop = m.Interrupted(response_id="r1")
    inbox.received(stop)
    assert await drain(inbox) == [stop, *kept]
    assert inbox.size == 0


async def test_that_an_interruption_of_all_takes_all_audio_along() -> None:
    inbox, _ = make()
    for message in (audio(), audio(response="r2"), text("a")):
        inbox.received(message)
    inbox.received(m.Interrupted())
    assert await drain(inbox) == [m.Interrupted(), text("a")]


async def test_that_session_created_stays_first_and_interruptions_keep_their_order() -> None:
    inbox, _ = make()
    created = m.SessionCreated(options=SessionOptions())
    first, second = m.Interrupted(response_id="r1"), m.Interrupted(response_id="r2")
    for message in (created, text("a"), first, text("b"), second):
        inbox.received(message)
    assert await drain(inbox) == [created, first, second, text("a"), text("b")]


async def test_that_an_interruption_makes_room() -> None:
    inbox, reading = make(max_messages=3)
    for _ in range(4):
        inbox.received(audio())
    assert reading.calls == ["pause"]
    inbox.received(m.Interrupted(response_id="r1"))
    await inbox.get()
    assert reading.calls == ["pause", "resume"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["a1", "a2", "t1", "t2", "x1", "x2", "xx", "get"]), max_size=30))
def test_that_interruptions_lose_nothing_but_their_audio(steps: list[str]) -> None:
    async def run() -> None:
        inbox, reading = make(max_messages=4)
        waiting: list[ServerMessage] = []
        for number, step in enumerate(steps):
            response = f"r{step[1]}"
            match step[0]:
                case "a":
                    waiting.append(audio(number, response=response))
                    inbox.received(waiting[-1])
                case "t":
                    waiting.append(text(number, response))
                    inbox.received(waiting[-1])
                case "x":
                    stop = m.Interrupted(id=str(number), response_id=None if step == "xx" else response)
                    waiting = [
                        kept
                        for kept in waiting
                        if not isinstance(kept, m.OutputAudioDelta) or stop.response_id not in (None, kept.response_id)
                    ]
                    ahead = sum(isinstance(kept, m.Interrupted) for kept in waiting)
                    waiting.insert(ahead, stop)
                    inbox.received(stop)
                case _ if waiting:
                    assert await inbox.get() == waiting.pop(0)
            assert len(inbox) == len(waiting)
        assert await drain(inbox) == waiting
        assert inbox.size == 0
        assert reading.calls == ["pause", "resume"] * (len(reading.calls) // 2)

    asyncio.run(run())


async def test_that_the_end_comes_after_what_is_held_and_again_and_again() -> None:
    ends = []
    inbox = Inbox(lambda: None, lambda: None, lambda: ends.append(1))
    inbox.received(text(1))
    end = HungUp("bye", provider="acme")
    inbox.ended(end)
    assert ends == [1]
    assert inbox.end is end
    assert await inbox.get() == text(1)
    for _ in range(2):
        with pytest.raises(HungUp) as raised:
            await inbox.get()
        assert raised.value is end


async def test_that_a_waiting_reader_learns_of_the_end() -> None:
    inbox, _ = make()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.ended(SessionClosed("closed"))
    with pytest.raises(SessionClosed):
        await reader


async def test_that_the_reader_gets_what_was_raised_and_where() -> None:
    def layer() -> None:
        raise ZeroDivisionError("in the layer")

    inbox, _ = make()
    failed = SessionFailed("A layer raised.")
    try:
        layer()
    except ZeroDivisionError as error:
        failed.__cause__ = error
    inbox.ended(failed)
    depths = []
    for _ in range(3):
        with pytest.raises(ZeroDivisionError, match="in the layer") as raised:
            await inbox.get()
        assert raised.traceback[-1].name == "layer"
        depths.append(len(raised.traceback))
    assert len(set(depths)) == 1  # it does not grow with every read
