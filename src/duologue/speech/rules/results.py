"""What functions gave back, as something to say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from duologue.items import FunctionResult
from duologue.speech.rules.wording import as_sentence, listing
from duologue.tools.result import NO_VALUE

SPEAKABLE = ("spoken", "text", "message")
"""Keys under which a result holds what shall be said, the first that is there."""
DONE = "Done."
MOST_FACTS = 8
"""How many facts of one result are said: a listener cannot take in more."""
DEEPEST = 4
"""How many objects within objects are followed."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def speak_results(results: Sequence[FunctionResult]) -> str:
    """The results as text, in order."""
    if len(results) == 1:
        return _speak(results[0])
    return " ".join(as_sentence(_speak(result)) for result in results)


def _speak(result: FunctionResult) -> str:
    value = _decode(result.output)
    told = value.get("error") if isinstance(value, dict) else None
    reason = told if isinstance(told, str) else ""
    if not result.is_error and not reason:
        return _say(value)
    reason = reason or (_say(value) if result.output.strip() else "")
    if "\n" in reason:  # a list of what does not fit, written for a model to act on
        reason = ""
    return f"Sorry, that did not work: {as_sentence(reason)}" if reason else "Sorry, that did not work."


def _decode(output: str) -> Any:
    """The value that the JSON stands for; the text itself if it is no JSON."""
    try:
        return msgspec.json.decode(output)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return output


def _say(value: Any, depth: int = 0) -> str:
    match value:
        case str():
            return DONE if value == NO_VALUE or not value.strip() else value
        case None:
            return DONE
        case bool():
            return "Yes." if value else "No."
        case int() | float():
            return f"The result is {_scalar(value)}."
        case list():
            return _say_list(value, depth)
        case dict():
            return _say_object(value)
        case _:
            return as_sentence(str(value))


def _say_object(value: dict[str, Any]) -> str:
    for key in SPEAKABLE:
        text = value.get(key)
        if isinstance(text, str) and text.strip():
            return text
    facts = list(_facts(value))
    if not facts:
        return DONE
    shown = facts[:MOST_FACTS]
    rest = len(facts) - len(shown)
    sentence = ", ".join(shown) + (f", and {rest} more" if rest else "")
    return as_sentence(sentence[0].upper() + sentence[1:])


def _say_list(values: list[Any], depth: int) -> str:
    if not values:
        return "There is nothing."
    if all(_is_scalar(value) for value in values):
        text = _listing(values)
        return as_sentence(text[:1].upper() + text[1:])
    if depth >= DEEPEST:
        return "That is too much to say."
    said = [as_sentence(_say(value, depth + 1)) for value in values[:MOST_FACTS]]
    if rest := len(values) - len(said):
        said.append(f"And {rest} more.")
    return " ".join(said)


def _facts(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """``"the wind speed is 5"``, for each value that holds no others."""
    too_deep = depth >= DEEPEST
    match value:
        case dict() if not too_deep:
            for key, member in value.items():
                yield from _facts(member, f"{name} {_words(key)}".lstrip(), depth + 1)
        case [_, *_] if all(_is_scalar(member) for member in value):
            yield f"the {name} {'is' if len(value) == 1 else 'are'} {_listing(value)}"
        case [_, *_] if not too_deep:
            for member in value:
                yield from _facts(member, name, depth + 1)
        case list() | dict():
            yield f"the {name} is {'too much to say' if value else 'empty'}"
        case _:
            yield f"the {name} is {_scalar(value)}"


def _listing(values: Sequence[Any]) -> str:
    said = [_scalar(value) for value in islice(values, MOST_FACTS)]
    if rest := len(values) - len(said):
        said.append(f"{rest} more")
    return listing(said)


def _is_scalar(value: object) -> bool:
    return not isinstance(value, list | dict)


def _scalar(value: object) -> str:
    match value:
        case None:
            return "unknown"
        case "":
            return "empty"
        case bool():
            return "yes" if value else "no"
        case float() if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
            return str(int(value))
        case _:
            return str(value)


def _words(key: str) -> str:
    """``"windSpeed"`` and ``"wind_speed"`` as ``"wind speed"``."""
    spaced = _CAMEL.sub(" ", key) if not key.isupper() else key
    words = spaced.replace("_", " ").replace("-", " ").split()
    return " ".join(word if word.isupper() else word.lower() for word in words) or "value"
