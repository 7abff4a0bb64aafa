"""Keeps a session going over lost connections: the settings."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from duologue.client import RealtimeClient
from duologue.errors import InvalidInput
from duologue.middleware.reconnection.carried import HistoryPolicy, keep_last
from duologue.middleware.reconnection.client import ReconnectingClient


@dataclass(frozen=True, kw_only=True)
class Reconnection:
    """Middleware that lets a session outlive its connections: ``client.with_middleware(Reconnection())``.

    When a connection is lost that may be made again, the reader gets `ConnectionLost`, and goes on reading. A new one
    is opened, with the same options; the provider takes the conversation up by its own handle where it has one, else
    its items are sent anew: what was said, as far as it was heard, and calls with their results. `SessionRestored`
    tells how it went. What the user was just saying is sent again. An answer of which nothing was heard is asked for
    again; one that was heard in part stands as it is. Functions that run go on, and their results are told.

    Before the provider's time is over (`SessionExpiring`, or `Capabilities.max_session_seconds`), the new connection is
    opened beside the old one, and takes its place at a quiet moment: no answer, no speech, no function under way,
    nothing left to be played. The same is done for options that the wire cannot change in place.

    Put it inside of everything else: ``with_middleware(FunctionInvocation(), Telemetry(), Reconnection())``.

    Attributes:
        attempts: Attempts in a row; a connection that works for the conversation, if only a little, begins a new count.
        attempts_in_all: Attempts in the life of a session.
        first_delay: The longest wait before the first attempt, in s; doubled with each one, spread by chance.
        longest_delay: The longest wait of all, in s.
        ask_again: Whether an answer of which nothing was heard is asked for again.
        keep_input: How much of the user's audio is kept, in s: what is being said, and what is said while there is no
            connection.
        keep_silence: How much of it is kept while nobody speaks, in s.
        history: What of a long conversation is sent anew: `keep_last`, or a function of your own that cuts or
            summarises, which may be asynchronous.
        rotate: Whether to move to a new connection before the provider's time is over.
        rotate_after: Seconds after which to move in any case; None: nine tenths of `Capabilities.max_session_seconds`.
        rotate_within: Seconds that a quiet moment is waited for, at most; less where the provider leaves less.
        clock: Seconds of a monotonic clock.
        sleep: Waits for so many seconds.
        random: A number from 0 to 1.

    Raises:
        InvalidInput: A setting does not make sense.
    """

    attempts: int = 8
    attempts_in_all: int = 200
    first_delay: float = 0.25
    longest_delay: float = 20.0
    ask_again: bool = True
    keep_input: float = 30.0
    keep_silence: float = 2.0
    history: HistoryPolicy = field(default_factory=keep_last)
    rotate: bool = True
    rotate_after: float | None = None
    rotate_within: float = 60.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    random: Callable[[], float] = random.random

    def __post_init__(self) -> None:
        for name in ("attempts", "attempts_in_all"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name} is at least 1, not {getattr(self, name)}.")
        for name in ("first_delay", "longest_delay", "keep_input", "keep_silence", "rotate_within"):
            if not getattr(self, name) >= 0:
                raise InvalidInput(f"{name} is a time in s, not {getattr(self, name)}.")
        if self.rotate_after is not None and not self.rotate_after > 0:
            raise InvalidInput(f"rotate_after is a time in s above 0, or None, not {self.rotate_after}.")

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return ReconnectingClient(client, self)
