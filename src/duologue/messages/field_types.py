"""Whether the fields of what an application sends are of the types that they say."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Hashable, Iterable
from numbers import Real
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec

from duologue.errors import InvalidInput
from duologue.messages.client import InputAudioAppend
from duologue.tools import FunctionTool, McpServerTool

_IDS = (str, types.NoneType)
_CHECKED_WHEN_MADE = (FunctionTool, McpServerTool)


class _Misfit(NamedTuple):
    """A value that is not what its place says.

    Attributes:
        path: The place, as ``.item.content[0].text``.
        value: What is there.
        wanted: What belongs there.
    """

    path: str
    value: object
    wanted: str


_Check = Callable[[Any], _Misfit | None]
_Entries = Callable[[Any], Iterable[tuple[object, Any]]]


def check_fields(sent: object) -> None:
    """Refuse a message, or options, with a value of another type than its field has.

    Raises:
        InvalidInput: It names the field and what belongs there. It does not show the value, which may be a secret.
    """
    if not isinstance(sent, msgspec.Struct):
        return  # whoever is to send it says so
    if type(sent) is InputAudioAppend and type(sent.audio) is bytes and sent.format is None and type(sent.id) in _IDS:
        return  # comes fifty times a second
    misfit = _struct_check(type(sent))(sent)
    if misfit is not None:
        found = "None" if misfit.value is None else f"of type {type(misfit.value).__name__}"
        raise InvalidInput(
            f"{type(sent).__name__}{misfit.path} is {found}, where {misfit.wanted} belongs. Nothing was sent."
        )


@functools.cache
def _struct_check(kind: type[msgspec.Struct]) -> _Check:
    try:
        checks = [(field.name, _check_of(field.type)) for field in msgspec.structs.fields(kind)]
    except NameError:  # a provider's own struct, with annotations that are there for type checkers only
        return _anything

    def check(struct: Any) -> _Misfit | None:
        for name, check_field in checks:
            misfit = check_field(getattr(struct, name))
            if misfit is not None:
                return misfit._replace(path=f".{name}{misfit.path}")
        return None

    return check


@functools.cache
def _check_of(hint: Hashable) -> _Check:
    """What finds the first misfit in a value for a field that is annotated with `hint`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _any_of([_check_of(argument) for argument in arguments], takes_none=types.NoneType in arguments)
    if origin is Annotated:
        return _check_of(arguments[0])
    if origin is Literal:
        return _when(lambda value: _is_among(value, arguments), " or ".join(map(repr, arguments)))
    if origin is tuple and arguments[1:] == (...,):
        return _each(_when(lambda value: isinstance(value, tuple | list), "a tuple"), enumerate, arguments[0])
    if origin is dict:
        return _each(_when(lambda value: isinstance(value, dict), "a dict"), lambda value: value.items(), arguments[1])
    if hint in _PLAIN:
        return _when(*_PLAIN[hint])
    kind = hint if origin is None else origin
    if kind is Any or not isinstance(kind, type):
        return _anything
    if not _tells_instances(kind):
        return _anything
    is_one = _when(lambda value: isinstance(value, kind), kind.__name__)
    if issubclass(kind, msgspec.Struct) and kind not in _CHECKED_WHEN_MADE:
        return lambda value: is_one(value) or _struct_check(value.__class__)(value)
    return is_one


_PLAIN: dict[Any, tuple[Callable[[object], bool], str]] = {
    types.NoneType: (lambda value: value is None, "None"),
    bytes: (lambda value: isinstance(value, bytes | bytearray | memoryview), "bytes"),
    int: (lambda value: isinstance(value, int) and not isinstance(value, bool), "int"),
    float: (lambda value: isinstance(value, Real) and not isinstance(value, bool), "a number"),
}


def _is_among(value: object, values: tuple[object, ...]) -> bool:
    return any(isinstance(value, type(one)) and value == one for one in values)


def _tells_instances(kind: type) -> bool:
    """Whether `isinstance` works with it; it does not with a TypedDict, nor with most protocols."""
    try:
        isinstance(None, kind)
    except TypeError:
        return False
    return True


def _anything(value: object) -> None:
    """Takes every value."""


def _when(fits: Callable[[Any], bool], wanted: str) -> _Check:
    return lambda value: None if fits(value) else _Misfit("", value, wanted)


def _any_of(checks: list[_Check], *, takes_none: bool) -> _Check:
    def check(value: Any) -> _Misfit | None:
        if value is None and takes_none:  # most are
            return None
        misfits = []
        for one in checks:
            misfit = one(value)
            if misfit is None or misfit.path:  # it is of that kind, and something inside it may be wrong
                return misfit
            misfits.append(misfit)
        return _Misfit("", value, " or ".join(misfit.wanted for misfit in misfits))

    return check


def _each(is_container: _Check, entries: _Entries, hint: Hashable) -> _Check:
    check_entry = _check_of(hint)

    def check(value: Any) -> _Misfit | None:
        misfit = is_container(value)
        if misfit is None:
            for place, entry in entries(value):
                misfit = check_entry(entry)
                if misfit is not None:
                    return misfit._replace(path=f"[{place!r}]{misfit.path}")
        return misfit

    return check
