"""The dialects that are known, each with its vendor's documented facts."""

from __future__ import annotations

from msgspec.structs import replace

from duologue.capabilities import Capabilities
from duologue.formats import (
    PCM16_8K,
    PCM16_16K,
    PCM16_24K,
    PCM16_48K,
    PCMA,
    PCMU,
    AudioFormat,
)
from duologue.protocols.openai.dialect import Dialect

_FORMATS = frozenset({PCM16_24K, PCMU, PCMA})
_FIXED = frozenset({"kind", "model", "history", "resume", "input_audio", "output_audio"})
_TOOL_OPTIONS = frozenset({"tools", "tool_choice"})
_SPEECH_OPTIONS = frozenset({"instructions", "voice", "speed", "output_modalities", "transcription", "turn_detection"})
_GA_OPTIONS = (
    _FIXED
    | _SPEECH_OPTIONS
    | _TOOL_OPTIONS
    | {"noise_reduction", "parallel_tool_calls", "max_output_tokens", "reasoning_effort", "include", "prompt"}
) - {"resume"}
_GA_RESPONSE = frozenset(
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
        "reasoning_effort",
        "prompt",
        "extra",
    }
)
_HOUR = 3_600.0

_GA = Capabilities(
    options=_GA_OPTIONS,
    mutable_options=_GA_OPTIONS - _FIXED | {"input_audio", "output_audio"},
    session_kinds=frozenset({"conversation", "transcription"}),
    turn_detections=frozenset({"server", "semantic", "off"}),
    input_formats=_FORMATS,
    output_formats=_FORMATS,
    output_modalities=frozenset({"audio", "text"}),
    images=True,
    manual_turns=True,
    input_clear=True,
    explicit_response=True,
    out_of_band=True,
    response_options=_GA_RESPONSE,
    cancel=True,
    truncate=True,
    delete=True,
    retrieve=True,
    insert_position=True,
    tool_choices=frozenset({"auto", "none", "required", "function", "mcp"}),
    hosted_mcp=True,
    input_transcripts="on request",
    output_transcripts="always",
    speech_events=True,
    metadata=True,
    seeding=True,
    say="approximate",
    max_session_seconds=_HOUR,
)

OPENAI = Dialect(provider="openai", capabilities=_GA, first_item_is_null=True)

AZURE = replace(OPENAI, provider="azure-openai")

_FLAT_OPTIONS = (_GA_OPTIONS | {"temperature"}) - {
    "include",
    "prompt",
    "parallel_tool_calls",
    "reasoning_effort",
}
_FLAT_NAMES = {PCM16_24K: "pcm16", PCMU: "g711_ulaw", PCMA: "g711_alaw"}

AZURE_PREVIEW = Dialect(
    provider="azure-openai-preview",
    capabilities=replace(
        _GA,
        options=_FLAT_OPTIONS,
        mutable_options=_FLAT_OPTIONS - _FIXED | {"input_audio", "output_audio"},
        session_kinds=frozenset({"conversation"}),
        images=False,
        response_options=_GA_RESPONSE - {"parallel_tool_calls", "reasoning_effort", "prompt"},
        tool_choices=frozenset({"auto", "none", "required", "function"}),
        hosted_mcp=False,
    ),
    event_names="beta",
    items_done=False,
    session_layout="flat",
    session_type=False,
    text_with_audio=True,
    assistant_text="text",
    max_output_tokens="max_response_output_tokens",
    flat_formats=_FLAT_NAMES,
    first_item_is_null=True,
)

_VOICE_LIVE_OPTIONS = (_FLAT_OPTIONS | {"parallel_tool_calls", "reasoning_effort", "include", "metadata"}) - {"speed"}

