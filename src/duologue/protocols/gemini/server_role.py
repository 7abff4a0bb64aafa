"""The wire of Gemini Live in the server's role."""

from __future__ import annotations

from duologue import messages as m
from duologue.errors import CutOff, HungUp, SessionEnded
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.base import Protocol, ProtocolState
from duologue.protocols.close_codes import describe_close
from duologue.protocols.gemini.client_frames import ClientFrame
from duologue.protocols.gemini.client_reading import read_client_frame
from duologue.protocols.gemini.decoding import FrameDecoder, UnreadableFrame, decode_object
from duologue.protocols.gemini.dialect import GEMINI, GeminiDialect
from duologue.protocols.gemini.server_frames import encode_server_frame
from duologue.protocols.gemini.server_writing import FrameWriter
from duologue.protocols.json_values import as_text
from duologue.transports.base import Closed, Frame

_decoder = FrameDecoder(ClientFrame)


class GeminiServerProtocol(Protocol[ServerMessage, ClientMessage]):
    """Server messages to frames, and a client's frames to messages.

    The client's ``setup`` comes as a `SessionUpdate`, and so does a ``contextUpdate``. Turns come as one `ItemCreate`
    for each item, and as a `ResponseCreate` where they are complete. A frame with a field of an unknown name comes as a
    `RawClientMessage`, after what is known of it. What the client did not ask for in its setup (transcripts, handles,
    speech events) is not told.

    Attributes:
        dialect: Which service it is; with the family of the model that the client's setup names, once that is known.
        refusal: Why the connection is to be closed, as servers do with code 1007: a frame could not be read.

    Args:
        dialect: Which service it is to be, with which models.
    """

    def __init__(self, dialect: GeminiDialect = GEMINI) -> None:
        self.state = ProtocolState.OPENING
        self.refusal: str | None = None
        self.dialect = dialect
        self._writer = FrameWriter()
        self._out: list[Frame] = []

    def open(self, options: SessionOptions) -> None:
        """Nothing: the client begins. Its setup is answered with a `SessionCreated`."""

    def send(self, message: ServerMessage) -> None:
        """Queue what `message` is on this wire; many messages have no frame, such as those of items."""
        if isinstance(message, m.RawServerMessage):
            self._out.append(bytes(message.data))
            return
        frame = self._writer.write(message)
        if frame is not None:
            self._out.append(encode_server_frame(frame))
        if isinstance(message, m.SessionCreated) and self.state is ProtocolState.OPENING:
            self.state = ProtocolState.OPEN

    def receive(self, frame: Frame) -> list[ClientMessage]:
        try:
            read, unknown = _decoder.decode(frame)
            if read.setup is not None:
                self.dialect = self.dialect.for_model(as_text(read.setup.get("model")))
            messages = read_client_frame(read, self.dialect)
            if read.setup is not None:
                self._writer.setup = _setup_of(messages)
            if unknown or not messages:
                messages.append(m.RawClientMessage(data=decode_object(frame)))
        except UnreadableFrame:
            self.refusal = "The frame is no JSON object."
            return []
        except ValueError:
            self.refusal = "The audio or the image is no base64."
            return []
        return messages

    def close(self) -> None:
        """The wire has no goodbye: the close of the connection says it."""
        if self.state is not ProtocolState.CLOSED:
            self.state = ProtocolState.CLOSING

    def connection_lost(self, how: Closed) -> tuple[list[ClientMessage], SessionEnded]:
        self.state = ProtocolState.CLOSED
        close = describe_close(how)
        if close.orderly and how.error is None:
            return [], HungUp(how.reason or "The client hung up.", provider=self.dialect.provider, close_code=how.code)
        text = how.error or how.reason or "The connection to the client was lost."
        return [], CutOff(text, provider=self.dialect.provider, close_code=how.code, hint=close.hint)

    def frames_to_send(self) -> list[Frame]:
        out, self._out = self._out, []
        return out


def _setup_of(messages: list[ClientMessage]) -> dict[str, object]:
    first = messages[0]
    assert isinstance(first, m.SessionUpdate)
    return first.options.extra
