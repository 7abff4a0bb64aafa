"""Reading recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from os import PathLike
from typing import Any

import msgspec

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import InvalidInput
from duologue.link import ProviderMetadata
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.recording.lines import (
    VERSION,
    AnyLine,
    Ended,
    Lost,
    Opened,
    Received,
    Refused,
    Sent,
    line_from_json,
)
from duologue.middleware.recording.media import restored
from duologue.options import SessionOptions


class RecordedMessage(msgspec.Struct, kw_only=True):
    """A message of a recording.

    Attributes:
        at: When it passed, in seconds since the session began to open.
        message: The message. Audio that was cut is silence of the same length, a picture that was cut is empty.
        refused: The class and the text of what sending it raised; None if it went out.
    """

    at: float
    message: ClientMessage | ServerMessage
    refused: tuple[str, str] | None = None

    @property
    def sent(self) -> bool:
        """Whether it went towards the provider."""
        return isinstance(self.message, ClientMessage)


class RecordedSession(msgspec.Struct, kw_only=True):
    """A session of a recording.

    Attributes:
        id: What tells it from the others of the file.
        started_at: When it began to open, as ISO 8601 in UTC.
        metadata: Who was at the other end.
        asked: The options that were asked for, as JSON values.
        capabilities: What it could do.
        dropped: The preferences that were left out.
        messages: All that passed, in order.
        lost: How many messages are missing.
        end: Why it ended; None if the recording stops before that.
    """

    id: str
    started_at: str
    metadata: ProviderMetadata
    asked: dict[str, Any]
    capabilities: Capabilities
    dropped: tuple[str, ...] = ()
    messages: list[RecordedMessage] = msgspec.field(default_factory=list)
    lost: int = 0
    end: Ended | None = None

    @property
    def options(self) -> SessionOptions:
        """The options that were asked for; tools are declarations, and secrets have no value."""
        return msgspec.convert(self.asked, SessionOptions, builtin_types=(), strict=True)

    @property
    def seconds(self) -> float:
        """How long it lasted, in s."""
        if self.end is not None:
            return self.end.at
        return self.messages[-1].at if self.messages else 0.0

    @property
    def received(self) -> list[ServerMessage]:
        """What the provider said, in order."""
        return [entry.message for entry in self.messages if isinstance(entry.message, ServerMessage)]


def read_recording(path: str | PathLike[str]) -> tuple[RecordedSession, ...]:
    """The sessions of a recording, in the order in which they were opened.

    A line that is not whole, which a process leaves that dies while it writes, is passed over.

    Raises:
        InvalidInput: There is no such file, or it is no recording, or a newer version of this library wrote it.
    """
    sessions: dict[str, RecordedSession] = {}
    for where, line in _lines(os.fspath(path)):
        if isinstance(line, Opened):
            sessions[line.session] = _session(line, where)
        elif (session := sessions.get(line.session)) is not None:
            _add(session, line, where)
    if not sessions:
        raise InvalidInput(f"{os.fspath(path)} holds no recording. Recording({os.fspath(path)!r}) makes one.")
    return tuple(sessions.values())


def _lines(path: str) -> Iterator[tuple[str, AnyLine]]:
    try:
        with open(path, "rb") as file:
            for number, text in enumerate(file, 1):
                where = f"{path}, line {number}"
                if (line := _line(text, where)) is not None:
                    yield where, line
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or type(error).__name__}.") from None


def _line(text: bytes, where: str) -> AnyLine | None:
    try:
        return line_from_json(text)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{where} is no line of a recording of version {VERSION}: {error}") from None
    except (msgspec.DecodeError, UnicodeError):  # it was never finished
        return None


def _session(line: Opened, where: str) -> RecordedSession:
    if line.version > VERSION:
        raise InvalidInput(
            f"{where}: duologue {line.duologue} wrote this in version {line.version} of the format, and this one reads "
            f"up to {VERSION}. Update duologue."
        )
    return RecordedSession(
        id=line.session,
        started_at=line.started_at,
        metadata=ProviderMetadata(provider=line.provider, model=line.model, endpoint=line.endpoint),
        asked=line.options,
        capabilities=msgspec.convert(line.capabilities, Capabilities),
        dropped=line.dropped,
    )


def _add(session: RecordedSession, line: AnyLine, where: str) -> None:
    match line:
        case Sent() | Received():
            read = m.client_from_json if isinstance(line, Sent) else m.server_from_json
            try:
                message = read(restored(bytes(line.message)))
            except msgspec.ValidationError as error:
                raise InvalidInput(f"{where} holds a message that duologue does not know: {error}") from None
            session.messages.append(RecordedMessage(at=line.at, message=message))
        case Refused():
            for entry in reversed(session.messages):
                if entry.sent and entry.message.id == line.id:
                    entry.refused = (line.error, line.text)
                    break
        case Lost():
            session.lost += line.count
        case Ended():
            session.end = line
        case _:
            pass
