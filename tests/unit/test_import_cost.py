"""What `import duologue` loads, and what its names are."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import duologue

HEAVY = {"numpy", "pydantic", "pydantic_core", "picows", "starlette", "uvicorn", "opentelemetry", "openai", "typer"}
CORE = (
    "messages, SessionOptions, Conversation, RealtimeClient, RealtimeSession, Capabilities, SessionLayer, "
    "wrap_sessions, FunctionInvocation, FunctionTool, McpServerTool, ServerTurnDetection, Secret, DuologueError"
)


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter has after `code`."""
    program = f"import sys\n{code}\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import duologue",
        f"from duologue import {CORE}",
        "from duologue import tool, live, AudioConversion",
        "import duologue.runtime, duologue.transports, duologue.protocols, duologue.lifecycle, duologue.middleware",
        "import duologue.providers, duologue.sync, duologue.testing",
    ],
)
def test_that_nothing_heavy_is_loaded(code: str) -> None:
    modules = loaded_by(code)
    assert not HEAVY & modules
    assert not {module for module in modules if module.startswith("duologue.local")}


def test_that_nothing_but_the_package_itself_is_loaded_at_first() -> None:
    assert {module for module in loaded_by("import duologue") if module.startswith("duologue")} == {"duologue"}


@pytest.mark.parametrize("name", duologue.__all__)
def test_that_every_name_is_there(name: str) -> None:
    value = getattr(duologue, name)
    assert getattr(duologue, name) is value
    assert name in dir(duologue)
    defined = getattr(value, "__name__", name)
    assert defined.rpartition(".")[2] == name


def test_that_a_module_of_the_core_is_there_too() -> None:
    assert duologue.messages is importlib.import_module("duologue.messages")
    assert callable(duologue.live)
    assert callable(duologue.tool)


def test_that_a_name_that_does_not_exist_is_an_error_as_usual() -> None:
    with pytest.raises(AttributeError, match="module 'duologue' has no attribute 'nothing'"):
        duologue.nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError):
        exec("from duologue import nothing")


def test_that_type_checkers_see_the_same_names() -> None:
    """They read the imports under TYPE_CHECKING, which nothing runs."""
    assert duologue.__file__ is not None
    tree = ast.parse(Path(duologue.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module or ""
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert sorted(seen) == sorted(duologue.__all__)
    for name, module in seen.items():
        home = importlib.import_module(module)
        assert getattr(duologue, name) is getattr(home, name)


def test_that_every_exception_is_a_name_of_the_package() -> None:
    errors = importlib.import_module("duologue.errors")
    kinds = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert kinds <= set(duologue.__all__)
