"""What a tool's function is told about the call that it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duologue.link import Link


@dataclass(frozen=True, kw_only=True)
class ToolContext:
    """The call that a function serves. A parameter annotated with it gets it, and is no part of the schema.

    Attributes:
        call_id: The provider's id of the call; empty when the tool was invoked outside a session.
        name: The tool's name as the model called it.
        arguments: The arguments as the model sent them, parsed but not converted.
        session: The session that the call came from; None outside a session.
    """

    call_id: str = ""
    name: str
    arguments: Mapping[str, object] = field(default_factory=dict)
    session: Link | None = None
