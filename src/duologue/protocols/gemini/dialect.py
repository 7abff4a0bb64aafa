"""What differs between the two services, and between the generations of models."""

from __future__ import annotations

import re
from typing import Literal

import msgspec


class ModelFamily(msgspec.Struct, frozen=True, kw_only=True):
    """What a generation of models can do in a live session.

    Attributes:
        name: How it is called here.
        text_output: It can write instead of speaking.
        content_after_answers: It takes ``clientContent`` once it has answered; else what is written goes out as
            ``realtimeInput.text``.
        seeds_in_client_content: A history needs ``historyConfig``, and must be the first thing that is sent.
        updates_context: Instructions and tools can change in a running session (``contextUpdate``).
        background_by_default: A function does not block unless it says so.
        thinking: Whether thinking is bounded by a number of tokens, by a level, or not at all.
        affective_dialog: It can be asked to follow the user's tone.
        proactive_audio: Whether it may decide not to answer: on request, always, or never.
        translates: It translates what it hears, and does nothing else: no instructions, no tools, audio alone.
        max_session_seconds: How long a connection lasts, in s.
    """

    name: str
    text_output: bool = False
    content_after_answers: bool = True
    seeds_in_client_content: bool = False
    updates_context: bool = False
    background_by_default: bool = False
    thinking: Literal["budget", "level"] | None = None
    affective_dialog: bool = False
    proactive_audio: Literal["on request", "always", "never"] = "never"
    translates: bool = False
    max_session_seconds: float = 600.0


HALF_CASCADE = ModelFamily(name="half-cascade", text_output=True)
"""Gemini 2.0 Flash Live, and the 2.5 models without native audio."""

GEMINI_2_5 = ModelFamily(name="gemini-2.5", thinking="budget", affective_dialog=True, proactive_audio="on request")
"""Gemini 2.5 with native audio."""

GEMINI_3_1 = ModelFamily(name="gemini-3.1", content_after_answers=False, seeds_in_client_content=True, thinking="level")

GEMINI_3_8 = ModelFamily(
    name="gemini-3.8",
    seeds_in_client_content=True,
    updates_context=True,
    background_by_default=True,
    proactive_audio="always",
    max_session_seconds=58 * 60.0,
)

LIVE_TRANSLATE = ModelFamily(name="live-translate", content_after_answers=False, translates=True)
"""Gemini 3.5 Live Translate."""

FAMILIES = {family.name: family for family in (HALF_CASCADE, GEMINI_2_5, GEMINI_3_1, GEMINI_3_8, LIVE_TRANSLATE)}
"""All of them, by name."""

_VERSION = re.compile(r"gemini-(?:live-)?(\d+)(?:\.(\d+))?")


def family_of(model: str | None) -> ModelFamily:
    """The family that a model's name tells, with or without ``models/`` and the like before it.

    A model whose name tells nothing counts as Gemini 2.5, which most names of live models mean.
    """
    name = (model or "").rpartition("/")[2]
    found = _VERSION.search(name)
    if "translate" in name:
        return LIVE_TRANSLATE
    if found is None:
        return GEMINI_2_5
    version = (int(found[1]), int(found[2] or 0))
    if version >= (3, 8):
        return GEMINI_3_8
    if version >= (3, 0):
        return GEMINI_3_1
    is_older = version < (2, 5) or ("live" in name and "native-audio" not in name)
    return HALF_CASCADE if is_older else GEMINI_2_5


class GeminiDialect(msgspec.Struct, frozen=True, kw_only=True):
    """Which service is at the other end, with which models.

    Attributes:
        provider: How errors and telemetry call it.
        service: Google's developer API, or Vertex AI.
        family: What the models can do.
        models: What the wire has before the bare name of a model.
        ends_audio_stream: It can be told that the audio pauses; else silence tells it.
        empty_requests: An answer to what was added can be asked for with nothing but ``turnComplete``; else it takes
            something that the user says.
    """

    provider: str
    service: Literal["developer", "vertex"]
    family: ModelFamily = GEMINI_2_5
    models: str = "models/"
    ends_audio_stream: bool = True
    empty_requests: bool = True

    def for_model(self, model: str | None) -> GeminiDialect:
        """The same service with the family that `model` tells."""
        return msgspec.structs.replace(self, family=family_of(model))

    def resource(self, model: str | None) -> str | None:
        """The name of a model on the wire; one with a slash in it is such a name already."""
        return self.models + model if model is not None and "/" not in model else model


GEMINI = GeminiDialect(provider="gemini", service="developer")
VERTEX_AI = GeminiDialect(
    provider="vertex-ai", service="vertex", models="publishers/google/models/", ends_audio_stream=False
)