VOICE_LIVE = replace(
    AZURE_PREVIEW,
    provider="azure-voice-live",
    capabilities=replace(
        _GA,
        options=_VOICE_LIVE_OPTIONS,
        mutable_options=_VOICE_LIVE_OPTIONS - _FIXED | {"input_audio", "output_audio"},
        session_kinds=frozenset({"conversation"}),
        input_formats=frozenset({PCM16_8K, PCM16_16K, PCM16_24K, PCMU, PCMA}),
        output_formats=frozenset({PCM16_8K, PCM16_16K, PCM16_24K, PCMU, PCMA}),
        response_options=_GA_RESPONSE - {"parallel_tool_calls", "prompt"},
        turn_detection_tuning=frozenset({"threshold", "silence_ms", "prefix_padding_ms", "eagerness"}),
        tool_choices=frozenset({"auto", "none", "required", "function"}),
        say="exact",
    ),
    flat_formats={**_FLAT_NAMES, PCM16_8K: "pcm16_8000hz", PCM16_16K: "pcm16_16000hz"},
    input_rate=True,
    reasoning_effort=True,
    transcription_fields={"keywords": "phrase_list"},
    lacks=frozenset({"transcription.languages", "transcription.delay", "noise_reduction.strength", "approval.reason"})
    | {f"mcp.{name}" for name in ("connector_id", "tunnel_id", "read_only", "server_description", "defer_loading")},
    tool_filters="lists",
    added_items="messages and calls",
    warnings=True,
    scripted_speech="response",
    input_items="input_items",
    openai_voices=frozenset({"alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"}),
)

