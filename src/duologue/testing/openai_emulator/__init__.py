"""An emulator of the servers that speak OpenAI's realtime wire."""

from __future__ import annotations

from duologue.testing.emulation.model import Replies, Reply, Step
from duologue.testing.openai_emulator.calls import EmulatedCall
from duologue.testing.openai_emulator.emulator import OpenAIEmulator
from duologue.testing.openai_emulator.session import OpenAIEmulatedSession

__all__ = ["EmulatedCall", "OpenAIEmulatedSession", "OpenAIEmulator", "Replies", "Reply", "Step"]
