"""Example phrases: sentences with slots that tell what a speaker says to have a tool called.

A responder matches what was heard against them; a speech recogniser gets them spelled out as hints. Numbers,
fillers and contractions are those of English; words are what stands between spaces and punctuation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from duologue.errors import InvalidTool
from duologue.tools.slots import SlotType, Text, slot_type
from duologue.tools.words import (
    SMALL_WORDS,
    Sentence,
    leading_fillers,
    nearly_same,
    singular,
    trailing_fillers,
)

if TYPE_CHECKING:
    from duologue.tools.function import FunctionTool

HINTS = 400
"""How many phrases `expand` makes of a tool at most."""
WORDS_FOR_A_SLIP = 4
"""From this many literal words on, one of them may be off."""
WORDS_IN_A_PHRASE = 50
"""How many words and slots a phrase has at most."""
WORDS_IN_A_SLOT = 50
"""How many words a slot takes that is not the last part; the last one takes any number."""

_SLOT = re.compile(r"\{([^{}]*)\}")


class Literal(NamedTuple):
    """Words of a phrase that are said as they are.

    Attributes:
        text: As spoken, in lower case, without punctuation.
        stems: As compared: contractions are two words.
    """

    text: str
    stems: tuple[str, ...]


class Slot(NamedTuple):
    """A place in a phrase for the value of a parameter.

    Attributes:
        name: The parameter.
        type: What can be said there.
    """

    name: str
    type: SlotType


class PhraseMatch(msgspec.Struct, frozen=True):
    """What a sentence means to a tool.

    Attributes:
        arguments: The values of the slots, by parameter, in the types of the schema.
        score: How surely it is meant, to compare tools: 1 for each literal word that was said, 0.5 for each
            slot that takes certain words only, less 1 for a word that is off.
    """

    arguments: dict[str, object]
    score: float


@dataclass(frozen=True)
class ExamplePhrase:
    """A sentence with slots, e.g. ``"set a timer for {minutes} minutes"``.

    Attributes:
        text: The sentence as it was written.
        parts: Its literal words and slots, in order.
    """

    text: str
    parts: tuple[Literal | Slot, ...]

    @classmethod
    def parse(cls, text: str, parameters: Mapping[str, Any] | None = None) -> ExamplePhrase:
        """Read a phrase.

        Args:
            text: The phrase; a slot is a parameter's name in braces.
            parameters: The tool's JSON schema, which says what the slots take; without it, any words.

        Raises:
            InvalidTool: It has no words or too many, its braces do not match, or a slot is unknown, named twice, or
                cannot be spoken.
        """
        parts: list[Literal | Slot] = []
        names: set[str] = set()
        for position, piece in enumerate(_SLOT.split(text)):
            if position % 2:
                name = piece.strip()
                if not name or name in names:
                    problem = "twice" if name else "without a name"
                    raise InvalidTool(f"The example {text!r} has a slot {problem}: {{{name}}}.")
                names.add(name)
                parts.append(Slot(name, Text() if parameters is None else _slot_type(text, name, parameters)))
            elif "{" in piece or "}" in piece:
                raise InvalidTool(f"The braces of the example {text!r} do not match. A slot is written {{name}}.")
            elif literal := _literal(piece):
                parts.append(literal)
        words = sum(1 if isinstance(part, Slot) else len(part.stems) for part in parts)
        if not 0 < words <= WORDS_IN_A_PHRASE:
            raise InvalidTool(f"The example {text[:60]!r} has {words} words. Write one sentence, as it is said.")
        return cls(text, tuple(parts))

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Its slots, in order."""
        return tuple(part for part in self.parts if isinstance(part, Slot))

    @cached_property
    def pattern(self) -> tuple[str | Slot, ...]:
        """The stems of its literal words, and its slots, without fillers at the ends."""
        parts = list(self.parts)
        if isinstance(first := parts[0], Literal):
            parts[0] = first._replace(stems=first.stems[leading_fillers(first.stems)[0] :])
        if isinstance(last := parts[-1], Literal):
            parts[-1] = last._replace(stems=last.stems[: trailing_fillers(last.stems)[0]])
        pattern: list[str | Slot] = []
        for part in parts:
            pattern.extend([part] if isinstance(part, Slot) else part.stems)
        return tuple(pattern)

    @cached_property
    def literals(self) -> tuple[str, ...]:
        """The literal words of `pattern`."""
        return tuple(part for part in self.pattern if isinstance(part, str))

    @property
    def slips(self) -> int:
        """How many literal words may be off."""
        return 1 if len(self.literals) >= WORDS_FOR_A_SLIP else 0

    @property
    def highest_score(self) -> float:
        """The score of a sentence that says all of it."""
        return len(self.literals) + sum(0 if slot.type.is_open else 0.5 for slot in self.slots)

    def match(self, sentence: Sentence) -> PhraseMatch | None:
        """What `sentence` says in the words of this phrase; None if it says something else."""
        missing = set(self.literals).difference(sentence.stems)
        if len(missing) > self.slips:  # most phrases are told apart here
            return None
        best: PhraseMatch | None = None
        for start in leading_fillers(sentence.texts):
            for end in trailing_fillers(sentence.texts):
                found = _Alignment(self, sentence, end).best(start) if start < end else None
                if found is not None and (best is None or found.score > best.score):
                    best = found
                    if found.score >= self.highest_score:
                        return found
        return best


