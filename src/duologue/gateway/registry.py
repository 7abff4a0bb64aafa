"""The sessions that are open, and their orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from duologue.gateway import ends
from duologue.gateway.client_session import ClientSession


class SessionRegistry:
    """Knows every session of an app.

    Attributes:
        is_draining: Whether no new sessions are taken.
    """

    def __init__(self) -> None:
        self.is_draining = False
        self._sessions: set[ClientSession] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._drained = asyncio.Event()  # or there is no more time

    def __len__(self) -> int:
        return len(self._sessions)

    @contextmanager
    def holding(self, session: ClientSession) -> Iterator[None]:
        """Know of `session` while it runs."""
        self._sessions.add(session)
        self._empty.clear()
        if self.is_draining:  # it came in a moment before
            session.end(ends.GOING_AWAY)
        try:
            yield
        finally:
            self._sessions.discard(session)
            if not self._sessions:
                self._empty.set()
                if self.is_draining:
                    self._drained.set()

    def hurry(self) -> None:
        """Have `drain` wait no longer."""
        self._drained.set()

    async def drain(self, seconds: float) -> int:
        """Take no new sessions, and end those that are open: each after the turn that is under way, and all of them
        after `seconds`. Gives how many had to be cut short."""
        self.is_draining = True
        for session in tuple(self._sessions):
            session.end_when_quiet(seconds)
        if self._sessions:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._drained.wait()
        late = tuple(self._sessions)
        for session in late:
            session.end(ends.GOING_AWAY)
        await self._empty.wait()
        return len(late)
