"""What the tests of function calls share: sessions with tools over a scripted provider, and what it was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient
from duologue.tools import FunctionTool, tool

Kind = TypeVar("Kind", bound=ServerMessage)


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@asynccontextmanager
async def session_with(
    client: ScriptedClient, *tools: FunctionTool, settings: FunctionInvocation | None = None
) -> AsyncIterator[RealtimeSession]:
    layered = client.with_middleware(settings or FunctionInvocation())
    async with layered.create_session(SessionOptions(tools=tools)) as session:
        yield session
        await settled()
        if session.ended is not None and isinstance(session.ended.__cause__, AssertionError):
            raise session.ended.__cause__  # the script had no reply left


async def read_until(session: RealtimeSession, kind: type[Kind]) -> tuple[list[ServerMessage], Kind]:
    read: list[ServerMessage] = []
    async for message in session:
        read.append(message)
        if isinstance(message, kind):
            return read, message
    raise AssertionError(f"no {kind.__name__} among {read}")


async def settled() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


def results(client: ScriptedClient) -> list[m.FunctionResult]:
    items = [message.item for message in client.link.sent_of(m.ItemCreate)]
    return [item for item in items if isinstance(item, m.FunctionResult)]


async def wait_results(client: ScriptedClient, count: int = 1) -> list[m.FunctionResult]:
    """Wait until so many results were sent, and give them."""
    items = 0
    while len(found := results(client)) < count:
        items += 1
        await client.link.wait_sent(m.ItemCreate, items)
    return found


def follow_ups(client: ScriptedClient) -> list[m.ResponseCreate]:
    return [request for request in client.link.sent_of(m.ResponseCreate) if request.follow_up]


async def outcome(
    client: ScriptedClient, *tools: FunctionTool, settings: FunctionInvocation | None = None
) -> m.FunctionResult:
    """The one result of a session whose first reply calls a function and whose second ends the turn."""
    async with session_with(client, *tools, settings=settings) as session:
        await session.respond()
        _, done = await read_until(session, m.TurnDone)
    assert done.outcome == "completed"
    assert len(follow_ups(client)) == 1
    (result,) = results(client)
    return result
