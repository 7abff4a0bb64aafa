"""Answers from any OpenAI-compatible chat endpoint, over the `openai` SDK (extra ``chat``)."""

from __future__ import annotations

from duologue.speech.chat.responder import ApiKey, ChatResponder

__all__ = ["ApiKey", "ChatResponder"]
