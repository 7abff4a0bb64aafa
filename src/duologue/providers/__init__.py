"""Hosted and self-hosted providers: an endpoint, a way to log in, a protocol and a transport, each a client.

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duologue.providers.azure import AzureOpenAIRealtimeClient
    from duologue.providers.client_secrets import ClientSecret
    from duologue.providers.compatible import OpenAICompatibleRealtimeClient
    from duologue.providers.connection import ConnectionSettings
    from duologue.providers.gemini import GeminiRealtimeClient
    from duologue.providers.gemini_assumptions import GeminiAssumptions
    from duologue.providers.gemini_options import ContextCompression, GeminiSessionOptions
    from duologue.providers.keys import ApiKey, MissingKey
    from duologue.providers.openai import OpenAIRealtimeClient
    from duologue.providers.openai_options import OpenAISessionOptions, RetentionRatio, Tracing
    from duologue.providers.refusals import Refusal
    from duologue.providers.registry import PROVIDERS, make_client
    from duologue.providers.vertex import VertexRealtimeClient
    from duologue.providers.voice_live import VoiceLiveAgent, VoiceLiveRealtimeClient
    from duologue.providers.voice_live_options import (
        AzureEndOfUtterance,
        AzureTurnDetection,
        VoiceLiveSessionOptions,
    )
    from duologue.providers.xai import XAIRealtimeClient

_MODULES = {
    "azure": ("AzureOpenAIRealtimeClient",),
    "client_secrets": ("ClientSecret",),
    "compatible": ("OpenAICompatibleRealtimeClient",),
    "connection": ("ConnectionSettings",),
    "gemini": ("GeminiRealtimeClient",),
    "gemini_assumptions": ("GeminiAssumptions",),
    "gemini_options": ("ContextCompression", "GeminiSessionOptions"),
    "keys": ("ApiKey", "MissingKey"),
    "openai": ("OpenAIRealtimeClient",),
    "openai_options": ("OpenAISessionOptions", "RetentionRatio", "Tracing"),
    "refusals": ("Refusal",),
    "registry": ("PROVIDERS", "make_client"),
    "vertex": ("VertexRealtimeClient",),
    "voice_live": ("VoiceLiveAgent", "VoiceLiveRealtimeClient"),
    "voice_live_options": ("AzureEndOfUtterance", "AzureTurnDetection", "VoiceLiveSessionOptions"),
    "xai": ("XAIRealtimeClient",),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "PROVIDERS",
    "ApiKey",
    "AzureEndOfUtterance",
    "AzureOpenAIRealtimeClient",
    "AzureTurnDetection",
    "ClientSecret",
    "ConnectionSettings",
    "ContextCompression",
    "GeminiAssumptions",
    "GeminiRealtimeClient",
    "GeminiSessionOptions",
    "MissingKey",
    "OpenAICompatibleRealtimeClient",
    "OpenAIRealtimeClient",
    "OpenAISessionOptions",
    "Refusal",
    "RetentionRatio",
    "Tracing",
    "VertexRealtimeClient",
    "VoiceLiveAgent",
    "VoiceLiveRealtimeClient",
    "VoiceLiveSessionOptions",
    "XAIRealtimeClient",
    "make_client",
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
