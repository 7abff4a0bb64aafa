"""The declaration that a function becomes: its JSON schema and its description."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import pydantic
import pytest
from pydantic import Field
from typing_extensions import TypedDict

from duologue.errors import InvalidTool
from duologue.tools import FunctionTool, ToolContext, tool

if TYPE_CHECKING:
    from fractions import Fraction


class Room(enum.Enum):
    KITCHEN = "kitchen"
    LIVING = "living_room"


@dataclass
class Stop:
    city: str
    nights: int = 1
    next: Stop | None = None


class Guest(pydantic.BaseModel):
    """Who comes along."""

    title: str = Field(description="How to address them", title="Form of address")
    born: datetime.date | None = None


class Size(TypedDict, total=False):
    width: float


def properties(function: Callable[..., object]) -> dict[str, Any]:
    found: dict[str, Any] = FunctionTool.from_callable(function).parameters["properties"]
    return found


def test_the_whole_declaration() -> None:
    @tool(examples=["wake me at {hour} in the {room}"], timeout=5)
    def set_alarm(hour: Annotated[int, Field(ge=0, le=23)], room: Room = Room.KITCHEN) -> None:
        """Set an alarm.

        It rings until it is stopped.

        Args:
            hour: The hour, in
                24-hour time.
            room: Where it rings.

        Returns:
            Nothing.
        """

    assert set_alarm == FunctionTool(
        name="set_alarm",
        description="Set an alarm.\n\nIt rings until it is stopped.",
        parameters={
            "type": "object",
            "properties": {
                "hour": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": 23,
                    "description": "The hour, in 24-hour time.",
                },
                "room": {"$ref": "#/$defs/Room", "default": "kitchen", "description": "Where it rings."},
            },
            "required": ["hour"],
            "additionalProperties": False,
            "$defs": {"Room": {"type": "string", "enum": ["kitchen", "living_room"]}},
        },
        examples=("wake me at {hour} in the {room}",),
        timeout=5,
    )


def test_types() -> None:
    def everything(  # type: ignore[no-untyped-def]
        text: str,
        number: float,
        switch: bool,
        choice: Literal["a", "b"],
        either: int | str,
        maybe: Optional[int],  # noqa: UP045
        many: list[int],
        table: dict[str, float],
        day: datetime.date,
        anything,
        size: Size,
    ) -> None: ...

    assert properties(everything) == {
        "text": {"type": "string"},
        "number": {"type": "number"},
        "switch": {"type": "boolean"},
        "choice": {"type": "string", "enum": ["a", "b"]},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "many": {"type": "array", "items": {"type": "integer"}},
        "table": {"type": "object", "additionalProperties": {"type": "number"}},
        "day": {"type": "string", "format": "date"},
        "anything": {},
        "size": {"$ref": "#/$defs/Size"},
    }


def test_nested_types_are_defined_once_and_may_refer_to_themselves() -> None:
    def plan(stops: list[Stop], guest: Guest) -> None: ...

    schema = FunctionTool.from_callable(plan).parameters
    assert schema["properties"] == {
        "stops": {"type": "array", "items": {"$ref": "#/$defs/Stop"}},
        "guest": {"$ref": "#/$defs/Guest"},
    }
    assert schema["$defs"]["Stop"]["properties"]["next"]["anyOf"][0] == {"$ref": "#/$defs/Stop"}
    assert schema["$defs"]["Guest"] == {
        "description": "Who comes along.",
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "How to address them"},
            "born": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None},
        },
        "required": ["title"],
    }


def test_only_titles_that_are_keywords_go() -> None:
    def label(title: str, options: Annotated[dict[str, str], Field(examples=[{"title": "x"}])]) -> None: ...

    assert properties(label) == {
        "title": {"type": "string"},
        "options": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "examples": [{"title": "x"}],
        },
    }


def test_defaults() -> None:
    unspeakable = object()

    def defaults(
        number: int = 3,
        nothing: str = None,  # type: ignore[assignment]  # noqa: RUF013
        room: Room = Room.LIVING,
        stop: Stop = Stop("Oslo"),  # noqa: B008
        constrained: int = Field(5, le=9, description="From the field"),
        inside: Annotated[int, Field(7)] = 8,
        hidden: Any = unspeakable,
    ) -> None:
        """Do.

        Args:
            constrained: From the docstring
        """

    assert properties(defaults) == {
        "number": {"type": "integer", "default": 3},
        "nothing": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "room": {"$ref": "#/$defs/Room", "default": "living_room"},
        "stop": {"$ref": "#/$defs/Stop", "default": {"city": "Oslo", "nights": 1, "next": None}},
        "constrained": {"type": "integer", "maximum": 9, "default": 5, "description": "From the field"},
        "inside": {"type": "integer", "default": 8},
        "hidden": {},
    }
    assert "required" not in FunctionTool.from_callable(defaults).parameters


def test_names_of_pydantic_and_underscores_are_names_like_others() -> None:
    def odd(copy: int, json: int, schema: int, model_config: int, _hidden: int, self_: int) -> None: ...

    assert list(properties(odd)) == ["copy", "json", "schema", "model_config", "_hidden", "self_"]


def test_context_is_not_in_the_schema() -> None:
    def with_context(
        context: ToolContext,
        city: str,
        *,
        other: ToolContext | None = None,
        third: Annotated[Optional[ToolContext], "x"] = None,  # noqa: UP045
    ) -> None: ...

    assert list(properties(with_context)) == ["city"]


def test_what_a_partial_binds_by_name_is_not_in_the_schema() -> None:
    def fetch(account: str, path: str, key: str) -> None:
        """Fetch a file."""

    declared = FunctionTool.from_callable(partial(fetch, "mine", key="secret-1"), name="fetch")
    assert list(declared.parameters["properties"]) == ["path"]
    assert declared.description == "Fetch a file."
    assert "secret-1" not in repr(declared)


def test_local_types_are_found() -> None:
    class Mood(enum.Enum):
        CALM = "calm"

    @dataclass
    class Song:
        mood: Mood
        next: Song | None = None

    def inner() -> FunctionTool:
        @tool
        def play(song: Song, fallback: list[Song] | None = None) -> None: ...

        return play

    assert inner().parameters["$defs"]["Song"]["properties"]["mood"] == {"$ref": "#/$defs/Mood"}


def test_types_that_a_function_uses_are_found_from_anywhere() -> None:
    def define() -> Callable[..., object]:
        class Mood(enum.Enum):
            CALM = "calm"

        def play(mood: Mood) -> object:
            return Mood(mood)

        return play

    assert properties(define()) == {"mood": {"$ref": "#/$defs/Mood"}}


def test_the_context_may_be_imported_for_type_checking_only() -> None:
    module: dict[str, Any] = {"__name__": "elsewhere"}
    exec("from __future__ import annotations\ndef f(context: ToolContext | None, number: int): ...", module)
    assert list(properties(module["f"])) == ["number"]


def test_annotations_in_a_class_body_are_found() -> None:
    class Player:
        class Mood(enum.Enum):
            CALM = "calm"

        @tool
        def play(self, mood: Mood) -> None: ...

    assert Player.play.parameters["properties"] == {"mood": {"$ref": "#/$defs/Mood"}}


def test_the_return_annotation_need_not_resolve() -> None:
    def halve(number: int) -> Fraction:
        raise NotImplementedError

    assert list(properties(halve)) == ["number"]


def _variadic(*cities: str) -> None: ...


def _keywords(**cities: str) -> None: ...


def _generator() -> Any:
    yield 1


async def _async_generator() -> Any:
    yield 1


def _type_checking_only(number: Fraction) -> None: ...


def _garbled(number: int) -> None: ...


_garbled.__annotations__["number"] = "1 +"


def _callback(ready: Callable[[], None]) -> None: ...


def _instance(good: int, guard: GeneratorRefused) -> None: ...


class GeneratorRefused:
    def __call__(self) -> Any:
        yield 1


class Methods:
    @classmethod
    def make(cls) -> None: ...


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tool(_variadic), r"_variadic: \*cities cannot be described"),
        (lambda: tool(_keywords), r"_keywords: \*\*cities cannot be described"),
        (lambda: tool(_generator), "_generator is a generator"),
        (lambda: tool(_async_generator), "_async_generator is a generator"),
        (lambda: tool(name="g")(GeneratorRefused()), "g is a generator"),
        (lambda: tool(name="g")(partial(_generator)), "g is a generator"),
        (lambda: tool(lambda: None), "has no name of its own. Pass name="),
        (lambda: tool(partial(print)), "has no name of its own. Pass name="),
        (lambda: tool(GeneratorRefused), "not from type"),
        (lambda: tool(7), "not from int"),  # type: ignore[call-overload]
        (lambda: tool(Methods.__dict__["make"]), "from outside"),
        (lambda: tool(tool(_callable_once)), "is a tool already"),
        (lambda: tool(_type_checking_only), "'Fraction' of the parameter 'number' cannot be resolved.*Import"),
        (lambda: tool(_garbled), "'1 \\+' of the parameter 'number' cannot be resolved"),
        (lambda: tool(_callback), "the parameter 'ready' has a type that has no JSON schema"),
        (lambda: tool(_instance), "the parameter 'guard' has a type that has no JSON schema"),
        (lambda: tool(type), "not from type"),
        (lambda: tool(iter), "signature cannot be read"),
        (lambda: tool(name="two words")(_callable_once), "'two words' cannot be the name"),
        (lambda: FunctionTool(name=""), "'' cannot be the name"),
        (lambda: FunctionTool(name="x" * 65), "cannot be the name"),
        (lambda: FunctionTool(name="f\n"), "cannot be the name"),
        (lambda: FunctionTool(name="f", timeout=0), "above 0, not 0"),
        (lambda: FunctionTool(name="f", timeout=float("nan")), "above 0, not nan"),
        (lambda: FunctionTool(name="f", parameters={"type": "string"}), 'schema with type "object"'),
        (lambda: FunctionTool(name="f", parameters={"type": "object", "x": object()}), "is not JSON"),
        (lambda: FunctionTool(name="f", examples="do it"), "not one str"),  # type: ignore[arg-type]
        (lambda: tool(examples="do it")(_callable_once), "not one str"),
    ],
)
def test_refuses_what_a_model_cannot_call(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidTool, match=message):
        make()


def _callable_once() -> None: ...
