"""Calling the function behind a tool with what a model sent."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import enum
import inspect
import pickle
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import Annotated, Any

import msgspec
import pydantic
import pytest
from pydantic import Field

from duologue.errors import InvalidArguments, InvalidTool
from duologue.tools import FunctionTool, ToolContext, tool


class Room(enum.Enum):
    KITCHEN = "kitchen"


@dataclass
class Stop:
    city: str
    nights: int = 1


class Guest(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    name: str
    room: Room


@tool
def add(a: int, b: float = 1.5) -> float:
    """Add."""
    return a + b


def echo(**annotations: object) -> FunctionTool:
    """A tool with one parameter for each annotation, which returns what it got."""

    def collected(**values: object) -> object:
        return values

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation)
        for name, annotation in annotations.items()
    ]
    collected.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return FunctionTool.from_callable(collected)


async def test_text_and_mappings_are_taken() -> None:
    assert await add.invoke('{"a": 2, "b": 3}') == 5
    assert await add.invoke({"a": 2}) == 3.5
    assert await add.invoke('{"a": "2"}') == 3.5  # models write numbers as text at times


async def test_no_text_means_no_arguments() -> None:
    @tool
    def ping() -> str:
        return "pong"

    assert await ping.invoke("") == "pong"
    assert await ping.invoke(" \n") == "pong"
    assert await ping.invoke("{}") == "pong"
    assert await ping.invoke({}) == "pong"


async def test_values_arrive_in_the_types_of_the_annotations() -> None:
    collect = echo(stops=list[Stop], guest=Guest, room=Room, anything=Any, maybe=int | None)
    text = (
        '{"stops": [{"city": "Oslo"}], "guest": {"name": "Ann", "room": "kitchen"}, "room": "kitchen",'
        ' "anything": {"a": [1]}, "maybe": null}'
    )
    assert await collect.invoke(text) == {
        "stops": [Stop("Oslo")],
        "guest": Guest(name="Ann", room=Room.KITCHEN),
        "room": Room.KITCHEN,
        "anything": {"a": [1]},
        "maybe": None,
    }


async def test_a_default_is_the_very_object_of_the_signature() -> None:
    marker = object()

    @tool
    def defaults(
        first: Any = marker,
        second: int = Field(5),
        third: Annotated[int, Field(7)] = Field(),
        fourth: list[int] = Field(default_factory=list),  # noqa: B008
    ) -> object:
        return first, second, third, fourth

    assert await defaults.invoke("{}") == (marker, 5, 7, [])


async def test_positional_only_parameters() -> None:
    @tool
    def power(context: ToolContext, base: int = 2, exponent: int = 3, /, *, modulus: int | None = None) -> int:
        return pow(base, exponent, modulus)

    assert await power.invoke('{"exponent": 5}') == 32
    assert await power.invoke('{"modulus": 5}') == 3


async def test_odd_names() -> None:
    @tool
    def odd(copy: int, model_config: int, _hidden: int) -> int:
        return copy * 100 + model_config * 10 + _hidden

    assert await odd.invoke('{"copy": 1, "model_config": 2, "_hidden": 3}') == 123


class Counter:
    """Counts."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, number: int) -> int:
        self.total += number
        return self.total

    async def __call__(self, number: int) -> int:
        """Count on."""
        return self.add(number)

    @staticmethod
    async def twice(number: int) -> int:
        return number * 2

    @classmethod
    def thrice(cls, number: int) -> int:
        return number * 3


async def _coroutine(number: int) -> int:
    return number + 1


def _wrapping(function: Callable[[int], Awaitable[int]]) -> Callable[[int], Awaitable[int]]:
    @wraps(function)
    def wrapper(number: int) -> Awaitable[int]:
        return function(number)

    return wrapper


@pytest.mark.parametrize(
    ("made", "result"),
    [
        (tool(Counter().add), 4),
        (tool(name="count")(Counter()), 4),
        (tool(Counter.twice), 8),
        (tool(Counter.thrice), 12),
        (tool(_coroutine), 5),
        (tool(_wrapping(_coroutine)), 5),
        (tool(name="f")(partial(_coroutine)), 5),
        (tool(name="f")(lambda number: int(number) + 1), 5),
        (tool(name="f")(lambda number: _coroutine(number)), 5),
        (tool(name="f")(partial(pow, 2)), None),
    ],
    ids=lambda value: None,
)
async def test_every_kind_of_callable(made: FunctionTool, result: int | None) -> None:
    if result is None:
        assert await made.invoke('{"exp": 5}') == 32
    else:
        assert await made.invoke('{"number": 4}') == result


