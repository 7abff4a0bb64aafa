from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from duologue import messages as m
from duologue.cli.demo_tools import TOOLS, Lights, Timers, calculate, home_tools, spoken_time
from duologue.errors import SessionClosed
from duologue.tools import FunctionTool, ToolContext
from duologue.tools.phrases import match


class Session:
    """As much of a session as a ringing timer needs."""

    def __init__(self, *, is_closed: bool = False) -> None:
        self.sent: list[m.ClientMessage] = []
        self._is_closed = is_closed

    async def send(self, message: m.ClientMessage) -> str:
        if self._is_closed:
            raise SessionClosed("The session was closed on our side.")
        self.sent.append(message)
        return "msg"


class Time:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 100.0
        self._passed = asyncio.Event()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            await self._passed.wait()

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self._passed.set()
        self._passed = asyncio.Event()


async def all_over(timers: Timers) -> None:
    while timers.seconds_left:  # noqa: ASYNC110 - a few rounds of the loop
        await asyncio.sleep(0)


def context(session: object | None = None) -> ToolContext:
    return ToolContext(name="set_timer", session=session)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hour", "minute", "spoken"),
    [
        (0, 0, "12 o'clock at night"),
        (0, 40, "20 to 1 at night"),
        (3, 25, "25 past 3 at night"),
        (5, 1, "1 minute past 5 in the morning"),
        (9, 15, "quarter past 9 in the morning"),
        (11, 30, "half past 11 in the morning"),
        (11, 31, "29 minutes to 12 in the afternoon"),
        (12, 0, "12 o'clock in the afternoon"),
        (15, 5, "5 past 3 in the afternoon"),
        (17, 45, "quarter to 6 in the evening"),
        (20, 59, "1 minute to 9 in the evening"),
        (22, 0, "10 o'clock at night"),
        (23, 55, "5 to 12 at night"),
    ],
)
def test_the_time_is_told_as_people_say_it(hour: int, minute: int, spoken: str) -> None:
    assert spoken_time(datetime(2026, 5, 4, hour, minute)) == spoken


@pytest.mark.parametrize(
    ("first", "operation", "second", "answer"),
    [
        (12, "times", 7, "12 times 7 is 84."),
        (3, "plus", 4, "3 plus 4 is 7."),
        (3, "minus", 4, "3 minus 4 is -1."),
        (10, "divided by", 4, "10 divided by 4 is 2.5."),
        (1, "divided by", 3, "1 divided by 3 is 0.33."),
        (1, "divided by", 0, "Nothing can be divided by zero."),
    ],
)
async def test_sums(first: int, operation: str, second: int, answer: str) -> None:
    assert await calculate.invoke({"first": first, "operation": operation, "second": second}) == answer


async def test_a_light_keeps_its_state() -> None:
    lights = Lights()
    assert await lights.switch_light.invoke({"room": "kitchen", "on": True}) == "The kitchen light is on."
    assert await lights.switch_light.invoke({"room": "kitchen", "on": True}) == "The kitchen light is already on."
    assert lights.on == {"kitchen"}
    assert await lights.switch_light.invoke({"room": "kitchen", "on": False}) == "The kitchen light is off."
    assert lights.on == set()


async def test_a_timer_runs_and_rings() -> None:
    time, session = Time(), Session()
    timers = Timers(clock=time.clock, sleep=time.sleep)
    assert await timers.time_left.invoke({}) == "No timer is running."
    assert await timers.set_timer.invoke({"minutes": 5}, context(session)) == "The timer is set for 5 minutes."
    await asyncio.sleep(0)

    time.pass_by(239)
    assert await timers.time_left.invoke({}) == "The timer has 1 minute and 1 second left."
    time.pass_by(61)
    await all_over(timers)
    assert session.sent == [m.Say(text="Your timer for 5 minutes is over.")]


async def test_a_timer_that_outlives_its_session_rings_for_nobody() -> None:
    time = Time()
    timers = Timers(clock=time.clock, sleep=time.sleep)
    await timers.set_timer.invoke({"minutes": 1}, context(Session(is_closed=True)))
    await timers.set_timer.invoke({"minutes": 1}, context(None))
    await asyncio.sleep(0)
    time.pass_by(60)
    await all_over(timers)


async def test_closing_stops_the_timers() -> None:
    time, session = Time(), Session()
    timers = Timers(clock=time.clock, sleep=time.sleep)
    await timers.set_timer.invoke({"minutes": 1}, context(session))
    await timers.aclose()
    assert timers.seconds_left == []
    assert session.sent == []


@pytest.mark.parametrize(
    ("said", "tool", "arguments"),
    [
        ("what time is it", "current_time", {}),
        ("what is twelve times seven", "calculate", {"first": 12, "operation": "times", "second": 7}),
        ("set a timer for five minutes", "set_timer", {"minutes": 5}),
        ("turn on the kitchen light", "switch_light", {"on": True, "room": "kitchen"}),
        ("turn off the kitchen light", "switch_light", {"on": False, "room": "kitchen"}),
        ("how long is left on the timer", "time_left", {}),
    ],
)
def test_what_is_said_finds_its_tool(said: str, tool: str, arguments: dict[str, object]) -> None:
    found = {one.name: found.arguments for one in home_tools(Timers(), Lights()) if (found := match(one, said))}
    assert found == {tool: arguments}


def test_the_tools_can_be_loaded_by_name() -> None:
    assert all(isinstance(tool, FunctionTool) and tool.has_implementation for tool in TOOLS)
