"""The recording of one session: what happens, as lines of its file."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from duologue.capabilities import Capabilities
from duologue.errors import DuologueError
from duologue.link import ProviderMetadata
from duologue.messages.base import ClientMessage, Message, ServerMessage
from duologue.messages.client import SessionUpdate
from duologue.middleware.recording.lines import VERSION, Ended, Lost, Opened, Refused, line_to_json, message_line
from duologue.middleware.recording.media import NO_JSON, Media, MessageEncoder
from duologue.middleware.recording.writing import LineFile
from duologue.middleware.redaction import loggable_text, plain
from duologue.options import SessionOptions


class Journal:
    """Writes the lines of a session.

    Args:
        file: Where they go.
        clock: Seconds of a monotonic clock.
        audio: Whether audio is kept.
        images: Whether pictures are kept.
    """

    def __init__(
        self, file: LineFile, clock: Callable[[], float], *, audio: Media = "keep", images: Media = "keep"
    ) -> None:
        self.session = secrets.token_hex(4)
        self._file = file
        self._clock = clock
        self._began = clock()
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._media: tuple[Media, Media] = (audio, images)
        self._encoder = MessageEncoder(audio=audio, images=images)
        self._lost = 0
        self._over = False

    def opened(
        self, who: ProviderMetadata, asked: SessionOptions, can: Capabilities, dropped: tuple[str, ...] = ()
    ) -> None:
        """The session is open, or could not be opened."""
        line = Opened(
            session=self.session,
            version=VERSION,
            duologue=_own_version(),
            started_at=self._started_at,
            provider=who.provider,
            model=who.model,
            endpoint=who.endpoint and loggable_text(who.endpoint),
            options=self._encoder.cleaned(as_stated(asked)),
            capabilities=_sorted(msgspec.json.decode(msgspec.json.encode(can))),
            dropped=dropped,
            audio=self._media[0],
            images=self._media[1],
        )
        self._file.write(line_to_json(line), always=True)

    def sent(self, message: ClientMessage) -> None:
        """A message is about to be sent."""
        self._message("sent", message)

    def refused(self, message: ClientMessage, error: DuologueError) -> None:
        """It was not sent."""
        if not self._over:
            line = Refused(
                session=self.session,
                at=self._now(),
                id=message.id or "",
                error=type(error).__name__,
                text=loggable_text(str(error)),
            )
            self._write(line_to_json(line))

    def received(self, message: ServerMessage) -> None:
        """A message has arrived."""
        self._message("received", message)

    def ended(self, error: BaseException) -> None:
        """Nothing comes after."""
        if not self._over:
            self._over = True
            self._note_lost(always=True)
            self._file.write(line_to_json(Ended.of(self.session, self._now(), error)), always=True)
            self._file.close()

    async def closed(self) -> None:
        """Wait until all is written, after the end."""
        await self._file.closed()

    # --- pieces ---

    def _message(self, kind: str, message: Message) -> None:
        if self._over:
            return
        try:
            text = self._encoder.encode(message)
        except NO_JSON:  # the wire will say so if it matters
            self._lost += 1
            return
        self._write(message_line(kind, self.session, self._now(), text))

    def _write(self, line: bytes) -> None:
        if (self._lost and not self._note_lost()) or not self._file.write(line):
            self._lost += 1

    def _note_lost(self, *, always: bool = False) -> bool:
        if not self._lost:
            return True
        line = Lost(session=self.session, at=self._now(), count=self._lost)
        if not self._file.write(line_to_json(line), always=always):
            return False
        self._lost = 0
        return True

    def _now(self) -> float:
        return round(self._clock() - self._began, 6)


def as_stated(options: SessionOptions) -> dict[str, Any]:
    """What the options state, as JSON values; nothing if that is no JSON, which the provider's wire will say."""
    try:
        values: dict[str, Any] = plain(SessionUpdate(options=options))["options"]
    except NO_JSON:
        return {}
    return {name: values[name] for name in options.stated() if values.get(name) is not None}


def _sorted(capabilities: dict[str, Any]) -> dict[str, Any]:
    """With sets in the same order every time."""
    return {
        name: sorted(value, key=msgspec.json.encode) if isinstance(value, list) else value
        for name, value in capabilities.items()
    }


def _own_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("duologue")
    except PackageNotFoundError:
        return "unknown"
