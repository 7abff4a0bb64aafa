"""`Telemetry`: the span of a session, and its ends."""

from __future__ import annotations

import asyncio
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from duologue import SessionLayer, SessionOptions, wrap_sessions
from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.errors import (
    ConnectRefused,
    CutOff,
    Expired,
    HungUp,
    InvalidInput,
    SessionEnded,
    UnsupportedOperation,
)
from duologue.link import Link, ProviderMetadata
from duologue.providers import OpenAIRealtimeClient
from duologue.runtime import LayeredClient
from duologue.testing import OpenAIEmulator, ScriptedClient
from telemetry_records import Records, arrive, attributes, duration, events, opened

SESSION = "realtime_session script"


@pytest.fixture
def records() -> Records:
    return Records()


# --- its life ---


async def test_a_session(records: Records) -> None:
    options = SessionOptions(
        model="gpt-realtime",
        voice="alloy",
        temperature=0.8,
        max_output_tokens=1000,
        reasoning_effort="low",
        output_modalities=("text",),
    )
    session = await opened(ScriptedClient(provider="azure-openai"), records.telemetry(), options=options)
    records.clock.advance(3600)
    assert records.spans == []
    await session.aclose()
    (span,) = records.spans
    assert span.name == "realtime_session gpt-realtime"
    assert span.kind is SpanKind.CLIENT
    assert span.parent is None
    assert duration(span) == 3600
    assert span.status.status_code is StatusCode.UNSET
    assert dict(attributes(span)) == {
        "gen_ai.operation.name": "realtime_session",
        "gen_ai.provider.name": "azure.ai.openai",
        "gen_ai.request.model": "gpt-realtime",
        "gen_ai.response.model": "script",
        "gen_ai.realtime_session.id": "scripted",
        "gen_ai.output.type": "text",
        "gen_ai.request.max_tokens": 1000,
        "gen_ai.request.temperature": 0.8,
        "gen_ai.request.reasoning.level": "low",
        "gen_ai.realtime.voice": "alloy",
        "gen_ai.realtime.session.end_reason": "closed",
    }


async def test_that_times_are_times_of_day(records: Records) -> None:
    before = time.time_ns()
    session = await opened(ScriptedClient(), records.telemetry(clock=time.monotonic_ns))
    await session.aclose()
    span = records.one(SESSION)
    assert span.start_time is not None
    assert span.end_time is not None
    assert before - 1_000_000_000 < span.start_time <= span.end_time < time.time_ns() + 1_000_000_000


async def test_what_happens_to_a_session(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(
        session,
        m.ConnectionLost(),
        m.SessionRestored(session_id="another"),
        m.SessionExpiring(seconds_left=30),
        m.ErrorReported(kind="rate_limited", error=m.ErrorDetail(message="secret", code="rate_limit_exceeded")),
        m.SessionUpdated(options=SessionOptions()),
    )
    await session.aclose()
    span = records.one(SESSION)
    assert [(event.name, dict(event.attributes or {})) for event in span.events] == [
        ("gen_ai.realtime.connection_lost", {}),
        ("gen_ai.realtime.session_restored", {"gen_ai.realtime_session.id": "another"}),
        ("gen_ai.realtime.session_expiring", {"gen_ai.realtime.session.seconds_left": 30}),
        (
            "gen_ai.realtime.error",
            {"error.type": "rate_limit_exceeded", "gen_ai.realtime.error.kind": "rate_limited"},
        ),
    ]
    assert attributes(span)["gen_ai.realtime_session.id"] == "another"
    assert span.status.status_code is StatusCode.UNSET


class Addressed(LayeredClient):
    """A client with an address."""

    endpoint = "wss://example.org:8443/v1/realtime?model=x"

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider="xai", model="script", endpoint=self.endpoint)


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("wss://example.org:8443/v1/realtime?model=x", 8443),
        ("wss://example.org/v1", 443),
        ("ws://example.org", 80),
    ],
)
async def test_the_address(records: Records, endpoint: str, port: int) -> None:
    client = Addressed(ScriptedClient(), SessionLayer)
    client.endpoint = endpoint
    session = await client.with_middleware(records.telemetry()).create_session()
    await session.aclose()
    shown = attributes(records.one(SESSION))
    assert (shown["server.address"], shown["server.port"]) == ("example.org", port)
    assert shown["gen_ai.provider.name"] == "x_ai"


