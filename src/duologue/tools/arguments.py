"""The arguments of a call: read from a model's text, and what is wrong with them in words it can act on."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from duologue.errors import InvalidArguments

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

PROBLEMS_SHOWN = 8
EXCERPT_CHARACTERS = 40


def parse_arguments(text: str) -> dict[str, object]:
    """Read the arguments of a call. Text without anything in it means no arguments.

    Args:
        text: A JSON object, as the model wrote it.

    Raises:
        InvalidArguments: It is no JSON, or not an object.
    """
    if not text.strip():
        return {}
    try:
        arguments = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidArguments(_malformed(text, error)) from None
    except RecursionError:
        raise InvalidArguments("The arguments are nested too deep. Send a flatter JSON object.") from None
    except ValueError:  # Python's own limit, of thousands of digits
        raise InvalidArguments("The arguments hold a number with too many digits.") from None
    if not isinstance(arguments, dict):
        raise InvalidArguments(
            f"The arguments have to be one JSON object, with a name for each value, not {_kind(arguments)}."
        )
    return arguments


def explain(tool: str, error: ValidationError, accepted: Collection[str]) -> str:
    """What does not fit, a line for each problem.

    Args:
        tool: The tool's name.
        error: What the validation found.
        accepted: The names of the tool's arguments.
    """
    problems = error.errors(include_url=False, include_context=False)
    if problems[0]["type"] == "json_invalid":  # e.g. half of a surrogate pair, which Python's parser lets pass
        return f"The arguments are not valid JSON: {problems[0]['msg'].removeprefix('Invalid JSON: ')}."
    lines = [f"The arguments do not fit {tool}:"]
    lines += [f"- {_problem(problem, accepted)}" for problem in problems[:PROBLEMS_SHOWN]]
    if len(problems) > PROBLEMS_SHOWN:
        lines.append(f"- and {len(problems) - PROBLEMS_SHOWN} more problems")
    lines.append("Correct them and call it again.")
    return "\n".join(lines)


def _problem(problem: ErrorDetails, accepted: Collection[str]) -> str:
    location, kind = problem["loc"], problem["type"]
    where = _path(location)
    if kind == "missing":
        return f"{where}: missing, but required"
    if kind == "extra_forbidden" and len(location) == 1:
        names = f"the accepted names are {', '.join(accepted)}" if accepted else "there are no arguments"
        return f"{where}: not an argument; {names}"
    message = f"{problem['msg']} (got {_excerpt(problem['input'])})"
    return f"{where}: {message}" if where else message


def _path(location: Sequence[int | str]) -> str:
    """A place in the arguments, e.g. ``stops[2].city``."""
    return _cut("".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location).removeprefix("."))


def _excerpt(value: object) -> str:
    return _cut(json.dumps(value, ensure_ascii=False, default=lambda other: type(other).__name__))


def _cut(text: str) -> str:
    """The beginning of `text`, fit to be sent: half of a surrogate pair is not."""
    shown = text if len(text) <= EXCERPT_CHARACTERS else f"{text[: EXCERPT_CHARACTERS - 1]}…"
    return shown.encode("utf-8", "replace").decode()


def _malformed(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        tail = text[-EXCERPT_CHARACTERS:]
        problem = f"they end after {len(text)} characters, before the object is complete: {tail!r}"
    else:
        rest = text[error.pos : error.pos + EXCERPT_CHARACTERS]
        problem = f"{error.msg} at character {error.pos + 1} of {len(text)}, before {rest!r}"
    return f'The arguments are not valid JSON: {problem}. Send one complete JSON object, such as {{"name": "value"}}.'


def _refuse_constant(name: str) -> object:
    raise InvalidArguments(f"The arguments are not valid JSON: {name} is not a JSON value.")


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a text"
    return "null" if value is None else "a single value"
