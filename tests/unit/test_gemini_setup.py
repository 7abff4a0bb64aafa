"""Options as a setup, and what the services and models can do."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import check_options
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_24K
from duologue.items import MessageItem
from duologue.options import (
    OFF,
    SemanticTurnDetection,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
)
from duologue.protocols.gemini import (
    GEMINI,
    VERTEX_AI,
    GeminiClientProtocol,
    GeminiDialect,
    GeminiServerProtocol,
    family_of,
    gemini_capabilities,
)
from duologue.protocols.gemini.setup_writing import write_setup
from duologue.providers.gemini_options import ContextCompression, GeminiSessionOptions, own_options
from duologue.tools import FunctionTool, McpServerTool

NATIVE = GEMINI.for_model("gemini-2.5-flash-native-audio-preview-09-2025")
NEW = GEMINI.for_model("gemini-3.8-live")
LATE = GEMINI.for_model("gemini-3.1-flash-live-preview")
TOOL = FunctionTool(name="f", description="Does it.")
BACKGROUND = FunctionTool(name="g", background=True)
DEFAULT: dict[str, Any] = {
    "generationConfig": {"responseModalities": ["AUDIO"]},
    "outputAudioTranscription": {},
    "sessionResumption": {},
}

FAMILIES = {
    "gemini-2.0-flash-live-001": "half-cascade",
    "gemini-live-2.5-flash-preview": "half-cascade",
    "gemini-2.5-flash": "gemini-2.5",
    "models/gemini-2.5-flash-native-audio-preview-09-2025": "gemini-2.5",
    "gemini-live-2.5-flash-native-audio": "gemini-2.5",
    "gemini-3.1-flash-live-preview": "gemini-3.1",
    "gemini-3-live": "gemini-3.1",
    "projects/p/locations/l/publishers/google/models/gemini-3.8-live": "gemini-3.8",
    "gemini-4.0-live": "gemini-3.8",
    "gemini-3.5-live-translate-preview": "live-translate",
    "my-tuned-model": "gemini-2.5",
}


@pytest.mark.parametrize(("model", "family"), FAMILIES.items())
def test_that_a_model_is_known_by_its_name(model: str, family: str) -> None:
    assert family_of(model).name == family
    assert GEMINI.for_model(model).family == family_of(model)


SETUPS: dict[str, tuple[SessionOptions, dict[str, Any]]] = {
    "nothing": (SessionOptions(), {}),
    "model": (SessionOptions(model="m"), {"model": "models/m"}),
    "instructions": (
        SessionOptions(instructions="Be brief."),
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}},
    ),
    "no instructions": (SessionOptions(instructions=""), {}),
    "voice": (
        SessionOptions(voice="Puck", temperature=0.5, max_output_tokens=20),
        {
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "temperature": 0.5,
                "maxOutputTokens": 20,
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
            }
        },
    ),
    "unlimited": (SessionOptions(max_output_tokens="unlimited", output_audio=PCM16_24K), {}),
    "text": (
        SessionOptions(output_modalities=("text",)),
        {"generationConfig": {"responseModalities": ["TEXT"]}, "outputAudioTranscription": None},
    ),
    "thinking": (
        SessionOptions(reasoning_effort="low"),
        {"generationConfig": {"responseModalities": ["AUDIO"], "thinkingConfig": {"thinkingBudget": 1_024}}},
    ),
    "transcription": (SessionOptions(transcription=Transcription()), {"inputAudioTranscription": {}}),
    "languages": (
        SessionOptions(transcription=Transcription(language="de", keywords=("Oslo",))),
        {"inputAudioTranscription": {"languageCodes": ["de"], "customVocabulary": ["Oslo"]}},
    ),
    "no transcription": (SessionOptions(transcription=OFF), {}),
    "manual turns": (
        SessionOptions(turn_detection=OFF),
        {"realtimeInputConfig": {"automaticActivityDetection": {"disabled": True}}},
    ),
    "turn detection": (
        SessionOptions(turn_detection=ServerTurnDetection(silence_ms=400, interrupt_response=False)),
        {
            "realtimeInputConfig": {
                "automaticActivityDetection": {"silenceDurationMs": 400},
                "activityHandling": "NO_INTERRUPTION",
            }
        },
    ),
    "tools": (
        SessionOptions(tools=(TOOL, BACKGROUND)),
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "f", "description": "Does it.", "parametersJsonSchema": TOOL.parameters},
                        {"name": "g", "parametersJsonSchema": TOOL.parameters, "behavior": "NON_BLOCKING"},
                    ]
                }
            ]
        },
    ),
    "no tools": (SessionOptions(tools=(TOOL,), tool_choice="none"), {}),
    "their own tools": (
        SessionOptions(tools=(), extra={"tools": [{"googleSearch": {}}], "generationConfig": {"seed": 1}}),
        {"tools": [{"googleSearch": {}}], "generationConfig": {"responseModalities": ["AUDIO"], "seed": 1}},
    ),
    "handle": (SessionOptions(resume="h"), {"sessionResumption": {"handle": "h"}}),
    "labels": (SessionOptions(metadata={"a": "b"}), {"labels": {"a": "b"}}),
    "raw": (SessionOptions(raw_factory=lambda setup: {**setup, "new": True}), {"new": True}),
    "compression": (
        GeminiSessionOptions(context_compression=ContextCompression(trigger_tokens=9)),
        {"contextWindowCompression": {"triggerTokens": 9, "slidingWindow": {}}},
    ),
    "proactive": (GeminiSessionOptions(proactive_audio=True), {"proactivity": {"proactiveAudio": True}}),
    "sensitivity": (
        GeminiSessionOptions(
            turn_detection=ServerTurnDetection(silence_ms=400), start_sensitivity="high", end_sensitivity="low"
        ),
        {
            "realtimeInputConfig": {
                "automaticActivityDetection": {
                    "silenceDurationMs": 400,
                    "startOfSpeechSensitivity": "START_SENSITIVITY_HIGH",
                    "endOfSpeechSensitivity": "END_SENSITIVITY_LOW",
                }
            }
        },
    ),
    "search": (
        GeminiSessionOptions(google_search=True, code_execution=False, extra={"tools": [{"urlContext": {}}]}),
        {"tools": [{"urlContext": {}}, {"googleSearch": {}}]},
    ),
}


@pytest.mark.parametrize(("options", "expected"), SETUPS.values(), ids=SETUPS)
def test_that_options_are_a_setup(options: SessionOptions, expected: dict[str, Any]) -> None:
    setup = {name: value for name, value in {**DEFAULT, **expected}.items() if value is not None}
    assert write_setup(options, NATIVE) == setup


def test_that_models_say_how_they_think_and_what_blocks() -> None:
    setup = write_setup(SessionOptions(reasoning_effort="xhigh"), LATE)
    assert setup["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "XHIGH"}
    [tools] = write_setup(SessionOptions(tools=(TOOL, BACKGROUND)), NEW)["tools"]
    assert [one.get("behavior") for one in tools["functionDeclarations"]] == ["BLOCKING", None]


REFUSED: dict[str, tuple[GeminiDialect, SessionOptions]] = {
    "semantic": (NATIVE, SessionOptions(turn_detection=SemanticTurnDetection())),
    "no response": (NATIVE, SessionOptions(turn_detection=ServerTurnDetection(create_response=False))),
    "mcp": (NATIVE, SessionOptions(tools=(McpServerTool(server_label="s", server_url="https://mcp.test"),))),
    "model of transcription": (NATIVE, SessionOptions(transcription=Transcription(model="m"))),
    "prompt of transcription": (NATIVE, SessionOptions(transcription=Transcription(prompt="p"))),
    "no such effort": (NATIVE, SessionOptions(reasoning_effort="enormous")),
    "no thinking at all": (LATE, SessionOptions(reasoning_effort="none")),
    "thinking": (NEW, SessionOptions(reasoning_effort="low")),
    "picture": (NATIVE, SessionOptions(history=(MessageItem.image(m.ImageContent(url="https://x.test/a.png")),))),
}


@pytest.mark.parametrize(("dialect", "options"), REFUSED.values(), ids=REFUSED)
def test_that_an_option_without_a_counterpart_is_refused(dialect: GeminiDialect, options: SessionOptions) -> None:
    protocol = GeminiClientProtocol(dialect)
    with pytest.raises(UnsupportedOperation) as refused:
        protocol.open(options)
    assert refused.value.way_out
    assert protocol.frames_to_send() == []


@pytest.mark.parametrize(
    "options",
    [
        SessionOptions(extra={"safetySettings": object()}),
        SessionOptions(extra={"tools": {"googleSearch": {}}}),
        SessionOptions(kind="translation"),
    ],
    ids=["no JSON", "no list", "no language"],
)
def test_that_options_that_make_no_sense_are_refused(options: SessionOptions) -> None:
    with pytest.raises(InvalidInput):
        GeminiClientProtocol().open(options)


# --- options of its own ---


def test_that_options_are_merged_field_by_field() -> None:
    defaults = GeminiSessionOptions(google_search=True, top_p=0.5, seed=1, context_compression=True, voice="Puck")
    merged = defaults.merged(GeminiSessionOptions(code_execution=True, top_p=0.7, context_compression=False))
    setup = write_setup(merged, NATIVE)
    assert setup["tools"] == [{"googleSearch": {}}, {"codeExecution": {}}]
    assert setup["generationConfig"]["topP"] == 0.7
    assert setup["generationConfig"]["seed"] == 1
    assert "contextWindowCompression" not in setup
    without = write_setup(merged.merged(GeminiSessionOptions(google_search=False, code_execution=False)), NATIVE)
    assert "tools" not in without
    plain = write_setup(merged.merged(SessionOptions(voice="Kore", extra={"generationConfig": {"topK": 3}})), NATIVE)
    assert plain["generationConfig"]["topK"] == 3
    assert plain["generationConfig"]["topP"] == 0.7
    assert write_setup(SessionOptions(voice="Kore").merged(defaults), NATIVE)["generationConfig"]["topP"] == 0.5


def test_that_options_survive_a_copy() -> None:
    options = GeminiSessionOptions(google_search=True, extra={"tools": [{"urlContext": {}}]})
    again = replace(replace(options, voice="Puck"), model="m")
    assert write_setup(again, NATIVE)["tools"] == [{"urlContext": {}}, {"googleSearch": {}}]


def test_that_thinking_is_bounded_once() -> None:
    with pytest.raises(InvalidInput, match="one of them"):
        GeminiSessionOptions(thinking_budget=1, reasoning_effort="low")


OWN = {
    ("gemini-2.5-flash-native-audio", "affective_dialog"): True,
    ("gemini-3.8-live", "affective_dialog"): False,
    ("gemini-2.5-flash-native-audio", "proactive_audio"): True,
    ("gemini-3.1-flash-live", "proactive_audio"): False,
    ("gemini-2.5-flash-native-audio", "thinking_budget"): True,
    ("gemini-3.1-flash-live", "thinking_budget"): False,
    ("gemini-3.1-flash-live", "include_thoughts"): True,
    ("gemini-3.8-live", "include_thoughts"): False,
    ("gemini-3.8-live", "google_search"): True,
    ("gemini-3.5-live-translate-preview", "target_language"): True,
    ("gemini-3.5-live-translate-preview", "google_search"): False,
    ("gemini-3.8-live", "target_language"): False,
}


@pytest.mark.parametrize(("asked", "has"), OWN.items())
def test_that_models_have_the_options_that_they_have(asked: tuple[str, str], has: bool) -> None:
    model, option = asked
    assert (option in own_options(GEMINI.for_model(model))) is has


def test_that_only_vertex_tells_of_speech() -> None:
    options = GeminiSessionOptions(speech_events=True)
    assert "speech_events" in own_options(VERTEX_AI)
    assert "speech_events" not in own_options(GEMINI)
    assert gemini_capabilities(VERTEX_AI, options).speech_events
    assert not gemini_capabilities(VERTEX_AI, GeminiSessionOptions(speech_events=False)).speech_events
    assert not gemini_capabilities(VERTEX_AI).speech_events


# --- capabilities ---


def test_that_capabilities_are_those_of_service_and_model() -> None:
    assert gemini_capabilities(NATIVE).output_modalities == {"audio"}
    assert gemini_capabilities(GEMINI.for_model("gemini-2.0-flash-live-001")).output_modalities == {"audio", "text"}
    assert gemini_capabilities(NATIVE).mutable_options == frozenset()
    assert gemini_capabilities(NEW).mutable_options == {"instructions", "tools"}
    assert "metadata" in gemini_capabilities(VERTEX_AI).options
    assert "metadata" not in gemini_capabilities(GEMINI).options
    assert "reasoning_effort" not in gemini_capabilities(NEW).options
    for dialect in (NATIVE, NEW, LATE):
        can = gemini_capabilities(dialect)
        assert can.continues_after_tool_results
        assert can.resumption
        assert not can.truncate
        check_options(SessionOptions(input_audio=PCM16_24K, resume="h"), can, "gemini")


def test_that_a_translation_does_nothing_else() -> None:
    dialect = GEMINI.for_model("gemini-3.5-live-translate-preview")
    can = gemini_capabilities(dialect)
    assert can.session_kinds == {"translation"}
    for options in (
        SessionOptions(instructions="x"),
        SessionOptions(tools=(TOOL,)),
        SessionOptions(kind="conversation"),
    ):
        with pytest.raises(UnsupportedOperation):
            check_options(options, can, "gemini")
    options = GeminiSessionOptions(kind="translation", target_language="pl")
    setup = write_setup(options, dialect)
    assert setup["generationConfig"]["translationConfig"] == {"targetLanguageCode": "pl"}
    client = GeminiClientProtocol(dialect)
    client.open(options)
    client.receive(b'{"setupComplete":{}}')
    with pytest.raises(UnsupportedOperation):
        client.send(m.ItemCreate(item=MessageItem.user("Hi")))


# --- read by a server ---


def test_that_a_server_reads_what_sdks_write() -> None:
    setup = b"""{"setup": {
        "model": "models/x",
        "generation_config": {
            "response_modalities": ["AUDIO"], "max_output_tokens": "20", "temperature": 0.5,
            "speech_config": {"voice_config": {"prebuilt_voice_config": {"voice_name": "Puck"}}},
            "thinking_config": {"thinking_level": "HIGH"}
        },
        "system_instruction": {"parts": [{"text": "Be brief."}], "role": "user"},
        "tools": [
            {"function_declarations": [
                {"name": "f", "parameters": {
                    "type": "OBJECT", "required": ["zqx_measurement"],
                    "properties": {
                        "zqx_measurement": {"type": "INTEGER"},
                        "notes": {"type": "ARRAY", "items": {"type": "STRING", "nullable": true}},
                        "either": {"anyOf": [{"type": "STRING"}, {"type": "NUMBER"}]}
                    }
                }},
                {"name": "not a name"}, {"name": "f"}
            ]},
            {"google_search": {}}
        ],
        "input_audio_transcription": {"language_codes": ["en"]},
        "realtime_input_config": {"automatic_activity_detection": {"disabled": true}},
        "session_resumption": {"handle": "h"}, "labels": {"some_label": "a", "odd": 1}
    }}"""
    [message] = GeminiServerProtocol().receive(setup)
    assert isinstance(message, m.SessionUpdate)
    options = message.options
    assert (options.model, options.instructions, options.voice) == ("models/x", "Be brief.", "Puck")
    assert (options.temperature, options.reasoning_effort, options.max_output_tokens) == (0.5, "high", 20)
    assert options.transcription == Transcription(languages=("en",))
    assert options.turn_detection is OFF
    assert (options.resume, options.metadata) == ("h", {"some_label": "a"})
    assert options.extra["tools"][1] == {"googleSearch": {}}
    assert options.tools is not None
    [tool] = options.tools
    assert tool == FunctionTool(
        name="f",
        parameters={
            "type": "object",
            "required": ["zqx_measurement"],
            "properties": {
                "zqx_measurement": {"type": "integer"},
                "notes": {"type": "array", "items": {"type": ["string", "null"]}},
                "either": {"anyOf": [{"type": "string"}, {"type": "number"}]},
            },
        },
    )
