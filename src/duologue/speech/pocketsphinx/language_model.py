"""From hints to a small language model and the dictionary that goes with it."""

from __future__ import annotations

import functools
import io
import re
from pathlib import Path

from duologue.tools.numbers import number_to_words

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+(?:\.\d+)?")
_ALTERNATIVE = re.compile(r"\(\d+\)$")


def plain_words(phrase: str) -> str:
    """A phrase as the recogniser knows it: lower case, numbers in words, no punctuation."""
    words = _WORD.findall(phrase.lower().replace("’", "'"))
    return " ".join(_spelled(word) for word in words)


def _spelled(word: str) -> str:
    if not word[0].isdigit():
        return word
    number = float(word) if "." in word else int(word)
    return number_to_words(number).replace("-", " ")


@functools.lru_cache(maxsize=1)
def pronunciations(dictionary: Path) -> dict[str, list[str]]:
    """Every word of a CMU dictionary, with its lines."""
    known: dict[str, list[str]] = {}
    for line in dictionary.read_text(encoding="utf-8").splitlines():
        word = _ALTERNATIVE.sub("", line.split(" ", 1)[0])
        known.setdefault(word, []).append(line)
    return known


def unknown_words(hints: tuple[str, ...], dictionary: Path) -> tuple[str, ...]:
    """The words of the hints that have no pronunciation."""
    known = pronunciations(dictionary)
    return tuple(sorted({word for hint in hints for word in hint.split() if word not in known}))


def build(hints: tuple[str, ...], dictionary: Path, discount: float) -> tuple[str, str]:
    """A language model in ARPA format and a dictionary, both as text, for phrases in plain words.

    Words without a pronunciation are left out of their phrases.
    """
    from pocketsphinx.lm import ArpaBoLM

    known = pronunciations(dictionary)
    phrases = [" ".join(word for word in hint.split() if word in known) for hint in hints]
    phrases = [phrase for phrase in phrases if phrase]
    model = ArpaBoLM(text="\n".join(phrases), add_start=True, discount_mass=discount, case="lower")
    model.compute()
    arpa = io.StringIO()
    model.write(arpa)
    words = sorted({word for phrase in phrases for word in phrase.split()})
    return arpa.getvalue(), "\n".join(line for word in words for line in known[word]) + "\n"
