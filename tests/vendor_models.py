"""Other people's models of a wire: values that fit them, and what is wrong with values that do not.

Works alike on pydantic's models, on typed dictionaries, and on the models of Azure's SDKs, from their annotations.
"""

from __future__ import annotations

import collections.abc
import datetime
import enum
import functools
import importlib
import importlib.metadata
import itertools
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple, Union

import pytest
import typing_extensions

Json = Any

_TABLES_OF = {"openai": "3.57", "azure-ai-voicelive": "1.3", "google-genai": "3.6"}


def _is_other(package: str, version: str) -> bool:
    try:
        return not importlib.metadata.version(package).startswith(f"{version}.")
    except importlib.metadata.PackageNotFoundError:
        return True


def _as_of_the_tables_of(*packages: str) -> pytest.MarkDecorator:
    others = [package for package in packages if _is_other(package, _TABLES_OF[package])]
    return pytest.mark.skipif(
        bool(others), reason=f"The tables are of {_TABLES_OF}, and there is another version of: {', '.join(others)}."
    )


as_of_the_tables = _as_of_the_tables_of("openai", "azure-ai-voicelive")
"""For what holds of the versions that the tables were made from, and may not of newer ones, which may tell more."""

as_of_google_genai = _as_of_the_tables_of("google-genai")
"""The same for Google's models."""


class Field(NamedTuple):
    """What a model says of one of its fields."""

    hint: Any
    required: bool


@functools.cache
def fields_of(model: Any) -> dict[str, Field] | None:
    """The fields of a model by their names on the wire; None if it is no model."""
    if not isinstance(model, type):
        return None
    if typing_extensions.is_typeddict(model):
        hints = typing_extensions.get_type_hints(model)
        required: frozenset[str] = model.__required_keys__  # type: ignore[attr-defined]
        return {name: Field(hint, name in required) for name, hint in hints.items()}
    if hasattr(model, "model_fields"):
        declared = model.model_fields.items()
        return {info.alias or name: Field(info.annotation, info.is_required()) for name, info in declared}
    return _azure_fields(model) if _is_azure(model) else None


def _is_azure(model: Any) -> bool:
    return any(base.__module__.endswith("_utils.model_base") for base in getattr(model, "__mro__", ())[:-1])


def _azure_fields(model: Any) -> dict[str, Field]:
    package = model.__module__.partition(".models")[0]
    names = {
        "_models": importlib.import_module(f"{package}.models"),
        "_unions": importlib.import_module(f"{package}._unions"),
    }
    model({})  # it makes the table of its fields when it is first used
    hints = typing.get_type_hints(model, localns=names)
    fields = {}
    for attribute, rest in model._attr_to_rest_field.items():
        hint = _resolved(hints[attribute], names)
        fields[rest._rest_name] = Field(hint, type(None) not in (hint if isinstance(hint, tuple) else ()))
    return fields


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """`hint` without references by name, which stand inside of unions that another module declares.

    A union becomes a tuple: the SDK changes unions that typing keeps, so that another made of the same is wrong.
    """
    if isinstance(hint, typing.ForwardRef):
        return eval(hint.__forward_arg__, {}, names)  # it is the SDK's own annotation
    if typing.get_origin(hint) is Union:
        return tuple(_resolved(argument, names) for argument in typing.get_args(hint))
    return hint


_ON_THE_WIRE = {type(None): None, bytes: str, datetime.datetime: float}


def alternatives(hint: Any) -> list[Any]:
    """What a value of that annotation may be, as annotations that are no unions. None stands for null."""
    hint = getattr(hint, "__value__", hint)
    if isinstance(hint, tuple):
        return [one for argument in hint for one in alternatives(argument)]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return alternatives(arguments[0])
    if origin in (Union, types.UnionType):
        return [one for argument in arguments for one in alternatives(argument)]
    if _is_azure(hint):
        below = [one for kind in hint.__subclasses__() for one in alternatives(kind)]
        return below or [hint]
    return [_ON_THE_WIRE.get(hint, hint) if isinstance(hint, type) else hint]


def problems(value: Json, hint: Any, path: str = "") -> list[str]:
    """What in `value` does not fit `hint`; a field that no model declares is a problem as well."""
    if value is None:
        return [] if _can_be_null(hint) or hint is Any else [f"{path}: null"]
    meant = [one for one in alternatives(hint) if one is not None and _is_meant(value, one)]
    found = [_problems_with(value, one, path) for one in meant]
    return min(found, key=len) if found else [f"{path}: nothing that is known"]


def _is_meant(value: Json, hint: Any) -> bool:
    """Whether `value` calls itself what `hint` is: by the fields of it that can hold one value only."""
    for name, field in (fields_of(hint) or {}).items() if isinstance(value, dict) else ():
        known = _plain_values(field.hint)
        if len(known) == 1 and name in value and value[name] not in known:
            return False
    return True


