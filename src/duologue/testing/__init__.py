"""Test support for applications: scripted clients, emulated servers, speech stages that need no model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duologue.testing.emulation import EmulatedSession
    from duologue.testing.gemini_emulator import GeminiEmulator
    from duologue.testing.openai_emulator import OpenAIEmulator
    from duologue.testing.replay import ReplayClient
    from duologue.testing.replay_script import ReplayMismatch
    from duologue.testing.replies import ScriptedReply
    from duologue.testing.scripted import SCRIPTED_CAPABILITIES, ScriptedClient
    from duologue.testing.scripted_link import ScriptedLink

_HOMES = {
    "EmulatedSession": "duologue.testing.emulation",
    "GeminiEmulator": "duologue.testing.gemini_emulator",
    "OpenAIEmulator": "duologue.testing.openai_emulator",
    "ReplayClient": "duologue.testing.replay",
    "ReplayMismatch": "duologue.testing.replay_script",
    "SCRIPTED_CAPABILITIES": "duologue.testing.scripted",
    "ScriptedClient": "duologue.testing.scripted",
    "ScriptedLink": "duologue.testing.scripted_link",
    "ScriptedReply": "duologue.testing.replies",
}

__all__ = [
    "SCRIPTED_CAPABILITIES",
    "EmulatedSession",
    "GeminiEmulator",
    "OpenAIEmulator",
    "ReplayClient",
    "ReplayMismatch",
    "ScriptedClient",
    "ScriptedLink",
    "ScriptedReply",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
