"""Small pieces of wording that the rules share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from duologue.tools import FunctionTool
from duologue.tools.phrases import ExamplePhrase, Slot

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_WORD = re.compile(r"\S+")
MANY_SAMPLES = 8
"""From this many on, a sample from the middle sounds more natural than the first: "five minutes", not "zero"."""


def sentences(text: str) -> list[str]:
    """`text` in pieces that end with a sentence and the space behind it; together they are `text`."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True) if start < end]


def as_sentence(text: str) -> str:
    """`text` with a full stop, unless it ends like a sentence already."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", "…", '."', '!"', '?"')) else f"{text}."


def first_words(text: str, count: int) -> str:
    """The first `count` words of `text`; all of it if it has no more."""
    words = list(_WORD.finditer(text))
    if len(words) <= count:
        return text
    return text[: words[count - 1].end()] if count else ""


def count_words(text: str) -> int:
    """How many words `text` has."""
    return len(_WORD.findall(text))


def listing(parts: Sequence[str], last: str = "and") -> str:
    """``"a, b and c"``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def first_example(tool: FunctionTool) -> str | None:
    """Something that a speaker can say to have `tool` called; None if it has no examples."""
    return spell(tool.phrases[0]) if tool.phrases else None


def spell(phrase: ExamplePhrase) -> str:
    """`phrase` with something in its slots."""
    spoken: list[str] = []
    slots = 0
    for part in phrase.parts:
        if isinstance(part, Slot):
            spoken.append(_sample(part.type.samples(), slots))
            slots += 1
        else:
            spoken.append(part.text)
    return " ".join(spoken)


def _sample(samples: Sequence[str], position: int) -> str:
    plain = [sample for sample in samples if " point " not in sample] or ["something"]
    return plain[(5 + 2 * position) % len(plain)] if len(plain) >= MANY_SAMPLES else plain[0]
