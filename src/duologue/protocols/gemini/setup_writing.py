"""A session's options as the ``setup`` that opens it, and as the ``contextUpdate`` that changes it."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.options import OFF, Off, SemanticTurnDetection, ServerTurnDetection, SessionOptions, Transcription
from duologue.protocols.gemini.client_frames import ContextTools, ContextUpdate
from duologue.protocols.gemini.content_frames import Content, Part
from duologue.protocols.gemini.dialect import GeminiDialect
from duologue.protocols.gemini.tools import write_tools
from duologue.protocols.json_values import JsonObject, overlaid, put

_BUDGETS = {"none": 0, "minimal": 512, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 32_768}


def write_setup(options: SessionOptions, dialect: GeminiDialect) -> JsonObject:
    """The ``setup`` for `options`, with what they have in `extra` over it, and changed by their `raw_factory`.

    Raises:
        UnsupportedOperation: The service has no way to do what an option asks for.
    """
    setup: JsonObject = {}
    put(setup, "model", dialect.resource(options.model))
    setup["generationConfig"] = _generation(options, dialect)
    if options.instructions:
        setup["systemInstruction"] = {"parts": [{"text": options.instructions}]}
    tools = write_session_tools(options, dialect)
    if tools:
        setup["tools"] = tools
    put(setup, "realtimeInputConfig", _realtime_input(options, dialect) or None)
    if isinstance(options.transcription, Transcription) or options.kind == "transcription":
        setup["inputAudioTranscription"] = _transcription(options.transcription, dialect)
    if options.output_modalities != ("text",):
        setup["outputAudioTranscription"] = {}
    setup["sessionResumption"] = {} if options.resume is None else {"handle": options.resume}
    if options.history and dialect.family.seeds_in_client_content:
        setup["historyConfig"] = {"initialHistoryInClientContent": True}
    if options.metadata:
        setup["labels"] = options.metadata
    setup = overlaid(setup, {name: value for name, value in options.extra.items() if name != "tools"})
    return setup if options.raw_factory is None else options.raw_factory(setup)


def write_session_tools(options: SessionOptions, dialect: GeminiDialect) -> list[Any]:
    """The functions of `options`, unless none may be called, and the service's own tools in ``extra["tools"]``."""
    functions = () if options.tool_choice == "none" else options.tools or ()
    own = options.extra.get("tools", [])
    if not isinstance(own, list):
        raise InvalidInput('extra["tools"] is a list of tools as the wire has them, such as [{"googleSearch": {}}].')
    return [*write_tools(functions, dialect), *own]


def write_update(changes: SessionOptions, known: SessionOptions, dialect: GeminiDialect) -> ContextUpdate:
    """The ``contextUpdate`` for `changes` of a session with `known` options.

    Raises:
        UnsupportedOperation: The model cannot change that while the session runs.
    """
    fixed = sorted(set(changes.stated()) - {"instructions", "tools", "unsupported"})
    if fixed or not dialect.family.updates_context:
        what = ", ".join(fixed or changes.stated())
        raise UnsupportedOperation(
            f"changing {what} in a running session",
            dialect.provider,
            "Open a new session instead. The Reconnection middleware can do that, and go on with the conversation.",
        )
    update = ContextUpdate()
    if changes.instructions is not None:
        update.system_instruction = Content(parts=(Part(text=changes.instructions),))
    if changes.tools is not None:
        update.tools = ContextTools(tools=tuple(write_session_tools(known.merged(changes), dialect)))
    return update


def _generation(options: SessionOptions, dialect: GeminiDialect) -> JsonObject:
    config: JsonObject = {"responseModalities": ["TEXT" if options.output_modalities == ("text",) else "AUDIO"]}
    put(config, "temperature", options.temperature)
    if isinstance(options.max_output_tokens, int):
        config["maxOutputTokens"] = options.max_output_tokens
    if options.voice is not None:
        config["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": options.voice}}}
    if options.reasoning_effort is not None:
        config["thinkingConfig"] = _thinking(options.reasoning_effort, dialect)
    if options.kind == "translation":
        _check_target(options)
    return config


def _check_target(options: SessionOptions) -> None:
    """A translation has a language; which, stands among the service's own options."""
    config = options.extra.get("generationConfig")
    if not isinstance(config, dict) or not config.get("translationConfig"):
        raise InvalidInput('A translation needs its language: GeminiSessionOptions(target_language="en").')


def _thinking(effort: str, dialect: GeminiDialect) -> JsonObject:
    if dialect.family.thinking == "level" and effort != "none":
        return {"thinkingLevel": effort.upper()}
    if dialect.family.thinking == "budget" and effort in _BUDGETS:
        return {"thinkingBudget": _BUDGETS[effort]}
    known = ", ".join(_BUDGETS) if dialect.family.thinking == "budget" else "minimal, low, medium, high, xhigh"
    way_out = "Leave reasoning_effort out." if dialect.family.thinking is None else f"It has: {known}."
    raise UnsupportedOperation(f"reasoning_effort={effort!r} with this model", dialect.provider, way_out)


def _realtime_input(options: SessionOptions, dialect: GeminiDialect) -> JsonObject:
    detection = options.turn_detection
    if detection is OFF:
        return {"automaticActivityDetection": {"disabled": True}}
    if detection is None or isinstance(detection, Off):
        return {}
    _check_detection(detection, dialect)
    config: JsonObject = {}
    if isinstance(detection, ServerTurnDetection) and detection.silence_ms is not None:
        config["automaticActivityDetection"] = {"silenceDurationMs": detection.silence_ms}
    if detection.interrupt_response is not None:
        interrupts = detection.interrupt_response
        config["activityHandling"] = "START_OF_ACTIVITY_INTERRUPTS" if interrupts else "NO_INTERRUPTION"
    return config


def _check_detection(detection: ServerTurnDetection | SemanticTurnDetection, dialect: GeminiDialect) -> None:
    if isinstance(detection, SemanticTurnDetection):
        raise UnsupportedOperation("'semantic' turn detection", dialect.provider, "It has: off, server.")
    if detection.create_response is False:
        raise UnsupportedOperation(
            "turn detection that starts no response (create_response=False)",
            dialect.provider,
            "Open the session with turn_detection=OFF, and mark the turns with UserTurnStart and UserTurnEnd.",
        )


def _transcription(transcription: Transcription | Off | None, dialect: GeminiDialect) -> JsonObject:
    if not isinstance(transcription, Transcription):
        return {}
    for name in ("model", "prompt", "delay"):
        if getattr(transcription, name) is not None:
            raise UnsupportedOperation(
                f"{name} of a transcription", dialect.provider, "It takes: language, languages, keywords."
            )
    languages = transcription.languages or (() if transcription.language is None else (transcription.language,))
    config: JsonObject = {}
    if languages:
        config["languageCodes"] = list(languages)
    if transcription.keywords:
        config["customVocabulary"] = list(transcription.keywords)
    return config


def encode_setup(setup: JsonObject) -> str:
    """The first frame.

    Raises:
        InvalidInput: The options hold what JSON cannot.
    """
    try:
        return msgspec.json.encode({"setup": setup}).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The session's options cannot be written as JSON: {error}") from error
