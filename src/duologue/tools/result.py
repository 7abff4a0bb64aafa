"""What a tool returned, as the text that goes to the model."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence, Set
from enum import Enum

import msgspec

from duologue.errors import InvalidInput

NO_VALUE = "The call succeeded. It returned no value."
"""What the model reads for None: right for "did it, nothing to tell" as well as for "found nothing"."""

REMEDY = "Return text, numbers, lists, mappings, a dataclass or a pydantic model."


def render_result(value: object) -> str:
    """The text that tells a model what a tool returned.

    A `str` stays as it is, None becomes `NO_VALUE`, and all else becomes JSON: numbers, lists, sets,
    mappings, enums (their value), dataclasses, structs, pydantic models, dates (ISO 8601), UUIDs, decimals,
    paths, bytes (base64), numpy scalars and arrays. Numbers that JSON lacks become ``"NaN"``, ``"Infinity"``
    and ``"-Infinity"``. Characters that UTF-8 cannot express (lone surrogates) become ``?``.

    Raises:
        InvalidInput: Something in `value` has no JSON form, contains itself, or is nested too deep.
    """
    if isinstance(value, Enum):
        return render_result(value.value)
    if value is None:
        return NO_VALUE
    text = str.__str__(value) if isinstance(value, str) else _json(value)
    return text.encode("utf-8", "replace").decode()


def _json(value: object) -> str:
    try:
        plain = msgspec.to_builtins(value, enc_hook=_plain)
        try:
            return json.dumps(plain, ensure_ascii=False, allow_nan=False)
        except ValueError:
            return json.dumps(_spell_non_finite(plain), ensure_ascii=False, allow_nan=False)
    except RecursionError:
        problem = "it contains itself, or is nested too deep"
    except InvalidInput:
        raise
    except (TypeError, ValueError) as error:
        problem = str(error)
    raise InvalidInput(f"The tool's result, a {type(value).__name__}, has no JSON form: {problem}. {REMEDY}")


def _plain(value: object) -> object:
    """The next simpler form of what msgspec does not know."""
    if "pydantic" in sys.modules and (dumped := _dumped_model(value)) is not None:
        return dumped
    if isinstance(value, str):  # a subclass, as the next two: msgspec takes the exact types
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set | Sequence):
        return list(value)
    if callable(tolist := getattr(value, "tolist", None)):  # numpy scalars and arrays
        result: object = tolist()
        return result
    raise InvalidInput(f"The tool's result holds a {type(value).__qualname__}, which has no JSON form. {REMEDY}")


def _dumped_model(value: object) -> object:
    from pydantic import BaseModel

    return value.model_dump(mode="json") if isinstance(value, BaseModel) else None


def _spell_non_finite(value: object) -> object:
    """NaN and the infinities as words, in a tree of plain values."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: _spell_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spell_non_finite(item) for item in value]
    return value
