"""What a tool returned, as text for the model."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from collections import deque
from types import MappingProxyType

import msgspec
import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.errors import InvalidInput
from duologue.tools import render_result
from duologue.tools.result import NO_VALUE


class Colour(enum.Enum):
    RED = "red"


class Mode(enum.StrEnum):
    DARK = "dark"


class Name(str):
    pass


class Count(int):
    pass


@dataclasses.dataclass
class Point:
    x: float
    label: str = "é"


class Place(pydantic.BaseModel):
    name: str
    when: datetime.date


class Row(msgspec.Struct):
    cells: tuple[int, ...]


class Node(pydantic.BaseModel):
    children: list[Node] = []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (Name("own"), "own"),
        (None, NO_VALUE),
        (True, "true"),
        (3, "3"),
        (2**200, str(2**200)),
        (Count(4), "4"),
        (1.5, "1.5"),
        (float("nan"), '"NaN"'),
        ({"a": [float("inf"), -float("inf"), 1.0]}, '{"a": ["Infinity", "-Infinity", 1.0]}'),
        (["ü", None], '["ü", null]'),
        ({"a": {"b": (1, 2)}}, '{"a": {"b": [1, 2]}}'),
        ({1: "one"}, '{"1": "one"}'),
        (Colour.RED, "red"),
        (Mode.DARK, "dark"),
        ([Colour.RED, Mode.DARK, Name("own")], '["red", "dark", "own"]'),
        (Point(1.0), '{"x": 1.0, "label": "é"}'),
        (Place(name="Oslo", when=datetime.date(2024, 2, 29)), '{"name": "Oslo", "when": "2024-02-29"}'),
        ([Place(name="Oslo", when=datetime.date(2024, 2, 29))], '[{"name": "Oslo", "when": "2024-02-29"}]'),
        (Row(cells=(1, 2)), '{"cells": [1, 2]}'),
        (datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC), '"2024-02-29T12:00:00Z"'),
        (decimal.Decimal("1.10"), '"1.10"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (b"\x00\xff", '"AP8="'),
        ({3}, "[3]"),
        (deque([1, 2]), "[1, 2]"),
        (range(3), "[0, 1, 2]"),
        (MappingProxyType({"a": 1}), '{"a": 1}'),
        (pathlib.PurePosixPath("/etc/hosts"), '"/etc/hosts"'),
        (np.float64(0.5), "0.5"),
        (np.int64(7), "7"),
        (np.array([[1, 2]]), "[[1, 2]]"),
        ("\ud800 lone", "? lone"),
        ({"a": "\ud800"}, '{"a": "?"}'),
    ],
)
def test_renders(value: object, text: str) -> None:
    assert render_result(value) == text


def _circle() -> list[object]:
    circle: list[object] = []
    circle.append(circle)
    return circle


def _deep() -> list[object]:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    return deep


def _circular_model() -> Node:
    node = Node()
    node.children.append(node)
    return node


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: object(), "holds a object"),
        (lambda: {"a": [1j]}, "holds a complex"),
        (lambda: (number for number in [1]), "holds a generator"),
        (lambda: ValueError("x"), "holds a ValueError"),
        (lambda: {(1, 2): 3}, "a dict, has no JSON form"),
        (_circle, "contains itself, or is nested too deep"),
        (_deep, "contains itself, or is nested too deep"),
        (_circular_model, "a Node, has no JSON form"),
        (lambda: 10**5000, "a int, has no JSON form"),
    ],
)
def test_refuses_what_has_no_json_form(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InvalidInput, match=message):
        render_result(make())


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.lists(PLAIN))
def test_plain_values_come_through_unchanged(value: list[object]) -> None:
    assert json.loads(render_result(value)) == value
