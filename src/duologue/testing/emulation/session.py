"""One session with an emulator: frames in, frames out, an engine between them."""

from __future__ import annotations

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import msgspec

from duologue.local.runner import EngineRunner
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.messages.server import RawServerMessage
from duologue.options import SessionOptions
from duologue.protocols import Protocol
from duologue.testing.emulation.model import EmulatedModel
from duologue.testing.loop_thread import on_loop
from duologue.transports import Closed, Frame, Transport

JsonObject = dict[str, Any]


class EmulatedSession(ABC):
    """The server's side of one connection.

    Args:
        transport: The connection.
        protocol: The wire, in the server's role.
        model: Who answers.
        on_event: Told the names of every event that has arrived or is about to leave, before anything is done about it.

    Attributes:
        received: The events that the client has sent, in order.
        sent: The events that it was sent, in order.
        closed: How the connection ended; None while it is open.
    """

    def __init__(
        self,
        transport: Transport,
        protocol: Protocol[ServerMessage, ClientMessage],
        model: EmulatedModel,
        on_event: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.received: list[JsonObject] = []
        self.sent: list[JsonObject] = []
        self.closed: Closed | None = None
        self._transport = transport
        self._wire = protocol
        self._model = model
        self._on_event = on_event
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits_for_client = False
        self._ears = model.speech_to_text()
        self._runner: EngineRunner | None = None

    # --- for subclasses ---

    @abstractmethod
    def names_of(self, event: JsonObject) -> tuple[str, ...]:
        """What `event` is called, in `received_of` and for faults."""

    @abstractmethod
    def take(self, frame: Frame) -> None:
        """Do what the client asks for with `frame`."""

    def arrange(self, message: ServerMessage) -> list[ServerMessage]:
        """What is said where the engine says `message`."""
        return [message]

    def begin(self, options: SessionOptions) -> EngineRunner:
        """Start the engine of a session with these options; it greets at once.

        Raises:
            InvalidInput: The options do not make sense.
        """
        self._runner = self._model.runner(options, self._ears, said=self.say, failed=self._fail)
        self._runner.open()
        return self._runner

    def say(self, messages: list[ServerMessage]) -> None:
        """Send what the engine says."""
        for message in messages:
            for said in self.arrange(message):
                self._wire.send(said)
        self.flush()

    def flush(self) -> None:
        """Send what the protocol has to say."""
        for frame in self._wire.frames_to_send():
            event = json.loads(frame)
            self.sent.append(event)
            self._tell_names(event)
            self._transport.write(frame)
        if self._transport.congested and not self._waits_for_client and self.closed is None:
            self._waits_for_client = True
            if self._runner is not None:
                self._runner.pause()
            self._spawn(self._wait_for_client())

    def hang_up(self, code: int, reason: str = "") -> None:
        """End the session, soon."""
        self._spawn(self.aclose(code, reason))

    # --- what a test does ---

    def send(self, *events: ServerMessage | Mapping[str, Any]) -> None:
        """Send messages, or events as they are. From any thread."""
        messages = [event if isinstance(event, ServerMessage) else _raw(event) for event in events]
        if threading.get_ident() == self._thread:
            self.say(messages)
        else:
            self._loop.call_soon_threadsafe(self.say, messages)

    def will_hear(self, *transcripts: str) -> None:
        """What the next turns that are spoken say, after those that are known already."""
        self._ears.transcripts.extend(transcripts)

    def received_of(self, name: str) -> list[JsonObject]:
        """The events of that name that the client has sent, in order."""
        return [event for event in self.received if name in self.names_of(event)]

    async def wait_received(self, name: str, count: int = 1, *, timeout: float = 10.0) -> list[JsonObject]:
        """Wait until the client has sent `count` events of that name, and give all of them. On any event loop.

        Raises:
            ConnectionError: The client is gone, and they will not come.
            TimeoutError: They have not come within `timeout` s.
        """

        async def wait() -> list[JsonObject]:
            while len(found := self.received_of(name)) < count:
                if self.closed is not None:
                    raise ConnectionError(f"The client is gone after {len(found)} of {count} {name}.")
                await self._news.wait()
            return found

        return await on_loop(self._loop, wait(), timeout, f"{count} {name}")

    async def wait_closed(self, *, timeout: float = 10.0) -> Closed:
        """Wait until the connection is over, and everything that worked for it. On any event loop.

        Raises:
            TimeoutError: It is not over within `timeout` s.
        """

        async def wait() -> Closed:
            while self.closed is None:
                await self._news.wait()
            await asyncio.gather(*self._tasks)
            return self.closed

        return await on_loop(self._loop, wait(), timeout, "the end of the connection")

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Hang up on the client."""
        if self._runner is not None:
            self._runner.stop()
        await self._transport.aclose(code, reason)
        if self._runner is not None:
            await self._runner.aclose()

    # --- the connection ---

    def frame_received(self, frame: Frame) -> None:
        """Take the client's next frame."""
        self._note(frame)
        self.take(frame)
        self.flush()

    def connection_closed(self, how: Closed) -> None:
        """The client is gone."""
        self.closed = how
        self._wire.connection_lost(how)
        if self._runner is not None:
            self._runner.stop()
            self._spawn(self._runner.aclose())
        self._announce()

    def _note(self, frame: Frame) -> None:
        try:
            event = json.loads(frame)
        except ValueError:
            event = None
        if isinstance(event, dict):
            self.received.append(event)
            self._tell_names(event)
        self._announce()

    def _tell_names(self, event: JsonObject) -> None:
        for name in self.names_of(event):
            self._on_event(name)

    async def _wait_for_client(self) -> None:
        await self._transport.drain()
        self._waits_for_client = False
        if self._runner is not None:
            self._runner.resume()

    # --- the end ---

    def _fail(self, error: BaseException) -> None:
        """Nothing of an emulator should fail: pytest, and whoever runs it, are to see it."""
        context = {"message": "An emulated session has failed.", "exception": error}
        self._loop.call_exception_handler(context)
        self.hang_up(1011)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _raw(event: Mapping[str, Any]) -> RawServerMessage:
    return RawServerMessage(event_type=event.get("type"), data=msgspec.Raw(json.dumps(event).encode()))
