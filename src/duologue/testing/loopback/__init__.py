"""A WebSocket server on loopback that knows nothing of what frames mean, and misbehaves when it is told to."""

from duologue.testing.loopback.connection import LoopbackConnection
from duologue.testing.loopback.faults import (
    Cut,
    Delay,
    Duplicate,
    Fault,
    Garbage,
    HalfOpen,
    Hangup,
    Oversized,
    Reorder,
    SlowReading,
)
from duologue.testing.loopback.http import HandshakeRequest, HttpRequest, HttpResponse, Refusal
from duologue.testing.loopback.server import LoopbackServer

__all__ = [
    "Cut",
    "Delay",
    "Duplicate",
    "Fault",
    "Garbage",
    "HalfOpen",
    "HandshakeRequest",
    "Hangup",
    "HttpRequest",
    "HttpResponse",
    "LoopbackConnection",
    "LoopbackServer",
    "Oversized",
    "Refusal",
    "Reorder",
    "SlowReading",
]
