"""One client's session: its connection on one side, a session with the upstream on the other."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import SessionClosed, SessionEnded
from duologue.gateway import ends
from duologue.gateway.downward import Downward
from duologue.gateway.ends import End, end_of, end_of_opening
from duologue.gateway.opening import Misfit, Upstream, first_options, open_while
from duologue.gateway.pace import Pace
from duologue.gateway.record import SessionRecord
from duologue.gateway.refusal import refusal
from duologue.gateway.socket import ClientLeft, ClientSocket
from duologue.gateway.terms import NotAllowed, Terms
from duologue.gateway.upward import Upward
from duologue.gateway.wire import ClientWire
from duologue.inbox import Inbox
from duologue.link import Link
from duologue.messages.base import ClientMessage
from duologue.options import SessionOptions
from duologue.runtime.provider_link import ProviderLink
from duologue.transports.base import Frame

_log = logging.getLogger("duologue.gateway")


class BridgeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a client's session.

    Attributes:
        open_after: How long the client may take to say what it wants before the upstream is opened without, in s.
        send_timeout: How long the client may take nothing, in s, before it is cut off.
        idle_timeout: How long it may say nothing, in s; None: for ever.
        longest: How long the session may last, in s; None: as long as the upstream lets it.
        max_frame_bytes: The largest event that is taken, in bytes.
        max_queued_bytes: How much may wait for a slow client, in bytes, before the upstream is read no further.
        max_queued_messages: How many messages may.
        events_a_second: How many events of the client are taken a second, on the whole; more are left waiting.
        events_at_once: How many are taken without waiting.
    """

    open_after: float = 1.0
    send_timeout: float = 10.0
    idle_timeout: float | None = None
    longest: float | None = None
    max_frame_bytes: int = 21 * 2**20
    max_queued_bytes: int = 4 * 2**20
    max_queued_messages: int = 10_000
    events_a_second: float = 2_000.0
    events_at_once: float = 4_000.0


