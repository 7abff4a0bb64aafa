"""What was asked for stays where a server does not say otherwise, and what is remembered of it is bounded."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.content import AudioContent, ImageContent
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from duologue.items import MessageItem
from duologue.options import OFF, SessionOptions
from duologue.protocols import ProtocolState
from duologue.protocols.openai import (
    LOCALAI,
    OPENAI,
    QWEN,
    VOICE_LIVE,
    XAI,
    Dialect,
    OpenAIClientProtocol,
    OpenAIServerProtocol,
)
from duologue.protocols.openai.session_reading import read_session
from duologue.protocols.openai.session_writing import write_session
from duologue.tools import FunctionTool
from openai_wire import frame, opened, said, through_the_wire

BARE: dict[str, Any] = {"format": {"type": "audio/pcm"}}


# --- extra ---


def test_that_extra_is_laid_over_the_typed_options() -> None:
    extra = {"audio": {"output": {"voice": {"id": "voice_1"}, "style": "calm"}}, "include": ["x"]}
    options = SessionOptions(turn_detection=OFF, voice="marin", speed=1.5, include=("a", "b"), extra=extra)
    assert write_session(options, OPENAI) == {
        "type": "realtime",
        "audio": {
            "input": {"turn_detection": None},
            "output": {"voice": {"id": "voice_1"}, "style": "calm", "speed": 1.5},
        },
        "include": ["x"],
    }
    assert extra == {"audio": {"output": {"voice": {"id": "voice_1"}, "style": "calm"}}, "include": ["x"]}


def test_that_extra_is_laid_over_a_request() -> None:
    request = m.ResponseCreate(
        id="a",
        voice="marin",
        output_audio=PCM16_24K,
        extra={"audio": {"output": {"voice": {"id": "voice_1"}}}},
    )
    [event] = said(opened(), request)
    assert event["response"]["audio"]["output"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "voice": {"id": "voice_1"},
    }


# --- formats without a rate ---


def _asked(dialect: Dialect, session: dict[str, Any], audio: AudioFormat = PCM16_16K) -> SessionOptions:
    protocol = OpenAIClientProtocol(dialect)
    protocol.open(SessionOptions(input_audio=audio, output_audio=audio))
    protocol.receive(frame("session.created", session={}))
    [created] = protocol.receive(frame("session.updated", session=session))
    assert isinstance(created, m.SessionCreated)
    return created.options


@pytest.mark.parametrize("dialect", [XAI, LOCALAI], ids=lambda dialect: dialect.provider)
def test_that_an_echo_without_a_rate_leaves_what_was_asked_for(dialect: Dialect) -> None:
    told = _asked(dialect, {"audio": {"input": BARE, "output": BARE}})
    assert (told.input_audio, told.output_audio) == (PCM16_16K, PCM16_16K)


def test_that_an_echo_with_a_rate_has_it() -> None:
    stated = {"format": {"type": "audio/pcm", "rate": 8_000}}
    told = _asked(XAI, {"audio": {"input": stated, "output": stated}})
    assert (told.input_audio, told.output_audio) == (PCM16_8K, PCM16_8K)


def test_that_a_dialect_s_only_rate_holds_in_each_direction() -> None:
    names = {"input_audio_format": "pcm16", "output_audio_format": "pcm16"}
    told = _asked(QWEN, names, PCM16_8K)
    assert (told.input_audio, told.output_audio) == (PCM16_16K, PCM16_24K)
    told = _asked(OPENAI, {"audio": {"input": BARE, "output": BARE}}, PCM16_8K)
    assert (told.input_audio, told.output_audio) == (PCM16_24K, PCM16_24K)


def test_that_a_name_has_its_rate_unless_the_rate_stands_apart() -> None:
    told = _asked(VOICE_LIVE, {"input_audio_format": "pcm16", "output_audio_format": "pcm16"})
    assert (told.input_audio, told.output_audio) == (PCM16_16K, PCM16_24K)


def test_that_a_response_without_a_rate_has_the_session_s() -> None:
    protocol = opened(XAI, SessionOptions(output_audio=PCM16_16K))
    response = {"id": "r", "status": "in_progress", "audio": {"output": BARE}}
    [created] = protocol.receive(frame("response.created", response=response))
    assert isinstance(created, m.ResponseCreated)
    assert created.output_audio is None
    [delta] = protocol.receive(frame("response.output_audio.delta", response_id="r", item_id="i", delta="AAAA"))
    assert isinstance(delta, m.OutputAudioDelta)
    assert delta.format == PCM16_16K


@pytest.mark.parametrize("dialect", [XAI, LOCALAI, OPENAI], ids=lambda dialect: dialect.provider)
def test_that_a_server_takes_the_default_where_a_client_states_no_rate(dialect: Dialect) -> None:
    server = OpenAIServerProtocol(dialect)
    [update] = server.receive(frame("session.update", session={"audio": {"input": BARE, "output": BARE}}))
    assert isinstance(update, m.SessionUpdate)
    assert (update.options.input_audio, update.options.output_audio) == (PCM16_24K, PCM16_24K)
    [request] = server.receive(frame("response.create", response={"audio": {"output": BARE}}))
    assert isinstance(request, m.ResponseCreate)
    assert request.output_audio == PCM16_24K


# --- what is remembered ---


def _cause(protocol: OpenAIClientProtocol, event_id: str) -> tuple[str | None, object]:
    [error] = protocol.receive(frame("error", error={"message": "No.", "event_id": event_id}))
    assert isinstance(error, m.ErrorReported)
    return error.cause_id, error.cause


def test_that_streamed_pictures_are_not_kept() -> None:
    protocol = opened(QWEN)
    said(protocol, m.InputImageAppend(id="a", image=ImageContent(data=b"x", media_type="image/jpeg")))
    assert _cause(protocol, "a") == ("a", None)


@pytest.mark.parametrize("as_request", [False, True])
def test_that_only_so_many_bytes_are_kept(as_request: bool) -> None:
    protocol = opened()
    content = (ImageContent(data=bytes(300_000)), AudioContent(audio=bytes(100_000), format=PCM16_24K))
    item = MessageItem(role="user", content=content)
    said(protocol, m.ItemDelete(id="small", item_id="i"))
    for number in range(4):
        request = m.ResponseCreate(id=f"{number}", items=(item,)) if as_request else None
        said(protocol, request or m.ItemCreate(id=f"{number}", item=item))
    assert [_cause(protocol, f"{number}")[1] is None for number in range(4)] == [True, True, False, False]
    assert _cause(protocol, "0")[0] == "0"
    assert _cause(protocol, "small") == ("small", m.ItemDelete(id="small", item_id="i"))


def test_that_the_bytes_of_the_forgotten_do_not_count() -> None:
    protocol = opened()
    picture = MessageItem(role="user", content=(ImageContent(data=bytes(1_000_000)),))
    said(protocol, m.ItemCreate(id="old", item=picture))
    for number in range(64):
        said(protocol, m.ItemDelete(id=f"{number}", item_id="i"))
    said(protocol, m.ItemCreate(id="new", item=picture))
    assert _cause(protocol, "new")[1] == m.ItemCreate(id="new", item=picture)


# --- a call that others take part in ---

OTHERS: list[dict[str, Any]] = [
    {"instructions": "Be long."},
    {"instructions": "Be brief.", "tools": [{"type": "function", "name": "g"}]},
]
ASKED = SessionOptions(instructions="Be brief.", tools=(FunctionTool(name="f"),))


def _joined(options: SessionOptions) -> OpenAIClientProtocol:
    protocol = OpenAIClientProtocol(awaits_greeting=False)
    protocol.open(options)
    protocol.frames_to_send()
    return protocol


@pytest.mark.parametrize("other", OTHERS, ids=["other instructions", "other tools"])
def test_that_an_answer_to_another_participant_is_not_taken_for_ours(other: dict[str, Any]) -> None:
    protocol = _joined(ASKED)
    assert protocol.receive(frame("session.updated", session={"id": "s", **other})) == []
    assert protocol.state is ProtocolState.OPENING
    ours = {"instructions": " Be  brief.\n", "tools": [{"type": "function", "name": "f", "parameters": {}}]}
    [created] = protocol.receive(frame("session.updated", session=ours))
    assert isinstance(created, m.SessionCreated)
    assert created.session_id == "s"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (ASKED, {}),
        (SessionOptions(voice="marin"), {"instructions": "Be long.", "voice": "alloy"}),
    ],
    ids=["nothing is told", "nothing is asked"],
)
def test_that_an_answer_that_may_be_ours_is_taken(asked: SessionOptions, told: dict[str, Any]) -> None:
    [created] = _joined(asked).receive(frame("session.updated", session=told))
    assert isinstance(created, m.SessionCreated)


def test_that_a_server_that_greets_has_no_other_participants() -> None:
    protocol = _joined(ASKED)
    protocol.receive(frame("session.created", session={"id": "s"}))
    [created] = protocol.receive(frame("session.updated", session={"instructions": "Be long."}))
    assert isinstance(created, m.SessionCreated)


# --- voices ---

AVA = "en-US-Ava:DragonHDLatestNeural"


@pytest.mark.parametrize(
    ("dialect", "voice", "written"),
    [
        (VOICE_LIVE, "marin", "marin"),
        (VOICE_LIVE, AVA, {"type": "azure-standard", "name": AVA}),
        (OPENAI, AVA, AVA),
    ],
)
def test_that_azure_s_voices_say_so(dialect: Dialect, voice: str, written: object) -> None:
    session = write_session(SessionOptions(voice=voice), dialect)
    assert session.get("voice", session.get("audio", {}).get("output", {}).get("voice")) == written
    assert read_session(session).voice == voice
    [event] = said(opened(dialect), m.ResponseCreate(id="a", voice=voice))
    response = event["response"]
    assert response.get("voice", response.get("audio", {}).get("output", {}).get("voice")) == written
    told = m.ResponseCreated(response_id="r", voice=voice)
    [read] = through_the_wire(told, dialect)
    assert isinstance(read, m.ResponseCreated)
    assert read.voice == voice


def test_that_extra_refines_azure_s_voice() -> None:
    options = SessionOptions(voice=AVA, extra={"voice": {"temperature": 0.5}})
    assert write_session(options, VOICE_LIVE)["voice"] == {"type": "azure-standard", "name": AVA, "temperature": 0.5}
