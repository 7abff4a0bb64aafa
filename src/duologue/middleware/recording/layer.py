"""Middleware that records sessions."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike

from msgspec.structs import replace

from duologue.client import RealtimeClient
from duologue.errors import DuologueError, InvalidInput, SessionClosed, SessionEnded
from duologue.link import Link
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.recording.journal import Journal
from duologue.middleware.recording.media import Media
from duologue.middleware.recording.writing import LineWriter, Target
from duologue.options import SessionOptions
from duologue.runtime import LayeredClient, SessionLayer


@dataclass(frozen=True, slots=True)
class Recording:
    """Middleware that writes every message, both ways, to a JSON Lines file: ``with_middleware(Recording("a.jsonl"))``.

    Stand it innermost: it records what the layers outside of it send, such as the results of functions, too.
    docs/recording.md describes the file; `duologue.testing.ReplayClient` plays it, and ``duologue replay`` shows it.

    A thread writes to the file, so that a slow disk does not hold the session up. When it falls 32 MiB behind, messages
    are left out, which a line of the file tells; when it fails, the recording stops with a warning in the log, and the
    session goes on. Keys, tokens and headers are left out always.

    Args:
        to: A path; a binary file, which stays open; or a function of the session's options that gives one of these, to
            have a file for each session. A file that exists grows; several sessions may share one.
        audio: ``"keep"``, or ``"cut"`` for its length alone.
        images: The same for pictures.
        clock: Seconds of a monotonic clock.

    Raises:
        InvalidInput: From `create_session`: the file cannot be written.
    """

    to: Target | Callable[[SessionOptions], Target]
    audio: Media = "keep"
    images: Media = "keep"
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        for name in ("audio", "images"):
            if getattr(self, name) not in ("keep", "cut"):
                raise InvalidInput(f'{name} is "keep" or "cut", not {getattr(self, name)!r}.')

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return _RecordingClient(client, self)

    def target(self, options: SessionOptions) -> Target:
        """Where a session with these options is recorded."""
        to = self.to
        target: Target = to(options) if callable(to) else to
        if not isinstance(target, str | PathLike) and not callable(getattr(target, "write", None)):
            raise InvalidInput(f"A recording goes to a path or a binary file, not to {type(target).__name__}.")
        return target


class _RecordingClient(LayeredClient):
    def __init__(self, inner: RealtimeClient, settings: Recording) -> None:
        super().__init__(inner, SessionLayer, settings)
        self._settings = settings
        self._writer = LineWriter()

    async def open_session(self, options: SessionOptions) -> Link:
        settings = self._settings
        can = self.capabilities(options)
        file = self._writer.open(settings.target(options))
        journal = Journal(file, settings.clock, audio=settings.audio, images=settings.images)
        try:
            link = await self.inner.open_session(options)
        except BaseException as error:
            journal.opened(self.metadata, options, can)
            journal.ended(error)
            if isinstance(error, Exception):  # who gave up does not wait
                await journal.closed()
            raise
        journal.opened(link.metadata, options, link.capabilities, link.dropped)
        return RecordingLayer(link, journal)


class RecordingLayer(SessionLayer):
    """The layer that `Recording` puts around a session."""

    observes = True

    def __init__(self, inner: Link, journal: Journal) -> None:
        super().__init__(inner)
        self._journal = journal
        self._numbers = itertools.count(1)

    async def send(self, message: ClientMessage) -> str:
        if not isinstance(message, ClientMessage):
            return await self.inner.send(message)  # which says so
        if message.id is None:  # errors name the message that caused them
            message = replace(message, id=f"msg_{self._journal.session}_{next(self._numbers)}")
        self._journal.sent(message)  # before it is sent: the answer may come at once
        try:
            return await self.inner.send(message)
        except SessionEnded:
            raise
        except DuologueError as error:
            self._journal.refused(message, error)
            raise

    def received(self, message: ServerMessage) -> None:
        self._journal.received(message)
        self.deliver(message)

    def ended(self, end: SessionEnded) -> None:
        self._journal.ended(end)
        super().ended(end)

    async def aclose(self) -> None:
        await super().aclose()
        self._journal.ended(SessionClosed("The session was given up before it was used."))  # else it has ended already
        await self._journal.closed()
