"""OpenAI's realtime wire, in both roles, for every server that speaks it: the dialect is a parameter."""

from __future__ import annotations

from duologue.protocols.openai.client_role import OpenAIClientProtocol
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.dialects import (
    AZURE,
    AZURE_PREVIEW,
    LOCALAI,
    OPENAI,
    QWEN,
    SPEACHES,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
    VOICE_LIVE,
    XAI,
)
from duologue.protocols.openai.server_role import OpenAIServerProtocol

__all__ = [
    "AZURE",
    "AZURE_PREVIEW",
    "LOCALAI",
    "OPENAI",
    "QWEN",
    "SPEACHES",
    "SPEECH_TO_SPEECH",
    "VLLM_TRANSCRIPTION",
    "VOICE_LIVE",
    "XAI",
    "Dialect",
    "OpenAIClientProtocol",
    "OpenAIServerProtocol",
]