# --- its ends ---


@pytest.mark.parametrize(
    ("end", "reason", "error_type"),
    [
        (HungUp("secret"), "hung_up", "HungUp"),
        (HungUp("secret", code="idle_timeout", close_code=1000), "hung_up", "idle_timeout"),
        (CutOff("secret", close_code=1006), "cut_off", "CutOff"),
        (Expired("secret", code="session_expired"), "expired", "session_expired"),
    ],
)
async def test_that_the_provider_ends_it(records: Records, end: SessionEnded, reason: str, error_type: str) -> None:
    client = ScriptedClient()
    session = await opened(client, records.telemetry())
    call = m.FunctionCall(id="i", status="completed", call_id="c1", name="get_weather")
    await arrive(session, m.InputSpeechStarted(item_id="u1"), m.ResponseCreated(response_id="r1"))
    await arrive(session, m.OutputItemDone(response_id="r1", item=call))
    client.link.hang_up(end)
    with pytest.raises(type(end)):
        async for _ in session:
            pass
    span, response = records.one(SESSION), records.one("realtime_inference script")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert attributes(span)["error.type"] == error_type
    assert attributes(span)["gen_ai.realtime.session.end_reason"] == reason
    assert attributes(span).get("gen_ai.realtime.session.close_code") == end.close_code
    assert response.status.status_code is StatusCode.ERROR
    assert attributes(response)["error.type"] == error_type
    assert attributes(response)["gen_ai.realtime.response.status"] == "in_progress"
    tool = records.one("execute_tool get_weather")
    assert attributes(tool)["gen_ai.realtime.tool.outcome"] == "unanswered"
    assert attributes(tool)["error.type"] == error_type
    assert len(records.named("user_speech")) == 1
    await session.aclose()
    assert len(records.spans) == 4


async def test_that_a_layer_ends_it(records: Records) -> None:
    class Breaks(SessionLayer):
        watches = (m.ItemDeleted,)

        def received(self, message: m.ServerMessage) -> None:
            raise LookupError("secret")

    client = ScriptedClient()
    session = await opened(client, wrap_sessions(Breaks), records.telemetry())
    client.link.push(m.ItemDeleted(item_id="i1"))
    with pytest.raises(LookupError):
        await anext(session)
    span = records.one(SESSION)
    assert attributes(span)["error.type"] == "LookupError"
    assert attributes(span)["gen_ai.realtime.session.end_reason"] == "failed"


@pytest.mark.parametrize(
    ("refusal", "reason", "error_type"),
    [
        (ConnectRefused("secret"), "refused", "ConnectRefused"),
        (ConnectRefused("secret", code="invalid_api_key"), "refused", "invalid_api_key"),
    ],
)
async def test_a_session_that_is_refused(records: Records, refusal: SessionEnded, reason: str, error_type: str) -> None:
    client = ScriptedClient(refusal=refusal).with_middleware(records.telemetry())
    with pytest.raises(ConnectRefused):
        await client.create_session()
    span = records.one(SESSION)
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert events(span) == []  # no exception with its words
    assert attributes(span)["error.type"] == error_type
    assert attributes(span)["gen_ai.realtime.session.end_reason"] == reason
    assert trace.get_current_span() is trace.INVALID_SPAN


async def test_options_that_the_provider_does_not_know(records: Records) -> None:
    client = ScriptedClient(capabilities=Capabilities()).with_middleware(records.telemetry())
    with pytest.raises(UnsupportedOperation):
        await client.create_session(SessionOptions(kind="translation"))
    assert attributes(records.one(SESSION))["error.type"] == "UnsupportedOperation"


