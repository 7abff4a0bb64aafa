"""Opens another connection after a loss: again and again, at growing intervals, until one holds or it is given up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from duologue.errors import ConnectRefused, SessionEnded
from duologue.middleware.reconnection.backoff import Backoff
from duologue.middleware.reconnection.opening import Opener

if TYPE_CHECKING:
    from duologue.middleware.reconnection.link import LastingLink
    from duologue.middleware.reconnection.settings import Reconnection


class Restoring:
    """Brings a session back after a loss. One task, while there is no connection.

    Args:
        link: The session.
        opener: Opens the other connection.
        settings: Of the middleware.
    """

    def __init__(self, link: LastingLink, opener: Opener, settings: Reconnection) -> None:
        self._link = link
        self._opener = opener
        self._sleep = settings.sleep
        self._backoff = Backoff(
            settings.attempts,
            settings.attempts_in_all,
            settings.first_delay,
            settings.longest_delay,
            settings.random,
        )
        self._task: asyncio.Task[None] | None = None

    def begin(self, end: SessionEnded) -> None:
        """A connection was lost. One that is lost while it is told the conversation is replaced by the same task."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._restore(end), name="reconnection")

    def good_event(self) -> None:
        """The connection does what it is there for."""
        self._backoff.good_event()

    def stop(self) -> None:
        """The session is over."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()

    async def aclose(self) -> None:
        """Stop, and wait until nothing is left of it."""
        task = self._task
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _restore(self, end: SessionEnded) -> None:
        link = self._link
        try:
            while not link.is_over:
                delay = self._backoff.next()
                if delay is None:
                    link.finish(end)
                    return
                await self._sleep(delay)
                try:
                    opened = await self._opener.next()
                except ConnectRefused as refused:
                    end = refused
                    if not link.may_pass(refused):
                        link.finish(refused)
                    continue
                lost = await link.move_to(opened, "loss")
                if lost is None:
                    return
                end = lost
        except Exception as error:  # noqa: BLE001 - raised to the reader
            link.fail(error)
        finally:
            self._task = None
