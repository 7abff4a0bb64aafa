"""From `SessionOptions` to the session object of ``session.update``."""

from __future__ import annotations

from typing import Any

from duologue.options import (
    Modality,
    NoiseReduction,
    Off,
    PromptTemplate,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
    TurnDetection,
)
from duologue.protocols.json_values import JsonObject, overlaid, put
from duologue.protocols.openai.audio_formats import flat_format, write_format
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.tools import write_tool, write_tool_choice

_KINDS = {"conversation": "realtime"}


def write_session(options: SessionOptions, dialect: Dialect) -> JsonObject:
    """The session object for the options that are stated. Off is null; what is not stated is absent.

    `SessionOptions.extra` is laid over it: objects are merged, at any depth, and where both state a value that of
    `extra` goes out. So ``extra={"audio": {"output": {"voice": …}}}`` leaves the rest of ``audio`` as it is.
    """
    session: JsonObject = {}
    if dialect.session_type:
        kind = options.kind or "conversation"
        session["type"] = _KINDS.get(kind, kind)
    put(session, "instructions", options.instructions)
    put(session, dialect.modalities_field, write_modalities(options.output_modalities, dialect))
    if dialect.session_layout == "flat":
        _write_flat(session, options, dialect)
    else:
        _write_nested(session, options, dialect)
    if options.tools is not None:
        session["tools"] = [write_tool(tool, dialect) for tool in options.tools]
    if options.tool_choice is not None:
        session["tool_choice"] = write_tool_choice(options.tool_choice, dialect)
    put(session, "parallel_tool_calls", options.parallel_tool_calls)
    put(session, dialect.max_output_tokens, write_max_tokens(options.max_output_tokens))
    put(session, "temperature", options.temperature)
    put_reasoning(session, options.reasoning_effort, dialect)
    put(session, "include", None if options.include is None else list(options.include))
    put(session, "prompt", write_prompt(options.prompt))
    put(session, "metadata", options.metadata)
    session = overlaid(session, options.extra)
    return session if options.raw_factory is None else options.raw_factory(session)


def _write_nested(session: JsonObject, options: SessionOptions, dialect: Dialect) -> None:
    into: JsonObject = {}
    out: JsonObject = {}
    put(into, "format", None if options.input_audio is None else write_format(options.input_audio))
    _put_or_off(into, "transcription", options.transcription, dialect)
    _put_or_off(into, "noise_reduction", options.noise_reduction, dialect)
    put(out, "format", None if options.output_audio is None else write_format(options.output_audio))
    put(out, "speed", options.speed)
    mixed = dialect.session_layout == "mixed"
    put(session if mixed else out, "voice", write_voice(options.voice, dialect))
    _put_or_off(session if mixed else into, "turn_detection", options.turn_detection, dialect)
    audio = {name: part for name, part in (("input", into), ("output", out)) if part}
    if audio:
        session["audio"] = audio


def _write_flat(session: JsonObject, options: SessionOptions, dialect: Dialect) -> None:
    put(session, "voice", write_voice(options.voice, dialect))
    put(session, "speed", options.speed)
    if options.input_audio is not None:
        # Elsewhere the rate is part of the name; where it has a field of its own, the name is the encoding's.
        rate_apart = dialect.input_rate and options.input_audio.encoding == "pcm16"
        session["input_audio_format"] = "pcm16" if rate_apart else flat_format(options.input_audio, dialect)
        if dialect.input_rate:
            session["input_audio_sampling_rate"] = options.input_audio.rate
    put(
        session,
        "output_audio_format",
        None if options.output_audio is None else flat_format(options.output_audio, dialect),
    )
    _put_or_off(session, "input_audio_transcription", options.transcription, dialect)
    _put_or_off(session, "input_audio_noise_reduction", options.noise_reduction, dialect)
    _put_or_off(session, "turn_detection", options.turn_detection, dialect)


def _put_or_off(
    target: JsonObject,
    name: str,
    value: Transcription | NoiseReduction | TurnDetection | Off | None,
    dialect: Dialect,
) -> None:
    if value is None:
        return
    match value:
        case Transcription():
            target[name] = _write_transcription(value, dialect)
        case NoiseReduction():
            target[name] = {"type": value.kind}
            put(target[name], "strength", value.strength)
        case Off():
            target[name] = None
        case _:
            target[name] = write_turn_detection(value)


def _write_transcription(transcription: Transcription, dialect: Dialect) -> JsonObject:
    written: JsonObject = {}
    for name in transcription.__struct_fields__:
        value = getattr(transcription, name)
        put(
            written,
            dialect.transcription_fields.get(name, name),
            list(value) if isinstance(value, tuple) else value,
        )
    return written


def write_turn_detection(detection: TurnDetection) -> JsonObject:
    """Turn detection as the wire has it."""
    server = isinstance(detection, ServerTurnDetection)
    written: JsonObject = {"type": "server_vad" if server else "semantic_vad"}
    for name in detection.__struct_fields__:
        put(written, "silence_duration_ms" if name == "silence_ms" else name, getattr(detection, name))
    return written


def write_voice(voice: str | None, dialect: Dialect) -> str | JsonObject | None:
    """A voice as the wire has it: its name, or an object that says whose it is."""
    if voice is None or dialect.openai_voices is None or voice in dialect.openai_voices:
        return voice
    return {"type": "azure-standard", "name": voice}


def write_modalities(modalities: tuple[Modality, ...] | None, dialect: Dialect) -> list[str] | None:
    """Output modalities as the wire has them; speech always has a transcript."""
    if modalities is None:
        return None
    if "audio" not in modalities:
        return ["text"]
    return ["text", "audio"] if dialect.text_with_audio else ["audio"]


def write_max_tokens(tokens: int | str | None) -> int | str | None:
    """A bound as the wire has it."""
    return "inf" if tokens == "unlimited" else tokens


def put_reasoning(target: JsonObject, effort: str | None, dialect: Dialect) -> None:
    """Set the reasoning effort, if it is stated."""
    if effort is None:
        return
    if dialect.reasoning_effort:
        target["reasoning_effort"] = effort
    else:
        target["reasoning"] = {"effort": effort}


def write_prompt(prompt: PromptTemplate | None) -> JsonObject | None:
    """A stored prompt as the wire has it."""
    if prompt is None:
        return None
    written: dict[str, Any] = {"id": prompt.id}
    put(written, "version", prompt.version)
    if prompt.variables:
        written["variables"] = prompt.variables
    return written
