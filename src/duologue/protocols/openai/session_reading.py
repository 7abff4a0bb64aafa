"""From a session object, in any layout, to `SessionOptions`."""

from __future__ import annotations

from typing import Any, Literal, cast

from msgspec.structs import replace

from duologue.formats import AudioFormat
from duologue.options import (
    OFF,
    Modality,
    NoiseReduction,
    Off,
    PromptTemplate,
    SemanticTurnDetection,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
    TurnDetection,
)
from duologue.protocols.json_values import (
    JsonObject,
    as_bool,
    as_float,
    as_int,
    as_object,
    as_text,
    as_texts,
    text_map,
)
from duologue.protocols.openai.audio_formats import NOT_KNOWN, BarePcm, read_format
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.tools import read_tool_choice, read_tools
from duologue.tools import FunctionTool, Tool

_KINDS = {"realtime": "conversation"}
_EAGERNESS = frozenset({"low", "medium", "high", "auto"})


_READ = frozenset(
    {
        "type",
        "model",
        "instructions",
        "voice",
        "speed",
        "audio",
        "input_audio_format",
        "input_audio_sampling_rate",
        "output_audio_format",
        "output_modalities",
        "modalities",
        "input_audio_transcription",
        "input_audio_noise_reduction",
        "turn_detection",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_output_tokens",
        "max_response_output_tokens",
        "max_tokens",
        "temperature",
        "reasoning",
        "reasoning_effort",
        "include",
        "prompt",
        "metadata",
    }
)


def unread_fields(session: JsonObject) -> JsonObject:
    """What `session` holds and `read_session` knows nothing of."""
    return {name: value for name, value in session.items() if name not in _READ}


def with_rate(options: SessionOptions, dialect: Dialect) -> SessionOptions:
    """`options` as read in that dialect: an input format that it does not have is the only one that it has, if any."""
    formats = dialect.capabilities.input_formats
    if options.input_audio is None or formats is None or options.input_audio in formats:
        return options
    return replace(options, input_audio=next(iter(formats)) if len(formats) == 1 else None)


def read_session(session: JsonObject, bare_pcm: BarePcm = NOT_KNOWN) -> SessionOptions:
    """The options that `session` states; null switches off what can be off, and states nothing else.

    Args:
        session: What the wire says.
        bare_pcm: What PCM is whose rate is not stated. Where that is not known, the format counts as not stated.
    """
    audio = as_object(session.get("audio"))
    into = as_object(audio.get("input"))
    out = as_object(audio.get("output"))
    kind = as_text(session.get("type"))
    return SessionOptions(
        kind=None if kind is None else _KINDS.get(kind, kind),
        model=as_text(session.get("model")),
        instructions=as_text(session.get("instructions")),
        voice=read_voice(out.get("voice", session.get("voice"))),
        speed=_first(as_float(out.get("speed")), as_float(session.get("speed"))),
        input_audio=_input_format(session, into, bare_pcm.input),
        output_audio=read_format(out.get("format", session.get("output_audio_format")), bare_pcm=bare_pcm.output),
        output_modalities=read_modalities(session.get("output_modalities", session.get("modalities"))),
        transcription=_transcription(_either(into, "transcription", session, "input_audio_transcription")),
        noise_reduction=_noise_reduction(_either(into, "noise_reduction", session, "input_audio_noise_reduction")),
        turn_detection=read_turn_detection(_either(into, "turn_detection", session, "turn_detection")),
        tools=read_tools(session["tools"]) if isinstance(session.get("tools"), list) else None,
        tool_choice=read_tool_choice(session.get("tool_choice")),
        parallel_tool_calls=as_bool(session.get("parallel_tool_calls")),
        max_output_tokens=read_max_tokens(
            _first(
                session.get("max_output_tokens"), session.get("max_response_output_tokens"), session.get("max_tokens")
            )
        ),
        temperature=_temperature(session.get("temperature")),
        reasoning_effort=as_text(
            _first(session.get("reasoning_effort"), as_object(session.get("reasoning")).get("effort"))
        ),
        include=as_texts(session["include"]) if isinstance(session.get("include"), list) else None,
        prompt=read_prompt(session.get("prompt")),
        metadata=text_map(session.get("metadata")),
    )


_ABSENT: Any = object()


