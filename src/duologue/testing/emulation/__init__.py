"""What emulated servers share: beginning and end, faults, the model that answers. Their wires are beside it."""

from __future__ import annotations

from duologue.testing.emulation.emulator import Emulator
from duologue.testing.emulation.model import Replies, Reply, Step
from duologue.testing.emulation.session import EmulatedSession

__all__ = ["EmulatedSession", "Emulator", "Replies", "Reply", "Step"]
