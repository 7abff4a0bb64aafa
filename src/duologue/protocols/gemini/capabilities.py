"""What a session can do: derived from the service, the model's family and the session's options."""

from __future__ import annotations

from msgspec.structs import replace

from duologue.capabilities import Capabilities
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K
from duologue.options import SessionOptions
from duologue.protocols.gemini.dialect import GeminiDialect

_INPUT_FORMATS = frozenset({PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K})
_AUDIO_OPTIONS = frozenset(
    {"kind", "model", "voice", "input_audio", "output_audio", "output_modalities", "transcription", "turn_detection"}
)
_OPTIONS = _AUDIO_OPTIONS | {
    "instructions",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "temperature",
    "history",
    "resume",
}

_CONVERSATION = Capabilities(
    options=_OPTIONS,
    turn_detections=frozenset({"server", "off"}),
    turn_detection_tuning=frozenset({"silence_ms"}),
    input_formats=_INPUT_FORMATS,
    images=True,
    video=True,
    manual_turns=True,
    explicit_response=True,
    continues_after_tool_results=True,
    cancel=True,
    tool_choices=frozenset({"auto", "none"}),
    tool_scheduling=True,
    tool_cancellation=True,
    input_transcripts="on request",
    output_transcripts="always",
    seeding=True,
    say="approximate",
    resumption=True,
)
_TRANSLATION = Capabilities(
    options=_AUDIO_OPTIONS - {"voice", "turn_detection"} | {"resume"},
    session_kinds=frozenset({"translation"}),
    turn_detections=frozenset(),
    turn_detection_tuning=frozenset(),
    input_formats=_INPUT_FORMATS,
    text_input=False,
    tool_choices=frozenset(),
    input_transcripts="on request",
    output_transcripts="always",
    resumption=True,
)


def gemini_capabilities(dialect: GeminiDialect, options: SessionOptions | None = None) -> Capabilities:
    """What a session can do.

    Args:
        dialect: The service, with the family of the session's model.
        options: The session's options: some ask for more of it (``explicitVadSignal``), or take something away.
    """
    family = dialect.family
    can = _TRANSLATION if family.translates else _CONVERSATION
    extra = {} if options is None else options.extra
    taken = set(can.options)
    if family.thinking is not None:
        taken.add("reasoning_effort")
    if dialect.service == "vertex":
        taken.add("metadata")
    return replace(
        can,
        options=frozenset(taken),
        mutable_options=frozenset({"instructions", "tools"}) if family.updates_context else frozenset(),
        output_formats=frozenset({PCM16_24K}),
        output_modalities=frozenset({"audio", "text"} if family.text_output else {"audio"}),
        speech_events=extra.get("explicitVadSignal") is True,
        max_session_seconds=family.max_session_seconds,
    )
