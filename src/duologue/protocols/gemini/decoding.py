"""From a frame to its struct: strict and fast first, field by field where a sender bends the rules.

Lenient reading takes names in snake case as well, numbers as strings, null for anything, and drops what does not fit
without losing what stands beside it.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from collections.abc import Callable
from typing import Any, Generic, TypeVar, Union

import msgspec

from duologue.protocols.gemini.content_frames import WireStruct
from duologue.transports.base import Frame

F = TypeVar("F", bound=WireStruct)

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)

JsonObject = dict[str, Any]

_SNAKE = re.compile(r"_([a-z0-9])")
_FREE_OF_FORM = frozenset({"parameters", "parametersJsonSchema", "responseJsonSchema", "args", "response", "labels"})


def _camel(name: str) -> str:
    return _SNAKE.sub(lambda found: found[1].upper(), name)


class UnreadableFrame(Exception):
    """The frame is no JSON object."""


class FrameDecoder(Generic[F]):
    """Decodes frames of one direction.

    Args:
        kind: The struct of a whole frame.
    """

    def __init__(self, kind: type[F]) -> None:
        self._kind = kind
        self.decode_strictly: Callable[[Frame], F] = msgspec.json.Decoder(kind).decode

    def decode(self, frame: Frame) -> tuple[F, tuple[str, ...]]:
        """What `frame` holds, and the names of the fields that nothing is known of, as ``serverContent.surprise``.

        Raises:
            UnreadableFrame: It holds no JSON object.
        """
        try:
            return self.decode_strictly(frame), ()
        except UNREADABLE:
            return self.decode_leniently(frame)

    def decode_leniently(self, frame: Frame) -> tuple[F, tuple[str, ...]]:
        unknown: list[str] = []
        return _read(self._kind, decode_object(frame), "", unknown), tuple(unknown)


def decode_object(frame: Frame) -> dict[str, Any]:
    """The whole JSON object in `frame`.

    Raises:
        UnreadableFrame: It holds none.
    """
    try:
        return msgspec.json.decode(frame, type=dict[str, Any])
    except UNREADABLE as error:
        raise UnreadableFrame(str(error)) from None


class _Field(msgspec.Struct, frozen=True):
    """How a field is read: as a struct, as a sequence of structs, or as a plain value."""

    name: str
    type: Any
    struct: type[WireStruct] | None
    is_sequence: bool


@functools.cache
def _fields_of(kind: type[WireStruct]) -> dict[str, _Field]:
    fields = {}
    for field in msgspec.structs.fields(kind):
        struct, is_sequence = _struct_in(field.type)
        fields[field.encode_name] = _Field(field.name, field.type, struct, is_sequence)
    return fields


def _struct_in(hint: Any) -> tuple[type[WireStruct] | None, bool]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        found = [_struct_in(argument) for argument in arguments if argument is not type(None)]
        return found[0] if len(found) == 1 else (None, False)
    if origin is tuple:
        struct, _ = _struct_in(arguments[0])
        return struct, struct is not None
    return (hint, False) if isinstance(hint, type) and issubclass(hint, WireStruct) else (None, False)


def _read(kind: type[F], data: dict[str, Any], path: str, unknown: list[str]) -> F:
    fields, values = _fields_of(kind), {}
    for key, value in data.items():
        field = fields.get(key) or fields.get(_camel(key))
        if field is None:
            unknown.append(path + key)
        elif value is not None:
            read = _value(field, value, f"{path}{key}.", unknown)
            if read is not None:
                values[field.name] = read
    return kind(**values)


def _value(field: _Field, value: Any, path: str, unknown: list[str]) -> Any:
    if field.struct is not None:
        if field.is_sequence:
            entries = value if isinstance(value, list) else [value]
            return tuple(_read(field.struct, entry, path, unknown) for entry in entries if isinstance(entry, dict))
        return _read(field.struct, value, path, unknown) if isinstance(value, dict) else None
    try:
        return msgspec.convert(value, field.type, strict=False)
    except (msgspec.ValidationError, RecursionError):
        return None


def in_camel_case(value: JsonObject) -> JsonObject:
    """An object with its names in camel case, at any depth but inside of what applications name themselves."""
    return {
        (name := _camel(key)): inner if name in _FREE_OF_FORM else _inner_in_camel_case(inner)
        for key, inner in value.items()
    }


def _inner_in_camel_case(value: Any) -> Any:
    if isinstance(value, dict):
        return in_camel_case(value)
    return [_inner_in_camel_case(inner) for inner in value] if isinstance(value, list) else value
