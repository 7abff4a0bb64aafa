"""One session with an emulator of OpenAI's wire."""

from __future__ import annotations

from collections.abc import Callable

from duologue import messages as m
from duologue.capabilities import check_message
from duologue.errors import DuologueError
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.openai import Dialect, OpenAIServerProtocol
from duologue.testing.emulation.model import EmulatedModel
from duologue.testing.emulation.session import EmulatedSession, JsonObject
from duologue.testing.openai_emulator.calls import EmulatedCall
from duologue.testing.openai_emulator.habits import Habits
from duologue.transports import Closed, Frame, Transport


class OpenAIEmulatedSession(EmulatedSession):
    """The server's side of one connection. Its events are called by their types.

    With `call` it is one of those that have joined that: the session is the call's.

    Args:
        transport: The connection.
        dialect: How the server says things.
        model: Who answers.
        options: The session's options before the client states any.
        call: The call that the connection joins.
        on_event: Told the type of every event that has arrived or is about to leave, before anything is done about it.
    """

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        model: EmulatedModel,
        options: SessionOptions,
        on_event: Callable[[str], None] = lambda event_type: None,
        call: EmulatedCall | None = None,
    ) -> None:
        self._protocol = OpenAIServerProtocol(dialect)
        super().__init__(transport, self._protocol, model, on_event)
        self._dialect = dialect
        self._options = options
        self._habits = Habits(dialect)
        self._call = call
        self._is_refused = False

    def open(self, error: m.ErrorDetail | None = None) -> None:
        """Greet the client: with ``session.created``, or with an error in its place."""
        if error is None:
            if self._call is None:
                self.begin(self._options)
            else:
                self._call.joined.append(self)
                self.say([self._call.greeting])
            self.send(*self._habits.after_greeting())
        else:
            self._is_refused = True
            self.say([m.ErrorReported(kind="server", error=error)])
            self.hang_up(1011)
        self._transport.start(self)

    def names_of(self, event: JsonObject) -> tuple[str, ...]:
        return (str(event.get("type")),)

    def arrange(self, message: ServerMessage) -> list[ServerMessage]:
        return self._habits.arrange(message)

    def take(self, frame: Frame) -> None:
        for message in () if self._is_refused else self._protocol.receive(frame):
            try:
                self._carry_out(self._habits.understand(message))
            except DuologueError as error:
                self._refuse(str(error), message.id)

    def _carry_out(self, message: ClientMessage) -> None:
        if isinstance(message, m.RawClientMessage):
            self._take_unknown(message)
            return
        if not isinstance(message, m.SessionUpdate):
            check_message(message, self._dialect.capabilities, self._dialect.provider)
        if self._habits.is_only_noted(message):
            return
        if self._call is not None:
            self._call.send(message, self)
        elif self._runner is not None:
            self._runner.send(message)

    def connection_closed(self, how: Closed) -> None:
        if self._call is not None:
            self._call.joined.remove(self)
        super().connection_closed(how)

    def _take_unknown(self, message: m.RawClientMessage) -> None:
        event_type = message.data.get("type") if isinstance(message.data, dict) else None
        if event_type is not None and event_type == self._dialect.goodbye:
            self.send({"type": "session.finished", "event_id": "event_finished"})
            self.hang_up(1000)
        else:
            self._refuse(f"Invalid value: {event_type!r}. This server knows no such event.", message.id, "type")

    def _refuse(self, text: str, event_id: str | None, param: str | None = None) -> None:
        error = m.ErrorDetail(message=text, type="invalid_request_error", code="invalid_value", param=param)
        self.say([m.ErrorReported(kind="invalid_request", error=error, cause_id=event_id)])
