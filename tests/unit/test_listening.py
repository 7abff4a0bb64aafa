"""Reading without a turn of the event loop: readers that go on at once, and functions that listen."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duologue import messages as m
from duologue.errors import ConcurrentRead, HungUp, SessionClosed
from duologue.inbox import Inbox
from duologue.messages.base import ServerMessage
from links import WireClient


def make() -> Inbox:
    return Inbox(lambda: None, lambda: None)


def text(number: int) -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id="r1", item_id="i1", text=str(number))


async def on_the_loop(function: Any, *arguments: Any) -> None:
    """Call `function` as the event loop calls a socket's reader: within no task."""
    called = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: called.set_result(function(*arguments)))
    await called


# --- a reader that goes on at once ---


async def test_that_a_reader_has_the_message_when_the_call_is_back() -> None:
    inbox, got = make(), []

    async def read() -> None:
        while True:
            got.append(await inbox.get())

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    seen = []

    def arrive() -> None:
        for number in range(3):
            inbox.received_last(text(number))
            seen.append(len(got))

    await on_the_loop(arrive)
    assert seen == [1, 2, 3]
    assert got == [text(0), text(1), text(2)]
    reader.cancel()
    await asyncio.wait([reader])
    assert reader.cancelled()


async def test_that_a_reader_waits_its_turn_where_a_task_delivers() -> None:
    inbox = make()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    inbox.received_last(text(1))  # within this test's task
    inbox.received_last(text(2))
    assert not reader.done()
    assert await reader == text(1)
    assert await inbox.get() == text(2)


async def test_that_a_reader_keeps_its_own_context_and_task() -> None:
    inbox, seen = make(), []

    async def read() -> None:
        await inbox.get()
        seen.append(asyncio.current_task())

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    await on_the_loop(inbox.received_last, text(1))
    assert seen == [reader]
    await reader


async def test_that_a_reader_that_was_just_cancelled_loses_nothing() -> None:
    inbox = make()
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)

    def cancel_and_arrive() -> None:
        reader.cancel("enough")
        inbox.received_last(text(1))

    await on_the_loop(cancel_and_arrive)
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await inbox.get() == text(1)


async def test_that_a_read_within_a_time_that_is_over_loses_nothing() -> None:
    inbox = make()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(inbox.get(), 0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await inbox.get()
    await on_the_loop(inbox.received_last, text(1))
    assert await asyncio.wait_for(inbox.get(), 5) == text(1)


async def test_that_what_the_reader_raises_is_its_tasks_alone() -> None:
    inbox = make()

    async def read() -> None:
        await inbox.get()
        raise ZeroDivisionError

    reader = asyncio.create_task(read())
    await asyncio.sleep(0)
    await on_the_loop(inbox.received_last, text(1))
    with pytest.raises(ZeroDivisionError):
        await reader


def test_that_a_reader_can_stop_the_event_loop() -> None:
    async def main() -> None:
        inbox = make()

        async def read() -> None:
            await inbox.get()
            raise SystemExit(3)

        reader = asyncio.create_task(read())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(inbox.received_last, text(1))
        await asyncio.Event().wait()
        del reader

    with pytest.raises(SystemExit) as stopped:
        asyncio.run(main())
    assert stopped.value.code == 3


# --- a function that listens ---


async def listening(inbox: Inbox, handle: Any) -> asyncio.Task[Any]:
    task = asyncio.create_task(inbox.listen(handle))
    await asyncio.sleep(0)
    return task


async def test_that_a_listener_gets_what_is_held_and_then_all_at_once() -> None:
    inbox, got = make(), list[ServerMessage]()
    inbox.received(text(0))
    task = await listening(inbox, got.append)
    assert got == [text(0)]
    inbox.received(text(1))
    inbox.received_last(text(2))
    assert got == [text(0), text(1), text(2)]
    assert (len(inbox), inbox.size) == (0, 0)
    end = HungUp("bye", provider="acme")
    inbox.ended(end)
    with pytest.raises(HungUp) as raised:
        await task
    assert raised.value is end


async def test_that_nobody_reads_beside_a_listener_or_listens_beside_a_reader() -> None:
    inbox = make()
    task = await listening(inbox, lambda message: None)
    with pytest.raises(ConcurrentRead):
        await inbox.get()
    with pytest.raises(ConcurrentRead):
        await inbox.listen(print)
    task.cancel()
    await asyncio.wait([task])
    reader = asyncio.create_task(inbox.get())
    await asyncio.sleep(0)
    with pytest.raises(ConcurrentRead):
        await inbox.listen(print)
    inbox.received(text(1))
    assert await reader == text(1)


@pytest.mark.parametrize("error", [ZeroDivisionError(), StopIteration()])
async def test_that_what_a_listener_raises_ends_it_and_the_rest_can_be_read(error: Exception) -> None:
    inbox, got = make(), list[ServerMessage]()

    def handle(message: ServerMessage) -> None:
        got.append(message)
        if len(got) == 2:
            raise error

    task = await listening(inbox, handle)
    for number in range(4):
        inbox.received(text(number))
    with pytest.raises((ZeroDivisionError, RuntimeError)):  # a coroutine may raise no StopIteration
        await task
    assert got == [text(0), text(1)]
    assert [await inbox.get(), await inbox.get()] == [text(2), text(3)]


async def test_that_a_cancelled_listener_leaves_the_rest() -> None:
    inbox, got = make(), list[ServerMessage]()
    task = await listening(inbox, got.append)
    inbox.received(text(0))
    task.cancel()
    await asyncio.wait([task])
    inbox.received(text(1))
    assert (got, await inbox.get()) == ([text(0)], text(1))


async def test_that_the_next_listener_is_not_told_what_a_cancelled_one_raised() -> None:
    inbox = make()

    def handle(message: ServerMessage) -> None:
        raise ZeroDivisionError

    task = await listening(inbox, handle)
    task.cancel()
    inbox.received(text(0))
    await asyncio.wait([task])
    assert task.cancelled()
    end = HungUp("bye", provider="acme")
    inbox.ended(end)
    with pytest.raises(HungUp):
        await inbox.listen(lambda message: None)


async def test_that_listening_to_a_session_ends_as_iteration_does() -> None:
    client, got = WireClient(), list[ServerMessage]()
    session = await client.create_session()
    task = asyncio.create_task(session.listen(got.append))
    await asyncio.sleep(0)
    client.link.push(text(1))
    await session.aclose()
    await asyncio.wait_for(task, 5)
    assert [type(message) for message in got] == [m.SessionCreated, m.OutputTextDelta]
    await session.listen(got.append)  # nothing is left
    assert isinstance(session.ended, SessionClosed)

    session = await client.create_session()
    task = asyncio.create_task(session.listen(got.append))
    await asyncio.sleep(0)
    client.link.cut(HungUp("bye", provider="wire"))
    with pytest.raises(HungUp):
        await task
