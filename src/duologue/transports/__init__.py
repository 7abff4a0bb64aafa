"""Frames over a socket."""

from duologue.transports.base import Closed, Frame, FrameReceiver, Transport
from duologue.transports.memory import MemoryTransport, memory_pair

__all__ = ["Closed", "Frame", "FrameReceiver", "MemoryTransport", "Transport", "memory_pair"]
