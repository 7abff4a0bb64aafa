"""What becomes of what a layer raises."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from duologue import messages as m
from duologue.errors import HungUp, SessionEnded, SessionFailed
from duologue.link import Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.runtime import SessionLayer, wrap_sessions
from links import WireClient
from session_layers import (
    Watches,
    WatchesSome,
    noting,
    opened,
    text,
)


class Breaks(SessionLayer):
    watches = (m.OutputTextDelta, m.SessionCreated, m.TurnDone)

    def received(self, message: ServerMessage) -> None:
        if isinstance(message, m.OutputTextDelta):
            raise ZeroDivisionError("in received")
        self.deliver(message)


@pytest.mark.parametrize(
    "layers", [(Breaks,), (SessionLayer, Breaks), (Breaks, SessionLayer), (Watches, Breaks, WatchesSome)]
)
async def test_that_an_error_in_received_reaches_the_reader_and_not_the_source(
    layers: tuple[type[SessionLayer], ...],
) -> None:
    session, link = await opened(*layers)
    link.push(m.ItemDeleted(item_id="i"), text("boom"), m.ItemDeleted(item_id="never"))
    assert await anext(session) == m.ItemDeleted(item_id="i")
    with pytest.raises(ZeroDivisionError, match="in received") as raised:
        await anext(session)
    assert raised.traceback[-1].name == "received"
    await session.aclose()
    assert link.hang_ups == 1


async def test_that_an_error_at_the_first_message_reaches_the_reader_too() -> None:
    class BreaksAtOnce(SessionLayer):
        def received(self, message: ServerMessage) -> None:
            raise ZeroDivisionError("at once")

    client = WireClient()
    session = await client.with_middleware(wrap_sessions(BreaksAtOnce)).create_session()
    with pytest.raises(ZeroDivisionError, match="at once"):
        await anext(session)
    await session.aclose()
    assert client.link.hang_ups == 1


async def test_that_an_error_is_not_raised_to_who_sends() -> None:
    class BreaksAtTurns(SessionLayer):
        watches = (m.TurnDone, m.Interrupted)

        def received(self, message: ServerMessage) -> None:
            raise ZeroDivisionError("at the turn")

    call = m.FunctionCall(call_id="c", name="f", status="completed")
    session, link = await opened(BreaksAtTurns)
    link.push(m.ResponseCreated(response_id="r1"), m.ResponseDone(response_id="r1", status="completed", items=(call,)))
    with pytest.raises(SessionFailed):  # it was sent, and the session is over
        await session.send_text("never mind", respond=False)
    assert len(link.written) == 1
    for _ in range(2):
        await anext(session)
    with pytest.raises(ZeroDivisionError):
        await anext(session)


async def test_that_an_error_above_does_not_stop_the_layer_below() -> None:
    log: list[str] = []

    class Below(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            self.deliver(message)
            log.append("went on")

    session, link = await opened(Breaks, Below)
    link.push(text("boom"))
    assert log == ["went on"]
    with pytest.raises(ZeroDivisionError):
        await anext(session)


async def test_that_an_error_in_a_task_reaches_the_reader() -> None:
    class Task(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            self.spawn(self.work(), name="work")

        async def work(self) -> None:
            raise ZeroDivisionError("in a task")

    session, link = await opened(Task)
    link.push(text("go"))
    with pytest.raises(ZeroDivisionError, match="in a task"):
        await anext(session)


async def test_that_an_error_in_send_is_raised_to_the_sender_and_the_session_goes_on() -> None:
    class Refuses(SessionLayer):
        watches = ()

        async def send(self, message: ClientMessage) -> str:
            raise ZeroDivisionError("in send")

    session, link = await opened(Refuses)
    with pytest.raises(ZeroDivisionError):
        await session.send_text("hi")
    link.push(text("a"))
    assert await anext(session) == text("a")
    await session.aclose()


@pytest.mark.parametrize("passes_on", [False, True])
async def test_that_an_error_at_the_end_does_not_leave_the_reader_waiting(passes_on: bool) -> None:
    class BreaksAtTheEnd(SessionLayer):
        watches = ()

        def ended(self, end: SessionEnded) -> None:
            if passes_on:
                super().ended(end)
            raise ZeroDivisionError("at the end")

    log: list[str] = []
    session, link = await opened(noting("outer", log), BreaksAtTheEnd)
    reader = asyncio.ensure_future(anext(session))
    await asyncio.sleep(0)
    link.cut()
    with pytest.raises(ZeroDivisionError, match="at the end"):
        await reader
    assert "outer ends" in log
    await session.aclose()


async def test_that_an_error_after_the_end_is_not_lost() -> None:
    class Late(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            self.spawn(self.work())

        async def work(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                raise ZeroDivisionError("cleaning up")

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    session, link = await opened(Late)
    link.push(text("go"))
    await asyncio.sleep(0)
    await session.aclose()
    assert [message async for message in session] == []
    assert [str(context["exception"]) for context in reported] == ["cleaning up"]


async def test_that_the_end_itself_is_no_error_of_a_task() -> None:
    class Sends(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            self.spawn(self.work())

        async def work(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await self.inner.send(m.InputAudioEnd())

    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    session, link = await opened(Sends)
    link.push(text("go"))
    await asyncio.sleep(0)
    link.cut(HungUp("bye"))
    await session.aclose()
    assert reported == []


async def test_that_a_layer_that_cannot_be_made_leaves_no_session() -> None:
    class Broken(SessionLayer):
        def __init__(self, inner: Link) -> None:
            raise ZeroDivisionError("no layer")

    client = WireClient()
    with pytest.raises(ZeroDivisionError):
        await client.with_middleware(wrap_sessions(SessionLayer), wrap_sessions(Broken)).create_session()
    assert client.link.hang_ups == 1
