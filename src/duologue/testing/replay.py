"""A provider that plays a recording."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from os import PathLike

import msgspec
from msgspec.structs import force_setattr

from duologue import errors
from duologue import messages as m
from duologue.capabilities import Capabilities, check_message
from duologue.errors import CutOff, InvalidInput, SessionClosed, SessionEnded
from duologue.link import Link, ProviderMetadata
from duologue.messages.base import ClientMessage, Meta, ServerMessage, set_meta
from duologue.middleware.recording import RecordedMessage, RecordedSession, read_recording
from duologue.options import SessionOptions
from duologue.runtime import ProviderClient, ProviderLink
from duologue.testing.replay_script import Check, ReplayMismatch, ReplayScript
from duologue.tools import FunctionTool, Tool

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[object]]


class ReplayClient(ProviderClient):
    """Plays a recording as if the provider were there: no network, no key, the same answers every time.

    ::

        client = ReplayClient("call.jsonl", speed=None).with_middleware(FunctionInvocation())
        async with client.create_session(options) as session:
            ...

    What the provider said comes at the times of the recording, and never before the application has sent what it had
    sent by then. What the application sends is compared with what it sent when it was recorded; a difference raises
    `ReplayMismatch` to whoever sends, and ends the session. Put the layers around it that stood outside of `Recording`.

    The first session plays the first of the recording, and so on.

    Args:
        path: The recording.
        speed: 1.0 for the pace of the recording, 2.0 for twice that; None for at once.
        check: ``"strict"`` compares type and content: ids that the application chooses may differ, audio and pictures
            are compared by their length, reports of playback not at all. ``"types"`` compares types alone. None
            compares nothing, and plays without waiting for the application.
        patience: Seconds to wait for what the application is to send; None for any time. Then the session ends with
            `ReplayMismatch`.
        clock: Seconds of a monotonic clock.
        sleep: Waits for so many seconds of that clock.
        defaults: As in `RealtimeClient`.

    Raises:
        InvalidInput: There is no such recording, or messages are missing in it.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        speed: float | None = 1.0,
        check: Check = "strict",
        patience: float | None = 10.0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
        defaults: SessionOptions | None = None,
    ) -> None:
        if speed is not None and speed <= 0:
            raise InvalidInput(f"speed is a number above 0, or None for at once, not {speed}.")
        if check not in ("strict", "types", None):
            raise InvalidInput(f'check is "strict", "types" or None, not {check!r}.')
        super().__init__(defaults=defaults)
        self._sessions_left = _playable(path)
        self._next = self._sessions_left[0]
        self._check: Check = check
        self._patience = patience
        self._pace = Pace(speed, clock, sleep)

    @property
    def metadata(self) -> ProviderMetadata:
        return self._next.metadata

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return self._next.capabilities

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        if not self._sessions_left:
            raise InvalidInput("All sessions of the recording have been played. Make a new ReplayClient.")
        recorded = self._sessions_left.pop(0)
        self._next = self._sessions_left[0] if self._sessions_left else recorded
        script = ReplayScript(recorded, self._check)
        script.opened(options)
        link = ReplayLink(recorded, script, self._pace, options, dropped, patience=self._patience)
        try:
            await link.open()
        except BaseException:
            await link.aclose()
            raise
        return link


class Pace:
    """When the messages of a recording are due.

    Args:
        speed: How fast; None for at once.
        clock: Seconds of a monotonic clock.
        sleep: Waits for so many of them.
    """

    def __init__(self, speed: float | None, clock: Clock, sleep: Sleep) -> None:
        self.speed = speed
        self.clock = clock
        self._sleep = sleep

    async def until(self, at: float, since: float) -> None:
        """Wait until `at` seconds of a recording, which began at `since` of the clock."""
        if self.speed is None:
            await asyncio.sleep(0)  # a reader keeps up
        elif (seconds := since + at / self.speed - self.clock()) > 0:
            await self._sleep(seconds)

    def shifted(self, at: float, since: float) -> float:
        """When the recording began, if `at` seconds of it are now: never earlier than `since`."""
        return since if self.speed is None else max(since, self.clock() - at / self.speed)