class Slow(LayeredClient):
    """A client that opens nothing before it is told to."""

    def __init__(self, inner: RealtimeClient) -> None:
        super().__init__(inner, SessionLayer)
        self.gate = asyncio.Event()
        self.current: trace.Span | None = None

    async def open_session(self, options: SessionOptions) -> Link:
        self.current = trace.get_current_span()
        await self.gate.wait()
        return await super().open_session(options)


async def test_that_opening_is_cancelled(records: Records) -> None:
    client = Slow(ScriptedClient())
    opening = asyncio.ensure_future(_open(client.with_middleware(records.telemetry())))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    span = records.one(SESSION)
    assert span.status.status_code is StatusCode.UNSET
    assert attributes(span)["gen_ai.realtime.session.end_reason"] == "cancelled"


async def _open(client: RealtimeClient) -> None:
    await client.create_session()


async def test_that_what_is_traced_while_it_opens_is_inside_of_it(records: Records) -> None:
    client = Slow(ScriptedClient())
    client.gate.set()
    session = await client.with_middleware(records.telemetry()).create_session()
    await session.aclose()
    assert client.current is not None
    assert client.current.get_span_context() == records.one(SESSION).context


async def test_a_session_that_is_never_handed_out(records: Records) -> None:
    """A layer further out cannot be made: nobody is told of the end of what was opened."""

    def broken(link: Link) -> SessionLayer:
        raise InvalidInput("no")

    client = ScriptedClient().with_middleware(wrap_sessions(broken), records.telemetry())
    with pytest.raises(InvalidInput):
        await client.create_session()
    assert attributes(records.one(SESSION))["gen_ai.realtime.session.end_reason"] == "closed"
    assert records.values("gen_ai.realtime.active_sessions") == {(): 0}


async def test_two_sessions_of_one_client(records: Records) -> None:
    client = ScriptedClient()
    telemetry = client.with_middleware(records.telemetry())
    first, second = await telemetry.create_session(), await telemetry.create_session()
    await anext(first)
    await anext(second)
    await arrive(first, m.ResponseCreated(response_id="r1"))
    records.clock.advance(1)
    await arrive(second, m.ResponseCreated(response_id="r1"))
    records.clock.advance(2)
    await arrive(first, m.ResponseDone(response_id="r1", status="completed"))
    await second.aclose()
    await first.aclose()
    sessions, responses = records.named(SESSION), records.named("realtime_inference script")
    assert [duration(span) for span in responses] == [3, 2]
    assert [response.parent for response in responses] == [session.context for session in sessions]
    assert len({_trace_of(span) for span in sessions}) == 2


def _trace_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)


# --- over a socket ---


async def test_a_session_over_a_socket(records: Records) -> None:
    async with OpenAIEmulator(["Hello!"]) as emulator:
        client = OpenAIRealtimeClient("gpt-realtime", base_url=emulator.url, api_key="sk-secret")
        async with client.with_middleware(records.telemetry(capture_content=True)).create_session() as session:
            await session.send_text("Hi")
            async for message in session:
                if isinstance(message, m.TurnDone):
                    break
        emulator.refuse(401)
        with pytest.raises(ConnectRefused):
            await client.with_middleware(records.telemetry(capture_content=True)).create_session()
        await client.aclose()
    session_span, refused = records.named("realtime_session gpt-realtime")
    response = records.one("realtime_inference gpt-realtime")
    assert attributes(session_span)["server.address"] == attributes(response)["server.address"] == "127.0.0.1"
    assert attributes(response)["gen_ai.provider.name"] == "openai"
    assert attributes(response)["gen_ai.realtime_session.id"] == attributes(session_span)["gen_ai.realtime_session.id"]
    assert "Hello!" in str(attributes(response)["gen_ai.output.messages"])
    assert attributes(refused)["gen_ai.realtime.session.end_reason"] == "refused"
    assert "sk-secret" not in "".join(span.to_json() for span in records.spans)
