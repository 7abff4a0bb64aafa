"""Secrets that do not show themselves."""

from __future__ import annotations

from typing import TypeVar

import msgspec

Self = TypeVar("Self", bound="Secret")


class Secret(msgspec.Struct, frozen=True, dict=True, eq=False, tag_field="secret", tag="***"):
    """A key, a token or a header value: it prints and serialises as ``***``.

    The value lives outside the struct's fields, so that no encoder, `repr` or comparison of a struct that holds
    it can show it. Read it with `reveal`, where it goes onto the wire and nowhere else.
    """

    @classmethod
    def of(cls: type[Self], value: str | Self) -> Self:
        """Wrap `value`; a secret stays as it is."""
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise TypeError(f"A secret is made from a str, not from {type(value).__name__}.")
        secret = cls()
        vars(secret)["_value"] = value
        return secret

    def reveal(self) -> str:
        """The value itself.

        Raises:
            ValueError: It was read back from JSON, which never holds the value.
        """
        value = self.__dict__.get("_value")
        if value is None:
            raise ValueError("This secret was read back from JSON; its value was never written there.")
        assert isinstance(value, str)
        return value

    def __copy__(self: Self) -> Self:
        return self

    def __deepcopy__(self: Self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return "***"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(self.__dict__.get("_value"))
