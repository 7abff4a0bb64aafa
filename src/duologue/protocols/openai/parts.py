"""What one server does not know of what others take: parts of options, kinds of items."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from duologue import messages as m
from duologue.errors import UnsupportedOperation
from duologue.items import FunctionCall, FunctionResult, Item, McpApprovalResponse, MessageItem, RawItem
from duologue.options import NoiseReduction, SessionOptions, Transcription
from duologue.protocols.openai.dialect import Dialect
from duologue.tools import McpServerTool, Tool

_ADDED: dict[str, tuple[type[Item], ...]] = {
    "messages and calls": (MessageItem, FunctionCall, FunctionResult, McpApprovalResponse, RawItem),
    "function results": (FunctionResult,),
    "none": (),
}
_INSTEAD = {
    "messages and calls": "Tell of it in a message.",
    "function results": "Say it as audio, or put it into instructions.",
    "none": "Send audio.",
}


def check_item(item: Item, dialect: Dialect) -> None:
    """Refuse an item of a kind that a client cannot add.

    Raises:
        UnsupportedOperation: It is one.
    """
    takes = dialect.added_items
    if takes != "all" and not isinstance(item, _ADDED[takes]):
        raise UnsupportedOperation(
            f"adding {type(item).__name__} to the conversation", dialect.provider, _INSTEAD[takes]
        )


def check_session_parts(options: SessionOptions, dialect: Dialect) -> None:
    """Refuse options with a part that the server does not know.

    Raises:
        UnsupportedOperation: There is one.
    """
    if isinstance(options.transcription, Transcription):
        _check("transcription", options.transcription, dialect)
    if isinstance(options.noise_reduction, NoiseReduction):
        _check("noise_reduction", options.noise_reduction, dialect)
    check_tool_parts(options.tools, dialect)


def check_tool_parts(tools: Iterable[Tool] | None, dialect: Dialect) -> None:
    """Refuse tools with a part that the server does not know.

    Raises:
        UnsupportedOperation: There is one.
    """
    for tool in tools or ():
        if isinstance(tool, McpServerTool):
            _check("mcp", tool, dialect)


def check_approval_parts(approval: m.FunctionCallApproval, dialect: Dialect) -> None:
    """Refuse an approval with a part that the server does not know.

    Raises:
        UnsupportedOperation: There is one.
    """
    _check("approval", approval, dialect)


def _check(option: str, value: msgspec.Struct, dialect: Dialect) -> None:
    for name in value.__struct_fields__:
        if f"{option}.{name}" in dialect.lacks and getattr(value, name) is not None:
            raise UnsupportedOperation(f"{name} of {option}", dialect.provider, f"Leave {name} out.")
