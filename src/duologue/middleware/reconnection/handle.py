"""The providers' own handles of conversations. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from duologue import messages as m


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A provider's own handle of the conversation.

    Attributes:
        text: The handle.
        provider: Whose it is.
        model: For which model.
        items: What it stands for: the ids of the items that were there when it was given.
    """

    text: str
    provider: str
    model: str | None
    items: frozenset[str]

    def is_of(self, provider: str, model: str | None) -> bool:
        """Whether that model of that provider understands it."""
        return (self.provider, self.model) == (provider, model)

    def covers(self, items: Iterable[m.Item]) -> bool:
        """Whether it stands for all of these."""
        return {item.id for item in items} <= self.items


def given_after(items: Iterable[m.Item]) -> frozenset[str]:
    """The ids of the items that a handle stands for which arrives after these."""
    known = list(items)
    while known and isinstance(last := known[-1], m.MessageItem) and last.role == "user":
        known.pop()  # it may have crossed the handle on its way: told twice is better than lost
    return frozenset(item.id for item in known if item.id)
