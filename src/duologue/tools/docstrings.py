"""What a docstring says about a function and its parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple


class Docstring(NamedTuple):
    """A parsed docstring.

    Attributes:
        description: The summary and the text below it, without the sections.
        parameters: The description of each parameter that has one, on one line.
    """

    description: str
    parameters: Mapping[str, str]


def read_docstring(function: Callable[..., object]) -> Docstring:
    """Parse the docstring of `function`, in Google's, NumPy's, Epydoc's or reST style."""
    from docstring_parser import ParseError, parse

    text = _docstring(function)
    try:
        parsed = parse(text)
    except (ParseError, LookupError, ValueError):  # prose that only looks like sections, e.g. ": :"
        return Docstring(text, {})
    description = "\n\n".join(filter(None, (parsed.short_description, parsed.long_description)))
    parameters = {
        parameter.arg_name: " ".join(parameter.description.split())
        for parameter in parsed.params
        if parameter.description
    }
    return Docstring(description, parameters)


def _docstring(function: Callable[..., object]) -> str:
    while isinstance(function, partial):  # its own docstring is the one of `functools.partial`
        function = function.func
    if inspect.isroutine(function):
        return inspect.getdoc(function) or ""
    kind = type(function)
    return inspect.cleandoc(kind.__call__.__doc__ or kind.__doc__ or "")
