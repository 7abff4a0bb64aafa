"""Numbers as English speaks them: words to numbers and back, from minus 999,999.9… to 999,999.9…."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

_BELOW_TWENTY = (
    *(
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
    ),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_UNITS = {word: value for value, word in enumerate(_BELOW_TWENTY)}
_TEN_VALUES = {word: value for value, word in zip(range(20, 100, 10), _TENS, strict=True)}
_DIGITS = {word: str(value) for word, value in _UNITS.items() if value < 10} | {"oh": "0"}
_SCALES = (("thousand", 1000), ("hundred", 100))
_FIGURES = re.compile(r"(\d{1,3}(,\d{3})+|\d{1,15})(\.\d{1,15})?", re.ASCII)
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])")

_WORDS = {*_UNITS, *_TEN_VALUES, *_DIGITS, "hundred", "thousand", "point", "and", "a", "half", "minus", "negative"}

LIMIT = 1_000_000
"""Numbers have to be below this, and above its negative."""


def number_to_words(number: int | float) -> str:
    """Spell `number`, e.g. ``"minus twenty five"``, ``"one hundred five"``, ``"three point two five"``.

    Raises:
        ValueError: It is not between minus one million and one million.
    """
    if not -LIMIT < number < LIMIT:
        raise ValueError(f"{number} has no words here: only numbers between minus {LIMIT:,} and {LIMIT:,} do.")
    whole, _, decimals = format(Decimal(repr(abs(number))), "f").partition(".")
    words = ["minus"] if number < 0 else []
    words += _spell(int(whole))
    if decimals:
        words.append("point")
        words += [_BELOW_TWENTY[int(digit)] for digit in decimals]
    return " ".join(words)


def is_number_word(word: str) -> bool:
    """Whether `word`, in lower case, can be part of what `words_to_number` reads."""
    return word in _WORDS or word.removeprefix("-")[:1].isdigit()


def words_to_number(words: str | Sequence[str]) -> int | float | None:
    """Read a number: words (``"twenty five"``, ``"a hundred and five"``, ``"two and a half"``) or figures.

    Args:
        words: Lower-case words, as text or split.

    Returns:
        An `int`, or a `float` if a decimal or a half was said; None if the words are no number.
    """
    if isinstance(words, str):
        words = _HYPHEN.sub(" ", words.lower()).split()
    words = list(words)
    if words and words[0] in ("minus", "negative"):
        number = _unsigned(words[1:])
        return None if number is None else -number
    if len(words) == 1 and words[0].startswith("-"):
        number = _unsigned([words[0][1:]])
        return None if number is None else -number
    return _unsigned(words)


def _spell(number: int) -> list[str]:
    if number < 20:
        return [_BELOW_TWENTY[number]]
    if number < 100:
        tens, units = divmod(number, 10)
        return [_TENS[tens - 2], *(_spell(units) if units else [])]
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    count, rest = divmod(number, size)
    return [*_spell(count), name, *(_spell(rest) if rest else [])]


def _unsigned(words: list[str]) -> int | float | None:
    if len(words) == 1 and _FIGURES.fullmatch(words[0]):
        figures = words[0].replace(",", "")
        return float(figures) if "." in figures else int(figures)
    if words[-3:] == ["and", "a", "half"]:
        whole = _whole(words[:-3])
        return None if whole is None else whole + 0.5
    if "point" not in words:
        return _whole(words)
    point = words.index("point")
    whole = _whole(words[:point]) if point else 0
    decimals = [_DIGITS.get(word, "") for word in words[point + 1 :]]
    if whole is None or not decimals or not all(decimals):
        return None
    return float(f"{whole}.{''.join(decimals)}")


def _whole(words: list[str], scales: Sequence[tuple[str, int]] = _SCALES) -> int | None:
    """A whole number below a million, read from the largest scale that it has words for."""
    if not scales:
        return _below_hundred(words)
    (name, size), smaller = scales[0], scales[1:]
    if name not in words:
        return _whole(words, smaller)
    at = words.index(name)
    count = 1 if words[:at] == ["a"] else _whole(words[:at], smaller)
    if not count or (size == 100 and count >= 10):
        return None
    rest = words[at + 1 :]
    if not rest:
        return count * size
    remainder = _whole(rest[1:] if rest[0] == "and" else rest, smaller)
    return count * size + remainder if remainder else None


def _below_hundred(words: list[str]) -> int | None:
    match words:
        case [word]:
            return _UNITS.get(word, _TEN_VALUES.get(word))
        case [tens, unit] if tens in _TEN_VALUES and 0 < _UNITS.get(unit, 0) < 10:
            return _TEN_VALUES[tens] + _UNITS[unit]
        case _:
            return None