async def test_a_callable_object_is_described_by_its_call() -> None:
    assert FunctionTool.from_callable(Counter(), name="count").description == "Count on."


async def test_a_sync_function_runs_in_a_thread_with_the_callers_context() -> None:
    user = contextvars.ContextVar("user", default="nobody")
    threads: list[int] = []

    @tool
    def who() -> str:
        threads.append(threading.get_ident())
        return user.get()

    user.set("Ann")
    assert await who.invoke("{}") == "Ann"
    assert threads[0] != threading.get_ident()


async def test_an_async_function_runs_on_the_loop_and_is_cancelled_with_the_call() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @tool
    async def wait() -> None:
        assert asyncio.get_running_loop() is loop
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    loop = asyncio.get_running_loop()
    call = asyncio.create_task(wait.invoke("{}"))
    await started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert cancelled.is_set()


async def test_context_parameters_get_the_context() -> None:
    @tool
    async def who(context: ToolContext, other: ToolContext | None = None) -> object:
        return context, other

    given = ToolContext(call_id="call_1", name="who", arguments={})
    assert await who.invoke("{}", given) == (given, given)
    made = ToolContext(call_id="", name="who", arguments={}, session=None)
    assert await who.invoke("{}") == (made, made)


async def test_a_context_made_for_the_call_holds_what_the_model_sent() -> None:
    @tool
    def sent(context: ToolContext, number: int) -> object:
        return context.arguments

    assert await sent.invoke('{"number": "3"}') == {"number": "3"}


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ('{"a": "soon"}', ['a: Input should be a valid integer, unable to parse string as an integer (got "soon")']),
        ('{"b": 1}', ["a: missing, but required"]),
        ('{"a": 1, "c": 2}', ["c: not an argument; the accepted names are a, b"]),
        ('{"a": null, "b": []}', ["(got null)", "b: Input should be a valid number (got [])"]),
        ({"a": "soon"}, ["a: Input should be a valid integer"]),
        ('{"a": 1', ["they end after 7 characters, before the object is complete: '{\"a\": 1'"]),
        ('{"a": "un', ["they end after 9 characters"]),
        ('{"a" 1}', ["Expecting ':' delimiter at character 6 of 7, before '1}'"]),
        ("{'a': 1}", ["Expecting property name enclosed in double quotes at character 2 of 8"]),
        ('{"a": 1} and', ["Extra data at character 10 of 12, before 'and'"]),
        ("[1]", ["have to be one JSON object, with a name for each value, not a list"]),
        ("null", ["not null"]),
        ('"a"', ["not a text"]),
        ("7", ["not a single value"]),
        ('{"a": NaN}', ["NaN is not a JSON value"]),
        ('{"a": ' + "9" * 5000 + "}", ["too many digits"]),
        ("[" * 100_000, ["nested too deep"]),
        ('{"a": "\\ud800"}', ["The arguments are not valid JSON: unexpected end of hex escape at line 1"]),
        ({"a": "\ud800"}, ['(got "?")']),
        ({"\udfff": 1}, ['unable to parse raw data as a unicode string (got "?")']),
        ({"a": object()}, ['(got "object")']),
    ],
)
async def test_problems_are_told_in_words_to_act_on(arguments: str | dict[str, object], problems: list[str]) -> None:
    with pytest.raises(InvalidArguments) as raised:
        await add.invoke(arguments)
    for problem in problems:
        assert problem in str(raised.value)


async def test_problems_in_nested_values_name_the_place() -> None:
    plan = echo(stops=list[Stop], guest=Guest)
    with pytest.raises(InvalidArguments) as raised:
        await plan.invoke('{"stops": [{"city": "Oslo"}, {"nights": "x"}], "guest": {"name": "Ann", "room": "attic"}}')
    text = str(raised.value)
    assert "- stops[1].city: missing, but required" in text
    assert "- stops[1].nights: Input should be a valid integer" in text
    assert "- guest.room: Input should be 'kitchen' (got \"attic\")" in text


