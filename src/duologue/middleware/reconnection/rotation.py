"""Moves a session to another connection ahead of time: when the provider's time runs out, or for other options."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities, check_options
from duologue.errors import ConnectRefused, DuologueError, UnsupportedOperation
from duologue.link import Link
from duologue.middleware.reconnection.opening import Opened, Opener
from duologue.middleware.reconnection.quiet import QuietMoments
from duologue.middleware.reconnection.sending import refusal
from duologue.middleware.reconnection.wire import Wire
from duologue.options import SessionOptions

if TYPE_CHECKING:
    from duologue.middleware.reconnection.link import LastingLink
    from duologue.middleware.reconnection.settings import Reconnection

_PART_OF_CAP = 0.9  # of the provider's longest time, where nothing else says when to move
_MARGIN = 2.0  # seconds before the provider hangs up that the move is made in any case
_BETWEEN_ATTEMPTS = 1.0


_FIXED = frozenset({"kind", "input_audio", "output_audio", "history", "resume"})
"""What layers further out rely on, and what makes no sense in an update."""


def updated_later(can: Capabilities) -> Capabilities:
    """What a session can do where options that its wire cannot change come with another connection."""
    return replace(can, mutable_options=can.mutable_options | (can.options - _FIXED))


def check_later_update(changes: SessionOptions, before: SessionOptions, link: Link) -> None:
    """Refuse what another connection would not change either.

    Raises:
        UnsupportedOperation: The provider has no such option, or it is not one that can change.
    """
    provider = link.metadata.provider
    if fixed := sorted(_FIXED & set(changes.stated())):
        operation = f"changing {', '.join(fixed)} in a running session"
        raise UnsupportedOperation(operation, provider, "Open another session.")
    check_options(before.merged(changes), link.capabilities, provider)


class Rotation:
    """Waits for the time to move, opens the other connection, waits for a quiet moment, and moves.

    Args:
        link: The session.
        opener: Opens the other connection.
        quiet: The moments at which nothing is under way.
        settings: Of the middleware.
    """

    def __init__(self, link: LastingLink, opener: Opener, quiet: QuietMoments, settings: Reconnection) -> None:
        self._link = link
        self._opener = opener
        self._settings = settings
        self._quiet = quiet
        self._deadline = 0.0
        self._task: asyncio.Task[None] | None = None
        self._is_due = False  # it does not wait for its time any more
        self._update: m.SessionUpdate | None = None
        self._options: SessionOptions | None = None  # what they were before the update

    # --- what happens ---

    def begin(self, wire: Wire) -> None:
        """Another connection is used from now on."""
        self._is_due = False
        self._cancel()
        if self._update is not None:  # it came with that connection
            self._update = self._options = None
            self._link.tell(m.SessionUpdated(options=self._link.options))
        cap = wire.link.capabilities.max_session_seconds
        seconds = self._settings.rotate_after or (cap and cap * _PART_OF_CAP)
        if self._settings.rotate and seconds:
            self._start(wire, seconds)

    def expiring(self, wire: Wire, seconds_left: float) -> None:
        """The provider says that it will hang up."""
        if self._settings.rotate:
            self._hurry(wire, min(self._settings.rotate_within, max(0.0, seconds_left - _MARGIN)))

    def update(self, wire: Wire, update: m.SessionUpdate, before: SessionOptions) -> None:
        """Options have changed that the wire cannot change in place."""
        self._update = update
        self._options = self._options or before
        self._hurry(wire, self._settings.rotate_within)

    def stop(self) -> None:
        """The session is over."""
        self._cancel()

    async def aclose(self) -> None:
        """Stop, and wait until nothing is left of it."""
        task = self._task
        self._cancel()
        if task is not None and task is not asyncio.current_task():
            await asyncio.gather(task, return_exceptions=True)

    # --- waiting ---

    def _hurry(self, wire: Wire, within: float) -> None:
        deadline = self._settings.clock() + within
        if self._is_due:
            self._deadline = min(self._deadline, deadline)
            self._quiet.something_happened()
            return
        self._cancel()
        self._is_due = True
        self._deadline = deadline
        self._start(wire, 0.0)

    def _start(self, wire: Wire, after: float) -> None:
        self._task = asyncio.get_running_loop().create_task(self._rotate(wire, after), name="rotation")

    def _cancel(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
            self._task = None

    async def _rotate(self, wire: Wire, after: float) -> None:
        opened: Opened | None = None
        try:
            if after:
                await self._settings.sleep(after)
            if not self._is_due:
                self._is_due = True
                self._deadline = self._settings.clock() + self._settings.rotate_within
            await self._wait_for_quiet(wire)
            while (opened := await self._open(wire)) is not None:
                await self._wait_for_quiet(wire)
                if self._opener.is_current(opened):
                    break
                await opened.link.aclose()
            if opened is not None and self._link.uses(wire):
                moving, opened = opened, None
                await self._link.swap(moving, "rotation" if self._update is None else "update")
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self._link.fail(error)
        finally:
            if opened is not None:
                await opened.link.aclose()

    async def _open(self, wire: Wire) -> Opened | None:
        """The other connection; None if there is none to be had: the one in use is then used to its end."""
        while self._link.uses(wire):
            try:
                return await self._opener.next()
            except DuologueError as refused:
                may_pass = isinstance(refused, ConnectRefused) and refused.retryable
                if not may_pass or self._settings.clock() >= self._deadline:
                    self._refuse(refused)
                    return None
            await self._settings.sleep(_BETWEEN_ATTEMPTS)
        return None

    def _refuse(self, error: DuologueError) -> None:
        """The reader is told that an update came to nothing; it is then taken back."""
        self._is_due = False
        update, self._update = self._update, None
        if update is not None and self._options is not None:
            self._link.following.options, self._options = self._options, None
            self._link.tell(refusal(update, error))

    async def _wait_for_quiet(self, wire: Wire) -> None:
        """Wait until nothing is under way; no longer than the deadline."""
        await self._quiet.wait(wire, lambda: self._deadline)
