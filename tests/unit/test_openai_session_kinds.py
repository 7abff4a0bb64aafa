"""Transcription sessions, and joining a session that has begun."""

from __future__ import annotations

import json

import pytest

from duologue import messages as m
from duologue.errors import InvalidInput
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols import ProtocolState
from duologue.protocols.openai import AZURE_PREVIEW, OPENAI, OpenAIClientProtocol
from duologue.protocols.openai.session_kinds import transcription_capabilities, transcription_options
from openai_wire import SESSION, frame, sent


def test_what_a_transcription_session_can_do() -> None:
    can = transcription_capabilities(OPENAI.capabilities)
    assert can.options == {
        "kind",
        "model",
        "input_audio",
        "transcription",
        "noise_reduction",
        "turn_detection",
        "include",
    }
    assert can.mutable_options == can.options - {"kind", "model"}
    assert can.input_formats == OPENAI.capabilities.input_formats
    assert can.speech_events
    assert can.manual_turns
    for flag in ("explicit_response", "cancel", "truncate", "out_of_band", "metadata", "seeding", "hosted_mcp"):
        assert not getattr(can, flag)
    assert can.output_transcripts == "never"
    assert can.say == "none"
    assert not can.output_modalities
    assert transcription_capabilities(can) == can


def test_that_nothing_is_added() -> None:
    can = transcription_capabilities(AZURE_PREVIEW.capabilities)
    assert can.options <= AZURE_PREVIEW.capabilities.options
    assert "include" not in can.options


def test_the_model_that_transcribes() -> None:
    plain = SessionOptions(kind="transcription")
    assert transcription_options(plain) is plain
    both = transcription_options(plain.merged(SessionOptions(model="a", transcription=Transcription(language="en"))))
    assert both.transcription == Transcription(model="a", language="en")
    same = SessionOptions(kind="transcription", model="a", transcription=Transcription(model="a"))
    assert transcription_options(same) == same


@pytest.mark.parametrize(
    "options", [SessionOptions(transcription=OFF), SessionOptions(model="a", transcription=Transcription(model="b"))]
)
def test_what_contradicts_itself(options: SessionOptions) -> None:
    with pytest.raises(InvalidInput):
        transcription_options(options)


@pytest.mark.parametrize("greets", [True, False])
def test_that_options_need_not_wait_for_a_greeting(greets: bool) -> None:
    protocol = OpenAIClientProtocol(awaits_greeting=False)
    protocol.open(SessionOptions(instructions="Be brief.", history=(m.MessageItem.user("Hi."),)))
    (update,) = sent(protocol)
    assert update["session"]["instructions"] == "Be brief."
    if greets:
        assert protocol.receive(frame("session.created", session=SESSION)) == []
        assert sent(protocol) == []
    assert protocol.state is ProtocolState.OPENING
    (created,) = protocol.receive(frame("session.updated", session={"type": "realtime"}))
    assert isinstance(created, m.SessionCreated)
    assert created.session_id == ("sess_1" if greets else None)
    assert [event["type"] for event in sent(protocol)] == ["conversation.item.create"]


def test_that_a_greeting_is_awaited_otherwise() -> None:
    protocol = OpenAIClientProtocol()
    protocol.open(SessionOptions())
    assert protocol.frames_to_send() == []
    protocol.receive(frame("session.created", session=SESSION))
    protocol.receive(frame("session.created", session={"id": "sess_2"}))
    assert [json.loads(out)["type"] for out in protocol.frames_to_send() if isinstance(out, str)] == ["session.update"]
