"""What the assistant of `duologue demo` can do: a clock, sums, timers and lights, as ordinary Python functions.

The results are sentences, so that they can be spoken as they are. `duologue talk --tools duologue.cli.demo_tools:TOOLS`
offers them in a conversation of your own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from duologue import messages as m
from duologue.errors import SessionEnded
from duologue.tools import FunctionTool, ToolContext, tool

Room = Literal["kitchen", "bedroom", "hall"]
Operation = Literal["plus", "minus", "times", "divided by"]
Operand = Annotated[int, Field(ge=0, le=100)]
Minutes = Annotated[int, Field(ge=1, le=60)]


@tool(examples=["what time is it", "what is the time", "tell me the time"])
def current_time() -> str:
    """The time of day, here and now."""
    return f"It is {spoken_time(datetime.now())}."


@tool(examples=["what is {first} {operation} {second}", "how much is {first} {operation} {second}"])
def calculate(first: Operand, operation: Operation, second: Operand) -> str:
    """Work out a sum of two numbers."""
    match operation:
        case "plus":
            result: float = first + second
        case "minus":
            result = first - second
        case "times":
            result = first * second
        case "divided by":
            if second == 0:
                return "Nothing can be divided by zero."
            result = round(first / second, 2)
    return f"{first} {operation} {second} is {result:g}."


class Timers:
    """Timers that run on the event loop, and ring by having the assistant say so.

    Args:
        clock: Gives the time in seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._running: dict[asyncio.Task[None], float] = {}  # with the time at which each rings

    @property
    def seconds_left(self) -> list[float]:
        """How long each running timer has left, the next one first."""
        return sorted(rings_at - self._clock() for rings_at in self._running.values())

    @tool(examples=["set a timer for {minutes} minutes"])
    async def set_timer(self, minutes: Minutes, context: ToolContext) -> str:
        """Start a timer that rings after some minutes."""
        length = _count(minutes, "minute")
        task = asyncio.get_running_loop().create_task(self._run(minutes * 60, length, context), name=f"timer {length}")
        self._running[task] = self._clock() + minutes * 60
        task.add_done_callback(self._running.pop)
        return f"The timer is set for {length}."

    @tool(examples=["how long is left on the timer", "how much time is left"])
    async def time_left(self) -> str:
        """How long the next timer has left."""
        if not self._running:
            return "No timer is running."
        minutes, seconds = divmod(round(self.seconds_left[0]), 60)
        parts = [_count(minutes, "minute")] if minutes else []
        parts += [_count(seconds, "second")] if seconds or not minutes else []
        return f"The timer has {' and '.join(parts)} left."

    async def aclose(self) -> None:
        """Stop all timers."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, seconds: float, length: str, context: ToolContext) -> None:
        await self._sleep(seconds)
        if context.session is not None:
            with suppress(SessionEnded):
                await context.session.send(m.Say(text=f"Your timer for {length} is over."))


class Lights:
    """The lights of a home, all of them off at first.

    Attributes:
        on: The rooms where the light is on.
    """

    def __init__(self) -> None:
        self.on: set[Room] = set()

    @tool(examples=["turn {on} the {room} light", "switch {on} the {room} light"])
    def switch_light(self, room: Room, on: bool) -> str:
        """Turn the light of a room on or off."""
        state = "on" if on else "off"
        if on == (room in self.on):
            return f"The {room} light is already {state}."
        (self.on.add if on else self.on.discard)(room)
        return f"The {room} light is {state}."


def home_tools(timers: Timers, lights: Lights) -> tuple[FunctionTool, ...]:
    """All of these tools, for one home."""
    return (current_time, calculate, timers.set_timer, timers.time_left, lights.switch_light)


TOOLS = home_tools(Timers(), Lights())
"""The tools of a home that lasts as long as the program."""


def spoken_time(moment: datetime) -> str:
    """The time as people say it: ``"25 past 3 in the afternoon"``."""
    hour, minute = moment.hour, moment.minute
    if minute > 30:
        hour, minute = hour + 1, minute - 60
    clock_hour = hour % 12 or 12
    match abs(minute):
        case 0:
            time = f"{clock_hour} o'clock"
        case 15:
            time = f"quarter {'past' if minute > 0 else 'to'} {clock_hour}"
        case 30:
            time = f"half past {clock_hour}"
        case count:
            minutes = str(count) if count % 5 == 0 else _count(count, "minute")
            time = f"{minutes} {'past' if minute > 0 else 'to'} {clock_hour}"
    return f"{time} {_part_of_day(hour % 24)}"


def _part_of_day(hour: int) -> str:
    if 5 <= hour < 12:
        return "in the morning"
    if 12 <= hour < 18:
        return "in the afternoon"
    return "in the evening" if 18 <= hour < 22 else "at night"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