async def test_little_of_what_the_model_sent_is_repeated() -> None:
    long = "x" * 10_000
    collect = echo(number=int, table=dict[str, int])
    for arguments in (f'{{"number": "{long}", "table": {{"{long}": "y"}}, "{long}": 1}}', f'{{"number": "{long}'):
        with pytest.raises(InvalidArguments) as raised:
            await collect.invoke(arguments)
        assert "x" * 30 in str(raised.value)
        assert "x" * 50 not in str(raised.value)
    numbers = echo(numbers=list[int])
    with pytest.raises(InvalidArguments, match="and 92 more problems"):
        await numbers.invoke({"numbers": ["x"] * 100})


async def test_a_tool_without_arguments_says_so() -> None:
    with pytest.raises(InvalidArguments, match="a: not an argument; there are no arguments"):
        await echo().invoke('{"a": 1}')


async def test_errors_of_the_function_stay_its_own() -> None:
    @tool
    def broken(number: int) -> None:
        Guest.model_validate({})

    with pytest.raises(pydantic.ValidationError):
        await broken.invoke('{"number": 1}')


async def test_stop_iteration_does_not_hang_the_call() -> None:
    @tool
    def first() -> object:
        return next(iter([]))

    with pytest.raises(RuntimeError, match="first raised StopIteration"):
        await asyncio.wait_for(first.invoke("{}"), 10)


async def test_a_declaration_cannot_be_invoked() -> None:
    declared = FunctionTool(name="elsewhere")
    assert not declared.has_implementation
    assert declared.function is None
    with pytest.raises(InvalidTool, match="elsewhere is a declaration without a function"):
        await declared.invoke("{}")
    with pytest.raises(InvalidTool, match="elsewhere is a declaration without a function"):
        declared()


async def test_a_tool_is_called_like_its_function() -> None:
    assert add.has_implementation
    assert add(1, b=2) == 3
    assert add.function is not None
    assert add.function(1) == 2.5
    assert str(inspect.signature(add)) == "(a: 'int', b: 'float' = 1.5) -> 'float'"
    assert await tool(_coroutine)(1) == 2


class Light:
    def __init__(self) -> None:
        self.on = False

    @tool(examples=["turn {on} the light"])
    def switch(self, on: bool) -> str:
        """Switch it."""
        self.on = on
        return "ok"


async def test_a_method_binds_to_its_instance() -> None:
    first, second = Light(), Light()
    assert await first.switch.invoke('{"on": true}') == "ok"
    assert (first.on, second.on) == (True, False)
    assert second.switch(True) == "ok"
    assert second.on
    assert first.switch == Light.switch
    assert list(Light.switch.parameters["properties"]) == ["on"]
    with pytest.raises(InvalidTool, match="Take the tool from an instance"):
        await Light.switch.invoke('{"on": true}')


def test_the_function_is_no_part_of_equality_json_and_repr() -> None:
    declared = FunctionTool(name="add", description="Add.", parameters=add.parameters)
    assert declared == add
    assert repr(declared) == repr(add)
    assert msgspec.json.encode(declared) == msgspec.json.encode(add)
    decoded = msgspec.json.decode(msgspec.json.encode(add), type=FunctionTool)
    assert decoded == add
    assert not decoded.has_implementation


def test_copies_keep_the_function_and_pickles_do_not() -> None:
    assert copy.copy(add).has_implementation
    assert copy.deepcopy([add])[0].has_implementation
    restored = pickle.loads(pickle.dumps(add))
    assert restored == add
    assert not restored.has_implementation


def test_json_that_is_no_tool_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="cannot be the name"):
        msgspec.json.decode(b'{"type": "function", "name": "two words"}', type=FunctionTool)


def test_importing_and_declaring_loads_no_pydantic() -> None:
    program = (
        "import sys; from duologue.tools import FunctionTool\n"
        "FunctionTool(name='f', examples=['do it'])\n"
        "print([name for name in ('pydantic', 'docstring_parser', 'numpy') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
