"""The words of one answer as they grow, and when they are to be checked. Pure."""

from __future__ import annotations

import re

PartKey = tuple[str, int]
"""An item's id, and the index of its part."""

_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]]*(?:\s|$)")


class Words:
    """What an answer has said so far. A length of it is a number of deltas.

    Args:
        check_every: How many characters may be added without a check.

    Attributes:
        is_due: It is time for a check.
        is_whole: There will be no more words.
    """

    def __init__(self, check_every: int) -> None:
        self._check_every = check_every
        self._pieces: list[tuple[PartKey, str]] = []
        self._unchecked = 0  # characters
        self.is_due = False
        self.is_whole = False

    def __len__(self) -> int:
        return len(self._pieces)

    def add(self, part: PartKey, words: str) -> None:
        """More words of a part."""
        if not words:
            return
        self._pieces.append((part, words))
        self._unchecked += len(words)
        if self._unchecked >= self._check_every or _SENTENCE_END.search(words):
            self.is_due = True

    def complete(self, part: PartKey, text: str) -> None:
        """A part is done: these are all its words, perhaps without the spaces around them."""
        known = self.of_part(part, len(self))
        if text.strip() != known.strip():
            self.add(part, text[len(known) :] if text.startswith(known) else text)
        self.is_due = self._unchecked > 0

    def finish(self) -> None:
        """The answer is done."""
        self.is_whole = True
        self.is_due = self._unchecked > 0

    def take(self) -> str | None:
        """All that was said, if it is time for a check; None if not."""
        if not self.is_due:
            return None
        self.is_due, self._unchecked = False, 0
        return self.until(len(self))

    def until(self, length: int) -> str:
        """The text up to there; every part is a paragraph."""
        parts: dict[PartKey, list[str]] = {}
        for part, words in self._pieces[:length]:
            parts.setdefault(part, []).append(words)
        return "\n".join("".join(pieces) for pieces in parts.values())

    def of_part(self, part: PartKey, length: int) -> str:
        """What of that part lies within the first `length` deltas."""
        return "".join(words for key, words in self._pieces[:length] if key == part)


def is_quote(text: str, of: str) -> bool:
    """Whether `text` is the beginning of `of`, or all of it; spaces and case aside."""
    return _plain(of).startswith(_plain(text))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
