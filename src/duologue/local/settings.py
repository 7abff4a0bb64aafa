"""What the embedded provider can do, and what it does when nothing is stated."""

from __future__ import annotations

import msgspec

from duologue.capabilities import ALL_OPTIONS, Capabilities
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, PCMA, PCMU
from duologue.options import Off, SemanticTurnDetection, ServerTurnDetection, SessionOptions, Transcription

PROVIDER = "local"
MODEL = "local"
"""The provider's name."""

_FORMATS = frozenset({PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, PCMU, PCMA})

_CONVERSATION = Capabilities(
    turn_owner="server",
    options=ALL_OPTIONS - {"noise_reduction", "include", "prompt", "resume", "reasoning_effort", "metadata"},
    mutable_options=frozenset(
        {
            "instructions",
            "voice",
            "speed",
            "output_modalities",
            "transcription",
            "turn_detection",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "max_output_tokens",
            "temperature",
        }
    ),
    session_kinds=frozenset({"conversation", "transcription"}),
    turn_detections=frozenset({"server", "off"}),
    turn_detection_tuning=frozenset({"threshold", "prefix_padding_ms", "silence_ms", "idle_timeout_ms"}),
    input_formats=_FORMATS,
    output_formats=_FORMATS,
    output_modalities=frozenset({"audio", "text"}),
    manual_turns=True,
    input_clear=True,
    explicit_response=True,
    out_of_band=True,
    response_options=frozenset(
        {
            "items",
            "instructions",
            "output_audio",
            "voice",
            "output_modalities",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "max_output_tokens",
        }
    ),
    cancel=True,
    truncate=True,
    delete=True,
    retrieve=True,
    insert_position=True,
    tool_choices=frozenset({"auto", "none", "required", "function"}),
    input_transcripts="on request",
    output_transcripts="always",
    speech_events=True,
    metadata=True,
    seeding=True,
    say="exact",
)

_TRANSCRIPTION = msgspec.structs.replace(
    _CONVERSATION,
    explicit_response=False,
    out_of_band=False,
    response_options=frozenset(),
    cancel=False,
    truncate=False,
    metadata=False,
    output_transcripts="never",
    say="none",
)


def local_capabilities(options: SessionOptions | None) -> Capabilities:
    """What a session of this kind can do."""
    return _TRANSCRIPTION if options is not None and options.kind == "transcription" else _CONVERSATION


_DETECTION = ServerTurnDetection(
    threshold=0.5, prefix_padding_ms=300, silence_ms=500, create_response=True, interrupt_response=True
)

_DEFAULTS = SessionOptions(
    kind="conversation",
    model=MODEL,
    input_audio=PCM16_24K,
    output_audio=PCM16_24K,
    output_modalities=("audio",),
    transcription=Transcription(),
    turn_detection=_DETECTION,
    tools=(),
    tool_choice="auto",
    max_output_tokens="unlimited",
)


def effective(options: SessionOptions) -> SessionOptions:
    """`options` with every default filled in."""
    return updated(_DEFAULTS, options)


def updated(options: SessionOptions, changes: SessionOptions) -> SessionOptions:
    """`options` with `changes` over them. What turn detection does not state stays, too."""
    before, after = options.turn_detection, changes.turn_detection
    if isinstance(before, Off):
        before = _DETECTION
    merged = options.merged(changes)
    if isinstance(before, ServerTurnDetection) and isinstance(after, ServerTurnDetection):
        stated = {name: getattr(after, name) for name in after.__struct_fields__ if getattr(after, name) is not None}
        return msgspec.structs.replace(merged, turn_detection=msgspec.structs.replace(before, **stated))
    return merged


def detection_of(options: SessionOptions) -> ServerTurnDetection | None:
    """How turns are found; None: the application marks them. What finds them by meaning elsewhere goes by silence."""
    detection = options.turn_detection
    if isinstance(detection, SemanticTurnDetection):
        answers, stops = detection.create_response, detection.interrupt_response
        return msgspec.structs.replace(
            _DETECTION, create_response=answers is not False, interrupt_response=stops is not False
        )
    return detection if isinstance(detection, ServerTurnDetection) else None
