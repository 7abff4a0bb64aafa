"""What a WebSocket connection allows, and how long it waits."""

from __future__ import annotations

import msgspec

from duologue.errors import InvalidInput

_MIB = 1024 * 1024


class WebSocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in s. None switches a time off.

    Attributes:
        max_message_size: The longest message taken, its fragments together. A longer one ends the connection (1009).
        high_water: Bytes that wait to be sent before `drain` waits.
        low_water: Bytes that still wait when `drain` goes on.
        max_queue: Bytes that may wait to be sent although nobody drains. More of them break the connection.
        ping_interval: Silence of the peer before it is pinged.
        dead_after: Silence after that ping before the peer counts as gone. Neither time runs while reading is paused.
            A message, or each part of one that comes in fragments, counts once it has arrived as a whole.
        idle_timeout: Time without a message, pings and pongs apart, that ends the connection.
        close_timeout: How long the peer may take to part, before the connection is cut.
        binary: Send bytes as binary messages. Otherwise they are UTF-8 and go as text, as str always does.

    Raises:
        InvalidInput: A size or a time is not positive, or `low_water` is above `high_water`.
    """

    max_message_size: int = 64 * _MIB
    high_water: int = 64 * 1024
    low_water: int = 16 * 1024
    max_queue: int = 64 * _MIB
    ping_interval: float | None = 20.0
    dead_after: float = 20.0
    idle_timeout: float | None = None
    close_timeout: float = 2.0
    binary: bool = False

    def __post_init__(self) -> None:
        for name in ("max_message_size", "high_water", "max_queue", "dead_after", "close_timeout"):
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} must be positive, not {getattr(self, name)}.")
        for name in ("ping_interval", "idle_timeout"):
            time = getattr(self, name)
            if time is not None and not time > 0:
                raise InvalidInput(f"{name} must be positive or None, not {time}.")
        if not 0 <= self.low_water <= self.high_water:
            raise InvalidInput("low_water must lie between 0 and high_water.")
