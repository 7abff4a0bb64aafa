"""An emulator of Gemini Live, as Google's developer API and as Vertex AI."""

from __future__ import annotations

from duologue.testing.gemini_emulator.emulator import GeminiEmulator
from duologue.testing.gemini_emulator.session import GeminiEmulatedSession

__all__ = ["GeminiEmulatedSession", "GeminiEmulator"]
