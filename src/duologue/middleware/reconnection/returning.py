"""Moves a session back to a better connection, at a quiet moment, as soon as there may be one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from duologue.errors import DuologueError
from duologue.middleware.reconnection.connections import Connections
from duologue.middleware.reconnection.opening import Opened, Opener
from duologue.middleware.reconnection.quiet import QuietMoments
from duologue.middleware.reconnection.wire import Wire

if TYPE_CHECKING:
    from duologue.middleware.reconnection.link import LastingLink
    from duologue.middleware.reconnection.settings import Reconnection

_BETWEEN_ATTEMPTS = 1.0


class Returning:
    """Waits until a better connection may be had, opens it beside the one in use, and moves.

    Nothing is lost for it: without a quiet moment the session stays where it is.

    Args:
        link: The session.
        connections: Where better ones come from.
        opener: Opens them.
        quiet: The moments at which nothing is under way.
        settings: Of the middleware.
    """

    def __init__(
        self,
        link: LastingLink,
        connections: Connections,
        opener: Opener,
        quiet: QuietMoments,
        settings: Reconnection,
    ) -> None:
        self._link = link
        self._connections = connections
        self._opener = opener
        self._quiet = quiet
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    def begin(self, wire: Wire) -> None:
        """Another connection is used from now on."""
        self.stop()
        if self._connections.better_in() is not None:
            self._task = asyncio.get_running_loop().create_task(self._return(wire), name="return")

    def stop(self) -> None:
        """There is nothing to go back from."""
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._task = None

    async def aclose(self) -> None:
        """Stop, and wait until nothing is left of it."""
        task = self._task
        self.stop()
        if task is not None and task is not asyncio.current_task():
            await asyncio.gather(task, return_exceptions=True)

    async def _return(self, wire: Wire) -> None:
        try:
            while self._link.uses(wire) and (seconds := self._connections.better_in()) is not None:
                await self._settings.sleep(max(seconds, _BETWEEN_ATTEMPTS))
                if await self._quiet.wait(wire, lambda: float("inf")):
                    await self._attempt(wire)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self._link.fail(error)

    async def _attempt(self, wire: Wire) -> None:
        opened: Opened | None = None
        try:
            opened = await self._opener.next(self._connections.open_better)
            until = self._settings.clock() + self._settings.rotate_within
            if await self._quiet.wait(wire, lambda: until) and self._opener.is_current(opened):
                moving, opened = opened, None
                await self._link.swap(moving, "return")
        except DuologueError:
            pass  # there is another attempt
        finally:
            if opened is not None:
                await opened.link.aclose()