class ReplayLink(ProviderLink):
    """One session that is played. What the runtime adds to a provider's messages is in the recording already."""

    def __init__(
        self,
        recorded: RecordedSession,
        script: ReplayScript,
        pace: Pace,
        options: SessionOptions,
        dropped: tuple[str, ...],
        *,
        patience: float | None,
    ) -> None:
        super().__init__(options, recorded.capabilities, recorded.metadata, dropped, clock=pace.clock)
        self._recorded = recorded
        self._script = script
        self._pace = pace
        self._patience = patience
        self._own_tools = _named(options.tools)
        self._began = pace.clock()
        self._sequence = itertools.count()
        self._numbers = itertools.count(1)
        self._news = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._player: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Play up to the confirmation of the session; the rest plays by itself.

        Raises:
            SessionEnded: The session did not open when it was recorded, either.
        """
        messages = self._recorded.messages
        if not messages:
            raise self._ending()
        await self._pace.until(messages[0].at, self._began)
        self._play_one(messages[0])
        self._player = asyncio.create_task(self._play(), name="replay")

    # --- what the application does ---

    async def send(self, message: ClientMessage) -> str:
        if self._end is not None:
            raise self._end.with_traceback(None)
        if not isinstance(message, ClientMessage):
            raise InvalidInput(f"A session sends client messages, not {type(message).__name__}.")
        if message.id is None:
            message = msgspec.structs.replace(message, id=f"msg_{next(self._numbers)}")
        try:
            entry = self._script.sent(message)
        except ReplayMismatch as error:
            self.fail(error)
            raise
        self._news.set()
        check_message(message, self.capabilities, self.metadata.provider)
        if entry is not None and entry.refused is not None:
            raise _refusal(*entry.refused)
        if isinstance(message, m.SessionUpdate):
            self._own_tools.update(_named(message.options.tools))
        assert message.id is not None
        return message.id

    def _write(self, message: ClientMessage) -> None:
        """Nothing is there to write to."""

    async def _flush(self) -> None:
        """Nothing waits to be written."""

    async def _hang_up(self) -> None:
        if self._player is not None and self._player is not asyncio.current_task():
            self._player.cancel()
            await asyncio.wait([self._player])

    def pause_reading(self) -> None:
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    # --- what the recording says ---

    async def _play(self) -> None:
        try:
            for position, entry in enumerate(self._recorded.messages):
                if position == 0 or entry.sent:
                    continue
                await self._until_due(position, entry.at)
                self._play_one(entry)
            await self._until_due(len(self._recorded.messages), self._recorded.seconds)
            await self._play_end()
        except Exception as error:  # noqa: BLE001 - raised to the reader
            self.fail(error)

    async def _play_end(self) -> None:
        """The end of the recording. Where the application closed the session, it is to do so again."""
        end = self._ending()
        if isinstance(end, SessionClosed) and self._script.checks:
            closing = f"the end of the session, at {self._recorded.seconds:.3f} s"
            await self._wait_for_application(lambda: False, closing)
        self._finish(end)

    def _play_one(self, entry: RecordedMessage) -> None:
        assert isinstance(entry.message, ServerMessage)
        message = self._script.renamed(msgspec.structs.replace(entry.message))
        set_meta(message, Meta(time.monotonic_ns(), next(self._sequence)))
        if isinstance(message, m.SessionCreated | m.SessionUpdated):
            self._confirm(message)
        self._push(message)

    def _confirm(self, message: m.SessionCreated | m.SessionUpdated) -> None:
        """The options are those of the recording, with the application's own tools in place of their declarations."""
        tools = message.options.tools
        if tools is not None:
            tools = tuple(self._own_tools.get(name, tool) for name, tool in _named(tools).items())
        self._options = self._options.merged(msgspec.structs.replace(message.options, tools=tools))
        force_setattr(message, "options", self._options)

    async def _until_due(self, position: int, at: float) -> None:
        """Wait for what the application sends before that position, for its time, and for a reader that is behind."""
        if not self._script.may_follow(position):
            await self._wait_for_application(lambda: self._script.may_follow(position), None)
            sent_at = [entry.at for entry in self._recorded.messages[:position] if entry.sent]
            self._began = self._pace.shifted(sent_at[-1], self._began)
        await self._pace.until(at, self._began)
        await self._reading.wait()

    async def _wait_for_application(self, done: Callable[[], bool], expected: str | None) -> None:
        while not done():
            self._news.clear()
            try:
                async with asyncio.timeout(self._patience):
                    await self._news.wait()
            except TimeoutError:
                what = "The recording goes on when the application does, and nothing comes."
                got = f"nothing for {self._patience:g} s"
                raise ReplayMismatch(what, expected=expected or self._script.awaited, got=got) from None

    def _ending(self) -> SessionEnded:
        if self._recorded.end is not None:
            return self._recorded.end.exception()
        what = "The recording stops here: whoever wrote it did not come to its end."
        return CutOff(what, provider=self.metadata.provider)


def _playable(path: str | PathLike[str]) -> list[RecordedSession]:
    sessions = read_recording(path)
    for session in sessions:
        if session.lost:
            raise InvalidInput(
                f"{session.lost} messages are missing in this recording: its disk was too slow. It can be shown "
                "(duologue replay), and not be played."
            )
        if session.messages and not isinstance(session.messages[0].message, m.SessionCreated):
            raise InvalidInput(f"The session {session.id} of this recording does not begin with session_created.")
    return list(sessions)


def _named(tools: tuple[Tool, ...] | None) -> dict[str, Tool]:
    return {tool.name if isinstance(tool, FunctionTool) else tool.server_label: tool for tool in tools or ()}


def _refusal(name: str, text: str) -> errors.DuologueError:
    """What sending raised when it was recorded, or what comes next to it."""
    kind = _REFUSALS.get(name, InvalidInput)
    return kind(text)


_REFUSALS = {kind.__name__: kind for kind in (errors.InvalidAudio, errors.InvalidInput, errors.TooManyRequests)}
