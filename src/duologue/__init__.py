"""One typed interface for realtime (speech-to-speech, bidirectional streaming) models.

::

    from duologue import FunctionInvocation, SessionOptions, messages as m

The names below load what they need when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duologue import messages
    from duologue.audio_loop import live
    from duologue.capabilities import Capabilities
    from duologue.client import DuologueWarning, RealtimeClient
    from duologue.conversation import Conversation
    from duologue.errors import (
        ConcurrentRead,
        ConnectRefused,
        CutOff,
        DeviceUnavailable,
        DuologueError,
        Expired,
        HungUp,
        InvalidArguments,
        InvalidAudio,
        InvalidInput,
        InvalidTool,
        MissingDependency,
        SessionClosed,
        SessionEnded,
        SessionFailed,
        SpeechFailed,
        Stopped,
        TooManyRequests,
        UnsupportedOperation,
    )
    from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, PCMA, PCMU, AudioFormat
    from duologue.link import ProviderMetadata
    from duologue.middleware import (
        Approval,
        AudioConversion,
        FallbackClient,
        FunctionInvocation,
        FunctionInvocationContext,
        Guardrails,
        Logging,
        Reconnection,
        Recording,
        Telemetry,
        UsageLimits,
        UsageTotals,
        Verdict,
    )
    from duologue.options import (
        OFF,
        FunctionChoice,
        McpChoice,
        NoiseReduction,
        PromptTemplate,
        SemanticTurnDetection,
        ServerTurnDetection,
        SessionOptions,
        Transcription,
    )
    from duologue.runtime import SessionLayer, wrap_sessions
    from duologue.secret import Secret
    from duologue.session import RealtimeSession
    from duologue.snapshots import Snapshot, SnapshotStore, SQLiteSnapshotStore
    from duologue.tools import FunctionTool, McpServerTool, ToolContext, tool

_MODULES = {
    "audio_loop": ("live",),
    "capabilities": ("Capabilities",),
    "client": ("DuologueWarning", "RealtimeClient"),
    "conversation": ("Conversation",),
    "errors": (
        "ConcurrentRead",
        "ConnectRefused",
        "CutOff",
        "DeviceUnavailable",
        "DuologueError",
        "Expired",
        "FallbackClient",
        "HungUp",
        "InvalidArguments",
        "InvalidAudio",
        "InvalidInput",
        "InvalidTool",
        "MissingDependency",
        "SessionClosed",
        "SessionEnded",
        "SessionFailed",
        "SpeechFailed",
        "Stopped",
        "TooManyRequests",
        "UnsupportedOperation",
    ),
    "formats": ("AudioFormat", "PCM16_8K", "PCM16_16K", "PCM16_24K", "PCM16_48K", "PCMA", "PCMU"),
    "link": ("ProviderMetadata",),
    "messages": (),
    "middleware": (
        "Approval",
        "AudioConversion",
        "FallbackClient",
        "FunctionInvocation",
        "FunctionInvocationContext",
        "Guardrails",
        "Logging",
        "Reconnection",
        "Recording",
        "Telemetry",
        "UsageLimits",
        "UsageTotals",
        "Verdict",
    ),
    "options": (
        "OFF",
        "FunctionChoice",
        "McpChoice",
        "NoiseReduction",
        "PromptTemplate",
        "SemanticTurnDetection",
        "ServerTurnDetection",
        "SessionOptions",
        "Transcription",
    ),
    "runtime": ("SessionLayer", "wrap_sessions"),
    "secret": ("Secret",),
    "session": ("RealtimeSession",),
    "snapshots": ("SQLiteSnapshotStore", "Snapshot", "SnapshotStore"),
    "tools": ("FunctionTool", "McpServerTool", "ToolContext", "tool"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "OFF",
    "PCM16_8K",
    "PCM16_16K",
    "PCM16_24K",
    "PCM16_48K",
    "PCMA",
    "PCMU",
    "Approval",
    "AudioConversion",
    "AudioFormat",
    "Capabilities",
    "ConcurrentRead",
    "ConnectRefused",
    "Conversation",
    "CutOff",
    "DeviceUnavailable",
    "DuologueError",
    "DuologueWarning",
    "Expired",
    "FallbackClient",
    "FunctionChoice",
    "FunctionInvocation",
    "FunctionInvocationContext",
    "FunctionTool",
    "Guardrails",
    "HungUp",
    "InvalidArguments",
    "InvalidAudio",
    "InvalidInput",
    "InvalidTool",
    "Logging",
    "McpChoice",
    "McpServerTool",
    "MissingDependency",
    "NoiseReduction",
    "PromptTemplate",
    "ProviderMetadata",
    "RealtimeClient",
    "RealtimeSession",
    "Reconnection",
    "Recording",
    "SQLiteSnapshotStore",
    "Secret",
    "SemanticTurnDetection",
    "ServerTurnDetection",
    "SessionClosed",
    "SessionEnded",
    "SessionFailed",
    "SessionLayer",
    "SessionOptions",
    "Snapshot",
    "SnapshotStore",
    "SpeechFailed",
    "Stopped",
    "Telemetry",
    "TooManyRequests",
    "ToolContext",
    "Transcription",
    "UnsupportedOperation",
    "UsageLimits",
    "UsageTotals",
    "Verdict",
    "live",
    "messages",
    "tool",
    "wrap_sessions",
]

if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name):
        if name in _HOME:
            value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        elif name in _MODULES:
            value = importlib.import_module(f"{__name__}.{name}")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})
