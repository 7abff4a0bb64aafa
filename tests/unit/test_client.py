"""Clients: they own their sessions, and middleware wraps them."""

from __future__ import annotations

import asyncio

import pytest

from duologue.client import RealtimeClient
from duologue.errors import (
    ConnectRefused,
    InvalidInput,
    SessionClosed,
    SessionEnded,
)
from duologue.link import FunctionInvoker, Link
from duologue.options import SessionOptions
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.tools import tool
from links import WireClient


@tool
def now() -> str:
    """The time."""
    return "noon"


class Runs(SessionLayer, FunctionInvoker):
    watches = ()


async def test_that_closing_the_client_ends_its_sessions() -> None:
    client = WireClient()
    async with client:
        sessions = [await client.create_session() for _ in range(3)]
    assert [type(session.ended) for session in sessions] == [SessionClosed] * 3
    assert [link.hang_ups for link in client.links] == [1, 1, 1]


async def test_that_closing_a_provider_ends_sessions_opened_through_layers() -> None:
    client = WireClient()
    session = await client.with_middleware(wrap_sessions(Runs)).create_session()
    await client.aclose()
    assert [message.type async for message in session] == ["session_created"]
    assert client.link.hang_ups == 1


async def test_that_closing_a_wrapped_client_closes_the_provider() -> None:
    client = WireClient()
    wrapped = client.with_middleware(wrap_sessions(Runs))
    session = await wrapped.create_session()
    await wrapped.aclose()
    assert isinstance(session.ended, SessionClosed)
    with pytest.raises(InvalidInput, match="client is closed"):
        await client.create_session()


async def test_that_a_session_that_opens_while_its_client_closes_is_closed_too() -> None:
    client = WireClient()
    client.opening.clear()
    opening = asyncio.ensure_future(client._open(SessionOptions()))
    await asyncio.sleep(0)
    await client.aclose()
    client.opening.set()
    with pytest.raises(InvalidInput, match="client is closed"):
        await opening
    assert client.link.hang_ups == 1


async def test_that_a_client_forgets_sessions_that_are_over() -> None:
    client = WireClient()
    session = await client.create_session()
    client.link.cut()
    assert client._sessions == set()
    await session.aclose()


class Refuses(WireClient):
    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        raise ConnectRefused("No.", provider="wire", code="busy", hint="Come back later.", retryable=True)


async def test_what_a_refusal_says() -> None:
    with pytest.raises(ConnectRefused) as raised:
        async with Refuses().create_session():
            pass
    assert str(raised.value) == "wire: No. (busy) Come back later."
    assert raised.value.retryable
    assert isinstance(raised.value, SessionEnded)


async def test_the_order_of_middleware() -> None:
    order = []

    def note(name: str, client: RealtimeClient) -> RealtimeClient:
        order.append(name)
        return client

    client = WireClient()
    assert client.with_middleware(lambda inner: note("a", inner), lambda inner: note("b", inner)) is client
    assert order == ["b", "a"]
    assert client.with_middleware() is client


async def test_that_middleware_has_to_give_a_client_back() -> None:
    def forgets(client: RealtimeClient) -> None:
        """Returns nothing."""

    with pytest.raises(InvalidInput, match=r"Middleware number 2 \(forgets\) gave back NoneType, not a client"):
        WireClient().with_middleware(wrap_sessions(Runs), forgets)  # type: ignore[arg-type]
