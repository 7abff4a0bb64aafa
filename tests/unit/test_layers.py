"""Layers: order, what they watch, what they own, and how they end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.errors import CutOff, SessionClosed, SessionEnded
from duologue.link import Link
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.runtime import LayeredClient, SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from links import WireClient, WireLink
from session_layers import (
    Watches,
    WatchesAll,
    WatchesNothing,
    WatchesServerMessages,
    WatchesSome,
    noting,
    opened,
    seen_by,
    text,
)


async def test_the_order_of_layers() -> None:
    log: list[str] = []
    session, link = await opened(noting("outer", log), noting("inner", log))
    assert log == ["inner gets session_created", "outer gets session_created"]
    log.clear()
    await session.send(m.ItemDelete(item_id="i"))
    link.push(m.ItemDeleted(item_id="i"))
    await session.aclose()
    assert log == [
        "outer sends item_delete",
        "inner sends item_delete",
        "inner gets item_deleted",
        "outer gets item_deleted",
        "inner ends",
        "outer ends",
    ]
    assert [message.type async for message in session] == ["item_deleted"]


async def test_that_a_layer_shows_the_session_below() -> None:
    client = WireClient()
    session = await client.with_middleware(wrap_sessions(SessionLayer)).create_session(SessionOptions(voice="a"))
    assert session.options is client.link.options
    assert session.capabilities is client.link.capabilities
    assert session.metadata is client.link.metadata
    assert session.dropped == ()
    await session.aclose()


async def test_that_a_layer_is_called_with_what_it_watches_only() -> None:
    session, link = await opened(WatchesAll, WatchesSome, WatchesNothing)
    link.push(m.ResponseCreated(response_id="r1"), text("a"), m.ResponseDone(response_id="r1", status="completed"))
    types = [(await anext(session)).type for _ in range(4)]
    assert types == ["response_created", "output_text_delta", "response_done", "turn_done"]
    assert seen_by(session, WatchesAll) == ["session_created", *types]
    assert seen_by(session, WatchesSome) == ["output_text_delta", "response_done"]
    assert seen_by(session, WatchesNothing) == []
    await session.aclose()


async def test_that_watching_a_base_class_is_watching_its_kinds() -> None:
    session, link = await opened(WatchesServerMessages)
    link.push(text("a"))
    assert seen_by(session, WatchesServerMessages) == ["session_created", "output_text_delta"]
    await session.aclose()


async def test_that_what_a_layer_adds_passes_those_above_by_their_kind() -> None:
    class Adds(SessionLayer):
        watches = (m.ResponseDone,)

        def received(self, message: ServerMessage) -> None:
            self.deliver(text("added"))
            self.deliver(message)

    session, link = await opened(WatchesSome, WatchesNothing, Adds)
    done = m.ResponseDone(response_id="r1", status="completed")
    link.push(done)
    assert [await anext(session) for _ in range(2)] == [text("added"), done]
    assert seen_by(session, WatchesSome) == ["output_text_delta", "response_done"]
    assert seen_by(session, WatchesNothing) == []
    await session.aclose()


async def test_that_a_layer_may_hold_back_and_deliver_later() -> None:
    class Later(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            self.spawn(self.pass_on(message))

        async def pass_on(self, message: ServerMessage) -> None:
            await asyncio.sleep(0)
            self.deliver(message)

    session, link = await opened(Later)
    link.push(text("a"), m.ItemDeleted(item_id="i"))
    assert [await anext(session) for _ in range(2)] == [m.ItemDeleted(item_id="i"), text("a")]
    await session.aclose()


async def test_that_nothing_can_be_delivered_before_the_session_has_opened() -> None:
    class Early(SessionLayer):
        def __init__(self, inner: Link) -> None:
            super().__init__(inner)
            self.deliver(text("too early"))

    client = WireClient()
    with pytest.raises(RuntimeError, match="not connected yet"):
        await client.with_middleware(wrap_sessions(Early)).create_session()
    assert client.link.hang_ups == 1


# --- the end ---


async def test_that_a_layer_hears_the_end_and_may_pass_on_what_it_held() -> None:
    class Holds(SessionLayer):
        watches = (m.OutputTextDelta,)

        def __init__(self, inner: Link) -> None:
            super().__init__(inner)
            self.held: list[ServerMessage] = []

        def received(self, message: ServerMessage) -> None:
            self.held.append(message)

        def ended(self, end: SessionEnded) -> None:
            for message in self.held:
                self.deliver(message)
            super().ended(end)
            self.deliver(text("after the end"))

    session, link = await opened(Holds)
    link.push(text("a"), text("b"))
    link.cut()
    assert [await anext(session) for _ in range(2)] == [text("a"), text("b")]
    with pytest.raises(CutOff):
        await anext(session)


async def test_that_a_layer_without_more_to_say_hears_an_end_from_before() -> None:
    log: list[str] = []
    link = WireLink()
    link.push(text("a"))
    link.cut()
    layer = noting("layer", log)(link)
    session = RealtimeSession(layer, on_end=lambda session: None)
    assert log == ["layer gets output_text_delta", "layer ends"]
    assert await anext(session) == text("a")
    with pytest.raises(CutOff):
        await anext(session)


# --- tasks ---


class Works(SessionLayer):
    watches = ()

    def __init__(self, inner: Link) -> None:
        super().__init__(inner)
        self.log: list[str] = []

    async def work(self, name: str) -> None:
        try:
            self.log.append(f"{name} begins")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.log.append(f"{name} is over")


async def working(*, begun: bool = True) -> tuple[RealtimeSession, WireLink, Works]:
    session, link = await opened(Works)
    layer = session.get_service(Works)
    assert layer is not None
    layer.spawn(layer.work("a"))
    layer.spawn(layer.work("b"))
    if begun:
        await asyncio.sleep(0)
    return session, link, layer


async def test_that_closing_cancels_the_tasks_and_waits_for_them() -> None:
    session, _, layer = await working()
    await session.aclose()
    assert sorted(layer.log) == ["a begins", "a is over", "b begins", "b is over"]
    assert len(asyncio.all_tasks()) == 1


async def test_that_an_end_from_outside_cancels_the_tasks() -> None:
    session, link, layer = await working()
    link.cut()
    await session.aclose()
    assert sorted(layer.log) == ["a begins", "a is over", "b begins", "b is over"]
    assert len(asyncio.all_tasks()) == 1


async def test_that_a_task_that_had_not_begun_never_does() -> None:
    session, _, layer = await working(begun=False)
    await session.aclose()
    assert layer.log == []
    assert len(asyncio.all_tasks()) == 1


async def test_that_a_task_spawned_after_the_end_does_not_begin() -> None:
    session, _, layer = await working()
    await session.aclose()
    layer.log.clear()
    task = layer.spawn(layer.work("c"))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert layer.log == []


async def test_that_a_task_may_end_the_session() -> None:
    class HangsUp(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            self.spawn(self.hang_up())

        async def hang_up(self) -> None:
            await self.aclose()

    session, link = await opened(HangsUp)
    link.push(text("bye"))
    assert [message async for message in session] == []
    assert isinstance(session.ended, SessionClosed)


async def test_that_two_tasks_may_end_the_session_at_once() -> None:
    class HangsUp(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            self.spawn(self.hang_up())
            self.spawn(self.hang_up())

        async def hang_up(self) -> None:
            try:
                await asyncio.sleep(0)
                await outermost.aclose()
            finally:
                await outermost.aclose()

    client = WireClient()
    session = await client.with_middleware(*[wrap_sessions(HangsUp)] * 2).create_session()
    outermost = session
    client.link.push(text("bye"))
    await anext(session)
    assert [message async for message in session] == []
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)  # that it ends is the test


# --- reading through layers ---


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(["push", "cancel", "read", "yield"]), max_size=30))
def test_that_cancelled_reads_through_three_layers_lose_nothing(steps: list[str]) -> None:
    async def run() -> None:
        session, link = await opened(SessionLayer, Watches, WatchesAll)
        pushed = 0
        got: list[ServerMessage] = []
        reader: asyncio.Future[ServerMessage] | None = None
        for step in [*steps, "cancel", "yield", "yield"]:
            match step:
                case "push":
                    link.push(text(pushed))
                    pushed += 1
                case "read" if reader is None:
                    reader = asyncio.ensure_future(anext(session))
                case "cancel" if reader is not None:
                    reader.cancel()
                case _:
                    await asyncio.sleep(0)
            if reader is not None and reader.done():
                got += [] if reader.cancelled() else [reader.result()]
                reader = None
        await session.aclose()
        got += [message async for message in session]
        assert got == [text(number) for number in range(pushed)]

    asyncio.run(run())


# --- clients ---


class Wrapped(LayeredClient):
    """A client with a type of its own."""


async def test_that_a_service_is_found_by_its_type() -> None:
    client = WireClient()
    wrapped = Wrapped(client.with_middleware(wrap_sessions(Works)), Watches)
    assert wrapped.get_service(Wrapped) is wrapped
    assert wrapped.get_service(WireClient) is client
    assert wrapped.get_service(int) is None
    assert wrapped.metadata == client.metadata
    assert wrapped.capabilities() is client.capabilities()
    async with wrapped.create_session() as session:
        assert isinstance(session.get_service(Watches), Watches)
        assert isinstance(session.get_service(Works), Works)
        assert isinstance(session.get_service(SessionLayer), Watches)
        assert session.get_service(WireLink) is client.link
        assert session.get_service(WatchesAll) is None


async def test_that_the_inner_clients_defaults_hold() -> None:
    client = WireClient(defaults=SessionOptions(voice="a"))
    async with client.with_middleware(wrap_sessions(Works)).create_session(SessionOptions(speed=1.1)) as session:
        assert session.options == SessionOptions(voice="a", speed=1.1)
