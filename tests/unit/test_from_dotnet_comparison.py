"""That the comparison with Microsoft.Extensions.AI is whole, and that its document says what it found.

`dotnet_contract` and `dotnet_middleware` have a row for each test of theirs: which of ours shows what happens here, and
what differs.
"""

from __future__ import annotations

import ast
import functools
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from dotnet_contract import ABSTRACTIONS, CHAINS, OPENAI
from dotnet_middleware import MIDDLEWARE
from dotnet_rows import Row
from duologue import messages as m
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.options import SessionOptions

CLASSES = {**ABSTRACTIONS, **CHAINS, **OPENAI, **MIDDLEWARE}
ROWS = [row for rows in CLASSES.values() for row in rows]
UNIT = Path(__file__).parent
DOCUMENT = (UNIT.parents[1] / "docs" / "from-dotnet.md").read_text(encoding="utf-8")


@functools.cache
def functions_of(module: str) -> frozenset[str]:
    path = UNIT / f"test_{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def section(title: str) -> str:
    """The document's text below that heading."""
    return re.split(r"^##", DOCUMENT.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def differences(title: str) -> list[str]:
    """What the first column below that heading names."""
    return re.findall(r"^\| \*\*(.+?)\*\* \|", section(title), flags=re.MULTILINE)


IN_FORM, IN_BEHAVIOUR = differences("In form"), differences("In behaviour")


def test_that_every_behaviour_is_shown_by_a_test_or_explained() -> None:
    for row in ROWS:
        module, _, function = row.shown_by.partition("::")
        assert function in functions_of(module) if row.shown_by else row.differs, row


def test_that_no_test_of_theirs_has_two_rows() -> None:
    for rows in CLASSES.values():
        assert Counter(row.test for row in rows).most_common(1)[0][1] == 1


def test_that_every_difference_is_explained_once() -> None:
    assert sorted(IN_FORM + IN_BEHAVIOUR) == sorted({row.differs for row in ROWS if row.differs})


def counted(name: str, rows: Iterable[Row]) -> str:
    """The line of the document that counts these."""
    differing = [row.differs for row in rows]
    form, behaviour = (sum(differs in titles for differs in differing) for titles in (IN_FORM, IN_BEHAVIOUR))
    return f"| {name} | {len(differing)} | {differing.count('')} | {form} | {behaviour} |"


@pytest.mark.parametrize("name", CLASSES)
def test_that_the_document_counts_the_tests_of_a_class(name: str) -> None:
    assert counted(f"`{name}`", CLASSES[name]) in section("How this was compared")


def test_that_the_document_counts_all() -> None:
    assert counted("all", ROWS) in section("How this was compared")


def test_that_names_of_ours_in_the_document_exist() -> None:
    for name in re.findall(r"\bm\.([A-Z]\w+)", DOCUMENT):
        assert hasattr(m, name), name
    for name in re.findall(r"`(\w+)=", section("Options")):
        assert name in SessionOptions.__struct_fields__, name
    known = {field.name for field in fields(FunctionInvocation)}
    for name in re.findall(r"`FunctionInvocation\((\w+)=", section("Middleware")):
        assert name in known, name
