"""`Telemetry`: the spans of responses, and interruptions."""

from __future__ import annotations

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from duologue import messages as m
from duologue.testing import ScriptedClient
from telemetry_records import (
    WEATHER,
    Records,
    arrive,
    attributes,
    audio,
    created,
    done,
    duration,
    events,
    opened,
    words,
)

USAGE = m.Usage(
    input_tokens=100,
    output_tokens=50,
    input=m.TokenCounts(text=20, audio=80),
    output=m.TokenCounts(text=10, audio=40),
    cached_tokens=64,
    cached=m.TokenCounts(text=0, audio=64),
    reasoning_tokens=5,
)


@pytest.fixture
def records() -> Records:
    return Records()


async def test_a_response(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(conversation_id="conv_1", voice="alloy", max_output_tokens=500))
    records.clock.advance(0.2)
    await arrive(session, words())
    records.clock.advance(0.1)
    await arrive(session, audio())
    records.clock.advance(1.0)
    await arrive(session, words(), audio())
    records.clock.advance(0.7)
    await arrive(session, done(usage=USAGE))
    (span,) = records.spans  # is there while the session goes on
    assert span.name == "realtime_inference script"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert duration(span) == 2.0
    assert dict(attributes(span)) == {
        "gen_ai.operation.name": "realtime_inference",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "script",
        "gen_ai.response.model": "script",
        "gen_ai.realtime_session.id": "scripted",
        "gen_ai.conversation.id": "conv_1",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.output.type": "speech",
        "gen_ai.request.max_tokens": 500,
        "gen_ai.realtime.voice": "alloy",
        "gen_ai.realtime.turn.id": "turn_1",
        "gen_ai.realtime.response.status": "completed",
        "gen_ai.realtime.response.modalities": ("audio",),
        "gen_ai.realtime.time_to_first_text": 0.2,
        "gen_ai.realtime.time_to_first_audio": 0.3,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "gen_ai.usage.text.input_tokens": 20,
        "gen_ai.usage.audio.input_tokens": 80,
        "gen_ai.usage.text.output_tokens": 10,
        "gen_ai.usage.audio.output_tokens": 40,
        "gen_ai.usage.text.cache_read.input_tokens": 0,
        "gen_ai.usage.audio.cache_read.input_tokens": 64,
    }
    await session.aclose()
    response, whole = records.one("realtime_inference script"), records.one("realtime_session script")
    assert response.parent is not None
    assert whole.context is not None
    assert response.parent.span_id == whole.context.span_id


async def test_that_the_words_of_a_text_response_count(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(output_modalities=("text",)))
    records.clock.advance(0.5)
    await arrive(session, m.OutputTextDelta(response_id="r1", item_id="i1", text="Hello"), done())
    await session.aclose()
    shown = attributes(records.one("realtime_inference script"))
    assert shown["gen_ai.output.type"] == "text"
    assert shown["gen_ai.realtime.time_to_first_text"] == 0.5
    assert "gen_ai.realtime.time_to_first_audio" not in shown


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (done(items=(WEATHER,)), "tool_call"),
        (done(status="cancelled", reason="turn_detected"), "turn_detected"),
        (done(status="cancelled", reason="client_cancelled"), "client_cancelled"),
        (done(status="cancelled"), "error"),
        (done(status="incomplete", reason="max_output_tokens"), "length"),
        (done(status="incomplete", reason="content_filter"), "content_filter"),
    ],
)
async def test_how_a_response_ends(records: Records, end: m.ResponseDone, reason: str) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(), end)
    await session.aclose()
    span = records.one("realtime_inference script")
    assert attributes(span)["gen_ai.response.finish_reasons"] == (reason,)
    assert attributes(span)["gen_ai.realtime.response.status"] == end.status
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    ("error", "error_type"),
    [
        (m.ErrorDetail(message="secret words", type="server_error", code="insufficient_quota"), "insufficient_quota"),
        (m.ErrorDetail(message="secret words", type="server_error"), "server_error"),
        (m.ErrorDetail(message="secret words"), "failed"),
        (None, "failed"),
    ],
)
async def test_a_response_that_failed(records: Records, error: m.ErrorDetail | None, error_type: str) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(), done(status="failed", error=error))
    await session.aclose()
    span = records.one("realtime_inference script")
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description is None
    assert attributes(span)["error.type"] == error_type
    assert attributes(span)["gen_ai.response.finish_reasons"] == ("error",)
    assert records.one("realtime_session script").status.status_code is StatusCode.UNSET


