"""A session under test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.formats import PCM16_24K, AudioFormat, silence_of
from duologue.messages.base import ServerMessage
from duologue.options import OFF, SessionOptions
from duologue.session import RealtimeSession
from duologue.testing.conformance.harness import Harness
from duologue.testing.lifecycle import LifecycleChecker

Kind = TypeVar("Kind", bound=ServerMessage)
Middleware = Callable[[RealtimeClient], RealtimeClient]

_CHUNK_MS = 20
_LEAVING_SECONDS = 5.0  # that tasks may take to end after a client is closed


def need(holds: object, what: str) -> None:
    """Skip the test unless the provider has what it is about."""
    if not holds:
        pytest.skip(f"The provider has no {what}.")


class Talk:
    """Reads a session, checks the order of what it says, and follows the conversation.

    Args:
        session: The session.
        harness: The provider's.

    Attributes:
        messages: All that was read.
        conversation: What came of it.
    """

    def __init__(self, session: RealtimeSession, harness: Harness) -> None:
        self.session = session
        self.harness = harness
        self.messages: list[ServerMessage] = []
        self.conversation = Conversation()
        self.checker = LifecycleChecker()

    @property
    def can(self) -> Capabilities:
        """What the session can do."""
        return self.session.capabilities

    @property
    def input_format(self) -> AudioFormat:
        """What the session hears."""
        return self.session.options.input_audio or PCM16_24K

    # --- reading ---

    async def read(self) -> ServerMessage:
        """The next message; an `AssertionError` when none comes in time."""
        try:
            async with asyncio.timeout(self.harness.timeout):
                message = await anext(self.session)
        except TimeoutError:
            raise AssertionError(f"Nothing comes within {self.harness.timeout:g} s. {self._so_far()}") from None
        except StopAsyncIteration:
            raise AssertionError(f"The session is over. {self._so_far()}") from None
        self.note(message)
        return message

    def note(self, message: ServerMessage) -> None:
        """Take a message that was read elsewhere."""
        self.messages.append(message)
        self.checker.feed(message)
        self.conversation.feed(message)

    async def until(self, kind: type[Kind], where: Callable[[Kind], bool] = lambda message: True) -> Kind:
        """Read on to the next message of `kind` for which `where` holds."""
        while True:
            message = await self.read()
            if isinstance(message, kind) and where(message):
                return message

    async def turn(self) -> list[ServerMessage]:
        """Read to the end of the turn; gives what was read."""
        start = len(self.messages)
        await self.until(m.TurnDone)
        return self.messages[start:]

    def of(self, kind: type[Kind]) -> list[Kind]:
        """All messages of `kind` that were read."""
        return [message for message in self.messages if isinstance(message, kind)]

    def last(self, kind: type[Kind]) -> Kind:
        """The last message of `kind` that was read; an `AssertionError` when there was none."""
        found = self.of(kind)
        if not found:
            raise AssertionError(f"No {kind.__name__} has come. {self._so_far()}")
        return found[-1]

    def _so_far(self) -> str:
        return f"Read so far: {', '.join(type(message).__name__ for message in self.messages) or 'nothing'}."

    # --- sending ---

    async def write(self, text: str, *, respond: bool = True) -> None:
        """Write `text` to the session. Skips the test where that cannot be done."""
        need(self.can.text_input, "way to be written to")
        need(self.can.explicit_response or not respond, "answer to what is written")
        await self.session.send_text(text, respond=respond)

    async def ask(self, prompt: str) -> m.ResponseDone:
        """Write `prompt`, and read to the end of the turn; gives its last response."""
        await self.write(prompt)
        await self.turn()
        return self.last(m.ResponseDone)

    async def say(self, text: str, *, silence: bool = True) -> None:
        """Say `text` to the session, with the silence that ends a turn, or without."""
        audio = await self.speech(text)
        await self.play(audio + (self.silence() if silence else b""))

    async def speech(self, text: str) -> bytes:
        """`text` as the user says it. Skips the test where that cannot be made."""
        audio = await self.harness.speech(text, self.input_format)
        need(audio is not None, "speech to be tested with")
        assert audio is not None
        return audio

    def silence(self, ms: float | None = None) -> bytes:
        """Silence in the session's format."""
        wanted = self.harness.silence_ms if ms is None else ms
        return silence_of(self.input_format, wanted)

    async def play(self, audio: bytes) -> None:
        """Stream audio to the session, as a microphone does."""
        size = self.input_format.bytes_for(_CHUNK_MS)
        for start in range(0, len(audio), size):
            await self.session.send_audio(audio[start : start + size])
            await asyncio.sleep(0)

    # --- checking ---

    def text_of(self, done: m.ResponseDone) -> str:
        """All that a response says."""
        return "".join(item.text for item in done.items if isinstance(item, m.MessageItem))

    def check_conversation(self) -> None:
        """What the messages make of the conversation is what items and responses say of themselves."""
        gone = {message.item_id for message in self.of(m.ItemDeleted)}
        said = [item for done in self.of(m.ResponseDone) if not done.out_of_band for item in done.items]
        last = {item.id: item for item in (*(done.item for done in self.of(m.ItemDone)), *said)}
        known = [item.id for item in self.conversation.items]
        assert len(known) == len(set(known)), f"Items are there twice: {known}."
        for item_id, item in last.items():
            assert item_id is not None
            if item_id in gone:
                assert self.conversation.item(item_id) is None
                continue
            held = self.conversation.item(item_id)
            assert held is not None, f"Item {item_id} is not in the conversation."
            is_answer = isinstance(item, m.MessageItem) and item.role == "assistant"
            if is_answer and not self.conversation.was_cut(item_id):
                assert self.conversation.transcript(item_id) == getattr(item, "text", "")
            elif isinstance(item, m.FunctionCall | m.FunctionResult):
                assert held == item


@asynccontextmanager
async def talking(
    harness: Harness, options: SessionOptions | None = None, *middleware: Middleware
) -> AsyncIterator[Talk]:
    """Open a session, and close it with its client afterwards; nothing of them may be left."""
    async with (
        opened(harness) as client,
        client.with_middleware(*middleware).create_session(harness.options.merged(options)) as session,
    ):
        talk = Talk(session, harness)
        yield talk
        talk.check_conversation()


@asynccontextmanager
async def opened(harness: Harness) -> AsyncIterator[RealtimeClient]:
    """A client, closed afterwards; none of its tasks may be left."""
    before = asyncio.all_tasks()
    client = harness.make_client()
    try:
        yield client
    finally:
        await client.aclose()
    await nothing_is_left(before)


async def nothing_is_left(before: set[asyncio.Task[object]]) -> None:
    """Fail, if a task lives that was not there `before`."""
    left: set[asyncio.Task[object]] = set()
    for pause in (0.0, 0.0, 0.0, 0.05, _LEAVING_SECONDS):
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if not left:
            return
        if pause:
            await asyncio.wait(left, timeout=pause)
        else:
            await asyncio.sleep(0)
    raise AssertionError(f"Tasks are left: {', '.join(task.get_name() for task in left)}.")


async def reading_in_vain(session: RealtimeSession) -> asyncio.Future[ServerMessage]:
    """A read that waits: what providers say unasked is passed over."""
    while True:
        reading = asyncio.ensure_future(anext(session))
        await asyncio.wait([reading], timeout=0.02)
        if not reading.done():
            return reading


def detection_off(can: Capabilities) -> SessionOptions:
    """Options of a session whose turns the application marks. Skips the test where it cannot."""
    need(can.manual_turns, "turns that the application marks")
    return SessionOptions(turn_detection=OFF) if "off" in can.turn_detections else SessionOptions()
