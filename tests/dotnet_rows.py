"""A row of the comparison with Microsoft.Extensions.AI."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One test of theirs.

    Attributes:
        test: Its name.
        asserts: What it asserts.
        shown_by: The test of ours that shows what happens here, as ``module::function`` below ``tests/unit/test_``.
        differs: The row of ``docs/from-dotnet.md`` that says what is different and why; empty where nothing is.
    """

    test: str
    asserts: str
    shown_by: str
    differs: str = ""
