"""The wire of Gemini Live (``BidiGenerateContent``), in both roles, of Google's developer API and of Vertex AI."""

from __future__ import annotations

from duologue.protocols.gemini.dialect import GEMINI, VERTEX_AI, GeminiDialect, ModelFamily, family_of

__all__ = ["GEMINI", "VERTEX_AI", "GeminiDialect", "ModelFamily", "family_of"]
