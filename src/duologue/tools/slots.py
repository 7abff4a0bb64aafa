"""What the slots of an example phrase take, by the JSON schema of their parameter."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from duologue.errors import InvalidTool
from duologue.tools.numbers import LIMIT, is_number_word, number_to_words, words_to_number
from duologue.tools.words import Sentence

LONGEST_NUMBER = 16
"""In words: minus nine hundred and ninety nine thousand nine hundred and ninety nine point one two."""
SAMPLES_WITHIN_BOUNDS = 100
"""Up to this many whole numbers within a schema's bounds are spelled; else a choice of them."""


class Reading(NamedTuple):
    """One way to read a slot.

    Attributes:
        end: Index after the last word that belongs to it.
        value: What it says, in the type of the schema.
        score: 0.5 if only certain words could stand there, 0 if any.
    """

    end: int
    value: object
    score: float


class SlotType(ABC):
    """What a slot takes."""

    is_open: ClassVar[bool] = False
    """Whether it takes any words."""

    @abstractmethod
    def read(self, sentence: Sentence, start: int, end: int) -> Iterator[Reading]:
        """The ways to read the words from `start`, at most up to `end`; the longest first."""

    @abstractmethod
    def samples(self) -> tuple[str, ...]:
        """What a speaker could say here; nothing if that could be anything."""


class Choice(SlotType):
    """One of some values.

    Args:
        spoken: The value of each wording. The first wording of a value is its sample.
    """

    def __init__(self, spoken: Mapping[str, object]) -> None:
        wordings = [(Sentence(wording), value) for wording, value in spoken.items()]
        self._wordings = sorted(wordings, key=lambda wording: -len(wording[0].texts))
        first: dict[tuple[str, object], str] = {}
        for wording, value in spoken.items():
            first.setdefault((type(value).__name__, value), wording)
        self._samples = tuple(first.values())

    def read(self, sentence: Sentence, start: int, end: int) -> Iterator[Reading]:
        other_number = []
        for wording, value in self._wordings:
            stop = start + len(wording.texts)
            if stop > end or sentence.stems[start:stop] != wording.stems:
                continue
            if sentence.texts[start:stop] == wording.texts:
                yield Reading(stop, value, 0.5)
            else:
                other_number.append(Reading(stop, value, 0.5))
        yield from other_number  # "lights" for "light", unless there is a choice "lights"

    def samples(self) -> tuple[str, ...]:
        return self._samples


