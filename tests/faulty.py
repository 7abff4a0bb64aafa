"""What every test of faults needs: the faults, a conversation to have them in, and a look at what is left of it."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.errors import ConnectRefused, CutOff, HungUp, SessionEnded
from duologue.middleware import FunctionInvocation
from duologue.options import SessionOptions
from duologue.providers.connection import ConnectionSettings
from duologue.runtime import ProtocolLink
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested
from duologue.testing.conformance import nothing_is_left
from duologue.testing.emulation import Emulator, Reply
from duologue.testing.loopback import (
    Cut,
    Delay,
    Duplicate,
    Fault,
    Garbage,
    HalfOpen,
    Hangup,
    Oversized,
    Reorder,
    SlowReading,
)
from duologue.tools import tool
from duologue.transports.limits import WebSocketLimits
from tiny_protocol import settle

_LIMITS = WebSocketLimits(max_message_size=1 << 20, ping_interval=0.2, dead_after=0.2, close_timeout=0.3)
CONNECTION = ConnectionSettings(attempts=1, open_timeout=1.0, send_timeout=2.0, limits=_LIMITS)

ENDS: dict[str, tuple[Fault, type[SessionEnded]]] = {
    "cut": (Cut(), CutOff),
    "cut in a frame": (Cut(after_bytes=17), CutOff),
    "cut without a reset": (Cut(after_bytes=3, reset=False), CutOff),
    "half-open": (HalfOpen(), CutOff),
    "hung up": (Hangup(code=1011, reason="server error"), HungUp),
    "no frame": (Garbage("wire"), CutOff),
    "no UTF-8": (Garbage("utf8"), CutOff),
    "too long": (Oversized(2 << 20), CutOff),
}
GOES_ON: dict[str, Fault] = {
    "late": Delay(0.005),
    "slow": SlowReading(20_000),
    "twice": Duplicate(),
    "no JSON": Garbage("json"),
    "binary": Garbage("binary"),
    "long": Oversized(200_000),
    "in another order": Reorder(every=4),
}


@tool
async def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It rains in {city}."


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """No task, no socket, no object of the session may be left."""
    gc.collect()
    gc.freeze()  # what earlier tests have left does not count, and is not to be looked through again
    tasks, files = asyncio.all_tasks(), _open_files()
    yield
    await nothing_is_left(tasks)
    await settle()
    gc.collect()
    assert not _sessions()
    assert _open_files() <= files


def _sessions() -> list[object]:
    """What is held of sessions."""
    return [part for part in gc.get_objects() if type(part) in (ProtocolLink, RealtimeSession)]


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


async def converse(client: RealtimeClient, conversation: Conversation) -> SessionEnded | None:
    """Ask, have a tool called, hear the answer; gives how the session ended, if it did not last."""
    async with client.with_middleware(FunctionInvocation()) as asking:
        try:
            async with asyncio.timeout(20), asking.create_session(SessionOptions(tools=(get_weather,))) as session:
                await session.send_audio(bytes(960))
                await session.send_text("What is the weather in Oslo?")
                async for message in session:
                    conversation.feed(message)
                    if isinstance(message, m.TurnDone) and message.outcome == "completed":
                        break
        except SessionEnded as end:
            return end.with_traceback(None)
    return None


async def check_end(emulator: Emulator[Any], client: RealtimeClient, fault: str, stage: str, *, opening: bool) -> None:
    """One of `ENDS` at `stage` ends the session with the right exception, and leaves nothing."""
    what, kind = ENDS[fault]
    emulator.inject(what, at=stage)
    conversation = Conversation()
    end = await converse(client, conversation)
    assert end is not None
    assert type(end) is (ConnectRefused if opening else kind)
    assert end.retryable == (fault != "too long")
    assert end.hint
    assert end.provider == client.metadata.provider
    assert conversation.active_response is None
    del end  # its traceback holds what has raised it


async def check_fault(emulator: Emulator[Any], client: RealtimeClient, fault: str, stage: str) -> None:
    """A fault at `stage`, in the middle of the conversation, ends the session as it should, or does not."""
    what, kind = ENDS[fault] if fault in ENDS else (GOES_ON[fault], type(None))
    emulator.inject(what, at=stage)
    end = await converse(client, Conversation())
    assert type(end) is kind
    del end


def replies() -> list[Reply]:
    """What an emulated model answers to it."""
    return [[CallRequested("get_weather", '{"city": "Oslo"}')], "It rains in Oslo, as it does so often."]
