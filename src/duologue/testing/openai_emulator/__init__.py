"""An emulator of the servers that speak OpenAI's realtime wire."""

from __future__ import annotations

from duologue.testing.openai_emulator.emulator import OpenAIEmulator
from duologue.testing.openai_emulator.model import Replies, Reply, Step
from duologue.testing.openai_emulator.session import EmulatedSession

__all__ = ["EmulatedSession", "OpenAIEmulator", "Replies", "Reply", "Step"]
