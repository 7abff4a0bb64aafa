"""Waits for a moment at which a session can move to another connection, and nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from duologue.middleware.reconnection.wire import Wire

if TYPE_CHECKING:
    from duologue.middleware.reconnection.link import LastingLink
    from duologue.middleware.reconnection.settings import Reconnection


class QuietMoments:
    """Waits until nothing is under way.

    Args:
        link: The session.
        settings: Of the middleware.
    """

    def __init__(self, link: LastingLink, settings: Reconnection) -> None:
        self._link = link
        self._settings = settings
        self._news = asyncio.Event()

    def something_happened(self) -> None:
        """It may be quiet now."""
        self._news.set()

    async def wait(self, wire: Wire, deadline: Callable[[], float]) -> bool:
        """Wait for a quiet moment of that connection, no longer than the deadline, which may come nearer meanwhile;
        whether it is quiet."""
        while self._link.uses(wire):
            now = self._settings.clock()
            if self._link.is_quiet:
                return True
            left = deadline() - now
            if left <= 0:
                return False
            playing = self._link.following.still_playing(now)
            await self._wait_for_news(min(left, playing) if playing > 0 else left)
        return False

    async def _wait_for_news(self, seconds: float) -> None:
        self._news.clear()
        news = asyncio.ensure_future(self._news.wait())
        slept = asyncio.ensure_future(self._settings.sleep(seconds))
        try:
            await asyncio.wait((news, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (news, slept):
                waiting.cancel()
                with suppress(asyncio.CancelledError):
                    await waiting
