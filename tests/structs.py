"""Hypothesis strategies for the library's structs, made from their annotations."""

from __future__ import annotations

import collections.abc
import enum
import functools
import types
import typing
from typing import Any, Literal, Union

import msgspec
from hypothesis import strategies as st

from duologue.formats import AudioFormat
from duologue.messages import ResponseCreate
from duologue.options import SessionOptions
from duologue.secret import Secret
from duologue.tools import FunctionTool, McpServerTool

NAMES = st.text("abcdefgh_-", min_size=1, max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=3,
)
_SIMPLE: dict[object, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(-(2**31), 2**31),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    object: JSON,
    Any: JSON,
    type(None): st.none(),
    None: st.none(),
    msgspec.Raw: JSON.map(lambda value: msgspec.Raw(msgspec.json.encode(value))),
}


def build(kind: type[msgspec.Struct], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any instance of a struct; `fields` say more closely what some of its fields hold."""
    hints = {name: hint for name, hint in _hints(kind).items() if name in kind.__struct_fields__}
    return st.builds(
        kind, **{name: fields[name] if name in fields else strategy_of(hint) for name, hint in hints.items()}
    )


@functools.cache
def strategy_of(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotation."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([strategy_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(strategy_of(arguments[0]), max_size=2).map(tuple)
    if origin in (dict, collections.abc.Mapping):
        return st.dictionaries(NAMES, strategy_of(arguments[1]), max_size=2)
    if origin is collections.abc.Callable:
        return st.none()
    if issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    return st.deferred(lambda: _STRUCTS[hint] if hint in _STRUCTS else build(hint))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _tool(name: str, description: str) -> FunctionTool:
    return FunctionTool(name=name, description=description)


def _server(label: str, url: str, key: str | None) -> McpServerTool:
    return McpServerTool(
        server_label=label,
        server_url=f"https://{url}.example",
        authorization=None if key is None else Secret.of(key),
        headers={} if key is None else {"X-Key": Secret.of(key)},
    )


def _name(tool: FunctionTool | McpServerTool) -> str:
    return tool.name if isinstance(tool, FunctionTool) else tool.server_label


FUNCTION_TOOLS = st.builds(_tool, NAMES, st.text(max_size=8))
# A secret does not come back from JSON, so that none is equal to what it was.
MCP_SERVERS = st.builds(_server, NAMES, st.just("host"), st.none())

_RESPONSE_OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "tools": st.none() | st.lists(FUNCTION_TOOLS | MCP_SERVERS, max_size=2, unique_by=_name).map(tuple),
    "output_modalities": st.sampled_from([None, ("audio",), ("text",), ("audio", "text")]),
    "max_output_tokens": st.none() | st.just("unlimited") | st.integers(1, 4096),
}

_STRUCTS: dict[object, st.SearchStrategy[Any]] = {
    AudioFormat: build(AudioFormat, rate=st.integers(1, 192_000)),
    FunctionTool: FUNCTION_TOOLS,
    McpServerTool: MCP_SERVERS,
    SessionOptions: build(SessionOptions, **_RESPONSE_OPTIONS, raw_factory=st.none()),
    ResponseCreate: build(ResponseCreate, **_RESPONSE_OPTIONS),
}
