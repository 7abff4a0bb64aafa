"""The wire of Gemini Live (``BidiGenerateContent``), in both roles, of Google's developer API and of Vertex AI."""

from __future__ import annotations

from duologue.protocols.gemini.capabilities import gemini_capabilities
from duologue.protocols.gemini.client_role import GeminiClientProtocol
from duologue.protocols.gemini.dialect import GEMINI, VERTEX_AI, GeminiDialect, ModelFamily, family_of
from duologue.protocols.gemini.server_role import GeminiServerProtocol

__all__ = [
    "GEMINI",
    "VERTEX_AI",
    "GeminiClientProtocol",
    "GeminiDialect",
    "GeminiServerProtocol",
    "ModelFamily",
    "family_of",
    "gemini_capabilities",
]
