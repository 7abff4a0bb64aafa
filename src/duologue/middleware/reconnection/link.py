"""A session that outlives its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.errors import (
    ConnectRefused,
    CutOff,
    DuologueError,
    Expired,
    HungUp,
    SessionClosed,
    SessionEnded,
    SessionFailed,
    UnsupportedOperation,
)
from duologue.link import Link, Receiver, Service, SnapshotSource
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.reconnection.connections import Connections
from duologue.middleware.reconnection.following import Following
from duologue.middleware.reconnection.handover import hand_over
from duologue.middleware.reconnection.kept_input import INPUT
from duologue.middleware.reconnection.opening import Opened, Opener
from duologue.middleware.reconnection.quiet import QuietMoments
from duologue.middleware.reconnection.restoring import Restoring
from duologue.middleware.reconnection.returning import Returning
from duologue.middleware.reconnection.rotation import Rotation, check_later_update, updated_later
from duologue.middleware.reconnection.sending import NOTED, named, refusal
from duologue.middleware.reconnection.wire import Wire
from duologue.options import SessionOptions
from duologue.runtime.route import Route, tell_ended
from duologue.snapshots import Snapshot

if TYPE_CHECKING:
    from duologue.middleware.reconnection.settings import Reconnection

_MAY_PASS = (HungUp, CutOff, Expired, ConnectRefused)


class LastingLink(Link, SnapshotSource):
    """A link over links, one after another.

    Args:
        connections: Where they come from.
        options: What the application asks for.
        can: What a session with these options can do.
        settings: Of the middleware.
    """

    def __init__(
        self,
        connections: Connections,
        options: SessionOptions,
        can: Capabilities,
        settings: Reconnection,
    ) -> None:
        self._settings = settings
        self._connections = connections
        self.following = self._following = Following(
            options,
            can,
            most_ms=settings.keep_input * 1000,
            idle_ms=settings.keep_silence * 1000,
            ask_again=settings.ask_again,
        )
        self._opener = Opener(connections.open, self._following, settings.history)
        self._quiet = QuietMoments(self, settings)
        self._restoring = Restoring(self, self._opener, settings)
        self._rotation = Rotation(self, self._opener, self._quiet, settings)
        self._returning = Returning(self, connections, self._opener, self._quiet, settings)
        self._can = can, can  # the connection's, and what they are with what this link adds
        self._receiver: Receiver | None = None
        self._route = Route()
        self._ready = asyncio.Event()  # there is a connection, and it knows all that the last one knew; or all is over
        self._held: list[ClientMessage] | None = None  # the user's input while one is being told what it has to know
        self._end: SessionEnded | None = None
        self._closing = self._paused = False
        self._leaving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the first connection.

        Raises:
            ConnectRefused: The session did not begin.
        """
        link = await self._opener.first()
        self._wire = Wire(link, self)
        self._use(link)
        self._ready.set()

    def _use(self, link: Link) -> None:
        self.metadata = link.metadata
        self._connections.used(link)
        self._following.begin(link.metadata.provider, link.metadata.model, link.capabilities)

    # --- what it is ---

    @property
    def options(self) -> SessionOptions:
        return self._wire.link.options

    @property
    def capabilities(self) -> Capabilities:
        can = self._wire.link.capabilities
        if self._can[0] is not can:
            self._can = can, updated_later(can)
        return self._can[1]

    @property
    def dropped(self) -> tuple[str, ...]:
        return self._wire.link.dropped

    def get_service(self, kind: type[Service]) -> Service | None:
        return self if isinstance(self, kind) else self._wire.link.get_service(kind)

    def snapshot(self, *, extra: bool = True) -> Snapshot:
        return self._following.snapshot(self._settings.clock(), extra=extra)

    def connect(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._route = Route(receiver)
        self._wire.connect()
        self._rotation.begin(self._wire)
        self._returning.begin(self._wire)

    def pause_reading(self) -> None:
        self._paused = True
        self._wire.link.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        self._wire.link.resume_reading()

    # --- down ---

    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        if isinstance(message, INPUT):
            return self._send_input(message)
        return self._send_noted(message) if isinstance(message, NOTED) else self._send_other(message)

    async def _send_input(self, message: ClientMessage) -> str:
        """What the user says waits for nobody: while there is no connection, it is kept."""
        if self._end is not None:
            raise self._end.with_traceback(None)
        message = named(message)
        assert message.id is not None
        self._following.sent(message)
        if not self._ready.is_set():
            if self._held is not None:
                self._held.append(message)
            return message.id
        try:
            return await self._wire.link.send(message)
        except SessionEnded:
            self._check_open()
            return message.id  # it is kept, and sent again
        except DuologueError:
            self._following.refused(message)
            raise

    async def _send_noted(self, message: ClientMessage) -> str:
        """What the next connection is told, should this one be lost."""
        message = named(message)
        assert message.id is not None
        await self._connected()
        self._following.sent(message)
        lost_before = bool(self._following.items.lost_calls)
        told = self._following.items.translated(message) if isinstance(message, m.ItemCreate) else message
        try:
            await self._wire.link.send(told)
            if told is not message and lost_before and not self._following.items.lost_calls:
                await self._go_on()
        except SessionEnded:
            await self._connected()
        except DuologueError:
            self._following.refused(message)
            raise
        return message.id

    async def _go_on(self) -> None:
        """All results that were told in words are there; nobody else asks where the wire goes on by itself."""
        can = self.capabilities
        if can.continues_after_tool_results and can.explicit_response:
            await self._send_noted(m.ResponseCreate(follow_up=True))

    async def _send_other(self, message: ClientMessage) -> str:
        if isinstance(message, m.OutputAudioPlayed):
            self._following.played(message)
        while True:
            await self._connected()
            try:
                message_id = await self._wire.link.send(message)
            except SessionEnded:
                self._check_open()
                continue
            except UnsupportedOperation:
                if not isinstance(message, m.SessionUpdate):
                    raise
                return self._update_later(named(message))
            self._following.sent(message)
            self._quiet.something_happened()
            return message_id

    def _update_later(self, update: m.SessionUpdate) -> str:
        """What the wire cannot change in place is changed with the connection."""
        assert update.id is not None
        before = self._following.options
        check_later_update(update.options, before, self._wire.link)
        self._following.sent(update)
        self._rotation.update(self._wire, update, before)
        return update.id

    async def drain(self) -> None:
        while True:
            await self._connected(quietly=True)
            try:
                return await self._wire.link.drain()
            except SessionEnded:
                self._check_open()

    async def _connected(self, *, quietly: bool = False) -> None:
        """Wait until there is a connection that can be used."""
        await self._ready.wait()
        if self._end is not None and not (quietly and isinstance(self._end, SessionClosed)):
            raise self._end.with_traceback(None)

    def _check_open(self) -> None:
        if self._end is not None:
            raise self._end.with_traceback(None)

    # --- up ---

    def take(self, wire: Wire, message: ServerMessage) -> None:
        if wire.restored is not None and isinstance(message, m.SessionCreated):
            self._deliver(replace(wire.restored, session_id=message.session_id))
            return
        for told in self._following.received(message, self._settings.clock()):
            self._deliver(told)
        if self._following.heard_good:
            self._restoring.good_event()
        if isinstance(message, m.SessionExpiring):
            self._rotation.expiring(wire, message.seconds_left)
        self._quiet.something_happened()

    def tell(self, message: ServerMessage) -> None:
        """Something that the layer itself has to say."""
        self._following.conversation.feed(message)
        self._deliver(message)

    def _deliver(self, message: ServerMessage) -> None:
        if self._end is not None:
            return
        try:
            self._route.to(type(message))(message)
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)

    # --- moving ahead of time ---

    def uses(self, wire: Wire) -> bool:
        """Whether that is the connection in use."""
        return self._wire is wire and wire.over is None and self._end is None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is under way."""
        return self._ready.is_set() and self._following.is_quiet(self._settings.clock())

    async def swap(self, opened: Opened, cause: m.RestoredCause) -> bool:
        """Put another connection in the place of the one in use; whether that was done to its end."""
        if not self.is_quiet:
            for message in self._following.lose(self._settings.clock()):
                self._deliver(message)
        self._let_go(self._wire)
        return await self.move_to(opened, cause) is None

    # --- a connection is lost ---

    def lost(self, wire: Wire, end: SessionEnded) -> None:
        if self._closing or not self.may_pass(end):
            self.finish(end)
            return
        self._let_go(wire)
        for message in self._following.lose(self._settings.clock()):
            self._deliver(message)
        error = m.ErrorDetail(message=str(end), type=type(end).__name__, code=end.code)
        gone = self._following.lost_responses[-1:]
        self._deliver(m.ConnectionLost(error=error, response_id=gone[0] if gone else None))
        if self._end is None:
            self._restoring.begin(end)

    def may_pass(self, end: SessionEnded) -> bool:
        """Whether another connection is worth an attempt after that."""
        return isinstance(end, _MAY_PASS) and self._connections.may_pass(end)

    def _let_go(self, wire: Wire) -> None:
        """Nothing goes over that connection any more."""
        self._ready.clear()
        wire.retire()
        leaving = asyncio.get_running_loop().create_task(wire.link.aclose(), name="the end of a lost connection")
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def move_to(self, opened: Opened, cause: m.RestoredCause) -> SessionEnded | None:
        """Go on over another connection, which is told what it does not know; how it ended, if it did meanwhile."""
        link = opened.link
        self._use(link)
        handover = hand_over(self._following, opened, cause)
        held = self._held = list[ClientMessage]()  # what came before is among what is told
        wire = self._wire = Wire(link, self, handover.restored)
        if self._paused:
            link.pause_reading()
        wire.connect()
        await self._send_anew(wire, handover.messages, held)
        if self._held is held:
            self._held = None
        if wire.over is not None or self._end is not None:
            return wire.over or self._end
        for message in self._following.restored(is_asked=handover.is_asked):
            self._deliver(message)
        self._ready.set()
        self._rotation.begin(wire)
        self._returning.begin(wire)
        return None

    async def _send_anew(self, wire: Wire, messages: list[ClientMessage], held: list[ClientMessage]) -> None:
        """Send these, and what the user says meanwhile."""
        while messages and wire.over is None:
            for message in messages:
                try:
                    await wire.link.send(message)
                except SessionEnded:
                    break
                except DuologueError as error:
                    self._following.refused(message)
                    self._deliver(refusal(message, error))
            messages, held[:] = list(held), []

    # --- the end ---

    @property
    def is_over(self) -> bool:
        """Whether the session is over."""
        return self._end is not None

    def fail(self, error: BaseException) -> None:
        if self._end is None and self._wire.over is None:
            self._wire.link.fail(error)
            return
        if self._end is not None:
            return
        failed = SessionFailed(f"The session raised {type(error).__name__}.", provider=self.metadata.provider)
        failed.__cause__ = error
        self.finish(failed)

    def finish(self, end: SessionEnded) -> None:
        """The session is over. Only the first end counts."""
        if self._end is not None:
            return
        for message in self._following.end_turn("failed"):
            self._deliver(message)
        self._end = end
        self._ready.set()
        self._restoring.stop()
        self._rotation.stop()
        self._returning.stop()
        if self._receiver is not None:
            tell_ended(self._receiver, end)

    async def aclose(self) -> None:
        self._closing = True
        await self._restoring.aclose()
        await self._rotation.aclose()
        await self._returning.aclose()
        await self._wire.link.aclose()
        self.finish(SessionClosed("The session was closed on our side.", provider=self.metadata.provider))
        await asyncio.gather(*self._leaving, return_exceptions=True)
