"""`Telemetry`: what was said is recorded on request only, and audio never."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from duologue import FunctionInvocation, SessionOptions, Transcription, tool
from duologue import messages as m
from duologue.errors import CutOff
from duologue.formats import PCM16_24K
from duologue.middleware.telemetry import content
from duologue.testing import ScriptedClient, ScriptedReply
from telemetry_records import Records, arrive, attributes, opened

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
SOUND = bytes(range(1, 251)) * 40
SAID = ("instructed", "asked aloud", "asked in writing", "argued", "resulted", "answered", "complained")
FAILED = m.ErrorDetail(message="complained", code="odd")


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture(autouse=True)
def _without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


async def converse(records: Records, *, capture_content: bool | None) -> None:
    """A conversation with everything that may be content in it."""

    @tool
    def look_up(what: str) -> str:
        """Look something up."""
        return f"resulted {what}"

    reply = ScriptedReply.audio(SOUND, "answered")
    client = ScriptedClient(
        [ScriptedReply.call("look_up", {"what": "argued"}), reply, reply.ending("failed", error=FAILED)]
    )
    options = SessionOptions(instructions="instructed", transcription=Transcription(), tools=(look_up,))
    layers = (FunctionInvocation(), records.telemetry(capture_content=capture_content))
    session = await opened(client, *layers, options=options)
    await session.send_audio(SOUND)
    client.link.hear("asked aloud")
    async for message in session:
        if isinstance(message, m.TurnDone):
            break
    clip = m.AudioContent(audio=SOUND, format=PCM16_24K)
    picture = m.ImageContent(data=SOUND)
    words = m.TextContent(text="asked in writing")
    await session.send(m.ItemCreate(item=m.MessageItem(role="user", content=(words, clip, picture))))
    await session.send(m.ItemCreate(item=m.MessageItem(role="user", content=(clip,))))
    await session.respond()
    async for message in session:
        if isinstance(message, m.TurnDone):
            break
    await arrive(session, m.InputSpeechStarted(item_id="u2"), m.InputAudioCommitted(item_id="u2"))
    await arrive(session, m.InputTranscriptFailed(item_id="u2", error=FAILED))
    await arrive(session, m.ErrorReported(kind="server", error=FAILED))
    client.link.hang_up(CutOff("complained"))
    with pytest.raises(CutOff):
        async for _ in session:
            pass


def texts(spans: list[ReadableSpan]) -> Iterator[str]:
    """All that stands in spans."""
    for span in spans:
        yield span.name
        yield span.status.description or ""
        values = [attributes(span), *(event.attributes or {} for event in span.events)]
        yield from (str(value) for one in values for value in one.values())


def read(span: ReadableSpan, name: str) -> Any:
    value = attributes(span)[name]
    assert isinstance(value, str)
    return json.loads(value)


async def test_that_nothing_is_recorded_unasked(records: Records) -> None:
    await converse(records, capture_content=None)
    everything = "\n".join(texts(records.spans))
    assert len(records.spans) == 7
    assert [said for said in SAID if said in everything] == []


async def test_that_all_is_recorded_on_request(records: Records) -> None:
    await converse(records, capture_content=True)
    everything = "\n".join(texts(records.spans))
    assert [said for said in SAID if said not in everything] == []


async def test_that_audio_never_is(records: Records) -> None:
    await converse(records, capture_content=True)
    everything = "\n".join(texts(records.spans))
    assert base64.b64encode(SOUND[:30]).decode() not in everything
    assert str(SOUND[:30])[2:-1] not in everything
    assert max(len(text) for text in texts(records.spans)) < 300
    assert not [value for span in records.spans for value in attributes(span).values() if isinstance(value, bytes)]


async def test_where_content_stands(records: Records) -> None:
    await converse(records, capture_content=True)
    session = records.one("realtime_session script")
    assert read(session, "gen_ai.system_instructions") == [{"type": "text", "content": "instructed"}]
    assert session.status.description is not None
    assert "complained" in session.status.description
    speech, unheard = records.named("user_speech")
    assert read(speech, "gen_ai.input.messages") == [_said("user", "asked aloud")]
    assert unheard.status.description == "complained"
    called = records.one("execute_tool look_up")
    assert read(called, "gen_ai.tool.call.arguments") == {"what": "argued"}
    assert attributes(called)["gen_ai.tool.call.result"] == "resulted argued"
    first, second, third = records.named("realtime_inference script")
    part = {"type": "tool_call", "id": attributes(called)["gen_ai.tool.call.id"], "name": "look_up"}
    answer = [{"role": "assistant", "parts": [{**part, "arguments": {"what": "argued"}}]}]
    assert read(first, "gen_ai.output.messages") == answer
    assert "gen_ai.input.messages" not in attributes(first)
    assert read(second, "gen_ai.output.messages") == [_said("assistant", "answered")]
    assert read(third, "gen_ai.input.messages") == [_said("user", "asked in writing")]
    assert third.status.description == "complained"


def _said(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


async def test_that_new_instructions_replace_the_old(records: Records) -> None:
    session = await opened(
        ScriptedClient(), records.telemetry(capture_content=True), options=SessionOptions(instructions="old")
    )
    await session.update(SessionOptions(instructions="new"))
    async for message in session:
        if isinstance(message, m.SessionUpdated):
            break
    await session.aclose()
    shown = read(records.one("realtime_session script"), "gen_ai.system_instructions")
    assert shown == [{"type": "text", "content": "new"}]


async def test_that_what_the_model_reads_does_not_pile_up(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry(capture_content=True))
    for number in range(70):
        await session.send(m.ItemCreate(item=m.MessageItem.user(f"n{number}")))
    await arrive(session, m.ResponseCreated(response_id="r1"), m.ResponseDone(response_id="r1", status="completed"))
    shown = read(records.one("realtime_inference script"), "gen_ai.input.messages")
    assert [message["parts"][0]["content"] for message in shown] == [f"n{number}" for number in range(6, 70)]
    await session.aclose()


@pytest.mark.parametrize(
    ("value", "captures"),
    [
        ("true", True),
        ("True ", True),
        ("span_only", True),
        ("SPAN_AND_EVENT", True),
        ("EVENT_ONLY", False),
        ("NO_CONTENT", False),
        ("false", False),
        ("", False),
    ],
)
async def test_the_variable(records: Records, monkeypatch: pytest.MonkeyPatch, value: str, captures: bool) -> None:
    monkeypatch.setenv(VARIABLE, value)
    session = await opened(ScriptedClient(), records.telemetry(), options=SessionOptions(instructions="instructed"))
    await session.aclose()
    assert ("gen_ai.system_instructions" in attributes(records.one("realtime_session script"))) is captures


@pytest.mark.parametrize("asked", [True, False])
async def test_that_the_setting_wins(records: Records, monkeypatch: pytest.MonkeyPatch, asked: bool) -> None:
    monkeypatch.setenv(VARIABLE, "false" if asked else "true")
    telemetry = records.telemetry(capture_content=asked)
    session = await opened(ScriptedClient(), telemetry, options=SessionOptions(instructions="instructed"))
    await session.aclose()
    assert ("gen_ai.system_instructions" in attributes(records.one("realtime_session script"))) is asked


def test_the_json_of_items() -> None:
    items = (
        m.MessageItem.assistant("Hello"),
        m.FunctionCall(call_id="c1", name="f", arguments="not JSON"),
        m.FunctionResult(call_id="c1", output='{"a": 1}'),
        m.McpCall(server_label="s", name="f"),
        m.MessageItem(role="user"),
    )
    assert json.loads(content.messages(items) or "") == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}]},
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "f", "arguments": "not JSON"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"a": 1}}]},
    ]
    assert content.messages(()) is None
    assert content.answer((m.MessageItem(role="assistant"),)) is None
