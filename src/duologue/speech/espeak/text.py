"""A text cut into clauses, and the words in it."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from duologue.speech.stages import SpokenWord

LONGEST_CLAUSE = 160
"""Characters of a clause at most, about ten seconds of speech."""

# Where espeak-ng pauses in any case, so that a cut is not heard. A full stop counts only after a long word
# and before a capital: it knows that "Dr. Smith" and "No. 5" go on, and so do these.
_BOUNDARY = re.compile(
    r"""
      (?: (?<=[^\W\d_]{5}) \. | [!?] ) \s+ (?=[^\W\d_a-z])
    | [,;:] \s+
    | [。！？；：，、]
    | \n \s* \n
    """,
    re.VERBOSE,
)
# In a text espeak-ng takes control characters for commands, and a null for the end.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_BETWEEN_WORDS = r"\s—–…。！？；：，、"
# Chinese characters are words of their own: there are no spaces to tell them apart.
_WORD = re.compile(rf"[\u3400-\u9fff]|[^{_BETWEEN_WORDS}\u3400-\u9fff]+")
_SPOKEN_PUNCTUATION = "&%@#"


class Clause(NamedTuple):
    """A stretch of a text that is spoken in one go.

    Attributes:
        start: Index of its first character in the text.
        end: Index after its last character.
        last: Whether nothing that can be spoken comes after it.
    """

    start: int
    end: int
    last: bool


def clauses(text: str) -> Iterator[Clause]:
    """The clauses of a text that have something to speak in them, found one by one."""
    held: tuple[int, int] | None = None
    for start, end in _stretches(text):
        if any(map(_is_spoken, text[start:end])):
            if held:
                yield Clause(*held, last=False)
            held = start, end
    if held:
        yield Clause(*held, last=True)


def speakable(text: str) -> str:
    """The same text, character for character, without what espeak-ng would take for a command."""
    return _UNSPEAKABLE.sub(" ", text)


class ClauseWords:
    """Gives each word of a clause once, in order, as espeak-ng comes to it.

    espeak-ng reports a number many times, two words that it runs together ("of the") once, and places some
    a character or two off. So its events only say how far it has come: up to the word at that place, or to
    the next one.
    """

    def __init__(self, text: str, clause: Clause) -> None:
        self._start = clause.start
        self._waiting = deque(_words(text, clause))
        self._given = clause.start  # the end of the last word that was given

    def begun(self, character: int, at_ms: float) -> Iterator[SpokenWord]:
        """The words up to the one at, or next after, this character of the clause."""
        place = self._start + character
        while self._waiting and self._given <= place:
            start, self._given = self._waiting.popleft()
            yield SpokenWord(start, self._given, at_ms)

    def rest(self, at_ms: float) -> Iterator[SpokenWord]:
        """The words of which no event ever came."""
        while self._waiting:
            yield SpokenWord(*self._waiting.popleft(), at_ms)


def _stretches(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        limit = min(start + LONGEST_CLAUSE, len(text))
        boundary = _BOUNDARY.search(text, start, limit)
        end = boundary.end() if boundary else limit
        if boundary is None and limit < len(text):
            end = _last_space(text, start, limit)
        yield start, end
        start = end


def _last_space(text: str, start: int, limit: int) -> int:
    """The index after the last white space before `limit`; `limit` if there is none: an endless word."""
    return next((index for index in range(limit, start, -1) if text[index - 1].isspace()), limit)


def _words(text: str, clause: Clause) -> Iterator[tuple[int, int]]:
    """Start and end of each word of a clause, without the punctuation around it."""
    for match in _WORD.finditer(text, clause.start, clause.end):
        start, end = match.span()
        if start == clause.start and _goes_on(text, start):
            continue  # an endless word that began in an earlier clause
        while _goes_on(text, end):
            end += 1
        while start < end and not _is_spoken(text[start]):
            start += 1
        while start < end and not _is_spoken(text[end - 1]):
            end -= 1
        if start < end:
            yield start, end


def _goes_on(text: str, index: int) -> bool:
    """Whether the characters before and at `index` are of one word."""
    return 0 < index < len(text) and _WORD.fullmatch(text, index - 1, index + 1) is not None


def _is_spoken(character: str) -> bool:
    """Whether it stands for a sound: a letter, a digit, a mark, a symbol; but no punctuation and no space."""
    return unicodedata.category(character)[0] in "LNMS" or character in _SPOKEN_PUNCTUATION
