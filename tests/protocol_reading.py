"""Protocols are asked as the runtime asks them."""

from __future__ import annotations

from typing import Any

from duologue.messages.base import FrameOutline, Meta, set_meta
from duologue.protocols import Protocol
from duologue.transports import Frame


def take(protocol: Protocol[Any, Any], frame: Frame) -> list[Any]:
    """What a frame means, the short way where there is one."""
    more = protocol.delta(frame)
    if more is None:
        return protocol.receive(frame)
    message, kept = more
    set_meta(message, Meta(0, 0, kept.filled(message) if isinstance(kept, FrameOutline) else kept))
    assert message.meta.frame == frame
    return [message]
