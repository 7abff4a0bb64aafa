"""What the command line reads from files: tools and hints."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from duologue.errors import InvalidInput
from duologue.tools import FunctionTool


def load_tools(reference: str) -> tuple[FunctionTool, ...]:
    """The tools that ``MODULE:NAME`` or ``PATH.py:NAME`` stands for: one, several, or a plain function.

    Raises:
        InvalidInput: There is no such module or name, it cannot be imported, or it is nothing that can be a tool.
    """
    place, separator, name = reference.rpartition(":")
    if not separator or not place or not name:
        raise InvalidInput(f"--tools takes MODULE:NAME or PATH.py:NAME, not {reference!r}.")
    module = _import(place)
    try:
        found = getattr(module, name)
    except AttributeError:
        raise InvalidInput(f"--tools: {place} has no {name}.") from None
    members = found if isinstance(found, list | tuple) else [found]
    return tuple(_as_tool(reference, member) for member in members)


def read_hints(file: Path) -> tuple[str, ...]:
    """The phrases in a text file, one a line; empty lines do not count.

    Raises:
        InvalidInput: The file cannot be read, or is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidInput(f"--hints: {file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"--hints: {file} is no text in UTF-8.") from None
    return tuple(phrase for line in lines if (phrase := line.strip()))


def _as_tool(reference: str, value: object) -> FunctionTool:
    if isinstance(value, FunctionTool):
        return value
    if callable(value):
        return FunctionTool.from_callable(value)
    raise InvalidInput(f"--tools {reference}: {type(value).__name__} is no function, and no tool.")


def _import(place: str) -> ModuleType:
    try:
        return _import_file(Path(place)) if place.endswith(".py") else _import_module(place)
    except Exception as error:
        reason = "there is none" if _is_missing(error, place) else f"it raised {type(error).__name__}: {error}"
        raise InvalidInput(f"--tools: {place} cannot be imported: {reason}.") from error


def _import_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:  # as for `python -m`
        sys.path.insert(0, here)
    return importlib.import_module(name)


def _import_file(path: Path) -> ModuleType:
    name = f"duologue_tools_{path.stem}"  # apart from any module that has the file's name
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # every .py file has one, whether it is there or not
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    sys.path.insert(0, str(path.resolve().parent))  # as for `python PATH.py`
    spec.loader.exec_module(module)
    return module


def _is_missing(error: Exception, place: str) -> bool:
    if isinstance(error, ModuleNotFoundError):
        return error.name is not None and (place == error.name or place.startswith(f"{error.name}."))
    return isinstance(error, FileNotFoundError)
