"""What Microsoft.Extensions.AI's tests assert of OpenTelemetry, here.

The rows of `dotnet_middleware` name these tests.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from duologue import messages as m
from duologue.errors import SessionClosed
from duologue.link import ProviderMetadata
from duologue.messages.base import ServerMessage
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.telemetry import Telemetry
from duologue.middleware.telemetry.client import TelemetryClient
from duologue.middleware.telemetry.layer import TelemetryLayer
from duologue.options import OFF, SessionOptions, Transcription
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import tool
from telemetry_records import Records, attributes, events

SESSION = "realtime_session script"
RESPONSE = "realtime_inference script"
captures = pytest.mark.parametrize("capture", [False, True])


@tool
async def search(query: str) -> str:
    """Search for information."""
    return f"found {query}"


class LocalClient(ScriptedClient):
    """A scripted client with an address."""

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider="testprovider", model="script", endpoint="http://localhost:12345/realtime")


@asynccontextmanager
async def traced(
    records: Records, client: ScriptedClient, *, capture: bool = True, options: SessionOptions | None = None
) -> AsyncIterator[RealtimeSession]:
    layered = client.with_middleware(FunctionInvocation(), records.telemetry(capture_content=capture))
    async with layered.create_session(options) as session:
        yield session


async def read_until(session: RealtimeSession, kind: type[ServerMessage]) -> None:
    async for message in session:
        if isinstance(message, kind):
            return


def content_of(records: Records) -> str:
    """All that is recorded in any span, as text."""
    return json.dumps(
        [[dict(attributes(span)), [dict(event.attributes or {}) for event in span.events]] for span in records.spans]
    )


def messages_of(span_attributes: Any, name: str) -> Any:
    return json.loads(span_attributes[name])


USAGE = m.Usage(
    input_tokens=15,
    output_tokens=25,
    total_tokens=40,
    cached_tokens=3,
    reasoning_tokens=6,
    input=m.TokenCounts(audio=10, text=5),
    output=m.TokenCounts(audio=18, text=7),
)


@captures
async def test_what_is_recorded_of_a_response(capture: bool) -> None:
    records = Records()
    options = SessionOptions(
        kind="conversation",
        voice="alloy",
        max_output_tokens=500,
        output_modalities=("text",),
        instructions="Be helpful and friendly.",
        tools=(search,),
    )
    client = LocalClient([ScriptedReply.text("Hello there!").ending("completed", usage=USAGE)])
    async with traced(records, client, capture=capture, options=options) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    whole, response = attributes(records.one(SESSION)), attributes(records.one(RESPONSE))
    for told in (whole, response):
        assert told["server.address"] == "localhost"
        assert told["server.port"] == 12345
        assert told["gen_ai.provider.name"] == "testprovider"
        assert told["gen_ai.request.model"] == "script"
    assert whole["gen_ai.request.max_tokens"] == 500
    assert whole["gen_ai.realtime.session.kind"] == "conversation"
    assert whole["gen_ai.realtime.voice"] == "alloy"
    assert whole["gen_ai.output.type"] == "text"
    assert str(response["gen_ai.response.id"]).startswith("resp")
    assert response["gen_ai.response.finish_reasons"] == ("stop",)
    assert response["gen_ai.realtime.time_to_first_text"] == 0  # the clock stands still
    assert {name: value for name, value in response.items() if name.startswith("gen_ai.usage")} == {
        "gen_ai.usage.input_tokens": 15,
        "gen_ai.usage.output_tokens": 25,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.reasoning.output_tokens": 6,
        "gen_ai.usage.audio.input_tokens": 10,
        "gen_ai.usage.text.input_tokens": 5,
        "gen_ai.usage.audio.output_tokens": 18,
        "gen_ai.usage.text.output_tokens": 7,
    }
    if capture:
        instructions = messages_of(whole, "gen_ai.system_instructions")
        assert instructions == [{"type": "text", "content": "Be helpful and friendly."}]
    else:
        assert "Be helpful" not in content_of(records)


@captures
async def test_that_what_ends_the_session_is_recorded(capture: bool) -> None:
    class Breaks(SessionLayer):
        watches = (m.ResponseCreated,)

        def received(self, message: ServerMessage) -> None:
            raise ZeroDivisionError("Streaming error")

    records = Records()
    client = ScriptedClient()
    layered = client.with_middleware(wrap_sessions(Breaks), records.telemetry(capture_content=capture))
    async with layered.create_session() as session:
        client.link.push(m.ResponseCreated(response_id="r"))
        with pytest.raises(ZeroDivisionError):
            await read_until(session, m.TurnDone)
    span = records.one(SESSION)
    assert attributes(span)["error.type"] == "ZeroDivisionError"
    assert span.status.status_code is StatusCode.ERROR
    assert bool(span.status.description) == capture


@captures
async def test_that_a_response_that_failed_is_recorded(capture: bool) -> None:
    error = m.ErrorDetail(message="Something went wrong", code="internal_error")
    records = Records()
    client = ScriptedClient([ScriptedReply().ending("failed", error=error)])
    async with traced(records, client, capture=capture) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    span = records.one(RESPONSE)
    assert attributes(span)["error.type"] == "internal_error"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == ("Something went wrong" if capture else None)


async def test_that_nothing_is_there_where_nobody_listens() -> None:
    layered = ScriptedClient(["Hello"]).with_middleware(Telemetry())
    async with layered.create_session() as session:
        assert session.get_service(TelemetryLayer) is None
        await session.respond()
        await read_until(session, m.TurnDone)


async def test_that_telemetry_is_found_in_client_and_session() -> None:
    records = Records()
    client = ScriptedClient().with_middleware(records.telemetry())
    assert client.require_service(TelemetryClient) is client
    async with client.create_session() as session:
        assert isinstance(session.require_service(TelemetryLayer), TelemetryLayer)
        assert session.require_service(RealtimeSession) is session


async def test_that_a_tool_is_traced_below_its_own_span() -> None:
    records = Records()

    @tool
    async def look_up() -> None:
        with records.tracers.get_tracer("mine").start_as_current_span("mine"):
            assert trace.get_current_span().get_span_context().is_valid

    client = ScriptedClient([ScriptedReply.call("look_up"), "So."])
    async with traced(records, client, options=SessionOptions(tools=(look_up,))) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    mine, running = records.one("mine"), records.one("execute_tool look_up")
    assert mine.parent is not None
    assert running.context is not None
    assert mine.parent.span_id == running.context.span_id


async def test_that_a_transcription_session_is_called_one() -> None:
    records = Records()
    client = ScriptedClient()
    async with traced(records, client, options=SessionOptions(kind="transcription")):
        pass
    assert attributes(records.one(SESSION))["gen_ai.realtime.session.kind"] == "transcription"


@captures
async def test_that_calls_and_results_are_content(capture: bool) -> None:
    records = Records()
    client = ScriptedClient([ScriptedReply.call("search", {"query": "test"}, call_id="call_1"), "So."])
    async with traced(records, client, capture=capture, options=SessionOptions(tools=(search,))) as session:
        await session.respond()
        await read_until(session, m.TurnDone)
    call = attributes(records.one("execute_tool search"))
    assert call["gen_ai.tool.call.id"] == "call_1"
    first = attributes(records.named(RESPONSE)[0])
    if not capture:
        assert not {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"} & set(call)
        assert not {"gen_ai.input.messages", "gen_ai.output.messages"} & set(first)
        return
    assert json.loads(str(call["gen_ai.tool.call.arguments"])) == {"query": "test"}
    assert call["gen_ai.tool.call.result"] == "found test"
    part = {"type": "tool_call", "id": "call_1", "name": "search", "arguments": {"query": "test"}}
    assert messages_of(first, "gen_ai.output.messages") == [{"role": "assistant", "parts": [part]}]


async def test_that_audio_and_pictures_are_never_recorded() -> None:
    records = Records()
    client = ScriptedClient([ScriptedReply.audio(b"\5\6" * 480, "Hello"), "I see."])
    async with traced(records, client, options=SessionOptions(turn_detection=OFF)) as session:
        await session.send(m.UserTurnStart())
        await session.send_audio(b"\1\2" * 480)
        await session.send(m.InputAudioCommit())
        await session.respond()
        await read_until(session, m.TurnDone)
        await session.send_image(b"\x89PNG", text="What is this?")
        await read_until(session, m.TurnDone)
    told = content_of(records)
    assert "What is this?" in told
    assert "Hello" in told
    for hidden in ("AQIB", "BQYF", "iVBO", "blob", "image/png"):
        assert hidden not in told
    assert len(records.named("user_speech")) == 1


@captures
async def test_that_words_are_on_the_span_that_they_belong_to(capture: bool) -> None:
    records = Records()
    client = ScriptedClient(["Hello from server", "Hello again"])
    options = SessionOptions(transcription=Transcription())
    async with traced(records, client, capture=capture, options=options) as session:
        await session.send_text("User text message")
        await read_until(session, m.TurnDone)
        client.link.hear("Transcribed audio content")
        await read_until(session, m.TurnDone)
    if not capture:
        assert not any(word in content_of(records) for word in ("Hello", "User text", "Transcribed"))
        return
    response = attributes(records.named(RESPONSE)[0])
    asked = [{"role": "user", "parts": [{"type": "text", "content": "User text message"}]}]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "Hello from server"}]}]
    assert messages_of(response, "gen_ai.input.messages") == asked
    assert messages_of(response, "gen_ai.output.messages") == said
    heard = messages_of(attributes(records.one("user_speech")), "gen_ai.input.messages")
    assert heard == [{"role": "user", "parts": [{"type": "text", "content": "Transcribed audio content"}]}]


@captures
async def test_that_an_error_of_the_provider_is_an_event_of_the_session(capture: bool) -> None:
    records = Records()
    client = ScriptedClient()
    async with traced(records, client, capture=capture) as session:
        client.link.push(m.ErrorReported(kind="server", error=m.ErrorDetail(message="Something went wrong")))
        await read_until(session, m.ErrorReported)
    span = records.one(SESSION)
    assert events(span) == ["gen_ai.realtime.error"]
    assert ("Something went wrong" in content_of(records)) == capture


async def test_that_a_traced_session_is_closed_twice() -> None:
    records = Records()
    async with traced(records, ScriptedClient()) as session:
        for _ in range(2):
            await session.aclose()
    assert isinstance(session.ended, SessionClosed)
    assert len(records.named(SESSION)) == 1
