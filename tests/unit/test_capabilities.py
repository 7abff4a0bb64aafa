"""Capabilities: a flag is false exactly where asking for it raises."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from duologue import messages as m
from duologue.capabilities import Capabilities, check_message, check_options, check_update
from duologue.errors import UnsupportedOperation
from duologue.formats import PCM16_16K, PCM16_24K, PCMU
from duologue.messages.base import ClientMessage
from duologue.options import (
    OFF,
    FunctionChoice,
    McpChoice,
    NoiseReduction,
    PromptTemplate,
    SemanticTurnDetection,
    ServerTurnDetection,
    SessionOptions,
    Transcription,
)
from duologue.tools import FunctionTool, McpServerTool
from links import EVERYTHING as ALL

EVERYTHING = msgspec.structs.replace(ALL, tool_scheduling=True)
PICTURE = m.MessageItem.image(m.ImageContent(data=b"png"))
WORDS = m.MessageItem.user("hi")
MCP = McpServerTool(server_label="mail", connector_id="connector_mail")
TELLS_ONLY = {
    "turn_owner": "who decides when a turn is over",
    "continues_after_tool_results": "whether the model goes on by itself",
    "tracks_playback": "whether the server plays the audio",
    "tool_cancellation": "whether calls may be taken back",
    "output_transcripts": "whether the model's words come",
    "speech_events": "whether speech is reported",
    "max_session_seconds": "when the session ends",
    "response_options": "tested field by field below",
    "options": "tested name by name below",
    "mutable_options": "tested name by name below",
}

# For each capability: its value without it, and what then cannot be asked for.
MESSAGES: list[tuple[str, object, ClientMessage]] = [
    ("manual_turns", False, m.InputAudioCommit()),
    ("manual_turns", False, m.UserTurnStart()),
    ("manual_turns", False, m.UserTurnEnd()),
    ("input_clear", False, m.InputAudioClear()),
    ("video", False, m.InputImageAppend(image=m.ImageContent(data=b"png"))),
    ("text_input", False, m.ItemCreate(item=WORDS)),
    (
        "tool_scheduling",
        False,
        m.ItemCreate(item=m.FunctionResult(call_id="c", output="{}", scheduling="silent")),
    ),
    ("images", False, m.ItemCreate(item=PICTURE)),
    ("images", False, m.ResponseCreate(items=(WORDS, PICTURE))),
    ("insert_position", False, m.ItemCreate(item=WORDS, previous_item_id="root")),
    ("delete", False, m.ItemDelete(item_id="i")),
    ("retrieve", False, m.ItemRetrieve(item_id="i")),
    ("truncate", False, m.ItemTruncate(item_id="i", audio_end_ms=1)),
    ("explicit_response", False, m.ResponseCreate()),
    ("out_of_band", False, m.ResponseCreate(out_of_band=True)),
    ("metadata", False, m.ResponseCreate(metadata={"a": "b"})),
    ("cancel", False, m.ResponseCancel()),
    ("say", "none", m.Say(text="hi")),
    ("hosted_mcp", False, m.FunctionCallApproval(approval_id="a", approve=True)),
    ("hosted_mcp", False, m.ResponseCreate(tools=(MCP,))),
    ("tool_choices", frozenset({"auto"}), m.ResponseCreate(tool_choice="required")),
    ("output_modalities", frozenset({"audio"}), m.ResponseCreate(output_modalities=("text",))),
    ("output_formats", frozenset({PCM16_24K}), m.ResponseCreate(output_audio=PCMU)),
]
OPTIONS: list[tuple[str, object, SessionOptions]] = [
    ("session_kinds", frozenset({"conversation"}), SessionOptions(kind="transcription")),
    ("turn_detections", frozenset({"server"}), SessionOptions(turn_detection=OFF)),
    ("turn_detections", frozenset({"off"}), SessionOptions(turn_detection=ServerTurnDetection())),
    ("turn_detections", frozenset({"server"}), SessionOptions(turn_detection=SemanticTurnDetection())),
    (
        "turn_detection_tuning",
        frozenset[str](),
        SessionOptions(turn_detection=ServerTurnDetection(idle_timeout_ms=5000)),
    ),
    ("turn_detection_tuning", frozenset[str](), SessionOptions(turn_detection=ServerTurnDetection(silence_ms=1))),
    ("turn_detection_tuning", frozenset[str](), SessionOptions(turn_detection=SemanticTurnDetection(eagerness="low"))),
    ("input_formats", frozenset({PCM16_24K}), SessionOptions(input_audio=PCM16_16K)),
    ("output_formats", frozenset({PCM16_24K}), SessionOptions(output_audio=PCMU)),
    ("output_modalities", frozenset({"audio"}), SessionOptions(output_modalities=("text",))),
    ("hosted_mcp", False, SessionOptions(tools=(FunctionTool(name="f"), MCP))),
    ("tool_choices", frozenset({"auto"}), SessionOptions(tool_choice="none")),
    ("tool_choices", frozenset({"auto"}), SessionOptions(tool_choice=FunctionChoice("f"))),
    ("tool_choices", frozenset({"auto"}), SessionOptions(tool_choice=McpChoice("mail"))),
    ("input_transcripts", "never", SessionOptions(transcription=Transcription())),
    ("input_transcripts", "always", SessionOptions(transcription=OFF)),
    ("seeding", False, SessionOptions(history=(WORDS,))),
    ("images", False, SessionOptions(history=(PICTURE,))),
    ("resumption", False, SessionOptions(resume="handle")),
]


def without(flag: str, value: object) -> Capabilities:
    return msgspec.structs.replace(EVERYTHING, **{flag: value})


def refusal(error: pytest.ExceptionInfo[UnsupportedOperation]) -> UnsupportedOperation:
    """The exception, whose text names the operation, the provider and the way out."""
    raised = error.value
    assert raised.operation
    assert raised.way_out.endswith(".")
    assert str(raised) == f"acme does not support {raised.operation}. {raised.way_out}"
    return raised


def test_that_every_capability_is_looked_at() -> None:
    tested = {flag for flag, _, _ in (*MESSAGES, *OPTIONS)}
    assert tested | set(TELLS_ONLY) == set(Capabilities.__struct_fields__)
    assert not tested & set(TELLS_ONLY)


@pytest.mark.parametrize(("flag", "value", "message"), MESSAGES)
def test_that_a_message_is_refused_without_its_flag_and_only_then(
    flag: str, value: object, message: ClientMessage
) -> None:
    check_message(message, EVERYTHING, "acme")
    with pytest.raises(UnsupportedOperation) as error:
        check_message(message, without(flag, value), "acme")
    refusal(error)


@pytest.mark.parametrize(("flag", "value", "options"), OPTIONS)
def test_that_options_are_refused_without_their_flag_and_only_then(
    flag: str, value: object, options: SessionOptions
) -> None:
    assert check_options(options, EVERYTHING, "acme") == (options, ())
    check_update(options, EVERYTHING, "acme")
    with pytest.raises(UnsupportedOperation) as error:
        check_options(options, without(flag, value), "acme")
    refusal(error)
    with pytest.raises(UnsupportedOperation):
        check_update(options, without(flag, value), "acme")


STATED: dict[str, Any] = {
    "instructions": "hi",
    "voice": "a",
    "speed": 1.1,
    "output_modalities": ("audio",),
    "transcription": Transcription(),
    "noise_reduction": NoiseReduction(),
    "turn_detection": ServerTurnDetection(),
    "tools": (FunctionTool(name="f"),),
    "tool_choice": "auto",
    "parallel_tool_calls": False,
    "max_output_tokens": 10,
    "temperature": 0.5,
    "reasoning_effort": "low",
    "include": ("a",),
    "metadata": {"a": "b"},
    "history": (WORDS,),
    "resume": "handle",
}


@pytest.mark.parametrize("name", STATED)
def test_that_an_option_is_refused_where_it_is_not_taken(name: str) -> None:
    options = SessionOptions(**{name: STATED[name]})
    check_options(options, EVERYTHING, "acme")
    with pytest.raises(UnsupportedOperation, match=f"acme does not support the option {name}"):
        check_options(options, without("options", EVERYTHING.options - {name}), "acme")


@pytest.mark.parametrize(
    "options",
    [
        SessionOptions(noise_reduction=OFF),
        SessionOptions(transcription=OFF),
        SessionOptions(tools=()),
        SessionOptions(history=()),
        SessionOptions(unsupported="raise", extra={"a": 1}, raw_factory=dict, model="m"),
    ],
)
def test_that_what_is_not_there_can_be_switched_off(options: SessionOptions) -> None:
    bare = Capabilities(options=frozenset())
    assert check_options(options, bare, "acme") == (options, ())


def test_that_turn_detection_off_is_more_than_nothing() -> None:
    with pytest.raises(UnsupportedOperation, match="the option turn_detection"):
        check_options(SessionOptions(turn_detection=OFF), Capabilities(options=frozenset()), "acme")


PREFERENCES = SessionOptions(
    instructions="hi",
    voice="a",
    speed=1.1,
    noise_reduction=NoiseReduction(),
    temperature=0.5,
    turn_detection=ServerTurnDetection(threshold=0.4, silence_ms=300, create_response=False),
)


def test_that_preferences_are_dropped_when_asked_to() -> None:
    can = msgspec.structs.replace(
        EVERYTHING,
        options=EVERYTHING.options - {"voice", "speed", "noise_reduction", "temperature"},
        turn_detection_tuning=frozenset({"silence_ms"}),
    )
    carried, dropped = check_options(msgspec.structs.replace(PREFERENCES, unsupported="drop"), can, "acme")
    assert set(dropped) == {"voice", "speed", "noise_reduction", "temperature", "turn_detection.threshold"}
    assert carried == SessionOptions(
        instructions="hi",
        unsupported="drop",
        turn_detection=ServerTurnDetection(silence_ms=300, create_response=False),
    )
    with pytest.raises(UnsupportedOperation):
        check_options(PREFERENCES, can, "acme")


@pytest.mark.parametrize("name", sorted(set(STATED) - {"voice", "speed", "noise_reduction", "temperature"}))
def test_that_what_is_no_preference_is_never_dropped(name: str) -> None:
    options = SessionOptions(**{name: STATED[name]}, unsupported="drop")
    with pytest.raises(UnsupportedOperation):
        check_options(options, without("options", EVERYTHING.options - {name}), "acme")


@pytest.mark.parametrize("name", STATED)
def test_that_a_running_session_changes_only_what_it_can(name: str) -> None:
    changes = SessionOptions(**{name: STATED[name]})
    can = without("mutable_options", EVERYTHING.mutable_options - {name})
    check_update(changes, EVERYTHING, "acme")
    with pytest.raises(UnsupportedOperation, match=f"changing {name} in a running session") as error:
        check_update(changes, can, "acme")
    refusal(error)
    with pytest.raises(UnsupportedOperation):
        check_message(m.SessionUpdate(options=changes), can, "acme")


def test_that_fields_of_the_wire_can_be_changed_where_anything_can() -> None:
    changes = SessionOptions(extra={"tracing": "auto"}, raw_factory=dict, unsupported="raise")
    check_update(changes, without("mutable_options", frozenset({"voice"})), "acme")
    with pytest.raises(UnsupportedOperation, match="changing extra, raw_factory"):
        check_update(changes, without("mutable_options", frozenset()), "acme")


OVERRIDES: dict[str, Any] = {
    "items": (WORDS,),
    "instructions": "hi",
    "output_audio": PCM16_24K,
    "voice": "a",
    "output_modalities": ("text",),
    "tools": (FunctionTool(name="f"),),
    "tool_choice": "none",
    "parallel_tool_calls": True,
    "max_output_tokens": 5,
    "reasoning_effort": "low",
    "prompt": PromptTemplate(id="p"),
    "extra": {"a": 1},
}


@pytest.mark.parametrize("name", OVERRIDES)
def test_that_a_response_takes_only_what_it_can(name: str) -> None:
    request = m.ResponseCreate(**{name: OVERRIDES[name]})
    assert request.overrides() == (name,)
    check_message(request, EVERYTHING, "acme")
    with pytest.raises(UnsupportedOperation, match=f"{name} for a single response") as error:
        check_message(request, without("response_options", EVERYTHING.response_options - {name}), "acme")
    refusal(error)


@pytest.mark.parametrize(
    "message",
    [
        m.InputAudioAppend(audio=b""),
        m.InputAudioEnd(),
        m.ItemCreate(item=WORDS),
        m.OutputAudioPlayed(item_id="i", played_ms=1),
        m.OutputAudioClear(),
        m.RawClientMessage(data={}),
        m.SessionUpdate(options=SessionOptions()),
    ],
)
def test_that_some_things_can_be_said_everywhere(message: ClientMessage) -> None:
    check_message(message, Capabilities(options=frozenset()), "acme")
