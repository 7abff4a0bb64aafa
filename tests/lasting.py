"""What the tests of sessions that last share: a talker who plays what it hears, and servers that repeat."""

from __future__ import annotations

import asyncio
import gc
import heapq
import itertools
import json
import types
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.errors import ConnectRefused, UnsupportedOperation
from duologue.inbox import Inbox
from duologue.link import Link
from duologue.messages.base import ServerMessage
from duologue.middleware import FunctionInvocation
from duologue.middleware.reconnection import Reconnection
from duologue.middleware.reconnection.handle import Handle
from duologue.middleware.reconnection.link import LastingLink
from duologue.options import SessionOptions
from duologue.providers.connection import ConnectionSettings
from duologue.providers.gemini import GeminiRealtimeClient
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.runtime import SessionLayer
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested, ResponderEvent, ResponderRequest, TextChunk
from duologue.testing import OpenAIEmulator, ScriptedClient
from duologue.testing.emulation import Emulator, Replies, Reply
from duologue.testing.gemini_emulator import GeminiEmulator
from duologue.testing.stages import ScriptedResponder
from duologue.tools import tool
from duologue.transports.limits import WebSocketLimits

AT_ONCE = Reconnection(random=lambda: 0.0)
"""Attempts without a wait between them."""

CONNECTION = ConnectionSettings(
    attempts=1, open_timeout=5.0, send_timeout=5.0, limits=WebSocketLimits(close_timeout=0.3)
)


class ManualClock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        waker = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._numbers), waker))
        await waker

    async def until(self, moment: float) -> None:
        await settled()
        while self._sleepers and self._sleepers[0][0] <= moment:
            self.now, _, waker = heapq.heappop(self._sleepers)
            if not waker.done():
                waker.set_result(None)
            await settled()
        self.now = moment


async def settled() -> None:
    """Let everything happen that can happen now."""
    for _ in range(50):
        await asyncio.sleep(0)


class UnreliableClient(ScriptedClient):
    """One that is down for a while, or opens sessions when it is told to."""

    refused: ConnectRefused | UnsupportedOperation | None = None
    attempts = 0
    may_open: asyncio.Event | None = None

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        self.attempts += 1
        if self.may_open is not None:
            await self.may_open.wait()
        if self.refused is not None:
            raise self.refused.with_traceback(None)
        return await super().open_link(options, dropped)

    def is_down(self) -> None:
        self.refused = ConnectRefused("Down.", provider="first", retryable=True)


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def repeats(request: ResponderRequest) -> Reply:
    """A model that repeats what it is told, and adds where it is asked to."""
    last = next(item for item in reversed(request.items) if not _is_passed_over(item))
    if isinstance(last, m.FunctionResult):
        return f"The sum of these numbers is {_sum(last.output)} ."
    text = last.text if isinstance(last, m.MessageItem) else ""
    if "has returned: " in text:
        return f"The sum of these numbers is {_sum(text.rpartition('has returned: ')[2])} ."
    if text.startswith("add "):
        _, a, b = text.split()
        return CallRequested("add", json.dumps({"a": int(a), "b": int(b)}))
    return f"You said: {text} ."


def _is_passed_over(item: m.Item) -> bool:
    """What asks for nothing: an answer that was stopped, and the full stop that has Gemini's models go on."""
    return isinstance(item, m.MessageItem) and (item.role == "assistant" or item.text == ".")


def _sum(output: str) -> str:
    try:
        read = json.loads(output)
    except ValueError:
        return output
    return str(next(iter(read.values())) if isinstance(read, dict) else read)


class Halting(ScriptedResponder):
    """Comes to a halt in the middle of its first answer; repeats what it is told from then on."""

    def __init__(self) -> None:
        super().__init__(lambda request: [TextChunk(str(repeats(request)))])

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        if not self.requests:
            self.requests.append(request)
            yield TextChunk("You said: " + "one two three four five " * 6 + ". ")
            await asyncio.Event().wait()
        async for event in super().respond(request):
            yield event


def openai(replies: Replies = repeats) -> OpenAIEmulator:
    return OpenAIEmulator(replies, lead_ms=1e9)


def gemini(replies: Replies = repeats) -> GeminiEmulator:
    return GeminiEmulator(replies, lead_ms=1e9)


EMULATORS: dict[str, Callable[..., Emulator[Any]]] = {"openai": openai, "gemini": gemini}
AUDIO = {"openai": "response.output_audio.delta", "gemini": "serverContent.modelTurn"}
"""What a piece of an answer is called on each wire."""


