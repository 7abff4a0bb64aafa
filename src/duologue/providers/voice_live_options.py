"""Session options that only Azure's Voice Live API knows."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

import msgspec
from msgspec.structs import force_setattr, replace

from duologue.options import SemanticTurnDetection, SessionOptions, make_tuples

O = TypeVar("O", bound="VoiceLiveSessionOptions")  # noqa: E741 - reads as "these options" below

_TURNS = "turn_detection"
_NOISE = "input_audio_noise_reduction"
_ECHO = "input_audio_echo_cancellation"


class AzureEndOfUtterance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A model that judges by the words whether an utterance is over. Not for models that take audio directly.

    Attributes:
        model: ``"semantic_detection_v1"``, or that with ``_en`` or ``_multilingual`` behind it.
        threshold_level: How sure it must be.
        timeout_ms: The longest that it waits for more, in ms.
    """

    model: str = "semantic_detection_v1"
    threshold_level: Literal["low", "medium", "high", "default"] | None = None
    timeout_ms: int | None = None


class AzureTurnDetection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Azure's own way to find the user's turns (``azure_semantic_vad`` on the wire).

    Attributes:
        variant: Which detector: the default one, ``"en"`` for English alone, or ``"multilingual"``.
        threshold: How sure it must be that somebody speaks, 0 to 1.
        prefix_padding_ms: Audio kept from before the speech was noticed, in ms.
        speech_ms: The shortest speech that counts, in ms.
        silence_ms: Silence that ends a turn, in ms.
        remove_filler_words: Whether "um" and the like do not count as speech.
        languages: Languages to expect, as BCP 47 codes; not with ``"en"``.
        auto_truncate: Whether an interrupted answer is cut to what was said.
        create_response: Whether the end of a turn starts a response.
        interrupt_response: Whether speech stops the response that is active.
        end_of_utterance: Judges by the words, too, whether the user has finished.
    """

    variant: Literal["default", "en", "multilingual"] = "default"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    speech_ms: int | None = None
    silence_ms: int | None = None
    remove_filler_words: bool | None = None
    languages: tuple[str, ...] | None = None
    auto_truncate: bool | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    end_of_utterance: AzureEndOfUtterance | None = None

    def __post_init__(self) -> None:
        make_tuples(self, "languages")


class VoiceLiveSessionOptions(SessionOptions, frozen=True, kw_only=True, omit_defaults=True):
    """`SessionOptions`, with what only Voice Live knows.

    Attributes:
        azure_turn_detection: Azure's own turn detection. It takes the place of `turn_detection`, which tells it as
            `SemanticTurnDetection` where a session's options are read.
        deep_noise_suppression: Whether Azure's model removes noise; it takes the place of `noise_reduction`. False
            switches noise reduction off.
        echo_cancellation: Whether the server takes its own voice out of the user's audio.
    """

    azure_turn_detection: AzureTurnDetection | None = None
    deep_noise_suppression: bool | None = None
    echo_cancellation: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        # The wire's session object takes them from `extra`; so do updates of a running session.
        stated: dict[str, Any] = {}
        if self.azure_turn_detection is not None:
            stated[_TURNS] = _turn_detection(self.azure_turn_detection)
            force_setattr(self, "turn_detection", None)
        if self.deep_noise_suppression is not None:
            stated[_NOISE] = _type_or_null("azure_deep_noise_suppression", self.deep_noise_suppression)
            force_setattr(self, "noise_reduction", None)
        if self.echo_cancellation is not None:
            stated[_ECHO] = _type_or_null("server_echo_cancellation", self.echo_cancellation)
        force_setattr(self, "extra", {**self.extra, **stated})

    def merged(self: O, over: SessionOptions | None) -> O:
        """As `SessionOptions.merged`; also what `over` has in `extra`, or in the general option for the same thing,
        replaces the fields here. Only `SemanticTurnDetection` does not: servers tell Azure's detection so."""
        if over is None:
            return self
        if self.azure_turn_detection is not None and isinstance(over.turn_detection, SemanticTurnDetection):
            over = replace(over, turn_detection=None)
        replaced = {
            "azure_turn_detection": (_TURNS, over.turn_detection),
            "deep_noise_suppression": (_NOISE, over.noise_reduction),
            "echo_cancellation": (_ECHO, None),
        }
        kept = dict(self.extra)
        restated: dict[str, None] = {}
        for field, (name, general) in replaced.items():
            if name in over.extra or general is not None:
                restated[field] = None
                kept.pop(name, None)
        return super(VoiceLiveSessionOptions, replace(self, extra=kept, **restated)).merged(over)


def _type_or_null(kind: str, on: bool) -> dict[str, str] | None:
    return {"type": kind} if on else None


def _turn_detection(detection: AzureTurnDetection) -> dict[str, Any]:
    written: dict[str, Any] = msgspec.to_builtins(detection)
    variant = written.pop("variant", None)
    for field, name in {"speech_ms": "speech_duration_ms", "silence_ms": "silence_duration_ms"}.items():
        if field in written:
            written[name] = written.pop(field)
    if detection.languages is not None:
        written["languages"] = list(detection.languages)
    judge = detection.end_of_utterance
    if judge is not None:
        del written["end_of_utterance"]
        written["end_of_utterance_detection"] = {"model": judge.model, **msgspec.to_builtins(judge)}
    return {"type": "azure_semantic_vad" + ("" if variant is None else f"_{variant}"), **written}
