"""A spoken sentence as comparable words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

_WORD = re.compile(
    r"""(?<![\w.,])-\d+(?:,\d{3})*(?:\.\d+)?  # a negative number in figures
      | \d+(?:,\d{3})*(?:\.\d+)?              # a number in figures
      | [^\W\d_]+(?:'[^\W\d_]+)*              # letters, with apostrophes inside
    """,
    re.VERBOSE,
)
_IS = re.compile(r"(what|who|where|when|how|it|that|there|here)'s")
_CONTRACTION = re.compile(r"(\w+)'(re|ll|m|ve)")
_FULL_FORMS = {"re": "are", "ll": "will", "m": "am", "ve": "have"}

SMALL_WORDS = frozenset(
    [
        *("a", "an", "the", "my", "me", "this", "that", "some", "just", "to", "for", "of", "at", "is", "are"),
        *("um", "uh", "er", "erm", "please", "now"),
    ]
)
"""What a sentence may gain, lose or exchange without meaning something else: no negation, no direction."""

_LEADING = tuple(
    tuple(phrase.split())
    for phrase in (
        *("um", "uh", "er", "erm", "hmm", "hey", "ok", "okay", "so", "well", "and", "now", "then", "please"),
        *("could you", "can you", "would you", "will you", "i want you to", "i would like you to"),
    )
)
_TRAILING = tuple(
    tuple(phrase.split())
    for phrase in ("please", "thanks", "thank you", "um", "uh", "er", "erm", "now", "right now", "for me")
)

SIMILAR = 0.75
"""How alike misheard words are spelled at least; "louder" and "lower" are at 0.73."""


class Word(NamedTuple):
    """A word of a sentence.

    Attributes:
        text: Case-folded; contractions are two words.
        stem: The same without a plural ending, which is how words are compared.
        start: Index of its first character in the sentence.
        end: Index after its last character.
    """

    text: str
    stem: str
    start: int
    end: int


class Sentence:
    """A sentence and its words.

    Attributes:
        text: The sentence, in Unicode's composed form and with plain apostrophes.
        words: Its words, without punctuation.
    """

    def __init__(self, text: str) -> None:
        self.text = unicodedata.normalize("NFC", text).replace("\u2019", "'")
        self.words = tuple(word for found in _WORD.finditer(self.text) for word in _expand_contraction(found))
        self.texts = tuple(word.text for word in self.words)
        self.stems = tuple(word.stem for word in self.words)

    def original(self, start: int, end: int) -> str:
        """The text of the words from `start` up to `end`, with its capitals and inner punctuation."""
        return self.text[self.words[start].start : self.words[end - 1].end]


def leading_fillers(words: Sequence[str]) -> list[int]:
    """Where the sentence could begin: after all fillers at the beginning, …, after one, at 0."""
    starts = [0]
    while (length := _filler(words[starts[-1] :], _LEADING, at_end=False)) and starts[-1] + length < len(words):
        starts.append(starts[-1] + length)
    return starts[::-1]


def trailing_fillers(words: Sequence[str]) -> list[int]:
    """Where the sentence could end: before all fillers at the end, …, before one, after the last word."""
    ends = [len(words)]
    while (length := _filler(words[: ends[-1]], _TRAILING, at_end=True)) and ends[-1] - length > 0:
        ends.append(ends[-1] - length)
    return ends[::-1]


def nearly_same(first: str, second: str) -> bool:
    """Whether two words are spelled nearly alike, as misheard or mistyped ones are.

    The beginnings have to agree, because un-, in-, de- and re- turn a meaning round.
    """
    return first[:2] == second[:2] and SequenceMatcher(None, first, second).ratio() >= SIMILAR


def singular(word: str) -> str:
    """`word` without a plural ending, by spelling alone."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is", "'s")):
        return word
    return word[:-2] if word.endswith(("ches", "shes", "xes", "sses")) else word[:-1]


def _expand_contraction(found: re.Match[str]) -> list[Word]:
    text, (start, end) = found.group().casefold(), found.span()
    texts = [text]
    if contraction := _IS.fullmatch(text):
        texts = [contraction[1], "is"]
    elif contraction := _CONTRACTION.fullmatch(text):
        texts = [contraction[1], _FULL_FORMS[contraction[2]]]
    return [Word(text, singular(text), start, end) for text in texts]


def _filler(words: Sequence[str], fillers: tuple[tuple[str, ...], ...], *, at_end: bool) -> int:
    """How many words the longest filler at one end has; 0 if there is none."""
    lengths = [
        len(filler) for filler in fillers if tuple(words[-len(filler) :] if at_end else words[: len(filler)]) == filler
    ]
    return max(lengths, default=0)