def _either(first: JsonObject, name: str, second: JsonObject, other: str) -> Any:
    return first[name] if name in first else second.get(other, _ABSENT)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _input_format(session: JsonObject, into: JsonObject, bare_pcm: AudioFormat | None) -> AudioFormat | None:
    if "format" in into:
        return read_format(into["format"], bare_pcm=bare_pcm)
    name = session.get("input_audio_format")
    rate = session.get("input_audio_sampling_rate")
    return read_format("pcm16" if name is None and rate is not None else name, rate, bare_pcm=bare_pcm)


def may_answer(session: JsonObject, asked: SessionOptions) -> bool:
    """Whether `session` may be the server's answer to `asked`: instructions and tools are told as they were asked for.

    Of what a server may round, clamp or spell differently, nothing is looked at.
    """
    told = read_session(session)
    if None not in (asked.instructions, told.instructions) and _words(asked) != _words(told):
        return False
    return asked.tools is None or told.tools is None or _tool_names(asked.tools) == _tool_names(told.tools)


def _words(options: SessionOptions) -> list[str]:
    return (options.instructions or "").split()


def _tool_names(tools: tuple[Tool, ...]) -> list[str]:
    return sorted(tool.name if isinstance(tool, FunctionTool) else tool.server_label for tool in tools)


def read_voice(value: object) -> str | None:
    """A voice: its name, or the name or id of an object."""
    if isinstance(value, str):
        return value
    data = as_object(value)
    return as_text(data.get("id")) or as_text(data.get("name"))


def read_modalities(value: object) -> tuple[Modality, ...] | None:
    """Output modalities; text beside audio is its transcript."""
    names = as_texts(value)
    if "audio" in names:
        return ("audio",)
    return ("text",) if "text" in names else None


def read_max_tokens(value: object) -> int | Literal["unlimited"] | None:
    """A bound; None where there is none that makes sense."""
    if value == "inf":
        return "unlimited"
    number = as_int(value)
    return number if number is not None and number >= 1 else None


def _temperature(value: object) -> float | None:
    number = as_float(value)
    return number if number is not None and number >= 0 else None  # xAI says -1 where there is none


def read_prompt(value: object) -> PromptTemplate | None:
    """A stored prompt."""
    data = as_object(value)
    prompt_id = as_text(data.get("id"))
    if prompt_id is None:
        return None
    variables = as_object(data.get("variables"))
    return PromptTemplate(id=prompt_id, version=as_text(data.get("version")), variables=variables)


def _transcription(value: object) -> Transcription | Off | None:
    if value is None:
        return OFF
    if not isinstance(value, dict):
        return None
    languages = as_texts(value.get("languages"))
    keywords = as_texts(_first(value.get("keywords"), value.get("phrase_list"), value.get("keyterms")))
    return Transcription(
        model=as_text(value.get("model")),
        language=as_text(_first(value.get("language"), value.get("language_hint"))),
        languages=languages or None,
        prompt=as_text(value.get("prompt")),
        keywords=keywords or None,
        delay=as_text(value.get("delay")),
    )


def _noise_reduction(value: object) -> NoiseReduction | Off | None:
    if value is None:
        return OFF
    data = as_object(value)
    kind = data.get("type")
    if kind not in ("near_field", "far_field"):
        return None
    return NoiseReduction(kind=cast(Literal["near_field", "far_field"], kind), strength=as_float(data.get("strength")))


def read_turn_detection(value: object) -> TurnDetection | Off | None:
    """Turn detection; None if it is of no known kind."""
    if value is None:
        return OFF
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if kind is None:  # xAI's way to say that there is none
        return OFF if "type" in value else None
    create, interrupt = as_bool(value.get("create_response")), as_bool(value.get("interrupt_response"))
    if kind == "server_vad":
        return ServerTurnDetection(
            threshold=as_float(value.get("threshold")),
            prefix_padding_ms=as_int(value.get("prefix_padding_ms")),
            silence_ms=as_int(value.get("silence_duration_ms")),
            idle_timeout_ms=as_int(value.get("idle_timeout_ms")),
            create_response=create,
            interrupt_response=interrupt,
        )
    if not isinstance(kind, str) or "semantic_vad" not in kind:
        return None
    eagerness = as_text(value.get("eagerness"))
    return SemanticTurnDetection(
        eagerness=cast(Any, eagerness) if eagerness in _EAGERNESS else None,
        create_response=create,
        interrupt_response=interrupt,
    )
