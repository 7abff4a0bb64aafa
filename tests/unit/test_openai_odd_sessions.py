"""Session objects of live servers that are not as documented: what makes sense of them holds."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.options import OFF, SemanticTurnDetection, SessionOptions
from duologue.protocols.openai import (
    OPENAI,
    QWEN,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
    VOICE_LIVE,
    XAI,
    Dialect,
    OpenAIClientProtocol,
)
from openai_wire import frame, opened

SESSIONS: list[tuple[str, Dialect, Any, SessionOptions]] = [
    ("null", OPENAI, None, SessionOptions()),
    ("text", OPENAI, "x", SessionOptions()),
    (
        "all fields null",
        OPENAI,
        dict.fromkeys(
            ("type", "model", "instructions", "audio", "tools", "tool_choice", "output_modalities", "prompt")
        ),
        SessionOptions(),
    ),
    (
        "null where something is off",
        OPENAI,
        {"audio": {"input": {"turn_detection": None, "transcription": None, "noise_reduction": None}, "output": None}},
        SessionOptions(turn_detection=OFF, transcription=OFF, noise_reduction=OFF),
    ),
    ("turn detection without a type", XAI, {"turn_detection": {"type": None}}, SessionOptions(turn_detection=OFF)),
    ("turn detection of a new type", OPENAI, {"turn_detection": {"type": "telepathy"}}, SessionOptions()),
    (
        "turn detection of Azure's own",
        VOICE_LIVE,
        {"turn_detection": {"type": "azure_semantic_vad", "eagerness": "eager", "create_response": "yes"}},
        SessionOptions(turn_detection=SemanticTurnDetection()),
    ),
    (
        "formats that are not specified",
        XAI,
        {"input_audio_format": "not specified", "output_audio_format": 5, "temperature": -1.0},
        SessionOptions(),
    ),
    (
        "a format of no rate",
        OPENAI,
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 0}}}},
        SessionOptions(input_audio=PCM16_24K),
    ),
    (
        "tools of new types",
        XAI,
        {"tools": [{"type": "web_search"}, {"type": "function"}, None, {"type": "mcp", "server_label": "s"}]},
        SessionOptions(tools=()),
    ),
    ("a tool choice of a new type", OPENAI, {"tool_choice": {"type": "tarot"}}, SessionOptions()),
    ("a tool choice that is new", OPENAI, {"tool_choice": "perhaps"}, SessionOptions()),
    ("bounds that make no sense", OPENAI, {"max_output_tokens": -5, "speed": "fast"}, SessionOptions()),
    ("a bound without bounds", OPENAI, {"max_output_tokens": "inf"}, SessionOptions(max_output_tokens="unlimited")),
    ("modalities that are new", OPENAI, {"output_modalities": ["smell"]}, SessionOptions()),
    ("modalities in text", QWEN, {"modalities": "audio"}, SessionOptions()),
]


@pytest.mark.parametrize(
    ("dialect", "session", "expected"), [row[1:] for row in SESSIONS], ids=[row[0] for row in SESSIONS]
)
def test_that_odd_sessions_are_confirmed(dialect: Dialect, session: Any, expected: SessionOptions) -> None:
    assert opened(dialect).receive(frame("session.updated", session=session)) == [
        m.SessionUpdated(id="event_1", options=expected)
    ]
    opening = OpenAIClientProtocol(dialect)
    opening.open(SessionOptions())
    opening.receive(frame("session.created", session=session))
    [created] = opening.receive(frame("session.updated", session=session))
    assert isinstance(created, m.SessionCreated)
    assert created.options.merged(SessionOptions(tools=())) == expected.merged(SessionOptions(tools=()))


@pytest.mark.parametrize(
    "dialect",
    [OPENAI, XAI, VOICE_LIVE, QWEN, SPEECH_TO_SPEECH, VLLM_TRANSCRIPTION],
    ids=lambda dialect: dialect.provider,
)
@pytest.mark.parametrize(
    "text", ['{"type":"session.created"}', '{"session":{"id":5},"type":"session.created","event_id":7}']
)
def test_that_an_odd_greeting_opens_the_session(dialect: Dialect, text: str) -> None:
    protocol = OpenAIClientProtocol(dialect)
    protocol.open(SessionOptions())
    messages = protocol.receive(text)
    assert protocol.frames_to_send()
    if dialect.confirms_options:
        messages += protocol.receive('{"type":"session.updated","session":null}')
    [created] = messages
    assert isinstance(created, m.SessionCreated)
    assert created.session_id is None