class ClientSession:
    """Carries one client's session until one of the two sides ends it.

    Args:
        socket: The client's connection, accepted.
        upstream: Opens the session with who answers.
        wire: The client's side of the wire.
        terms: What the client may do.
        record: What is noted.
        settings: Its bounds.
        kind: The kind of session that the client's address asks for.
        charge: Told of every second of audio; False: there is no more to be had.
    """

    def __init__(
        self,
        socket: ClientSocket,
        upstream: Upstream,
        wire: ClientWire,
        terms: Terms,
        record: SessionRecord,
        settings: BridgeSettings,
        *,
        kind: str | None = None,
        charge: Callable[[float], bool] = lambda seconds: True,
    ) -> None:
        self._socket = socket
        self._upstream = upstream
        self._wire = wire
        self._terms = terms
        self._record = record
        self._settings = settings
        self._charge = charge
        self._options = first_options(terms, kind, record.model)
        self._room = asyncio.Event()  # in what waits for the client
        self._room.set()
        self._inbox = Inbox(
            self._pause,
            self._resume,
            max_bytes=settings.max_queued_bytes,
            max_messages=settings.max_queued_messages,
        )
        self._link: Link | None = None
        self._down = Downward(self._inbox, terms, record, self._spend, self._told)
        self._up: Upward | None = None
        self._pace = Pace(settings.events_a_second, settings.events_at_once)
        self._incoming: asyncio.Task[Frame] | None = None  # a frame that is waited for beside something else
        self._end: End | None = None
        self._cause: BaseException | None = None
        self._over = asyncio.Event()
        self._began = self._heard_at = time.monotonic()
        self._sending_since: float | None = None

    # --- its life ---

    async def run(self) -> None:
        """Carry the session. Returns when it is over, and nothing is left of it."""
        self._greet()
        working = [asyncio.create_task(work) for work in (self._listen(), self._tell(), self._watch())]
        try:
            await self._over.wait()
        finally:
            self.end(ends.GOING_AWAY)
            tasks: list[asyncio.Task[Any]] = [*working, *([] if self._incoming is None else [self._incoming])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._link is not None:
                await self._link.aclose()
            await self._say_goodbye()

    def end(self, end: End, cause: BaseException | None = None) -> None:
        """End the session now. Only the first end counts."""
        if self._end is None:
            self._end, self._cause = end, cause
            self._over.set()

    def end_when_quiet(self, seconds_left: float) -> None:
        """End the session after the turn that is under way, and tell the client how long it has got at most."""
        self._down.tell_expiry(seconds_left)
        self._down.when_quiet(lambda: self._inbox.ended(SessionClosed("The server is going away.")))

    async def _say_goodbye(self) -> None:
        assert self._end is not None
        end = self._end
        self._record.write(end, end.close_code, self._cause)
        if end.reason.startswith("client_"):
            return
        patience = 1.0 if end is ends.SLOW_CLIENT else min(5.0, self._settings.send_timeout)
        try:
            async with asyncio.timeout(patience):
                if end.error is not None:
                    for frame in self._wire.write(m.ErrorReported(kind="server", error=end.error)):
                        await self._socket.send(frame)
        except (ClientLeft, TimeoutError):
            pass
        await self._socket.close(end.close_code, end.close_reason, patience)

    async def _watch(self) -> None:
        """Look at the clock."""
        bounds = self._settings
        limits = [bounds.send_timeout, *filter(None, (bounds.idle_timeout, bounds.longest))]
        while True:
            await asyncio.sleep(min(1.0, *(limit / 4 for limit in limits)))
            now = time.monotonic()
            if self._sending_since is not None and now - self._sending_since > bounds.send_timeout:
                self.end(ends.SLOW_CLIENT)
            if bounds.idle_timeout is not None and now - self._heard_at > bounds.idle_timeout:
                self.end(ends.IDLE)
            if bounds.longest is not None and now - self._began > bounds.longest:
                self.end(ends.LONGEST)

    def _spend(self, seconds: float) -> None:
        if not self._charge(seconds):
            self.end(ends.AUDIO_USED_UP)

    # --- towards the client ---

    def _greet(self) -> None:
        longest = self._settings.longest
        created = m.SessionCreated(
            session_id=self._record.session_id,
            model=self._record.model or "default",
            options=self._told(self._options),
            expires_at=None if longest is None else int(time.time() + longest),
        )
        self._inbox.received(created)

    def _told(self, options: SessionOptions) -> SessionOptions:
        return replace(self._terms.told(options), model=self._record.model or "default")

    async def _tell(self) -> None:
        """Send what is for the client, as fast as it takes it."""
        try:
            while True:
                message = await self._inbox.get()
                for frame in self._wire.write(message):
                    self._record.events_out += 1
                    self._sending_since = time.monotonic()
                    await self._socket.send(frame)
                    self._sending_since = None
        except ClientLeft as left:
            self.end(ends.end_by_client(left.code), left)
        except SessionClosed:
            self.end(ends.GOING_AWAY)
        except SessionEnded as end:
            self.end(end_of(end), end)
        except Exception as error:  # noqa: BLE001 - logged, and the end of this session only
            self._fail(error)

    def _pause(self) -> None:
        self._room.clear()
        if self._link is not None:
            self._link.pause_reading()

    def _resume(self) -> None:
        self._room.set()
        if self._link is not None:
            self._link.resume_reading()

    def _fail(self, error: BaseException) -> None:
        _log.error("A session of the gateway has failed.", exc_info=error)
        self.end(ends.FAILED, error)

    # --- from the client ---

    async def _listen(self) -> None:
        """Take what the client sends."""
        try:
            frame = await self._frame_within(self._settings.open_after)
            first = [] if frame is None else await self._read(frame)
            for message in await self._open(first):
                await self._forward(message)
            while True:
                await self._forward_next()
        except ClientLeft as left:
            self.end(ends.end_by_client(left.code), left)
        except SessionEnded:
            pass  # whoever tells the client will come to it
        except Exception as error:  # noqa: BLE001 - logged, and the end of this session only
            self._fail(error)

    def _listen_ahead(self) -> asyncio.Task[Frame]:
        if self._incoming is None:
            self._incoming = asyncio.create_task(self._socket.receive())
        return self._incoming

    async def _forward_next(self) -> None:
        assert self._up is not None
        patience = self._up.patience
        frame = (
            await self._next_frame() if patience is None else await self._frame_within(patience) if patience else None
        )
        if frame is None:
            await self._up.release()
            return
        for message in await self._read(frame):
            await self._forward(message)

    async def _frame_within(self, seconds: float) -> Frame | None:
        """The client's next frame; None if it takes its time."""
        incoming = self._listen_ahead()
        done, _ = await asyncio.wait({incoming}, timeout=seconds)
        return await self._next_frame() if done else None

    async def _next_frame(self) -> Frame:
        if self._incoming is None:
            return await self._socket.receive()
        frame = await self._incoming
        self._incoming = None
        return frame

    async def _read(self, frame: Frame) -> list[ClientMessage]:
        self._heard_at = now = time.monotonic()
        self._record.events_in += 1
        if len(frame) > self._settings.max_frame_bytes:
            self.end(ends.TOO_LARGE)
            return []
        if wait := self._pace.take(1.0, now):
            await asyncio.sleep(wait)
        if not self._room.is_set():
            await self._room.wait()
        messages, answers = self._wire.read(frame)
        for answer in answers:
            self._record.errors += 1
            self._inbox.received(answer)
        return messages

    async def _open(self, first: list[ClientMessage]) -> list[ClientMessage]:
        """Open the upstream's session, with what the client wants from the start; gives what is left to forward."""
        wanted = next((message for message in first if isinstance(message, m.SessionUpdate)), None)
        began = time.monotonic()
        if wanted is not None:
            first = [message for message in first if message is not wanted]
            try:
                changes = self._terms.check(wanted, self._options)
                assert isinstance(changes, m.SessionUpdate)
                await self._connect(self._options.merged(changes.options))
            except (NotAllowed, *Misfit) as error:
                self._inbox.received(refusal(error, wanted.id))
            else:
                self._inbox.received(m.SessionUpdated(options=self._told(self._up_options())))
        if self._link is None and self._end is None:
            await self._connect(self._options)
        self._record.open_ms = (time.monotonic() - began) * 1000
        return first

    async def _connect(self, options: SessionOptions) -> None:
        try:
            link = await open_while(self._upstream.open(options), self._listen_ahead())
        except (ClientLeft, *Misfit):
            raise
        except Exception as error:
            _log.warning("The upstream's session did not open: %s", type(error).__name__)
            self.end(end_of_opening(error), error)
            raise SessionClosed("The upstream's session did not open.") from error
        self._link = link
        self._record.provider = link.metadata.provider
        self._record.dropped = self._upstream.dropped
        if (bottom := link.get_service(ProviderLink)) is not None:  # type: ignore[type-abstract]
            bottom.leave_truncation()
        self._down.suit(link.capabilities)
        self._up = Upward(link, self._terms, self._down, self._record, self._spend)
        link.connect(self._down)

    def _up_options(self) -> SessionOptions:
        return self._options if self._link is None else self._link.options

    async def _forward(self, message: ClientMessage) -> None:
        assert self._up is not None
        await self._up.send(message)
