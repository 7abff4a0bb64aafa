"""What a client's ``setup`` and ``contextUpdate`` ask for: for the server's role."""

from __future__ import annotations

from typing import Any

from duologue.options import OFF, Off, ServerTurnDetection, SessionOptions, Transcription
from duologue.protocols.gemini.client_frames import ContextUpdate
from duologue.protocols.gemini.content_frames import Content
from duologue.protocols.gemini.decoding import in_camel_case
from duologue.protocols.gemini.dialect import GeminiDialect
from duologue.protocols.gemini.tools import read_tools
from duologue.protocols.json_values import JsonObject, as_float, as_int, as_object, as_objects, as_text, as_texts


def read_setup(setup: JsonObject, dialect: GeminiDialect) -> SessionOptions:
    """The options that a setup stands for. The setup itself, in camel case, is in `SessionOptions.extra`."""
    setup = in_camel_case(setup)
    config = as_object(setup.get("generationConfig"))
    tools = read_tools(setup.get("tools"), dialect)
    modalities = as_texts(config.get("responseModalities"))
    max_tokens = _count(config.get("maxOutputTokens"))
    speech = as_object(as_object(config.get("speechConfig")).get("voiceConfig"))
    labels = {name: text for name, text in as_object(setup.get("labels")).items() if isinstance(text, str)}
    return SessionOptions(
        kind="translation" if as_object(config.get("translationConfig")) else None,
        model=as_text(setup.get("model")),
        instructions=_text_of(setup.get("systemInstruction")),
        voice=as_text(as_object(speech.get("prebuiltVoiceConfig")).get("voiceName")),
        output_modalities=("text",) if modalities == ("TEXT",) else ("audio",),
        transcription=_read_transcription(setup),
        turn_detection=_read_detection(as_object(setup.get("realtimeInputConfig"))),
        tools=tools or None,
        max_output_tokens=max_tokens if max_tokens is not None and max_tokens > 0 else None,
        temperature=as_float(config.get("temperature")),
        reasoning_effort=_read_thinking(as_object(config.get("thinkingConfig"))),
        metadata=labels or None,
        resume=as_text(as_object(setup.get("sessionResumption")).get("handle")),
        extra=setup,
    )


def read_update(update: ContextUpdate, dialect: GeminiDialect) -> SessionOptions:
    """The options that change."""
    tools = None if update.tools is None else read_tools(list(update.tools.tools), dialect)
    return SessionOptions(instructions=_words(update.system_instruction), tools=tools)


def _words(content: Content | None) -> str | None:
    return None if content is None else "".join(part.text or "" for part in content.parts)


def _text_of(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    parts = as_objects(as_object(content).get("parts"))
    return "\n".join(as_text(part.get("text")) or "" for part in parts) or None


def _read_transcription(setup: JsonObject) -> Transcription | None:
    if "inputAudioTranscription" not in setup:
        return None
    config = as_object(setup["inputAudioTranscription"])
    languages = as_texts(config.get("languageCodes"))
    return Transcription(languages=languages or None, keywords=as_texts(config.get("customVocabulary")) or None)


def _read_detection(config: JsonObject) -> ServerTurnDetection | Off | None:
    automatic = as_object(config.get("automaticActivityDetection"))
    if automatic.get("disabled") is True:
        return OFF
    handling = config.get("activityHandling")
    silence_ms = _count(automatic.get("silenceDurationMs"))
    if silence_ms is None and handling is None:
        return None
    return ServerTurnDetection(silence_ms=silence_ms, interrupt_response=handling != "NO_INTERRUPTION")


def _count(value: object) -> int | None:
    """A number, which may be a string."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else as_int(value)


def _read_thinking(config: JsonObject) -> str | None:
    level = as_text(config.get("thinkingLevel"))
    return None if level is None else level.lower()
