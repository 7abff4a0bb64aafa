"""Layers around a session: ``client.with_middleware(FunctionInvocation(), Telemetry(), Logging())``.

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duologue.middleware.approval import Approval
    from duologue.middleware.audio_conversion import AudioConversion
    from duologue.middleware.fallback import FallbackClient
    from duologue.middleware.function_invocation import FunctionInvocation
    from duologue.middleware.guardrails import Check, CheckContext, Guardrails, Judgement, Verdict
    from duologue.middleware.invocation import FunctionInvocationContext
    from duologue.middleware.reconnection import Reconnection, keep_last
    from duologue.middleware.recording import Recording, read_recording
    from duologue.middleware.session_logging import Logging
    from duologue.middleware.telemetry import Telemetry
    from duologue.middleware.turn_detection import TurnDetection
    from duologue.middleware.usage_limits import UsageLimits
    from duologue.middleware.usage_totals import UsageTotals

_MODULES = {
    "approval": ("Approval",),
    "audio_conversion": ("AudioConversion",),
    "fallback": ("FallbackClient",),
    "function_invocation": ("FunctionInvocation",),
    "guardrails": ("Check", "CheckContext", "Guardrails", "Judgement", "Verdict"),
    "invocation": ("FunctionInvocationContext",),
    "reconnection": ("Reconnection", "keep_last"),
    "recording": ("Recording", "read_recording"),
    "session_logging": ("Logging",),
    "telemetry": ("Telemetry",),
    "turn_detection": ("TurnDetection",),
    "usage_limits": ("UsageLimits",),
    "usage_totals": ("UsageTotals",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Approval",
    "AudioConversion",
    "Check",
    "CheckContext",
    "FallbackClient",
    "FunctionInvocation",
    "FunctionInvocationContext",
    "Guardrails",
    "Judgement",
    "Logging",
    "Reconnection",
    "Recording",
    "Telemetry",
    "TurnDetection",
    "UsageLimits",
    "UsageTotals",
    "Verdict",
    "keep_last",
    "read_recording",
]

if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