def _problems_with(value: Json, hint: Any, path: str) -> list[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    fields = fields_of(hint)
    if fields is not None:
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        unknown = [f"{path}.{name}: unknown" for name in value if name not in fields]
        missing = [f"{path}.{name}: missing" for name, field in fields.items() if field.required and name not in value]
        inside = (
            problems(value[name], field.hint, f"{path}.{name}") for name, field in fields.items() if name in value
        )
        return [*unknown, *missing, *itertools.chain.from_iterable(inside)]
    if origin is Literal:
        return [] if value in [_plain(choice) for choice in arguments] else [f"{path}: not {arguments}"]
    if origin in (list, collections.abc.Iterable):
        if not isinstance(value, list):
            return [f"{path}: no list"]
        return [problem for entry in value for problem in problems(entry, arguments[0], f"{path}[]")]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{path}: no object"]
        return [problem for entry in value.values() for problem in problems(entry, arguments[1], f"{path}{{}}")]
    return [] if _is_simple(value, hint) else [f"{path}: no {hint}"]


def _is_simple(value: Json, hint: Any) -> bool:
    if hint is Any or hint is object:
        return True
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return value in [member.value for member in hint]
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint


def _plain(choice: Any) -> Any:
    return choice.value if isinstance(choice, enum.Enum) else choice


class Examples:
    """Makes values that fit a model: the least, all with null, and full ones until every alternative was taken.

    No two strings or numbers are the same, so that what gets lost or mixed up shows. Every string is base64 as well.

    Args:
        fixed: Values for fields of some names, which cannot be of any kind.
        sensible: Gets every object, and gives back what of it makes sense.
    """

    def __init__(self, fixed: dict[str, Json], sensible: Callable[[dict[str, Json]], dict[str, Json]]) -> None:
        self._fixed = fixed
        self._sensible = sensible
        self._count = itertools.count(1)
        self._numbers: dict[int, int] = {}

    def of(self, hint: Any) -> Iterator[Json]:
        """Values of an annotation, at least one."""
        for number in range(self._number_of(hint)):
            yield self._value(hint, number)

    def _number_of(self, hint: Any) -> int:
        """How many values it takes to take every alternative once."""
        return max(1, sum(self._number_of_one(choice) for choice in _choices(hint)))

    def _number_of_one(self, hint: Any) -> int:
        fields = fields_of(hint)
        if fields is None:
            return len(_plain_values(hint)) or 1
        if id(hint) not in self._numbers:
            self._numbers[id(hint)] = len(self._kinds(fields)) + self._rounds(fields)
        return self._numbers[id(hint)]

    def _kinds(self, fields: dict[str, Field]) -> list[dict[str, Field]]:
        """The fields of an object that are there: the least, and the least with null for all else."""
        least = {name: field for name, field in fields.items() if field.required}
        nulls = {
            name: Field(None, True) for name, field in fields.items() if not field.required and _can_be_null(field.hint)
        }
        return [least] * (len(least) < len(fields)) + [least | nulls] * bool(nulls)

    def _rounds(self, fields: dict[str, Field]) -> int:
        free = [field.hint for name, field in fields.items() if name not in self._fixed]
        return max((self._number_of(hint) for hint in free), default=1)

    def _value(self, hint: Any, number: int) -> Json:
        for choice in _choices(hint):
            own = self._number_of_one(choice)
            if number < own:
                return self._value_of_one(choice, number)
            number -= own
        return None

    def _value_of_one(self, hint: Any, number: int) -> Json:
        fields = fields_of(hint)
        if fields is not None:
            kinds = self._kinds(fields)
            chosen, turn = (kinds[number], 0) if number < len(kinds) else (fields, number - len(kinds))
            return self._sensible({name: self._field(name, field.hint, turn) for name, field in chosen.items()})
        if known := _plain_values(hint):
            return known[number]
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is list:
            return list(self.of(arguments[0]))
        if origin is dict:
            return {self._text(): value for value in self.of(arguments[1])}
        count = next(self._count)
        simple = {str: self._text(), int: count, float: count + 0.5, bool: count % 2 == 0}
        return simple.get(hint, {"any": count})

    def _field(self, name: str, hint: Any, number: int) -> Json:
        if hint is None:
            return None
        return self._fixed[name] if name in self._fixed else self._value(hint, number % self._number_of(hint))

    def _text(self) -> str:
        return f"s{next(self._count):07}"


def _choices(hint: Any) -> list[Any]:
    choices = [choice for choice in alternatives(hint) if choice is not None]
    if any(_plain_values(choice) for choice in choices):
        return [choice for choice in choices if choice is not str]  # known names say more than any name
    return choices


def _plain_values(hint: Any) -> list[Json]:
    if typing.get_origin(hint) is Literal:
        return [_plain(choice) for choice in typing.get_args(hint)]
    return [member.value for member in hint] if isinstance(hint, type) and issubclass(hint, enum.Enum) else []


def _can_be_null(hint: Any) -> bool:
    return None in alternatives(hint)


def lost(before: Json, after: Json, path: str = "") -> Iterator[str]:
    """The places of `before` whose value `after` does not have. Null and absent are the same."""
    if isinstance(before, dict):
        known = after if isinstance(after, dict) else {}
        for name, entry in before.items():
            yield from lost(entry, known.get(name), f"{path}.{name}" if path else name)
    elif isinstance(before, list):
        there = after if isinstance(after, list) else []
        for number, entry in enumerate(before):
            yield from lost(entry, there[number] if number < len(there) else None, f"{path}[]")
    elif before is not None and before != after:
        yield path


def by_type(union: Any) -> dict[str, Any]:
    """The models of a union of events by the events' types."""
    return {_plain_values(fields_of(model)["type"].hint)[0]: model for model in alternatives(union)}  # type: ignore[index]
