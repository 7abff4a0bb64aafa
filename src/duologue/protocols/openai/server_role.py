"""OpenAI's realtime wire in the server's role, in any dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue import messages as m
from duologue.content import ErrorDetail
from duologue.errors import CutOff, HungUp, SessionEnded, UnsupportedOperation
from duologue.lifecycle import new_id
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.base import Protocol, ProtocolState
from duologue.protocols.close_codes import describe_close
from duologue.protocols.openai.client_events import CLIENT_EVENTS
from duologue.protocols.openai.client_reading import read_client_event
from duologue.protocols.openai.decoding import EventDecoder, UnknownEvent, UnreadableFrame, decode_object
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.dialects import OPENAI
from duologue.protocols.openai.strictness import Refused, decode_strictly, find_lost
from duologue.protocols.openai.writing import UNSPOKEN, EventWriter
from duologue.transports.base import Closed, Frame

_decoder: EventDecoder[Any] = EventDecoder(CLIENT_EVENTS)
_json = msgspec.json.Encoder()


class OpenAIServerProtocol(Protocol[ServerMessage, ClientMessage]):
    """Server messages to frames, and a client's frames to messages.

    A frame that cannot be read is answered with an ``error`` event, as live servers do. An event of an unknown type
    arrives as a `RawClientMessage`. Function results, approvals and all else are what the client sent: what they may
    do is for whoever plays the server.

    Args:
        dialect: How the clients at the other end want to hear things.
        strict: Whether an event with a field that is not known, or of another type than documented, is refused; else
            that field is as if it were not there.
    """

    def __init__(self, dialect: Dialect = OPENAI, *, strict: bool = False) -> None:
        self.state = ProtocolState.OPENING
        self._dialect = dialect
        self._strict = strict
        self._writer = EventWriter(dialect)
        self._out: list[Frame] = []

    def open(self, options: SessionOptions) -> None:
        """Greet with ``session.created``, which tells `options`. To choose the session's id, send the message."""
        self.send(m.SessionCreated(session_id=new_id("sess"), model=options.model, options=options))

    def send(self, message: ServerMessage) -> None:
        """Queue what `message` is on this wire; some messages have no event: see `writing.UNSPOKEN`.

        Raises:
            UnsupportedOperation: The message is of an unknown class.
        """
        if isinstance(message, m.RawServerMessage):
            self._out.append(bytes(message.data).decode())
            return
        if type(message) in UNSPOKEN:
            return
        try:
            event = self._writer.write(message)
        except KeyError:
            raise UnsupportedOperation(f"sending {type(message).__name__}", self._dialect.provider) from None
        if event is not None:
            self._out.append(_json.encode(event).decode())
        if isinstance(message, m.SessionCreated) and self.state is ProtocolState.OPENING:
            self.state = ProtocolState.OPEN

    def receive(self, frame: Frame) -> list[ClientMessage]:
        try:
            event = decode_strictly(_decoder, frame) if self._strict else _decoder.decode(frame)
            if isinstance(event, UnknownEvent):
                return [m.RawClientMessage(id=event.event_id, data=decode_object(frame))]
        except UnreadableFrame:
            self._refuse("invalid_json", "The frame is no JSON object.", None)
            return []
        except Refused as refused:
            self._refuse(refused.code, str(refused), refused.event_id, refused.param)
            return []
        try:
            message = read_client_event(event, self._dialect)
            if self._strict and type(message) is not m.InputAudioAppend:
                find_lost(event, message, self._dialect)
        except Refused as refused:
            self._refuse(refused.code, str(refused), event.event_id, refused.param)
        except ValueError:
            self._refuse("invalid_value", "The audio or the image is no base64.", event.event_id)
        else:
            return [message]
        return []

    def _refuse(self, code: str, text: str, event_id: str | None, param: str | None = None) -> None:
        error = ErrorDetail(message=text, type="invalid_request_error", code=code, param=param)
        self.send(m.ErrorReported(kind="invalid_request", error=error, cause_id=event_id))

    def close(self) -> None:
        """The wire has no goodbye: the close of the connection says it."""
        if self.state is not ProtocolState.CLOSED:
            self.state = ProtocolState.CLOSING

    def connection_lost(self, how: Closed) -> tuple[list[ClientMessage], SessionEnded]:
        self.state = ProtocolState.CLOSED
        close = describe_close(how)
        if close.orderly and how.error is None:
            return [], HungUp(how.reason or "The client hung up.", provider=self._dialect.provider, close_code=how.code)
        text = how.error or how.reason or "The connection to the client was lost."
        return [], CutOff(text, provider=self._dialect.provider, close_code=how.code, hint=close.hint)

    def frames_to_send(self) -> list[Frame]:
        out, self._out = self._out, []
        return out