class Number(SlotType):
    """A number, in words or figures.

    Args:
        schema: Its JSON schema. The bounds limit the samples, not what is read: validation tells the speaker.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._whole = schema.get("type") == "integer"
        self._schema = schema

    def read(self, sentence: Sentence, start: int, end: int) -> Iterator[Reading]:
        longest = start
        while longest < min(end, start + LONGEST_NUMBER) and is_number_word(sentence.texts[longest]):
            longest += 1
        for stop in range(longest, start, -1):
            number = words_to_number(sentence.texts[start:stop])
            if isinstance(number, int) or (isinstance(number, float) and not self._whole):
                yield Reading(stop, number, 0.5)
        if start < end and sentence.texts[start] in ("a", "an"):
            yield Reading(start + 1, 1, 0.5)

    def samples(self) -> tuple[str, ...]:
        lowest, highest = self._bounds()
        return tuple(
            number_to_words(number)
            for number in self._usual_numbers(lowest, highest)
            if lowest <= number <= highest and -LIMIT < number < LIMIT
        )

    def _usual_numbers(self, lowest: float, highest: float) -> list[int | float]:
        if highest - lowest <= SAMPLES_WITHIN_BOUNDS:
            numbers = set(range(math.ceil(lowest), math.floor(highest) + 1))
        else:
            numbers = {*range(21), *range(30, 101, 10)}
            if math.isfinite(lowest) and math.isfinite(highest):
                numbers |= {math.ceil(lowest + (highest - lowest) * step / 20) for step in range(21)}
            elif math.isfinite(lowest):
                numbers |= {math.ceil(lowest) + number for number in numbers}
            elif math.isfinite(highest):
                numbers |= {math.floor(highest) - number for number in numbers}
        return sorted({*numbers, *(() if self._whole else (0.5, 1.5, 2.5))})

    def _bounds(self) -> tuple[float, float]:
        """The lowest and the highest number; an exclusive bound of whole numbers is one inside."""
        schema, inside = self._schema, 1 if self._whole else 1e-9
        lowest = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + inside)
        highest = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - inside)
        return lowest, highest


class Text(SlotType):
    """Any words, at least one.

    Args:
        samples: What a speaker could say, if something is known.
    """

    is_open = True

    def __init__(self, samples: tuple[str, ...] = ()) -> None:
        self._samples = samples

    def read(self, sentence: Sentence, start: int, end: int) -> Iterator[Reading]:
        for stop in range(end, start, -1):
            yield Reading(stop, sentence.original(start, stop), 0.0)

    def samples(self) -> tuple[str, ...]:
        return self._samples


class Either(SlotType):
    """What one of several types takes; the earlier one is preferred."""

    def __init__(self, types: list[SlotType]) -> None:
        self._types = sorted(types, key=lambda slot_type: slot_type.is_open)

    def read(self, sentence: Sentence, start: int, end: int) -> Iterator[Reading]:
        for slot_type in self._types:
            yield from slot_type.read(sentence, start, end)

    def samples(self) -> tuple[str, ...]:
        return tuple(sample for slot_type in self._types for sample in slot_type.samples())


ON_OFF = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}


def slot_type(name: str, parameters: Mapping[str, Any]) -> SlotType:
    """What the slot `name` takes.

    Args:
        name: A parameter.
        parameters: The tool's JSON schema.

    Raises:
        InvalidTool: There is no such parameter, or its values cannot be spoken.
    """
    properties = parameters.get("properties", {})
    if name not in properties:
        known = ", ".join(properties) or "none"
        raise InvalidTool(f"The slot {{{name}}} is no parameter. The parameters are: {known}.")
    found = _from_schema(properties[name], parameters.get("$defs", {}), depth=0)
    if found is None:
        raise InvalidTool(
            f"The slot {{{name}}} takes a list or an object, which cannot be spoken. Use text, numbers or choices."
        )
    return found


def _from_schema(schema: Mapping[str, Any], definitions: Mapping[str, Any], depth: int) -> SlotType | None:
    if depth > 8:  # definitions that refer to each other
        return None
    if "$ref" in schema:
        target = definitions.get(str(schema["$ref"]).removeprefix("#/$defs/"), {})
        return _from_schema(target, definitions, depth + 1)
    if "const" in schema or "enum" in schema:
        return _choice(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    members = [{**schema, "type": member} for member in kind] if isinstance(kind, list) else []
    members += [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())]
    if members:
        types = [_from_schema(member, definitions, depth + 1) for member in members]
        speakable = [member for member in types if member is not None]
        return Either(speakable) if speakable else None
    if kind in ("integer", "number"):
        return Number(schema)
    if kind == "boolean":
        return Choice(ON_OFF)
    if kind in (None, "string"):
        return Text(tuple(sample for sample in schema.get("examples", ()) if isinstance(sample, str)))
    return None


def _choice(values: list[object]) -> SlotType | None:
    spoken: dict[str, object] = {}
    for value in values:
        if isinstance(value, bool):
            spoken |= {wording: meaning for wording, meaning in ON_OFF.items() if meaning is value}
        elif isinstance(value, int | float) and -LIMIT < value < LIMIT:
            spoken |= {number_to_words(value): value, str(value): value}
        elif isinstance(value, str) and (words := " ".join(Sentence(value).texts)):
            spoken[words] = value
    return Choice(spoken) if spoken else None
