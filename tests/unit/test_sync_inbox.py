"""The queue between the event loop and a reading thread: order, bounds, interruptions, ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.errors import HungUp, SessionFailed
from duologue.messages.base import ServerMessage
from duologue.sync import inbox as module
from duologue.sync.inbox import ThreadInbox
from duologue.sync.loop_thread import LoopThread
from links import WireLink, audio
from sync_helpers import in_thread, is_waited_for, text, until


@pytest.fixture(scope="module")
def thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


class PausingLink(WireLink):
    """A provider that stops when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    def pause_reading(self) -> None:
        self.calls.append("pause")
        self.may_go_on.clear()

    def resume_reading(self) -> None:
        self.calls.append("resume")
        self.may_go_on.set()


def on_loop(thread: LoopThread, action: Callable[[], object]) -> None:
    async def act() -> None:
        action()

    thread.run(act)


def put(thread: LoopThread, inbox: ThreadInbox, *messages: ServerMessage) -> None:
    async def arrive() -> None:
        for message in messages:
            inbox.received(message)

    thread.run(arrive)


def test_that_reading_pauses_above_the_bounds_and_goes_on_at_half(thread: LoopThread) -> None:
    link = PausingLink()
    inbox = ThreadInbox(thread, link, max_messages=4)
    put(thread, inbox, *[text(number) for number in range(5)])
    on_loop(thread, lambda: None)
    assert link.calls == ["pause"]
    inbox.take()
    inbox.take()
    inbox.take()
    on_loop(thread, lambda: None)
    assert link.calls == ["pause"]  # two are left: that is half
    inbox.take()
    on_loop(thread, lambda: None)
    assert link.calls == ["pause", "resume"]


def test_that_bytes_are_bounded_too(thread: LoopThread) -> None:
    link = PausingLink()
    inbox = ThreadInbox(thread, link, max_bytes=10_000)
    put(thread, inbox, *[audio(100)] * 3)  # 4,800 bytes each
    on_loop(thread, lambda: None)
    assert link.calls == ["pause"]
    put(thread, inbox, m.Interrupted(response_id="r1"))
    inbox.take()
    on_loop(thread, lambda: None)
    assert link.calls == ["pause", "resume"]
    assert inbox.size == 0


def test_that_a_fast_provider_and_a_reader_keep_the_bounds_and_the_order(thread: LoopThread) -> None:
    link = PausingLink()
    inbox = ThreadInbox(thread, link, max_messages=64)
    highest = 0

    async def provide() -> None:
        nonlocal highest
        for number in range(6_000):
            await link.may_go_on.wait()
            inbox.received(text(number))
            highest = max(highest, len(inbox))
            if number % 7 == 0:
                await asyncio.sleep(0)

    with in_thread(lambda: thread.run(provide)) as providing:
        read = [inbox.take(20) for _ in range(6_000)]
    assert providing.error is None
    assert read == [text(number) for number in range(6_000)]
    assert highest <= 64 + 8  # a pause takes effect when the loop comes round to it
    on_loop(thread, lambda: None)
    assert link.calls == ["pause", "resume"] * (len(link.calls) // 2)


def test_that_an_interruption_goes_ahead_and_takes_its_audio_away(thread: LoopThread) -> None:
    inbox = ThreadInbox(thread, WireLink())
    stop = m.Interrupted(response_id="r1")
    put(thread, inbox, text(1), audio(), audio(response="r2"), audio(), text(2))
    assert inbox.take() == text(1)
    put(thread, inbox, stop)
    assert [inbox.take() for _ in range(3)] == [stop, audio(response="r2"), text(2)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["audio", "text", "stop", "breathe"]), max_size=60))
def test_that_nothing_but_stale_audio_is_lost_while_a_thread_reads(steps: list[str]) -> None:
    thread = LoopThread()
    inbox = ThreadInbox(thread, WireLink(), max_messages=8)
    last = text("last")

    async def provide() -> None:
        for number, step in enumerate(steps):
            match step:
                case "audio":
                    inbox.received(audio())
                case "text":
                    inbox.received(text(number))
                case "stop":
                    inbox.received(m.Interrupted(id=str(number), response_id="r1"))
                case _:
                    await asyncio.sleep(0)
        inbox.received(last)

    with in_thread(lambda: thread.run(provide)) as providing:
        read = [inbox.take(20)]
        while read[-1] != last:
            read.append(inbox.take(20))
    thread.stop()
    assert providing.error is None
    texts = [message.text for message in read[:-1] if isinstance(message, m.OutputTextDelta)]
    stops = [message.id for message in read if isinstance(message, m.Interrupted)]
    assert texts == [str(number) for number, step in enumerate(steps) if step == "text"]
    assert stops == [str(number) for number, step in enumerate(steps) if step == "stop"]
    assert len(inbox) == inbox.size == 0


def test_that_the_end_comes_after_what_is_held_and_wakes_a_reader(thread: LoopThread) -> None:
    inbox = ThreadInbox(thread, WireLink())
    end = HungUp("bye")
    put(thread, inbox, text(1))
    assert inbox.take() == text(1)
    with in_thread(inbox.take) as reading:
        until(lambda: is_waited_for(inbox))
        on_loop(thread, lambda: inbox.ended(end))
    assert reading.error is end
    for _ in range(2):
        with pytest.raises(HungUp) as raised:
            inbox.take(0)
        assert raised.value is end


def test_that_what_a_layer_raised_comes_with_where_it_was_raised(thread: LoopThread) -> None:
    inbox = ThreadInbox(thread, WireLink())
    failed = SessionFailed("A layer raised.")
    try:
        int("in the layer")
    except ValueError as error:
        failed.__cause__ = error
    on_loop(thread, lambda: inbox.ended(failed))
    with pytest.raises(ValueError, match="in the layer"):
        inbox.take()


def test_that_a_wait_that_is_interrupted_loses_nothing(thread: LoopThread, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = ThreadInbox(thread, WireLink())

    def interrupted(lock: threading.Lock, timeout: float | None = None) -> bool:
        put(thread, inbox, text(1))  # it comes at the same moment
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "wait_for", interrupted)
        with pytest.raises(KeyboardInterrupt):
            inbox.take()
    with in_thread(lambda: inbox.take(0)) as another:  # any thread may go on
        pass
    assert another.value == text(1)
    with in_thread(inbox.take) as another:
        until(lambda: is_waited_for(inbox))
        put(thread, inbox, text(2))
    assert another.value == text(2)


def test_that_reading_on_the_event_loop_is_refused(thread: LoopThread) -> None:
    inbox = ThreadInbox(thread, WireLink())

    async def read() -> ServerMessage:
        return inbox.take()

    with pytest.raises(ValueError, match="its own event loop"):
        thread.run(read)
    put(thread, inbox, text(1))
    assert inbox.take() == text(1)
