"""The lines of a recording. docs/recording.md describes them; a change that old readers do not see raises `VERSION`."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.content import ErrorDetail
from duologue.errors import ConnectRefused, CutOff, Expired, HungUp, SessionClosed, SessionEnded, SessionFailed
from duologue.middleware.redaction import loggable_text

VERSION = 1


class Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", omit_defaults=True):
    """What every line has.

    Attributes:
        session: Which session of the file: several may write to one.
        at: Seconds since the session began to open.
    """

    session: str
    at: float = 0.0


class Opened(Line, frozen=True, kw_only=True, tag="opened", omit_defaults=True):
    """The first line of a session.

    Attributes:
        version: Of this format.
        duologue: The version of the library.
        started_at: When the session began to open, as ISO 8601 in UTC.
        provider: `ProviderMetadata.provider`; `model` and `endpoint` likewise.
        options: What was asked for.
        capabilities: What the session can do.
        dropped: The preferences that were left out.
        audio: ``"keep"`` or ``"cut"``; `images` likewise.
    """

    version: int
    duologue: str
    started_at: str
    provider: str
    model: str | None = None
    endpoint: str | None = None
    options: dict[str, Any] = {}
    capabilities: dict[str, Any] = {}
    dropped: tuple[str, ...] = ()
    audio: str = "keep"
    images: str = "keep"


class Sent(Line, frozen=True, kw_only=True, tag="sent"):
    """A message towards the provider, as it left the layer outside of the recording."""

    message: msgspec.Raw


class Received(Line, frozen=True, kw_only=True, tag="received"):
    """A message towards the reader."""

    message: msgspec.Raw


class Refused(Line, frozen=True, kw_only=True, tag="refused"):
    """A message that was sent, and raised an exception in place of going out.

    Attributes:
        id: The message's.
        error: The class of the exception.
        text: What it said.
    """

    id: str
    error: str
    text: str


class Lost(Line, frozen=True, kw_only=True, tag="lost"):
    """Messages that are missing here: the file was too slow, or they are no JSON.

    Attributes:
        count: How many.
    """

    count: int


class Ended(Line, frozen=True, kw_only=True, tag="ended", omit_defaults=True):
    """The last line of a session: why it ended, or did not open.

    Attributes:
        error: The class of the exception: ``"SessionClosed"`` where our side closed it.
        text: What happened; the other attributes are those of `SessionEnded`.
    """

    error: str
    text: str
    provider: str = ""
    code: str | None = None
    close_code: int | None = None
    request_id: str | None = None
    retryable: bool = False
    hint: str = ""
    last_error: ErrorDetail | None = None

    @classmethod
    def of(cls, session: str, at: float, error: BaseException) -> Ended:
        """The line about the end that `error` is."""
        name = type(error).__name__
        if not isinstance(error, SessionEnded):  # it did not open: the options were refused, or it was given up
            return cls(session=session, at=at, error=name, text=loggable_text(str(error)))
        last = error.last_error
        return cls(
            session=session,
            at=at,
            error=name,
            text=loggable_text(error.message),
            provider=error.provider,
            code=error.code,
            close_code=error.close_code,
            request_id=error.request_id,
            retryable=error.retryable,
            hint=loggable_text(error.hint),
            last_error=last and msgspec.structs.replace(last, message=loggable_text(last.message)),
        )

    def exception(self) -> SessionEnded:
        """The end as it was raised, or what comes next to it."""
        kind = _ENDS.get(self.error)
        if kind is None:
            return ConnectRefused(f"{self.error}: {self.text}", provider=self.provider)
        return kind(
            self.text,
            provider=self.provider,
            code=self.code,
            close_code=self.close_code,
            request_id=self.request_id,
            retryable=self.retryable,
            hint=self.hint,
            last_error=self.last_error,
        )


AnyLine = Opened | Sent | Received | Refused | Lost | Ended

_ENDS = {kind.__name__: kind for kind in (SessionClosed, HungUp, CutOff, Expired, ConnectRefused, SessionFailed)}
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyLine] = msgspec.json.Decoder(AnyLine)


def line_to_json(line: AnyLine) -> bytes:
    """The line, with the character that ends it."""
    return _encoder.encode(line) + b"\n"


def message_line(kind: str, session: str, at: float, message: bytes) -> bytes:
    """A line of `Sent` or `Received`, of a message's JSON: made without a detour, as most lines are of these."""
    return b'{"line":"%b","session":"%b","at":%.6f,"message":%b}\n' % (kind.encode(), session.encode(), at, message)


def line_from_json(text: bytes) -> AnyLine:
    """A line as it was written.

    Raises:
        msgspec.DecodeError: It is none.
    """
    return _decoder.decode(text)
