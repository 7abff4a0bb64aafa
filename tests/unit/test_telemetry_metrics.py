"""`Telemetry`: the metrics."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.metrics.export import HistogramDataPoint

from duologue import SessionOptions, Transcription
from duologue import messages as m
from duologue.errors import ConnectRefused, CutOff
from duologue.middleware.telemetry.metrics import by_modality
from duologue.testing import ScriptedClient
from telemetry_records import Records, arrive, audio, done, opened

CALL = m.FunctionCall(id="i2", status="completed", call_id="c1", name="get_weather", arguments="{}")


@pytest.fixture
def records() -> Records:
    return Records()


async def test_what_is_measured_of_a_response(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, m.InputSpeechStarted(item_id="u1"), m.InputSpeechStopped(item_id="u1"))
    records.clock.advance(0.5)
    await arrive(session, m.ResponseCreated(response_id="r1"))
    records.clock.advance(0.25)
    await arrive(session, audio(), audio())
    records.clock.advance(1.25)
    await arrive(session, done())
    labels = {
        "gen_ai.operation.name": "realtime_inference",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "script",
        "gen_ai.response.model": "script",
    }
    for name, value in (
        ("gen_ai.client.operation.duration", 1.5),
        ("gen_ai.realtime.time_to_first_audio", 0.25),
        ("gen_ai.realtime.voice_to_voice_latency", 0.75),
    ):
        (point,) = records.points(name)
        assert isinstance(point, HistogramDataPoint)
        assert (point.count, point.sum) == (1, value)
        assert dict(point.attributes or {}) == labels
        assert sum(bound < value for bound in point.explicit_bounds) > 1  # seconds, not milliseconds
    await session.aclose()


async def test_tokens(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry(), options=SessionOptions(transcription=Transcription()))
    usage = m.Usage(
        input_tokens=130,
        output_tokens=50,
        input=m.TokenCounts(text=20, audio=80, image=30),
        output=m.TokenCounts(audio=40),
        cached_tokens=70,
        cached=m.TokenCounts(text=6, audio=64),
    )
    await arrive(session, m.ResponseCreated(response_id="r1"), done(usage=usage))
    await arrive(session, m.UsageReported(usage=m.Usage(input_tokens=5)), done(usage=m.Usage(output_tokens=2)))
    await arrive(session, m.InputTranscriptCompleted(item_id="u1", text="", usage=m.Usage(input_tokens=9)))
    await session.aclose()
    labels = ("gen_ai.operation.name", "gen_ai.token.type", "gen_ai.token.modality")
    assert records.values("gen_ai.client.token.usage", *labels) == {
        ("realtime_inference", "input", "text"): 20,
        ("realtime_inference", "input", "audio"): 80,
        ("realtime_inference", "input", "image"): 30,
        ("realtime_inference", "output", "audio"): 40,
        ("realtime_inference", "output", "unknown"): 10 + 2,
        ("realtime_inference", "input", "unknown"): 5,
        ("user_speech", "input", "unknown"): 9,
    }
    cached = records.values("gen_ai.client.inference.usage.cache_read.input_tokens", "gen_ai.token.modality")
    assert cached == {("text",): 6, ("audio",): 64}


@given(
    st.none() | st.integers(0, 1000),
    st.builds(
        m.TokenCounts,
        text=st.none() | st.integers(0, 300),
        audio=st.none() | st.integers(0, 300),
        image=st.none() | st.integers(0, 300),
    ),
)
def test_that_the_kinds_of_tokens_sum_up(total: int | None, counts: m.TokenCounts) -> None:
    found = by_modality(total, counts)
    told = sum(value or 0 for value in (counts.text, counts.audio, counts.image))
    assert sum(found.values()) == max(total or 0, told)
    assert all(count > 0 for count in found.values())


async def test_tools(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    other = msgspec.structs.replace(CALL, call_id="c2")
    await arrive(session, m.ResponseCreated(response_id="r1"))
    await arrive(session, *(m.OutputItemDone(response_id="r1", item=call) for call in (CALL, other)))
    records.clock.advance(2)
    await session.send(m.ItemCreate(item=m.FunctionResult(call_id="c1", output="rain")))
    records.clock.advance(2)
    await session.send(m.ItemCreate(item=m.FunctionResult(call_id="c2", output="", is_error=True)))
    await session.aclose()
    found = records.values("gen_ai.execute_tool.duration", "gen_ai.tool.name", "error.type")
    assert found == {("get_weather", None): 2, ("get_weather", "tool_error"): 4}


async def test_interruptions(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, m.ResponseCreated(response_id="r1"), audio(), m.InputSpeechStarted(item_id="u1"))
    assert records.values("gen_ai.realtime.interruptions", "gen_ai.operation.name") == {("realtime_inference",): 1}
    await session.aclose()


async def test_errors(records: Records) -> None:
    options = SessionOptions(transcription=Transcription())
    client = ScriptedClient()
    session = await opened(client, records.telemetry(), options=options)
    quota = m.ErrorDetail(message="", code="insufficient_quota")
    await arrive(session, m.InputSpeechStarted(item_id="u1"), m.InputAudioCommitted(item_id="u1"))
    await arrive(session, m.InputTranscriptFailed(item_id="u1", error=m.ErrorDetail(message="")))
    await arrive(session, m.ErrorReported(kind="server", error=m.ErrorDetail(message="")))
    await arrive(session, m.ResponseCreated(response_id="r1"), m.OutputItemDone(response_id="r1", item=CALL))
    await session.send(m.ItemCreate(item=m.FunctionResult(call_id="c1", output="", is_error=True)))
    await arrive(session, done(status="failed", error=quota))
    client.link.hang_up(CutOff("gone"))
    with pytest.raises(CutOff):
        async for _ in session:
            pass
    refused = ScriptedClient(refusal=ConnectRefused("no", code="invalid_api_key"))
    with pytest.raises(ConnectRefused):
        await opened(refused, records.telemetry())
    assert records.values("gen_ai.realtime.errors", "gen_ai.operation.name", "error.type") == {
        ("user_speech", "transcription_failed"): 1,
        ("realtime_session", "server"): 1,
        ("execute_tool", "tool_error"): 1,
        ("realtime_inference", "insufficient_quota"): 1,
        ("realtime_session", "CutOff"): 1,
        ("realtime_session", "invalid_api_key"): 1,
    }
    found = records.values("gen_ai.client.operation.duration", "error.type")
    assert set(found) == {("insufficient_quota",)}


async def test_sessions(records: Records) -> None:
    client = ScriptedClient()
    first, second = await opened(client, records.telemetry()), await opened(client, records.telemetry())
    assert records.values("gen_ai.realtime.active_sessions") == {(): 2}
    records.clock.advance(60)
    await second.aclose()
    assert records.values("gen_ai.realtime.active_sessions") == {(): 1}
    records.clock.advance(60)
    client.links[0].hang_up(CutOff("gone"))
    with pytest.raises(CutOff):
        await anext(first)
    assert records.values("gen_ai.realtime.active_sessions") == {(): 0}
    labels = ("gen_ai.realtime.session.end_reason", "error.type")
    assert records.values("gen_ai.realtime.session.duration", *labels) == {
        ("closed", None): 60,
        ("cut_off", "CutOff"): 120,
    }


async def test_that_no_measurement_tells_of_single_things(records: Records) -> None:
    """Every value of a label makes a time series."""
    session = await opened(ScriptedClient(), records.telemetry(capture_content=True))
    await arrive(session, m.InputSpeechStarted(item_id="u1"), m.InputSpeechStopped(item_id="u1"))
    await arrive(session, m.InputAudioCommitted(item_id="u1"), m.ResponseCreated(response_id="r1"), audio())
    await arrive(session, m.OutputItemDone(response_id="r1", item=CALL), done(usage=m.Usage(input_tokens=1)))
    await session.aclose()
    known = {
        "gen_ai.operation.name",
        "gen_ai.provider.name",
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.token.type",
        "gen_ai.token.modality",
        "gen_ai.tool.name",
        "gen_ai.realtime.session.end_reason",
    }
    assert {
        label for name in records.metrics for point in records.points(name) for label in point.attributes or {}
    } == known
