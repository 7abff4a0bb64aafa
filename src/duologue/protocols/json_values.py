"""Reading JSON values that may be of another type than documented: what does not fit is as if it were not there."""

from __future__ import annotations

import math
from typing import Any

JsonObject = dict[str, Any]


def as_object(value: object) -> JsonObject:
    """A JSON object; else an empty one."""
    return value if isinstance(value, dict) else {}


def as_objects(value: object) -> list[JsonObject]:
    """The objects of a JSON array; else none."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str | None:
    """A string; else None."""
    return value if isinstance(value, str) else None


def as_texts(value: object) -> tuple[str, ...]:
    """The strings of a JSON array; else none."""
    return tuple(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def as_bool(value: object) -> bool | None:
    """True or false; else None."""
    return value if isinstance(value, bool) else None


def as_float(value: object) -> float | None:
    """A finite number; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_int(value: object) -> int | None:
    """A number, rounded down; else None."""
    number = as_float(value)
    return None if number is None else int(number)


def text_map(value: object) -> dict[str, str] | None:
    """The strings of an object; None if it is none."""
    if not isinstance(value, dict):
        return None
    return {name: text for name, text in value.items() if isinstance(text, str)}


def overlaid(base: JsonObject, over: JsonObject) -> JsonObject:
    """`base` with what `over` says. Objects in both are merged, at any depth; of all else `over` has its way."""
    merged = {**base, **over}
    for name in base.keys() & over.keys():
        if isinstance(base[name], dict) and isinstance(over[name], dict):
            merged[name] = overlaid(base[name], over[name])
    return merged


def put(target: JsonObject, name: str, value: object) -> None:
    """Set a field, unless `value` is None."""
    if value is not None:
        target[name] = value
