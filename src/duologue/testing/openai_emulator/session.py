"""One session with an emulator: frames in, frames out."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from duologue import messages as m
from duologue.capabilities import check_message
from duologue.errors import DuologueError
from duologue.local.runner import EngineRunner
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.openai import Dialect, OpenAIServerProtocol
from duologue.testing.loop_thread import on_loop
from duologue.testing.openai_emulator.habits import Habits
from duologue.testing.openai_emulator.model import EmulatedModel
from duologue.transports import Closed, Frame, Transport

JsonObject = dict[str, Any]


class EmulatedSession:
    """The server's side of one connection.

    Args:
        transport: The connection.
        dialect: How the server says things.
        model: Who answers.
        options: The session's options before the client states any.
        on_event: Told the type of every event that has arrived or is about to leave, before anything is done about it.

    Attributes:
        received: The events that the client has sent, in order.
        sent: The events that it was sent, in order.
        closed: How the connection ended; None while it is open.
    """

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        model: EmulatedModel,
        options: SessionOptions,
        on_event: Callable[[str], None] = lambda event_type: None,
    ) -> None:
        self.received: list[JsonObject] = []
        self.sent: list[JsonObject] = []
        self.closed: Closed | None = None
        self._transport = transport
        self._on_event = on_event
        self._dialect = dialect
        self._habits = Habits(dialect)
        self._protocol = OpenAIServerProtocol(dialect)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._waits_for_client = self._is_refused = False
        self._ears = model.speech_to_text()
        responder = model.responder()
        self._runner = EngineRunner(
            model.engine(options, responder),
            self._ears,
            responder,
            model.text_to_speech,
            said=self._say,
            failed=self._fail,
        )

    def open(self, error: m.ErrorDetail | None = None) -> None:
        """Greet the client: with ``session.created``, or with an error in its place."""
        if error is None:
            self._runner.open()
            self.send(*self._habits.after_greeting())
        else:
            self._is_refused = True
            self._say([m.ErrorReported(kind="server", error=error)])
            self._spawn_end(1011)
        self._transport.start(self)

    # --- what a test does ---

    def send(self, *events: ServerMessage | Mapping[str, Any]) -> None:
        """Send messages, in the server's dialect, or events as they are. From any thread."""
        messages = [event if isinstance(event, ServerMessage) else _raw(event) for event in events]
        if threading.get_ident() == self._thread:
            self._say(messages)
        else:
            self._loop.call_soon_threadsafe(self._say, messages)

    def will_hear(self, *transcripts: str) -> None:
        """What the next turns that are spoken say, after those that are known already."""
        self._ears.transcripts.extend(transcripts)

    def received_of(self, event_type: str) -> list[JsonObject]:
        """The events of that type that the client has sent, in order."""
        return [event for event in self.received if event.get("type") == event_type]

    async def wait_received(self, event_type: str, count: int = 1, *, timeout: float = 10.0) -> list[JsonObject]:
        """Wait until the client has sent `count` events of that type, and give all of them. On any event loop.

        Raises:
            ConnectionError: The client is gone, and they will not come.
            TimeoutError: They have not come within `timeout` s.
        """

        async def wait() -> list[JsonObject]:
            while len(found := self.received_of(event_type)) < count:
                if self.closed is not None:
                    raise ConnectionError(f"The client is gone after {len(found)} of {count} {event_type}.")
                await self._news.wait()
            return found

        return await on_loop(self._loop, wait(), timeout, f"{count} {event_type}")

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
        self._runner.stop()
        await self._transport.aclose(code, reason)
        await self._runner.aclose()

    # --- the client's frames ---

    def frame_received(self, frame: Frame) -> None:
        """Take the client's next frame."""
        self._note(frame)
        for message in () if self._is_refused else self._protocol.receive(frame):
            try:
                self._take(self._habits.understand(message))
            except DuologueError as error:
                self._refuse(str(error), message.id)
        self._flush()

    def connection_closed(self, how: Closed) -> None:
        """The client is gone."""
        self.closed = how
        self._protocol.connection_lost(how)
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
            self._on_event(str(event.get("type")))
        self._announce()

    def _take(self, message: ClientMessage) -> None:
        if isinstance(message, m.RawClientMessage):
            self._take_unknown(message)
            return
        if not isinstance(message, m.SessionUpdate):
            check_message(message, self._dialect.capabilities, self._dialect.provider)
        if not self._habits.is_only_noted(message):
            self._runner.send(message)

    def _take_unknown(self, message: m.RawClientMessage) -> None:
        event_type = message.data.get("type") if isinstance(message.data, dict) else None
        if event_type is not None and event_type == self._dialect.goodbye:
            self.send({"type": "session.finished", "event_id": "event_finished"})
            self._spawn_end(1000)
        else:
            self._refuse(f"Invalid value: {event_type!r}. This server knows no such event.", message.id, "type")

    def _refuse(self, text: str, event_id: str | None, param: str | None = None) -> None:
        error = m.ErrorDetail(message=text, type="invalid_request_error", code="invalid_value", param=param)
        self._say([m.ErrorReported(kind="invalid_request", error=error, cause_id=event_id)])

    # --- the server's frames ---

    def _say(self, messages: list[ServerMessage]) -> None:
        for message in messages:
            for said in self._habits.arrange(message):
                self._protocol.send(said)
        self._flush()

    def _flush(self) -> None:
        for frame in self._protocol.frames_to_send():
            event = json.loads(frame)
            self.sent.append(event)
            self._on_event(str(event.get("type")))
            self._transport.write(frame)
        if self._transport.congested and not self._waits_for_client and self.closed is None:
            self._waits_for_client = True
            self._runner.pause()
            self._spawn(self._wait_for_client())

    async def _wait_for_client(self) -> None:
        await self._transport.drain()
        self._waits_for_client = False
        self._runner.resume()

    # --- the end ---

    def _fail(self, error: BaseException) -> None:
        """Nothing of an emulator should fail: pytest, and whoever runs it, are to see it."""
        context = {"message": "An emulated session has failed.", "exception": error}
        self._loop.call_exception_handler(context)
        self._spawn_end(1011)

    def _spawn_end(self, code: int) -> None:
        self._spawn(self.aclose(code))

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _announce(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _raw(event: Mapping[str, Any]) -> m.RawServerMessage:
    return m.RawServerMessage(event_type=event.get("type"), data=msgspec.Raw(json.dumps(event).encode()))
