from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from duologue.cli.loading import load_tools, read_hints
from duologue.errors import InvalidInput

MODULE = '''
from dataclasses import dataclass
from duologue import tool

@dataclass
class Place:
    town: "str"

def weather(town: str) -> str:
    """The weather in a town."""
    return "sunny"

@tool
def visit(place: Place) -> str:
    """Go somewhere."""
    return "there"

BOTH = [weather, visit]
NUMBER = 3
'''


@pytest.fixture(autouse=True)
def _unchanged_modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_tools.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my_tools.py"


def test_a_plain_function_becomes_a_tool(module: Path) -> None:
    (tool,) = load_tools("my_tools:weather")
    assert tool.name == "weather"
    assert tool.description == "The weather in a town."
    assert tool.has_implementation


def test_tools_come_from_a_path_too(module: Path) -> None:
    assert [tool.name for tool in load_tools(f"{module}:BOTH")] == ["weather", "visit"]
    assert [tool.name for tool in load_tools(f"{module}:visit")] == ["visit"]


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        ("my_tools", "MODULE:NAME"),
        ("my_tools:", "MODULE:NAME"),
        (":weather", "MODULE:NAME"),
        ("my_tools:snow", "my_tools has no snow"),
        ("my_tools:NUMBER", "int is no function"),
        ("no_such_module:x", "there is none"),
        ("my_tools.inner:x", "my_tools.inner cannot be imported"),
        ("nowhere.py:x", "nowhere.py cannot be imported: there is none"),
        ("broken.py:x", "broken.py cannot be imported: it raised SyntaxError"),
        ("raising:x", "raising cannot be imported: it raised ZeroDivisionError"),
        ("importing:x", "importing cannot be imported: it raised ModuleNotFoundError: No module named 'no_such_thing'"),
    ],
)
def test_what_cannot_be_loaded_is_told(module: Path, reference: str, complaint: str) -> None:
    (module.parent / "broken.py").write_text("def")
    (module.parent / "raising.py").write_text("1 / 0")
    (module.parent / "importing.py").write_text("import no_such_thing")
    with pytest.raises(InvalidInput, match=complaint.replace("(", r"\(")):
        load_tools(reference)


def test_hints_are_lines(tmp_path: Path) -> None:
    file = tmp_path / "hints.txt"
    file.write_text("turn on the light\n\n  set a timer \n")
    assert read_hints(file) == ("turn on the light", "set a timer")


def test_hints_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_hints(tmp_path / "none.txt")
    file = tmp_path / "hints.txt"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="no text in UTF-8"):
        read_hints(file)
