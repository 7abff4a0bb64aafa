"""Ends sessions that have used as much as they may."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput, SessionEnded, Stopped
from duologue.formats import PCM16_24K, AudioFormat
from duologue.lifecycle import new_id
from duologue.link import Link, Receiver, Service
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.stopping import StoppingLayer
from duologue.middleware.usage_totals import Crossing, Gauge, TokenCount, UsageTotals, token_totals
from duologue.runtime import LayeredClient

_WATCHED = (m.ResponseCreated, m.ResponseDone, m.TurnDone, m.UsageReported, m.InputTranscriptCompleted)
_SETTINGS = frozenset({"warn_at", "grace_seconds"})


@dataclass(frozen=True, kw_only=True)
class UsageLimits:
    """Middleware that bounds what a session uses: ``client.with_middleware(UsageLimits(total_tokens=50_000))``.

    At `warn_at` of a limit the reader gets an ``ErrorReported(kind="limit")`` whose ``error.code`` is the limit's name.
    When a limit is reached, the turn under way may come to its end, its function calls included, and nothing new may
    begin: the user's audio goes nowhere any more, and what asks for more raises. Then the session ends, and the reader
    gets `Stopped`. Put it inside of layers that send, such as `FunctionInvocation`.

    ``session.get_service(UsageTotals)`` gives the totals at any moment. ``math.inf`` as a limit only counts.

    Attributes:
        total_tokens, input_tokens, output_tokens: Tokens of all responses of a session, as the provider tells them when
            a response is done. Cached tokens are input tokens. Transcripts of the user are billed apart, and not
            limited.
        input_audio_tokens, output_audio_tokens: Those of them that are audio.
        input_audio_seconds: Audio sent to the provider, in s, silence included.
        output_audio_seconds: Audio received, in s.
        session_seconds: Time since the session opened, in s.
        responses: Responses that may begin; the last one is given to its end.
        function_calls: Calls of functions; the last ones are answered.
        warn_at: The part of each limit at which the reader is warned, above 0 and below 1; None: never.
        grace_seconds: How long the turn under way may take to its end, in s; 0: the session ends at once.

    Raises:
        InvalidInput: A setting does not make sense.
    """

    total_tokens: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    input_audio_tokens: float | None = None
    output_audio_tokens: float | None = None
    input_audio_seconds: float | None = None
    output_audio_seconds: float | None = None
    session_seconds: float | None = None
    responses: float | None = None
    function_calls: float | None = None
    warn_at: float | None = 0.8
    grace_seconds: float = 10.0

    def __post_init__(self) -> None:
        for name, limit in self.limits().items():
            if not limit > 0:
                raise InvalidInput(f"{name} is a number above 0, or None, not {limit}.")
        if self.warn_at is not None and not 0 < self.warn_at < 1:
            raise InvalidInput(f"warn_at is a part of the limits, above 0 and below 1, or None; not {self.warn_at}.")
        if not self.grace_seconds >= 0:
            raise InvalidInput(f"grace_seconds is a time in s, not {self.grace_seconds}.")

    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        stated = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _SETTINGS}
        return {name: limit for name, limit in stated.items() if limit is not None}

    def layer(
        self,
        link: Link,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> UsageLimitsLayer:
        """The layer for one session.

        Args:
            link: The session.
            clock: Seconds of a monotonic clock.
            sleep: Waits for so many seconds.
        """
        kind = UsageLimitsLayer if self.output_audio_seconds is None else _AudioWatchingLayer
        return kind(link, self, clock, sleep)

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return LayeredClient(client, self.layer, self)


class UsageLimitsLayer(StoppingLayer):
    """The layer that `UsageLimits` puts around a session: `UsageLimits.layer` makes it."""

    watches: ClassVar[tuple[type[ServerMessage], ...] | None] = _WATCHED
    observes = True

    def __init__(
        self,
        inner: Link,
        settings: UsageLimits,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        super().__init__(inner)
        self._settings = settings
        self._clock = clock
        self._sleep = sleep
        self._opened_at = clock()
        self._closed_at: float | None = None
        self._gauges = {name: Gauge(name, limit, settings.warn_at) for name, limit in settings.limits().items()}
        self._input = self._gauges.get("input_audio_seconds")
        self._output = self._gauges.get("output_audio_seconds")
        self._format: AudioFormat | None = None  # of the audio that was received last
        self._bytes_per_second = 1
        self._tokens = TokenCount()
        self._responses = self._calls = 0
        self._running: set[str] = set()  # responses
        self._turn: str | None = None  # the turn that has an answer and is not over
        self._limit: Stopped | None = None  # a limit is reached

    @property
    def totals(self) -> UsageTotals:
        """What the session has used so far."""
        now = self._clock() if self._closed_at is None else self._closed_at
        return UsageTotals(
            tokens=self._tokens.responses,
            transcription=self._tokens.transcription,
            input_audio_seconds=None if self._input is None else self._input.used,
            output_audio_seconds=None if self._output is None else self._output.used,
            session_seconds=now - self._opened_at,
            responses=self._responses,
            function_calls=self._calls,
        )

    def get_service(self, kind: type[Service]) -> Service | None:
        if kind is UsageTotals:
            return cast("Service", self.totals)
        return super().get_service(kind)

    def connect(self, receiver: Receiver) -> None:
        super().connect(receiver)
        gauge = self._gauges.get("session_seconds")
        if gauge is not None and math.isfinite(gauge.limit):
            self.spawn(self._watch_clock(gauge), name="the session's time")

    def ended(self, end: SessionEnded) -> None:
        self._closed_at = self._clock()
        super().ended(end)

    async def _watch_clock(self, gauge: Gauge) -> None:
        if self._settings.warn_at is not None:
            await self._sleep(gauge.limit * self._settings.warn_at)
            self._note(gauge, gauge.rise(gauge.limit * self._settings.warn_at))
        await self._sleep(gauge.limit - gauge.used)
        self._note(gauge, gauge.rise(gauge.limit))

    # --- towards the provider ---

    def send(self, message: ClientMessage) -> Coroutine[Any, Any, str]:
        if self._limit is not None:
            return self._send_at_the_end(message)
        if self._input is not None and type(message) is m.InputAudioAppend:
            return self._send_audio(message, self._input)
        return self.inner.send(message)

    async def _send_audio(self, message: m.InputAudioAppend, gauge: Gauge) -> str:
        message_id = await self.inner.send(message)
        format = message.format or self.inner.options.input_audio or PCM16_24K
        self._note(gauge, gauge.add(len(message.audio) / format.bytes_per_second))
        return message_id

    async def _send_at_the_end(self, message: ClientMessage) -> str:
        """Only what the turn under way needs goes on."""
        assert self._limit is not None
        if self._stopped is None and isinstance(message, m.InputAudioAppend | m.InputImageAppend | m.InputAudioEnd):
            return message.id or new_id("msg")
        if _begins_something(message):
            raise self._limit.with_traceback(None)
        return await super().send(message)

    # --- towards the reader ---

    def received(self, message: ServerMessage) -> None:
        self.deliver(message)
        match message:
            case m.ResponseCreated():
                self._began(message)
            case m.ResponseDone():
                self._running.discard(message.response_id)
                self._calls += len(message.function_calls)
                self._count("function_calls", self._calls)
                self._count_tokens(message)
            case m.TurnDone(turn_id=turn_id):
                self._turn = None if turn_id == self._turn else self._turn
            case _:
                self._count_tokens(message)
        self._stop_when_idle()

    def _began(self, response: m.ResponseCreated) -> None:
        self._running.add(response.response_id)
        if not response.out_of_band:
            self._turn = response.turn_id
        self._responses += 1
        self._count("responses", self._responses)

    def _count_tokens(self, message: ServerMessage) -> None:
        if self._tokens.feed(message):
            for name, used in token_totals(self._tokens.responses).items():
                self._count(name, used)

    def _count(self, name: str, used: float) -> None:
        gauge = self._gauges.get(name)
        if gauge is not None:
            self._note(gauge, gauge.rise(used))

    # --- warnings, and the end ---

    def _note(self, gauge: Gauge, crossing: Crossing | None) -> None:
        if crossing is None or self._limit is not None:
            return
        if crossing == "warned":
            text = f"{gauge.used:g} of {gauge.name}={gauge.limit:g} are used. The session ends at the limit."
            self.deliver(m.ErrorReported(kind="limit", error=m.ErrorDetail(message=text, code=gauge.name)))
            return
        self._limit = Stopped(
            f"The limit {gauge.name}={gauge.limit:g} is reached.",
            provider=self.metadata.provider,
            code=gauge.name,
            hint=f"UsageLimits({gauge.name}=...) sets it, for each session.",
        )
        if self._settings.grace_seconds:
            self.spawn(self._wait_for_grace(self._limit), name="the last turn")
        else:
            self.stop(self._limit)
        self._stop_when_idle()

    async def _wait_for_grace(self, limit: Stopped) -> None:
        await self._sleep(self._settings.grace_seconds)
        self.stop(limit)

    def _stop_when_idle(self) -> None:
        if self._limit is not None and not self._running and self._turn is None:
            self.stop(self._limit)


class _AudioWatchingLayer(UsageLimitsLayer):
    """Counts the audio that is received, too."""

    watches = (*_WATCHED, m.OutputAudioDelta)

    def received(self, message: ServerMessage) -> None:
        if type(message) is not m.OutputAudioDelta:
            super().received(message)
            return
        if message.format is not self._format:
            self._format, self._bytes_per_second = message.format, message.format.bytes_per_second
        assert self._output is not None
        crossing = self._output.add(len(message.audio) / self._bytes_per_second)
        self.deliver(message)
        if crossing is not None:
            self._note(self._output, crossing)


def _begins_something(message: ClientMessage) -> bool:
    """Whether `message` asks for more than the end of the turn under way."""
    match message:
        case m.ItemCreate(item=item):
            return isinstance(item, m.MessageItem)
        case m.ResponseCreate(follow_up=follow_up):
            return not follow_up
        case m.Say() | m.UserTurnStart() | m.UserTurnEnd() | m.InputAudioCommit() | m.RawClientMessage():
            return True
        case _:
            return False