def match(tool: FunctionTool, utterance: str) -> PhraseMatch | None:
    """Match what a speaker said against the examples of `tool`.

    Capitals, punctuation, plural endings, contractions ("what's") and fillers at the ends ("um", "could you",
    "please") do not count. In a phrase of at least four literal words, one may be off: misheard, that is
    spelled nearly the same; or a small word that is missing, added or another one ("the" for "a"). A word of
    meaning is never passed over: "turn off the light" and "don't turn on the light" do not match "turn on the
    light".

    Args:
        tool: A tool with examples.
        utterance: One sentence, as text or as a transcript.

    Returns:
        The best match, or None.
    """
    sentence = Sentence(utterance)
    found = [matched for phrase in tool.phrases if (matched := phrase.match(sentence)) is not None]
    return max(found, key=lambda matched: matched.score, default=None)


def expand(tool: FunctionTool, limit: int = HINTS) -> tuple[str, ...]:
    """Spell the examples of `tool` out, as hints for a speech recogniser.

    Choices, switches (on, off) and numbers are filled in. Text is filled in with the `examples` of its JSON
    schema; where there are none, it divides the phrase into what stands before and after it.

    Args:
        tool: A tool with examples.
        limit: How many phrases at most, spread evenly over the examples and over the values of their slots.

    Returns:
        Phrases in lower case, without punctuation and figures in slots; each one once.
    """
    fragments = [fragment for phrase in tool.phrases for fragment in _fragments(phrase)]
    sizes = [math.prod(len(_alternatives(part)) for part in fragment) for fragment in fragments]
    shares = _shares(sizes, limit)
    return tuple(
        dict.fromkeys(
            _spell(fragment, index)
            for fragment, size, share in zip(fragments, sizes, shares, strict=True)
            for index in _spread(size, share)
        )
    )


def quoted(description: str, parameters: Mapping[str, Any]) -> tuple[ExamplePhrase, ...]:
    """The phrases in double quotation marks in a description that say all that a call needs.

    For example: ``The time of day, as in "what time is it" or "tell me the time".``
    """
    found = []
    for text in _QUOTED.findall(description):
        try:
            phrase = ExamplePhrase.parse(text, parameters)
            check_examples("", (phrase,), parameters)
        except InvalidTool:
            continue
        found.append(phrase)
    return tuple(found)


_QUOTED = re.compile(r'"([^"]+ [^"]+)"')


def check_examples(tool: str, phrases: Sequence[ExamplePhrase], parameters: Mapping[str, Any]) -> None:
    """Make sure that each phrase says all that a call needs.

    Raises:
        InvalidTool: A phrase lacks a required parameter.
    """
    for phrase in phrases:
        names = {slot.name for slot in phrase.slots}
        for name in parameters.get("required", ()):
            if name not in names:
                raise InvalidTool(
                    f"{tool}: the example {phrase.text!r} does not say {name!r}, which is required. Put "
                    f"{{{name}}} where it is said, or give the parameter a default."
                )