def client_of(emulator: Emulator[Any], connection: ConnectionSettings = CONNECTION) -> RealtimeClient:
    """A client of the emulator, without any layer."""
    if isinstance(emulator, OpenAIEmulator):
        return OpenAIRealtimeClient("gpt-realtime", base_url=emulator.url, api_key="key", connection=connection)
    return GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="key", connection=connection)


def lasting_client(
    emulator: Emulator[Any], settings: Reconnection = AT_ONCE, connection: ConnectionSettings = CONNECTION
) -> RealtimeClient:
    """The same, with tools that are run, and sessions that last."""
    return client_of(emulator, connection).with_middleware(FunctionInvocation(), settings)


@dataclass
class Talker:
    """Talks, and listens: nothing of an answer is heard before all of it is there.

    Attributes:
        session: The session.
        conversation: What it was told.
        seen: All messages but pieces of audio.
    """

    session: RealtimeSession
    conversation: Conversation = field(default_factory=Conversation)
    seen: list[ServerMessage] = field(default_factory=list)

    async def say(self, text: str, *, interrupt: bool = False) -> list[ServerMessage]:
        """Say something, and listen to the answer, or interrupt it; gives what was told of it."""
        await self.session.send_text(text)
        return await self.listen(interrupt=interrupt)

    async def listen(self, *, interrupt: bool = False) -> list[ServerMessage]:
        """Listen until a turn is over; it is then heard, unless it is interrupted."""
        read: list[ServerMessage] = []
        received: dict[str, float] = {}
        async for message in self.session:
            self.conversation.feed(message)
            if isinstance(message, m.OutputAudioDelta):
                new = message.item_id not in received
                received[message.item_id] = received.get(message.item_id, 0.0) + message.format.duration_ms(
                    len(message.audio)
                )
                if new:
                    await self.session.send(m.OutputAudioPlayed(item_id=message.item_id, played_ms=0))
                    if interrupt:
                        await self.session.send(m.OutputAudioClear())
                continue
            read.append(message)
            if isinstance(message, m.TurnDone):
                break
        self.seen += read
        for item_id, played_ms in received.items():
            await self.session.send(m.OutputAudioPlayed(item_id=item_id, played_ms=played_ms, finished=True))
        return read

    def seen_of(self, *kinds: type[ServerMessage]) -> list[ServerMessage]:
        """What was told of these kinds, in order."""
        return [message for message in self.seen if isinstance(message, kinds)]


@asynccontextmanager
async def talking(
    emulator: Emulator[Any], options: SessionOptions, settings: Reconnection = AT_ONCE
) -> AsyncIterator[Talker]:
    """A session that lasts, and who talks in it."""
    async with lasting_client(emulator, settings) as client, client.create_session(options) as session:
        yield Talker(session)


async def read_all(session: RealtimeSession) -> list[ServerMessage]:
    """Read to the end, which is raised unless our side asked for it."""
    return [message async for message in session]


def alive() -> Counter[str]:
    """How many objects of each kind that works for sessions there are, those of servers aside."""
    gc.collect()
    kinds = (type(thing) for thing in gc.get_objects())
    names = Counter(f"{kind.__module__}.{kind.__qualname__}" for kind in kinds)
    return Counter({name: count for name, count in names.items() if name.startswith(_WORKING)})


_WORKING = (
    "duologue.middleware.",
    "duologue.runtime.",
    "duologue.providers.",
    "duologue.protocols.openai.client_role.",
    "duologue.protocols.gemini.client_role.",
    "duologue.link.",
)


def weight(session: RealtimeSession) -> int:
    """How many objects a lasting session holds on to, the conversation itself aside."""
    gc.collect()
    root = session.get_service(LastingLink)
    seen: dict[int, object] = {}
    waiting: list[object] = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) not in seen and not isinstance(thing, _NOT_HELD):
            seen[id(thing)] = thing
            waiting += gc.get_referents(thing)
    return len(seen)


_NOT_HELD = (
    Conversation,
    Handle,  # it holds the ids of the conversation's items
    RealtimeClient,
    SessionLayer,  # of those further out, each has its own
    Inbox,
    asyncio.AbstractEventLoop,
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
)


def said(items: Iterable[m.Item]) -> list[tuple[str, str]]:
    """A conversation as who said what; calls and results with what is in them."""
    told: list[tuple[str, str]] = []
    for item in items:
        match item:
            case m.MessageItem(role=role):
                told.append((role, item.text.strip()))
            case m.FunctionCall(name=name, arguments=arguments):
                told.append(("call", f"{name}({json.dumps(json.loads(arguments))})"))
            case m.FunctionResult(output=output):
                told.append(("result", output))
            case _:
                told.append((type(item).__name__, ""))
    return told
