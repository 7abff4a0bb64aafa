"""What each dialect makes of the same options."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.formats import PCM16_16K, PCM16_24K, PCMU, AudioFormat
from duologue.options import (
    OFF,
    FunctionChoice,
    NoiseReduction,
    Off,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
)
from duologue.protocols.openai import (
    AZURE,
    AZURE_PREVIEW,
    LOCALAI,
    OPENAI,
    QWEN,
    SPEACHES,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
    VOICE_LIVE,
    XAI,
    Dialect,
    OpenAIClientProtocol,
)
from duologue.protocols.openai.audio_formats import read_format
from duologue.protocols.openai.session_reading import read_session
from duologue.protocols.openai.session_writing import write_session
from duologue.tools import FunctionTool
from openai_wire import frame, opened, said

ALL = (
    OPENAI,
    AZURE,
    AZURE_PREVIEW,
    VOICE_LIVE,
    XAI,
    QWEN,
    SPEACHES,
    LOCALAI,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
)
SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
OPTIONS = SessionOptions(
    voice="v",
    output_modalities=("audio",),
    input_audio=PCM16_24K,
    transcription=Transcription(model="t", language="en", keywords=("k",)),
    turn_detection=ServerTurnDetection(silence_ms=300),
    tools=(FunctionTool(name="f", parameters=SCHEMA),),
    max_output_tokens=9,
    reasoning_effort="low",
)
TOOL = {"type": "function", "name": "f", "parameters": SCHEMA}
DETECTION = {"type": "server_vad", "silence_duration_ms": 300}

WRITTEN: list[tuple[Dialect, dict[str, Any]]] = [
    (
        OPENAI,
        {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {"model": "t", "language": "en", "keywords": ["k"]},
                    "turn_detection": DETECTION,
                },
                "output": {"voice": "v"},
            },
            "tools": [TOOL],
            "max_output_tokens": 9,
            "reasoning": {"effort": "low"},
        },
    ),
    (
        XAI,
        {
            "modalities": ["audio"],
            "voice": "v",
            "turn_detection": DETECTION,
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24_000},
                    "transcription": {"model": "t", "language_hint": "en", "keyterms": ["k"]},
                }
            },
            "tools": [TOOL],
            "max_output_tokens": 9,
            "reasoning": {"effort": "low"},
        },
    ),
    (
        VOICE_LIVE,
        {
            "modalities": ["text", "audio"],
            "voice": {"type": "azure-standard", "name": "v"},
            "input_audio_format": "pcm16",
            "input_audio_sampling_rate": 24_000,
            "input_audio_transcription": {"model": "t", "language": "en", "phrase_list": ["k"]},
            "turn_detection": DETECTION,
            "tools": [TOOL],
            "max_response_output_tokens": 9,
            "reasoning_effort": "low",
        },
    ),
    (
        QWEN,
        {
            "modalities": ["text", "audio"],
            "voice": "v",
            "input_audio_format": "pcm16",
            "input_audio_transcription": {"model": "t", "language": "en", "keywords": ["k"]},
            "turn_detection": DETECTION,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": SCHEMA}}],
            "max_tokens": 9,
            "reasoning": {"effort": "low"},
        },
    ),
]


@pytest.mark.parametrize(("dialect", "session"), WRITTEN, ids=[dialect.provider for dialect, _ in WRITTEN])
def test_that_options_are_laid_out_as_the_dialect_wants(dialect: Dialect, session: dict[str, Any]) -> None:
    options = OPTIONS if dialect is not QWEN else OPTIONS.merged(SessionOptions(input_audio=PCM16_16K))
    assert write_session(options, dialect) == session
    read = read_session(session)
    assert read.merged(SessionOptions(kind="conversation", input_audio=PCM16_24K)) == OPTIONS.merged(
        SessionOptions(kind="conversation")
    )


@pytest.mark.parametrize("dialect", ALL, ids=lambda dialect: dialect.provider)
@pytest.mark.parametrize(
    ("options", "name"),
    [
        (SessionOptions(turn_detection=OFF), "turn_detection"),
        (SessionOptions(transcription=OFF), "transcription"),
        (SessionOptions(noise_reduction=OFF), "noise_reduction"),
    ],
)
def test_that_off_is_null_and_nothing_else_is(dialect: Dialect, options: SessionOptions, name: str) -> None:
    session = write_session(options, dialect)
    read = read_session(session)
    assert [value for value in _leaves(session) if not isinstance(value, str)] == [None]
    assert isinstance(getattr(read, name), Off)
    assert set(read.stated()) <= {name, "kind"}


def _leaves(value: Any) -> list[Any]:
    return [leaf for entry in value.values() for leaf in _leaves(entry)] if isinstance(value, dict) else [value]


def test_that_a_dialect_claims_options_it_can_lay_out() -> None:
    assert len({dialect.provider for dialect in ALL}) == len(ALL)
    for dialect in ALL:
        can = dialect.capabilities
        assert can.mutable_options <= can.options
        if dialect.session_layout == "flat":
            named = set(dialect.flat_formats)
            rates = can.input_formats if dialect.input_rate else frozenset[AudioFormat]()
            assert (can.input_formats or set()) <= named | (rates or set())
            assert (can.output_formats or set()) <= named
        if can.out_of_band:
            assert can.metadata  # such responses are told apart by it


def test_that_extra_fields_and_the_factory_have_the_last_word() -> None:
    def factory(session: dict[str, Any]) -> dict[str, Any]:
        return {**session, "type": "theirs"}

    options = SessionOptions(extra={"tracing": "auto"}, raw_factory=factory)
    assert write_session(options, OPENAI) == {"type": "theirs", "tracing": "auto"}


@pytest.mark.parametrize(
    ("value", "rate", "format"),
    [
        ("pcm16", None, None),
        ("pcm16", 16_000, PCM16_16K),
        ("pcm", 16_000.0, PCM16_16K),
        ("pcm16_16000hz", None, PCM16_16K),
        ("g711_ulaw", 8_000, PCMU),
        ("not specified", None, None),
        ({"type": "audio/pcm", "rate": -1}, None, None),
        ({"type": "audio/pcm", "rate": 24_000}, None, PCM16_24K),
        ({"type": "audio/pcmu"}, None, PCMU),
        ({"type": 5}, None, None),
        (None, None, None),
    ],
)
def test_that_formats_are_read_in_every_form(value: object, rate: object, format: AudioFormat | None) -> None:
    assert read_format(value, rate) == format


def test_that_a_format_without_a_rate_is_what_the_reader_knows() -> None:
    assert read_format("pcm16", bare_pcm=PCM16_16K) == PCM16_16K
    assert read_format({"type": "audio/pcm"}, bare_pcm=PCM16_16K) == PCM16_16K
    assert read_format("g711_ulaw", bare_pcm=PCM16_16K) == PCMU
    assert read_format("not specified", bare_pcm=PCM16_16K) is None


def test_that_a_format_without_a_rate_has_the_dialect_s() -> None:
    protocol = OpenAIClientProtocol(QWEN)
    protocol.open(SessionOptions())
    protocol.receive(frame("session.created", session={"input_audio_format": "pcm16"}))
    [created] = protocol.receive(frame("session.updated", session={"input_audio_format": "pcm16"}))
    assert isinstance(created, m.SessionCreated)
    assert created.options.input_audio == PCM16_16K


def test_that_odd_sessions_of_live_servers_are_read() -> None:
    xai = {"turn_detection": {"type": None}, "temperature": -1.0, "input_audio_format": "not specified"}
    assert read_session(xai) == SessionOptions(turn_detection=OFF)
    assert read_session({"voice": {"type": "openai", "name": "alloy"}}).voice == "alloy"
    assert read_session({"input_audio_noise_reduction": {"type": "far_field", "strength": 1}}) == SessionOptions(
        noise_reduction=NoiseReduction(kind="far_field", strength=1.0)
    )
    twice = [{"type": "function", "name": "f"}, {"type": "function", "name": "f"}, {"type": "web_search"}, 5]
    assert read_session({"tools": twice, "max_output_tokens": 0}).tools == (FunctionTool(name="f", parameters=SCHEMA),)


def test_that_a_choice_of_function_is_shaped_like_the_tools() -> None:
    options = SessionOptions(tool_choice=FunctionChoice("f"))
    assert write_session(options, OPENAI)["tool_choice"] == {"type": "function", "name": "f"}
    assert write_session(options, QWEN)["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert read_session(write_session(options, QWEN)) == options


def test_that_a_response_s_own_input_has_the_dialect_s_name() -> None:
    request = m.ResponseCreate(id="a", items=(m.MessageItem.assistant("x"),))
    [openai], [azure] = said(opened(OPENAI), request), said(opened(VOICE_LIVE), request)
    assert openai["response"]["input"][0]["content"] == [{"type": "output_text", "text": "x"}]
    assert azure["response"]["input_items"][0]["content"] == [{"type": "text", "text": "x"}]
