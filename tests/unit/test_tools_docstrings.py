"""What a docstring adds to a declaration."""

from __future__ import annotations

from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from duologue.tools import FunctionTool, tool
from duologue.tools.docstrings import read_docstring

GOOGLE = """Look it up.

Args:
    query (str): What to
        look for.
"""
NUMPY = """Look it up.

Parameters
----------
query : str
    What to
    look for.
"""
REST = """Look it up.

:param str query: What to
    look for.
:returns: What was found.
"""


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
def test_docstring_styles(text: str) -> None:
    def look_up(query: str) -> None: ...

    look_up.__doc__ = text
    declared = tool(look_up)
    assert declared.description == "Look it up."
    assert declared.parameters["properties"]["query"]["description"] == "What to look for."


def test_prose_that_looks_like_sections_is_the_description() -> None:
    def look_up(query: str) -> None:
        """: : Look it up."""

    declared = tool(look_up)
    assert declared.description == ": : Look it up."
    assert declared.parameters["properties"] == {"query": {"type": "string"}}


@given(
    st.lists(
        st.sampled_from(["Args:", "\n", "    ", ":param", ":param x:", "x:", "Returns:", "----", "@param", " ", ":"])
    ).map("".join)
)
def test_any_docstring_is_read(text: str) -> None:
    def look_up(query: str) -> None: ...

    look_up.__doc__ = text
    assert isinstance(read_docstring(look_up).description, str)


def test_description_given_by_hand_wins() -> None:
    def look_up(query: Annotated[str, Field(description="By hand")]) -> None: ...

    look_up.__doc__ = GOOGLE
    declared = tool(description="Also by hand")(look_up)
    assert declared.description == "Also by hand"
    assert declared.parameters["properties"]["query"]["description"] == "By hand"


def test_no_docstring_is_no_description() -> None:
    assert FunctionTool.from_callable(lambda: None, name="f").description == ""