class _Alignment:
    """The words of a sentence laid alongside a phrase."""

    def __init__(self, phrase: ExamplePhrase, sentence: Sentence, end: int) -> None:
        self._pattern = phrase.pattern
        self._may_slip = phrase.slips > 0
        self._sentence = sentence
        self._end = end
        self._known: dict[tuple[int, int, bool], PhraseMatch | None] = {}

    def best(self, start: int) -> PhraseMatch | None:
        """The best way to lay the whole phrase along the words from `start`."""
        return self._best(0, start, self._may_slip)

    def _best(self, part: int, word: int, may_slip: bool) -> PhraseMatch | None:
        key = (part, word, may_slip)
        if key not in self._known:
            best: PhraseMatch | None = None
            for found in self._ways(part, word, may_slip):
                if best is None or found.score > best.score:
                    best = found
            self._known[key] = best
        return self._known[key]

    def _ways(self, part: int, word: int, may_slip: bool) -> Iterator[PhraseMatch]:
        if part == len(self._pattern):
            if word == self._end:
                yield PhraseMatch({}, 0.0)
        elif isinstance(expected := self._pattern[part], Slot):
            is_last = part == len(self._pattern) - 1
            end = self._end if is_last else min(self._end, word + WORDS_IN_A_SLOT)
            for reading in expected.type.read(self._sentence, word, end):
                if rest := self._best(part + 1, reading.end, may_slip):
                    arguments = {expected.name: reading.value} | rest.arguments
                    yield PhraseMatch(arguments, rest.score + reading.score)
        elif self._is_said(expected, word) and (rest := self._best(part + 1, word + 1, may_slip)):
            yield PhraseMatch(rest.arguments, rest.score + 1)
        if may_slip:
            for parts, words in self._slips(part, word):
                if rest := self._best(part + parts, word + words, False):
                    yield PhraseMatch(rest.arguments, rest.score - 1)

    def _is_said(self, expected: str, word: int) -> bool:
        return word < self._end and self._sentence.stems[word] == expected

    def _slips(self, part: int, word: int) -> Iterator[tuple[int, int]]:
        """How many parts and words a slip here passes over: a wrong word, a missing one, one too many."""
        expected = self._pattern[part] if part < len(self._pattern) else None
        heard = self._sentence.stems[word] if word < self._end else None
        missing = isinstance(expected, str) and expected in SMALL_WORDS
        added = heard in SMALL_WORDS
        if isinstance(expected, str) and heard and ((missing and added) or nearly_same(heard, expected)):
            yield 1, 1
        if missing:
            yield 1, 0
        if added:
            yield 0, 1


def _slot_type(text: str, name: str, parameters: Mapping[str, Any]) -> SlotType:
    try:
        return slot_type(name, parameters)
    except InvalidTool as error:
        raise InvalidTool(f"The example {text!r} does not fit. {error}") from None


def _literal(text: str) -> Literal | None:
    sentence = Sentence(text)
    spans = dict.fromkeys((word.start, word.end) for word in sentence.words)  # a contraction is two words
    spoken = " ".join(sentence.text[start:end].lower() for start, end in spans)
    return Literal(spoken, sentence.stems) if spoken else None


def _fragments(phrase: ExamplePhrase) -> list[list[Literal | Slot]]:
    """The parts of a phrase that can be spelled out, divided where anything can be said."""
    fragments: list[list[Literal | Slot]] = [[]]
    for part in phrase.parts:
        if _alternatives(part):
            fragments[-1].append(part)
        else:
            fragments.append([])
    return [fragment for fragment in fragments if fragment]


def _alternatives(part: Literal | Slot) -> tuple[str, ...]:
    return part.type.samples() if isinstance(part, Slot) else (part.text,)


def _shares(sizes: Sequence[int], limit: int) -> list[int]:
    """Divide `limit` evenly; what a small one leaves over goes to the larger ones."""
    shares = [0] * len(sizes)
    for done, position in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[position] = min(sizes[position], limit // (len(sizes) - done))
        limit -= shares[position]
    return shares


def _spread(size: int, count: int) -> list[int]:
    """`count` of the numbers below `size`, far apart, and with all remainders of any divisor."""
    step = max(1, round(size * (math.sqrt(5) - 1) / 2))
    while math.gcd(step, size) != 1:
        step += 1
    return sorted(index * step % size for index in range(count))


def _spell(fragment: Sequence[Literal | Slot], index: int) -> str:
    """The combination of alternatives with this index."""
    spoken: list[str] = []
    for position, part in enumerate(fragment):
        alternatives = _alternatives(part)
        index, choice = divmod(index, len(alternatives))
        words = alternatives[choice].lower()
        if isinstance(part, Literal) and position and spoken[-1] == "one":
            counted, *others = words.split(" ")
            words = " ".join([singular(counted), *others])
        spoken.append(words)
    return " ".join(spoken)
