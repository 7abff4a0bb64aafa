"""Example phrases: read, spelled out as hints, and matched against what was said."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from duologue.errors import InvalidTool
from duologue.tools import FunctionTool, tool
from duologue.tools.phrases import ExamplePhrase, PhraseMatch, expand, match
from duologue.tools.slots import Text


class Room(enum.Enum):
    KITCHEN = "kitchen"
    LIVING = "living_room"


@tool(
    examples=[
        "set a timer for {minutes} minutes",
        "{minutes} minute timer",
        "set a {label} timer for {minutes} minutes",
    ]
)
def set_timer(minutes: int, label: str | None = None) -> None: ...


@tool(examples=["turn {on} the light in the {room}", "turn {on} the light"])
def switch(on: bool, room: Room = Room.KITCHEN) -> None: ...


@tool(examples=["what's the time", "could you tell me the time please"])
def tell_time() -> None: ...


@tool(examples=["heat to {degrees} degrees", "set the heating to {degrees}"])
def heat(degrees: Annotated[float, Field(ge=5, le=30)]) -> None: ...


@tool(examples=["play {title}", "play {title} by {artist}"])
def play(title: str, artist: str = "") -> None: ...


@tool(examples=["channel {number}"])
def channel(number: Literal[1, 2, 40] | None) -> None: ...


@tool(examples=["shout {word}"])
def shout(word: Literal["light", "lights", "twenty"]) -> None: ...


@pytest.mark.parametrize(
    ("made", "utterance", "arguments"),
    [
        (set_timer, "set a timer for five minutes", {"minutes": 5}),
        (set_timer, "Set a timer for 5 minutes.", {"minutes": 5}),
        (set_timer, "SET A TIMER, FOR TWENTY-FIVE MINUTES!", {"minutes": 25}),
        (set_timer, "set a timer for a hundred and five minutes", {"minutes": 105}),
        (set_timer, "set a timer for one minute", {"minutes": 1}),
        (set_timer, "set a timer for a minute", {"minutes": 1}),
        (set_timer, "um, could you please set a timer for two minutes please, thank you", {"minutes": 2}),
        (set_timer, "ten minute timer", {"minutes": 10}),
        (set_timer, "set a Soft-boiled Egg timer for 6 minutes", {"label": "Soft-boiled Egg", "minutes": 6}),
        (switch, "turn on the light", {"on": True}),
        (switch, "Turn off the light!", {"on": False}),
        (switch, "turn off the lights", {"on": False}),
        (switch, "turn on the light in the living room", {"on": True, "room": "living_room"}),
        (switch, "turn on the light in the Kitchen, please", {"on": True, "room": "kitchen"}),
        (tell_time, "What\u2019s the time?", {}),
        (tell_time, "what is the time", {}),
        (tell_time, "tell me the time", {}),
        (tell_time, "can you tell me the time now", {}),
        (heat, "heat to twenty one point five degrees", {"degrees": 21.5}),
        (heat, "heat to minus 4 degrees", {"degrees": -4}),
        (heat, "heat to -4 degrees", {"degrees": -4}),
        (heat, "set the heating to two and a half", {"degrees": 2.5}),
        (heat, "set the heating to 1,000", {"degrees": 1000}),
        (play, "Play Bohemian Rhapsody.", {"title": "Bohemian Rhapsody"}),
        (play, "play Stand by Me by Ben E. King please", {"title": "Stand by Me", "artist": "Ben E. King"}),
        (play, "play don't stop me now", {"title": "don't stop me"}),
        (play, "play please", {"title": "please"}),
        (channel, "channel forty", {"number": 40}),
        (channel, "channel 2", {"number": 2}),
        (shout, "shout lights", {"word": "lights"}),
        (shout, "shout light", {"word": "light"}),
        (shout, "shout twenty", {"word": "twenty"}),
    ],
)
def test_matches(made: FunctionTool, utterance: str, arguments: dict[str, object]) -> None:
    found = match(made, utterance)
    assert found is not None
    assert found.arguments == arguments
    assert {name: type(value) for name, value in found.arguments.items()} == {
        name: type(value) for name, value in arguments.items()
    }


@pytest.mark.parametrize(
    ("made", "utterance"),
    [
        (set_timer, ""),
        (set_timer, " ... "),
        (set_timer, "please"),
        (set_timer, "set a timer"),
        (set_timer, "set a timer for soon minutes"),
        (set_timer, "set a timer for 3.5 minutes"),
        (set_timer, "set a timer for five minutes and then sing"),
        (set_timer, "cancel a timer for five minutes"),
        (set_timer, "don't set a timer for five minutes"),
        (switch, "turn the light"),
        (switch, "turn on the light in the attic"),
        (switch, "don't turn on the light"),
        (tell_time, "what is the date"),
        (heat, "heat to degrees"),
        (play, "play"),
        (channel, "channel three"),
        (channel, "channel"),
    ],
)
def test_does_not_match(made: FunctionTool, utterance: str) -> None:
    assert match(made, utterance) is None


def command(*examples: str) -> FunctionTool:
    return FunctionTool(name="command", examples=examples)


@pytest.mark.parametrize(
    ("example", "utterance"),
    [
        ("open the big blue door", "open the big blu door"),  # spelled nearly the same
        ("open the big blue door", "open big blue door"),  # a small word is missing
        ("open the big blue door", "open just the big blue door"),  # one too many
        ("open the big blue door", "open my big blue door"),  # another one
        ("what is the weather", "what's weather"),
    ],
)
def test_one_word_may_be_off_at_a_price(example: str, utterance: str) -> None:
    exact, near = match(command(example), example), match(command(example), utterance)
    assert exact is not None
    assert near is not None
    assert near.score < exact.score


@pytest.mark.parametrize(
    ("example", "utterance"),
    [
        ("turn on the light", "turn off the light"),
        ("turn on the light", "turn the light"),
        ("turn on the light", "never turn on the light"),
        ("unlock the big blue door", "lock the big blue door"),
        ("increase the volume a bit", "decrease the volume a bit"),
        ("make the music much louder", "make the music much lower"),
        ("open the big blue door", "open up the big blue door"),
        ("open the big blue door", "open big blu door"),  # two words
        ("open the door", "open a door"),  # three literal words: none may be off
    ],
)
def test_a_word_of_meaning_is_never_passed_over(example: str, utterance: str) -> None:
    assert match(command(example), example) is not None
    assert match(command(example), utterance) is None


def test_scores_compare_tools() -> None:
    def score(made: FunctionTool, utterance: str) -> float:
        found = match(made, utterance)
        assert found is not None
        return found.score

    literal = command("turn on the light")
    anything = FunctionTool(
        name="command",
        parameters={"type": "object", "properties": {"thing": {"type": "string"}}},
        examples=("turn on the {thing}",),
    )
    assert score(literal, "turn on the light") == 4
    assert score(switch, "turn on the light") == 3.5
    assert score(anything, "turn on the light") == 3
    assert score(literal, "turn on a light") == 2


def test_the_phrase_with_more_literal_words_wins() -> None:
    assert match(play, "play Hey Jude by The Beatles") == PhraseMatch(
        {"title": "Hey Jude", "artist": "The Beatles"}, 2.0
    )


def test_a_long_dictation_is_no_problem() -> None:
    found = match(play, "play " + "by and by " * 500)
    assert found is not None
    assert len(str(found.arguments["artist"]).split()) > 1400


def test_hints() -> None:
    assert expand(switch) == (
        "turn on the light in the kitchen",
        "turn off the light in the kitchen",
        "turn on the light in the living room",
        "turn off the light in the living room",
        "turn on the light",
        "turn off the light",
    )
    assert expand(tell_time) == ("what's the time", "could you tell me the time please")
    assert expand(channel) == ("channel one", "channel two", "channel forty")
    assert expand(FunctionTool(name="f")) == ()


def test_hints_of_numbers_keep_to_the_bounds() -> None:
    hints = expand(heat)
    assert "heat to five degrees" in hints
    assert "heat to thirty degrees" in hints
    assert not {"heat to four degrees", "heat to thirty one degrees"} & set(hints)


@pytest.mark.parametrize(
    ("schema", "some", "none"),
    [
        ({"type": "integer"}, {"zero", "one", "twenty", "thirty", "one hundred"}, {"minus one", "twenty one"}),
        ({"type": "number"}, {"one", "two point five"}, {"minus one"}),
        ({"type": "integer", "exclusiveMinimum": 0, "maximum": 59}, {"one", "fifty nine"}, {"zero", "sixty"}),
        ({"type": "integer", "minimum": 1, "maximum": 5000}, {"one", "thirty", "five thousand"}, {"zero"}),
        ({"type": "integer", "minimum": 1900}, {"one thousand nine hundred", "two thousand"}, {"zero"}),
        ({"type": "integer", "maximum": -5}, {"minus five", "minus twenty five"}, {"minus four", "zero"}),
        ({"type": "integer", "minimum": 10**9}, set(), {"one"}),
        ({"type": ["integer", "null"], "maximum": 3, "minimum": 2}, {"two", "three"}, {"one"}),
        ({"type": "string", "examples": ["Oslo", 7]}, {"oslo"}, {"7"}),
        ({"enum": [True, 2, "c3-po", None, "+", 10**9]}, {"on", "two", "c 3 po"}, {"off", ""}),
        ({"const": "now"}, {"now"}, set()),
        ({"oneOf": [{"type": "boolean"}, {"type": "string"}, {"type": "array"}]}, {"on", "off"}, set()),
    ],
)
def test_samples_of_slots(schema: dict[str, Any], some: set[str], none: set[str]) -> None:
    made = FunctionTool(
        name="f", parameters={"type": "object", "properties": {"x": schema}}, examples=("say {x} twice",)
    )
    hints = set(expand(made))
    assert {f"say {sample} twice" for sample in some} <= hints
    assert not {f"say {sample} twice" for sample in none} & hints


def test_a_counted_word_follows_its_number() -> None:
    assert {"set a timer for one minute", "set a timer for two minutes"} <= set(expand(set_timer))
    boxes = FunctionTool(
        name="f",
        parameters={"type": "object", "properties": {"n": {"enum": [1, 2]}}},
        examples=("{n} boxes", "{n} glasses", "{n} glass doors"),
    )
    assert expand(boxes) == ("one box", "two boxes", "one glass", "two glasses", "one glass doors", "two glass doors")


def test_open_text_divides_a_hint() -> None:
    assert expand(play) == ("play", "by")


def test_hints_are_bounded_and_spread() -> None:
    colours = [f"colour{chr(97 + index)}" for index in range(25)]
    made = FunctionTool(
        name="paint",
        parameters={
            "type": "object",
            "properties": {
                "what": {"enum": [f"thing{chr(97 + index)}" for index in range(25)]},
                "colour": {"enum": colours},
                "coats": {"type": "integer"},
            },
        },
        examples=("paint the {what} {colour} with {coats} coats", "undo", "make {what} {colour}"),
    )
    hints = expand(made)
    assert len(hints) == 400
    assert "undo" in hints
    assert sum(hint.startswith("make") for hint in hints) in (199, 200)
    for colour in colours:
        assert sum(colour in hint for hint in hints) >= 5
    assert expand(made) == hints
    assert len(expand(made, limit=7)) == 7
    assert expand(made, limit=0) == ()


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (["set a timer for {hours}"], r"The slot \{hours\} is no parameter. The parameters are: minutes, stops"),
        (["set a timer"], "does not say 'minutes', which is required"),
        (["set {minutes and {minutes}"], "braces .* do not match"),
        (["set minutes}"], "braces .* do not match"),
        (["set {minutes} or {minutes}"], r"has a slot twice: \{minutes\}"),
        (["set {} or {minutes}"], "has a slot without a name"),
        (["..."], "has 0 words"),
        ([""], "has 0 words"),
        (["{minutes} " + "more " * 5000], "has 5001 words"),
        (["{minutes} for {stops}"], "takes a list or an object"),
    ],
)
def test_refuses_examples_that_could_never_work(examples: list[str], message: str) -> None:
    def set_timer(minutes: int, stops: list[str] | None = None) -> None: ...

    with pytest.raises(InvalidTool, match=message):
        tool(examples=examples)(set_timer)


def test_definitions_that_refer_to_each_other_end() -> None:
    parameters = {
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}]}},
    }
    with pytest.raises(InvalidTool, match="cannot be spoken"):
        FunctionTool(name="f", parameters=parameters, examples=("say {x}",))


def test_a_phrase_without_a_schema_takes_any_words() -> None:
    phrase = ExamplePhrase.parse("say {what} loudly")
    assert [slot.name for slot in phrase.slots] == ["what"]
    assert isinstance(phrase.slots[0].type, Text)


# What is spelled out is understood.

SLOTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "choice": st.lists(
        st.sampled_from(["red", "green", "deep_blue", "off-white", "grass", "lights"]), min_size=1, unique=True
    ).map(lambda values: {"enum": values}),
    "whole": st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size},
        st.integers(-2000, 2000),
        st.integers(0, 3000),
    ),
    "number": st.just({"type": "number"}),
    "switch": st.just({"type": "boolean"}),
}
WORDS = ["alpha", "bravo", "charlie", "delta", "minutes", "boxes", "what's", "please"]


@st.composite
def tools_with_closed_slots(draw: Callable[..., Any]) -> FunctionTool:
    properties = {name: draw(schema) for name, schema in SLOTS.items()}
    names = draw(st.lists(st.sampled_from(list(SLOTS)), min_size=1, unique=True))
    parts = [draw(st.sampled_from(WORDS))]
    for name in names:
        parts += [f"{{{name}}}", *draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3))]
    return FunctionTool(name="f", parameters={"type": "object", "properties": properties}, examples=(" ".join(parts),))


def test_that_a_contraction_behind_one_is_no_plural() -> None:
    made = FunctionTool(
        name="f",
        parameters={"type": "object", "properties": {"whole": {"type": "integer", "minimum": 1, "maximum": 1}}},
        examples=("alpha {whole} what's bravo",),
    )
    assert expand(made) == ("alpha one what's bravo",)


@given(tools_with_closed_slots(), st.data())
def test_what_is_spelled_out_matches(made: FunctionTool, data: st.DataObject) -> None:
    hint = data.draw(st.sampled_from(expand(made, limit=50)))
    found = match(made, hint)
    assert found is not None
    assert found.score == made.phrases[0].highest_score
    assert set(found.arguments) == {slot.name for slot in made.phrases[0].slots}
    for name, value in found.arguments.items():
        schema = made.parameters["properties"][name]
        assert "enum" not in schema or value in schema["enum"]
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)


@given(st.text(max_size=60))
def test_any_text_is_matched_or_not(text: str) -> None:
    for made in (set_timer, switch, play, shout):
        found = match(made, text)
        assert found is None or set(found.arguments) <= set(made.parameters["properties"])


@given(st.text(max_size=60))
def test_any_text_is_an_example_or_refused(text: str) -> None:
    try:
        phrase = ExamplePhrase.parse(text)
    except InvalidTool:
        return
    assert phrase.parts
