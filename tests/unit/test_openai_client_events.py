"""Whatever a client of this family can say is what the vendors' own models take, and nothing else."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.content import ImageContent
from duologue.messages.base import ClientMessage
from duologue.options import OFF, FunctionChoice, SemanticTurnDetection, SessionOptions, Transcription
from duologue.protocols.openai import AZURE, OPENAI, VOICE_LIVE, Dialect
from openai_messages import client_messages, transcription_options
from openai_wire import opened
from vendor_models import by_type, problems

realtime = pytest.importorskip("openai.types.realtime")
voicelive = pytest.importorskip("azure.ai.voicelive.models")

MODELS: dict[str, dict[str, Any]] = {
    OPENAI.provider: by_type(realtime.RealtimeClientEvent),
    AZURE.provider: by_type(realtime.RealtimeClientEvent),
    VOICE_LIVE.provider: by_type(voicelive.ClientEvent),
}
GA = {
    "response.create.response.input[[]]: nothing that is known": (
        "a reference to an item is documented, and typed for what is sent only"
    )
}
BEYOND_THE_MODELS: dict[str, dict[str, str]] = {
    OPENAI.provider: GA,
    AZURE.provider: GA,
    VOICE_LIVE.provider: {
        "session.update.session.turn_detection: nothing that is known": (
            "semantic_vad with its eagerness is documented for OpenAI's models, which it also serves"
        ),
        "session.update.session.input_audio_transcription.prompt: unknown": "it is in what live servers confirm",
        "response.create.response.conversation: unknown": "documented as OpenAI's beta has it: out of band",
        "response.create.response.tool_choice: no *": "typed as text, although the session takes what we send",
        "conversation.item.create.item.content[[]]: nothing that is known": (
            "input_image: models that see take it, and the package has it as a part that no item holds"
        ),
        "response.create.response.input_items[[]].content[[]]: nothing that is known": "input_image, likewise",
    },
}
"""What is sent although a model does not know it, as a pattern, and why."""

CASES = [
    pytest.param(dialect, kind, id=f"{dialect.provider}-{kind.__name__}")
    for dialect in (OPENAI, AZURE, VOICE_LIVE)
    for kind in client_messages(dialect)
]


def unexpected(event: dict[str, Any], dialect: Dialect) -> list[str]:
    """What the vendor's model of the event has against it."""
    model = MODELS[dialect.provider][event["type"]]
    found = problems(event, model, event["type"])
    if hasattr(model, "model_validate") and not found:
        model.model_validate(event)
    known = BEYOND_THE_MODELS[dialect.provider]
    return [problem for problem in found if not any(fnmatch.fnmatch(problem, pattern) for pattern in known)]


@pytest.mark.parametrize(("dialect", "kind"), CASES)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_that_every_message_goes_out_as_the_vendor_knows_it(
    dialect: Dialect, kind: type[ClientMessage], data: st.DataObject
) -> None:
    fields = {name: values for name, values in client_messages(dialect)[kind].items() if name != "extra"}
    protocol = opened(dialect)
    protocol.send(data.draw(st.builds(kind, **fields)))
    for frame in protocol.frames_to_send():
        assert unexpected(json.loads(frame), dialect) == []


@pytest.mark.parametrize("dialect", [OPENAI, AZURE], ids=lambda dialect: dialect.provider)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_that_transcription_sessions_are_asked_for_as_the_vendor_knows_them(
    dialect: Dialect, data: st.DataObject
) -> None:
    protocol = opened(dialect)
    protocol.send(m.SessionUpdate(id="a", options=data.draw(transcription_options(dialect))))
    for frame in protocol.frames_to_send():
        assert unexpected(json.loads(frame), dialect) == []


@pytest.mark.parametrize("dialect", [OPENAI, AZURE, VOICE_LIVE], ids=lambda dialect: dialect.provider)
@pytest.mark.parametrize(
    "message",
    [
        m.InputAudioEnd(id="a"),
        m.UserTurnEnd(id="a"),
        m.UserTurnEnd(id="a", respond=False),
        m.Say(id="a", text="Mind the gap."),
        m.ItemCreate(id="a", item=m.McpApprovalResponse(id="i", approval_request_id="r", approve=True)),
    ],
    ids=lambda message: type(message).__name__,
)
def test_that_what_is_said_in_another_way_is_known_too(dialect: Dialect, message: ClientMessage) -> None:
    off = isinstance(message, m.UserTurnEnd)
    protocol = opened(dialect, SessionOptions(turn_detection=OFF) if off else None)
    protocol.send(message)
    frames = protocol.frames_to_send()
    assert frames
    for frame in frames:
        assert unexpected(json.loads(frame), dialect) == []


_IMAGE = m.MessageItem.image(ImageContent(data=b"x"))
BEYOND: list[tuple[Dialect, ClientMessage]] = [
    (OPENAI, m.ResponseCreate(id="a", items=(m.ItemReference(id="i"),))),
    (VOICE_LIVE, m.SessionUpdate(id="a", options=SessionOptions(turn_detection=SemanticTurnDetection()))),
    (VOICE_LIVE, m.SessionUpdate(id="a", options=SessionOptions(transcription=Transcription(model="t", prompt="p")))),
    (VOICE_LIVE, m.ResponseCreate(id="a", out_of_band=True)),
    (VOICE_LIVE, m.ResponseCreate(id="a", tool_choice=FunctionChoice("f"))),
    (VOICE_LIVE, m.ItemCreate(id="a", item=_IMAGE)),
    (VOICE_LIVE, m.ResponseCreate(id="a", items=(_IMAGE,))),
]


def test_that_the_list_of_what_models_do_not_know_is_true() -> None:
    found = set()
    for dialect, message in BEYOND:
        protocol = opened(dialect)
        protocol.send(message)
        [frame] = protocol.frames_to_send()
        event = json.loads(frame)
        for problem in problems(event, MODELS[dialect.provider][event["type"]], event["type"]):
            [pattern] = [known for known in BEYOND_THE_MODELS[dialect.provider] if fnmatch.fnmatch(problem, known)]
            found.add(pattern)
    assert found == {pattern for known in BEYOND_THE_MODELS.values() for pattern in known}


def test_that_a_reference_is_what_the_vendor_lets_one_send() -> None:
    typed = pytest.importorskip("openai.types.realtime.response_create_event_with_references_param")
    protocol = opened()
    protocol.send(m.ResponseCreate(id="a", items=(m.ItemReference(id="i"), m.MessageItem.user("x"))))
    [frame] = protocol.frames_to_send()
    assert problems(json.loads(frame), typed.ResponseCreateEventWithReferencesParam) == []


def test_that_the_check_can_fail() -> None:
    update = {"type": "session.update", "session": {"type": "realtime", "voice": "marin"}}
    assert unexpected(update, OPENAI) == ["session.update.session.voice: unknown"]
    assert unexpected({"type": "response.cancel", "response_id": 5}, OPENAI)
    flat = {"type": "session.update", "session": {"modalities": ["text"], "max_output_tokens": 5}}
    assert unexpected(flat, VOICE_LIVE) == ["session.update.session.max_output_tokens: unknown"]
    assert unexpected({"type": "conversation.item.delete"}, VOICE_LIVE) == ["conversation.item.delete.item_id: missing"]
