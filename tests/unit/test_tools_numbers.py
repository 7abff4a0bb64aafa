"""Numbers in words: read, written, and refused when they are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.tools.numbers import is_number_word, number_to_words, words_to_number

SPELLED = [
    (0, "zero"),
    (13, "thirteen"),
    (20, "twenty"),
    (25, "twenty five"),
    (100, "one hundred"),
    (105, "one hundred five"),
    (999, "nine hundred ninety nine"),
    (1000, "one thousand"),
    (40_017, "forty thousand seventeen"),
    (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
    (-7, "minus seven"),
    (3.5, "three point five"),
    (-0.05, "minus zero point zero five"),
    (2.0, "two point zero"),
]


@pytest.mark.parametrize(("number", "words"), SPELLED)
def test_spells_and_reads(number: float, words: str) -> None:
    assert number_to_words(number) == words
    assert words_to_number(words) == number


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("Twenty-Five", 25),
        ("a hundred", 100),
        ("a hundred and five", 105),
        ("two thousand and one", 2001),
        ("a thousand two hundred", 1200),
        ("negative four", -4),
        ("point five", 0.5),
        ("three point oh five", 3.05),
        ("two and a half", 2.5),
        ("3", 3),
        ("-3", -3),
        ("3.5", 3.5),
        ("1,250", 1250),
    ],
)
def test_reads_other_ways_of_saying_it(words: str, number: float) -> None:
    read = words_to_number(words)
    assert read == number
    assert type(read) is type(number)


@pytest.mark.parametrize(
    "words",
    [
        *("", "and", "a", "soon", "twenty twenty", "twenty twelve", "five twenty", "one two", "hundred", "half"),
        *("zero hundred", "one hundred and", "one hundred zero", "one thousand thousand", "point", "three point"),
        *("three point soon", "three point twelve", "minus", "minus minus one", "minus -1", "1,2", "9" * 5000),
    ],
)
def test_refuses_what_is_no_number(words: str) -> None:
    assert words_to_number(words) is None


@pytest.mark.parametrize("number", [1_000_000, -1_000_000, float("inf"), float("nan")])
def test_refuses_to_spell_what_is_too_large(number: float) -> None:
    with pytest.raises(ValueError, match="has no words here"):
        number_to_words(number)


@given(st.integers(-999_999, 999_999) | st.floats(-999_999, 999_999))
def test_what_is_spelled_reads_back(number: float) -> None:
    words = number_to_words(number)
    read = words_to_number(words)
    assert read == number
    assert type(read) is type(number)
    assert all(map(is_number_word, words.split()))


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz ,.-0123456789", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert words_to_number(text) is None or isinstance(words_to_number(text), int | float)