async def test_usage_that_comes_apart(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created(), m.UsageReported(response_id="r1", usage=m.Usage(input_tokens=7, output_tokens=3)))
    await arrive(session, done(usage=m.Usage(input_tokens=1)))
    await session.aclose()
    shown = attributes(records.one("realtime_inference script"))
    assert (shown["gen_ai.usage.input_tokens"], shown["gen_ai.usage.output_tokens"]) == (8, 3)


async def test_responses_side_by_side(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created("r1"), created("r2", out_of_band=True))
    records.clock.advance(1)
    await arrive(session, audio("r2"))
    records.clock.advance(1)
    await arrive(session, audio("r1"), done("r2", out_of_band=True), done("r1"))
    await session.aclose()
    shown = {attributes(span)["gen_ai.response.id"]: attributes(span) for span in records.spans if span.parent}
    assert shown["r1"]["gen_ai.realtime.time_to_first_audio"] == 2.0
    assert shown["r2"]["gen_ai.realtime.time_to_first_audio"] == 1.0
    assert shown["r2"]["gen_ai.realtime.response.out_of_band"] is True
    assert "gen_ai.realtime.response.out_of_band" not in shown["r1"]


async def test_that_messages_of_unknown_responses_are_no_matter(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, audio("never begun"), words("never begun"), done("never begun"))
    await session.aclose()
    assert [span.name for span in records.spans] == ["realtime_session script"]


async def test_that_a_response_begins_once(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created())
    records.clock.advance(1)
    await arrive(session, created(), done(), done())
    await session.aclose()
    assert duration(records.one("realtime_inference script")) == 1


async def test_that_responses_without_an_end_do_not_pile_up(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, *(created(f"r{number}") for number in range(70)))
    ended = [attributes(span) for span in records.spans]
    assert [shown["gen_ai.response.id"] for shown in ended] == [f"r{number}" for number in range(6)]
    assert {shown["gen_ai.realtime.response.status"] for shown in ended} == {"in_progress"}
    await arrive(session, audio("r0"), done("r0"))  # too late, and no matter
    await session.aclose()
    assert len(records.spans) == 71


# --- interruption ---


async def test_an_interruption(records: Records) -> None:
    session = await opened(ScriptedClient(clock=lambda: 0.0), records.telemetry())
    await arrive(session, created(), audio())
    records.clock.advance(0.25)
    await arrive(session, m.InputSpeechStarted(item_id="u1"), done(status="cancelled", reason="turn_detected"))
    await session.aclose()
    span = records.one("realtime_inference script")
    (event,) = span.events
    assert event.name == "gen_ai.realtime.interruption"
    assert dict(event.attributes or {}) == {
        "gen_ai.response.id": "r1",
        "gen_ai.realtime.item.id": "i1",
        "gen_ai.realtime.interruption.heard_ms": 0,
    }
    assert span.start_time is not None
    assert event.timestamp - span.start_time == 250_000_000
    assert events(records.one("realtime_session script")) == []


async def test_that_an_interruption_of_what_still_plays_is_told_of_by_the_session(records: Records) -> None:
    session = await opened(ScriptedClient(clock=lambda: 0.0), records.telemetry())
    await arrive(session, created(), audio(), done(), m.InputSpeechStarted(item_id="u1"))
    await session.aclose()
    assert events(records.one("realtime_inference script")) == []
    (event,) = records.one("realtime_session script").events
    assert event.name == "gen_ai.realtime.interruption"
    assert (event.attributes or {})["gen_ai.response.id"] == "r1"


async def test_an_interruption_of_all_that_plays(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, created("r1"), created("r2"), created("r3", out_of_band=True))
    await arrive(session, audio("r1"), audio("r2"), m.InputSpeechStarted(item_id="u1"))
    await session.aclose()
    told = {attributes(span)["gen_ai.response.id"] for span in records.spans if events(span)}
    assert told == {"r1", "r2"}