_XAI_RATES = (8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_XAI_FORMATS = frozenset({AudioFormat("pcm16", rate) for rate in _XAI_RATES} | {PCMU, PCMA})
_XAI_OPTIONS = (_FIXED | _SPEECH_OPTIONS | _TOOL_OPTIONS | {"reasoning_effort"}) - {"resume"}

XAI = Dialect(
    provider="xai",
    capabilities=replace(
        _GA,
        options=_XAI_OPTIONS,
        mutable_options=_XAI_OPTIONS - _FIXED | {"input_audio", "output_audio"},
        session_kinds=frozenset({"conversation"}),
        turn_detections=frozenset({"server", "off"}),
        turn_detection_tuning=frozenset({"threshold", "silence_ms", "prefix_padding_ms", "idle_timeout_ms"}),
        input_formats=_XAI_FORMATS,
        output_formats=_XAI_FORMATS,
        images=False,
        out_of_band=False,
        response_options=frozenset({"instructions", "output_modalities", "extra"}),
        retrieve=False,
        insert_position=False,
        metadata=False,
        say="exact",
    ),
    items_done=False,
    session_layout="mixed",
    session_type=False,
    transcription_fields={"language": "language_hint", "keywords": "keyterms"},
    lacks=frozenset({"transcription.languages", "transcription.prompt", "transcription.delay"}),
    scripted_speech="item",
    usage_beside=True,
    transcript_snapshots=True,
    late_audio_done=True,
)

_QWEN_OPTIONS = (_FIXED | _SPEECH_OPTIONS | {"tools", "temperature", "max_output_tokens"}) - {
    "resume",
    "history",
    "speed",
}

QWEN = Dialect(
    provider="qwen",
    capabilities=Capabilities(
        options=_QWEN_OPTIONS,
        mutable_options=_QWEN_OPTIONS - _FIXED,
        turn_detections=frozenset({"server", "semantic", "off"}),
        turn_detection_tuning=frozenset({"threshold", "silence_ms", "prefix_padding_ms", "idle_timeout_ms"}),
        input_formats=frozenset({PCM16_16K}),
        output_formats=frozenset({PCM16_24K}),
        output_modalities=frozenset({"audio", "text"}),
        text_input=False,
        video=True,
        manual_turns=True,
        input_clear=True,
        explicit_response=True,
        response_options=frozenset({"instructions", "output_modalities", "extra"}),
        cancel=True,
        input_transcripts="on request",
        output_transcripts="always",
        speech_events=True,
        say="approximate",
        max_session_seconds=2 * _HOUR,
    ),
    event_names="beta",
    items_done=False,
    session_layout="flat",
    session_type=False,
    text_with_audio=True,
    nested_tools=True,
    assistant_text="text",
    max_output_tokens="max_tokens",
    flat_formats={PCM16_16K: "pcm16", PCM16_24K: "pcm24"},
    added_items="function results",
    image_buffer=True,
    goodbye="session.finish",
)

_SPEACHES_OPTIONS = _FLAT_OPTIONS - {"noise_reduction", "history"}

SPEACHES = Dialect(
    provider="speaches",
    capabilities=Capabilities(
        options=_SPEACHES_OPTIONS,
        mutable_options=_SPEACHES_OPTIONS - _FIXED,
        turn_detections=frozenset({"server", "off"}),
        output_modalities=frozenset({"audio", "text"}),
        manual_turns=True,
        input_clear=True,
        explicit_response=True,
        response_options=frozenset({"instructions", "max_output_tokens", "output_modalities", "tools", "extra"}),
        delete=True,
        retrieve=True,
        insert_position=True,
        tool_choices=frozenset({"auto", "none", "required", "function"}),
        input_transcripts="on request",
        output_transcripts="always",
        speech_events=True,
        say="approximate",
        max_session_seconds=_HOUR / 2,
    ),
    event_names="beta",
    items_done=False,
    session_layout="flat",
    session_type=False,
    text_with_audio=True,
    assistant_text="text",
    max_output_tokens="max_response_output_tokens",
    flat_formats={PCM16_24K: "pcm16"},
    first_item_is_null=True,
)

_PCM = frozenset({PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K})
_LOCALAI_OPTIONS = _GA_OPTIONS - {"noise_reduction", "parallel_tool_calls", "reasoning_effort", "include", "prompt"}

LOCALAI = Dialect(
    provider="localai",
    capabilities=replace(
        _GA,
        options=_LOCALAI_OPTIONS,
        mutable_options=_LOCALAI_OPTIONS - _FIXED,
        session_kinds=frozenset({"conversation"}),
        input_formats=_PCM,
        output_formats=_PCM,
        response_options=_GA_RESPONSE - {"parallel_tool_calls", "reasoning_effort", "prompt"},
        tool_choices=frozenset({"auto", "none", "required", "function"}),
        hosted_mcp=False,
        max_session_seconds=None,
    ),
    first_item_is_null=True,
)

_S2S_OPTIONS = (_FIXED | _SPEECH_OPTIONS | _TOOL_OPTIONS) - {"resume", "history", "speed"}

SPEECH_TO_SPEECH = Dialect(
    provider="speech-to-speech",
    capabilities=Capabilities(
        options=_S2S_OPTIONS,
        mutable_options=_S2S_OPTIONS - _FIXED,
        turn_detections=frozenset({"server"}),
        explicit_response=True,
        response_options=frozenset({"instructions", "tool_choice", "extra"}),
        cancel=True,
        truncate=True,
        tool_choices=frozenset({"auto", "none", "required", "function"}),
        input_transcripts="on request",
        output_transcripts="always",
        speech_events=True,
        say="approximate",
    ),
    items_done=False,
    confirms_truncation=False,
)

VLLM_TRANSCRIPTION = Dialect(
    provider="vllm",
    capabilities=Capabilities(
        turn_owner="client",
        options=frozenset({"kind", "model", "input_audio", "turn_detection"}),
        session_kinds=frozenset({"transcription"}),
        turn_detections=frozenset({"off"}),
        input_formats=frozenset({PCM16_16K}),
        output_formats=frozenset(),
        output_modalities=frozenset(),
        text_input=False,
        manual_turns=True,
        tool_choices=frozenset(),
        input_transcripts="always",
    ),
    session_type=False,
    confirms_options=False,
    model_beside_session=True,
    added_items="none",
    marks_final_commit=True,
    bare_transcripts=True,
)
