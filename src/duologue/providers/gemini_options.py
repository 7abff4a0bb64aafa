"""Session options that only Gemini Live knows, on Google's developer API and on Vertex AI."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import force_setattr, replace

from duologue.errors import InvalidInput
from duologue.options import SessionOptions
from duologue.protocols.gemini import GeminiDialect

O = TypeVar("O", bound="GeminiSessionOptions")  # noqa: E741 - reads as "these options" below

Sensitivity = Literal["high", "low"]

_COVERAGES = {
    "activity": "TURN_INCLUDES_ONLY_ACTIVITY",
    "all": "TURN_INCLUDES_ALL_INPUT",
    "activity and video": "TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO",
}


class ContextCompression(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The oldest of a long conversation is dropped, so that the session can go on without end.

    Attributes:
        trigger_tokens: The length of the context at which that happens, in tokens; None: the model's default.
        target_tokens: The length that is kept, in tokens; None: half of the trigger.
    """

    trigger_tokens: int | None = None
    target_tokens: int | None = None


class GeminiSessionOptions(SessionOptions, frozen=True, kw_only=True, omit_defaults=True):
    """`SessionOptions`, with what only Gemini Live knows.

    Attributes:
        context_compression: Drop the oldest when the context is full; False, or not stated: the session ends.
        affective_dialog: Whether the voice follows the user's tone. Gemini 2.5, API version v1alpha.
        proactive_audio: Whether the model may decide not to answer. Gemini 2.5, API version v1alpha.
        include_thoughts: Whether the model's thoughts are told (`ReasoningDelta`).
        thinking_budget: The most tokens that it may spend on thinking; 0: none. Gemini 2.5. It takes the place of
            `reasoning_effort`.
        google_search: Whether the model may search with Google.
        code_execution: Whether it may write programs and run them at Google's.
        url_context: Whether it may read pages that are named to it.
        google_maps: Whether it may look into Google Maps.
        start_sensitivity: How readily sound counts as the beginning of speech.
        end_sensitivity: How readily a pause counts as its end.
        speech_ms: The speech that must be heard before it counts as begun, in ms (``prefixPaddingMs`` on this wire).
        turn_coverage: What of the input belongs to a turn: ``"activity"``, ``"all"`` or ``"activity and video"``.
        speech_events: Whether the beginning and the end of speech are told. Vertex AI.
        language: The language that the model speaks, as a BCP 47 code.
        media_resolution: How closely it looks at pictures: ``"low"``, ``"medium"`` or ``"high"``.
        top_p: Nucleus sampling, 0 to 1.
        top_k: How many tokens are to choose from.
        seed: Makes the choice repeatable, as far as it goes.
        target_language: What a translation is translated into, as a BCP 47 code.
        echo_target_language: Whether a translation repeats what is said in that language already.
        transparent_resumption: Whether handles tell which message they include. Vertex AI.
    """

    context_compression: ContextCompression | bool | None = None
    affective_dialog: bool | None = None
    proactive_audio: bool | None = None
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    google_search: bool | None = None
    code_execution: bool | None = None
    url_context: bool | None = None
    google_maps: bool | None = None
    start_sensitivity: Sensitivity | None = None
    end_sensitivity: Sensitivity | None = None
    speech_ms: int | None = None
    turn_coverage: Literal["activity", "all", "activity and video"] | None = None
    speech_events: bool | None = None
    language: str | None = None
    media_resolution: Literal["low", "medium", "high"] | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    target_language: str | None = None
    echo_target_language: bool | None = None
    transparent_resumption: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.thinking_budget is not None and self.reasoning_effort is not None:
            raise InvalidInput("thinking_budget and reasoning_effort say the same: give one of them.")
        # The wire's setup takes them from `extra`.
        force_setattr(self, "extra", _overlaid(self.extra, self._setup()))

    def merged(self: O, over: SessionOptions | None) -> O:
        """As `SessionOptions.merged`; what `over` has in `extra` is laid over what is here, at any depth. What the
        options themselves say comes last."""
        if over is None:
            return self
        extra = _overlaid(self.extra, over.extra)
        merged = super().merged(over)
        if merged.context_compression is False:
            extra.pop("contextWindowCompression", None)
        return replace(merged, extra=extra)

    def _setup(self) -> dict[str, Any]:
        """The fields of the setup that these options stand for."""
        setup: dict[str, Any] = {
            "generationConfig": self._generation(),
            "realtimeInputConfig": self._input(),
            "contextWindowCompression": self._compression(),
        }
        if self.proactive_audio is not None:
            setup["proactivity"] = {"proactiveAudio": self.proactive_audio}
        if self.speech_events is not None:
            setup["explicitVadSignal"] = self.speech_events
        if self.transparent_resumption is not None:
            setup["sessionResumption"] = {"transparent": self.transparent_resumption}
        tools = self._tools()
        if tools is not None:
            setup["tools"] = tools
        return {name: value for name, value in setup.items() if value is not None}

    def _generation(self) -> dict[str, Any] | None:
        resolution = self.media_resolution
        config = {
            "enableAffectiveDialog": self.affective_dialog,
            "topP": self.top_p,
            "topK": self.top_k,
            "seed": self.seed,
            "mediaResolution": None if resolution is None else f"MEDIA_RESOLUTION_{resolution.upper()}",
            "speechConfig": None if self.language is None else {"languageCode": self.language},
            "thinkingConfig": _stated(includeThoughts=self.include_thoughts, thinkingBudget=self.thinking_budget),
            "translationConfig": _stated(
                targetLanguageCode=self.target_language, echoTargetLanguage=self.echo_target_language
            ),
        }
        return _stated(**config)

    def _input(self) -> dict[str, Any] | None:
        start, end = self.start_sensitivity, self.end_sensitivity
        return _stated(
            automaticActivityDetection=_stated(
                startOfSpeechSensitivity=None if start is None else f"START_SENSITIVITY_{start.upper()}",
                endOfSpeechSensitivity=None if end is None else f"END_SENSITIVITY_{end.upper()}",
                prefixPaddingMs=self.speech_ms,
            ),
            turnCoverage=None if self.turn_coverage is None else _COVERAGES[self.turn_coverage],
        )

    def _compression(self) -> dict[str, Any] | None:
        wanted = self.context_compression
        if wanted is True:
            wanted = ContextCompression()
        if not isinstance(wanted, ContextCompression):
            return None
        window = {} if wanted.target_tokens is None else {"targetTokens": wanted.target_tokens}
        return _stated(triggerTokens=wanted.trigger_tokens, slidingWindow=window)

    def _tools(self) -> list[dict[str, Any]] | None:
        """The service's own tools, with those that `extra` names besides."""
        wanted = {
            "googleSearch": self.google_search,
            "codeExecution": self.code_execution,
            "urlContext": self.url_context,
            "googleMaps": self.google_maps,
        }
        stated = {name for name, value in wanted.items() if value is not None}
        if not stated:
            return None
        others = [tool for tool in self.extra.get("tools", []) if not stated & set(tool)]
        return [*others, *({name: {}} for name, value in wanted.items() if value)]


def own_options(dialect: GeminiDialect) -> frozenset[str]:
    """The names of the options here that the models of `dialect` take."""
    family, names = dialect.family, set(_OWN)
    if family.translates:
        return frozenset(_TRANSLATION)
    names -= _TRANSLATION
    if not family.affective_dialog:
        names.discard("affective_dialog")
    if family.proactive_audio == "never":
        names.discard("proactive_audio")
    if family.thinking != "budget":
        names.discard("thinking_budget")
    if family.thinking is None:
        names.discard("include_thoughts")
    if dialect.service != "vertex":
        names -= {"speech_events", "transparent_resumption"}
    return frozenset(names)


_OWN = frozenset(GeminiSessionOptions.__struct_fields__) - frozenset(SessionOptions.__struct_fields__)
_TRANSLATION = frozenset({"target_language", "echo_target_language"})


def _stated(**values: Any) -> dict[str, Any] | None:
    stated = {name: value for name, value in values.items() if value is not None}
    return stated or None


def _overlaid(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = {**base, **over}
    for name in base.keys() & over.keys():
        if isinstance(base[name], dict) and isinstance(over[name], dict):
            merged[name] = _overlaid(base[name], over[name])
    return merged
