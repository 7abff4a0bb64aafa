"""Protocols are asked as the runtime asks them."""

from __future__ import annotations

from typing import Any

from duologue.protocols import Protocol
from duologue.transports import Frame


def take(protocol: Protocol[Any, Any], frame: Frame) -> list[Any]:
    """What a frame means, the short way where there is one."""
    more = protocol.delta(frame)
    return protocol.receive(frame) if more is None else [more]
