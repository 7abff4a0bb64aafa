"""`Telemetry`: sessions that nobody listens to, or not to everything."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import NoOpTracerProvider

from duologue import SessionOptions
from duologue import messages as m
from duologue.errors import (
    MissingDependency,
)
from duologue.middleware.telemetry import Telemetry
from duologue.middleware.telemetry.layer import TelemetryLayer
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedLink
from telemetry_records import Records, arrive, opened

SESSION = "realtime_session script"


@pytest.fixture
def records() -> Records:
    return Records()


def _unsampled() -> TracerProvider:
    return TracerProvider(sampler=ALWAYS_OFF)


@pytest.mark.parametrize(
    "telemetry",
    [
        Telemetry(),
        Telemetry(tracer_provider=NoOpTracerProvider(), meter_provider=NoOpMeterProvider()),
        Telemetry(tracer_provider=_unsampled()),
    ],
    ids=["the API alone", "providers that do nothing", "not sampled"],
)
async def test_that_nothing_is_added_when_nobody_listens(telemetry: Telemetry) -> None:
    client = ScriptedClient(["Hello"])
    link = await telemetry(client).open_session(SessionOptions())
    assert link is client.link
    session = await opened(client, telemetry)
    assert session.get_service(TelemetryLayer) is None
    await session.aclose()
    await link.aclose()


async def test_that_an_sdk_that_is_switched_off_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    telemetry = Telemetry(tracer_provider=TracerProvider(), meter_provider=MeterProvider())
    session = await opened(ScriptedClient(), telemetry)
    assert session.get_service(TelemetryLayer) is None
    await session.aclose()


@pytest.mark.parametrize("tracers", [None, _unsampled()])
async def test_metrics_without_traces(records: Records, tracers: TracerProvider | None) -> None:
    telemetry = Telemetry(tracer_provider=tracers, meter_provider=records.meters, clock=records.clock)
    session = await opened(ScriptedClient(), telemetry)
    await arrive(session, m.ResponseCreated(response_id="r1"))
    records.clock.advance(2)
    await arrive(session, m.ResponseDone(response_id="r1", status="completed"))
    await session.aclose()
    assert records.values("gen_ai.client.operation.duration") == {(): 2.0}


class NoSessions(Sampler):
    """Drops the spans of sessions, and takes all others."""

    def should_sample(
        self, parent_context: Context | None, trace_id: int, name: str, *args: Any, **kwargs: Any
    ) -> SamplingResult:
        return SamplingResult(Decision.DROP if name == SESSION else Decision.RECORD_AND_SAMPLE)

    def get_description(self) -> str:
        return "no sessions"


async def test_that_spans_of_a_session_that_is_not_sampled_are_not_either(records: Records) -> None:
    exporter = InMemorySpanExporter()
    tracers = TracerProvider(sampler=NoSessions())
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    session = await opened(ScriptedClient(), Telemetry(tracer_provider=tracers, meter_provider=records.meters))
    await arrive(session, m.ResponseCreated(response_id="r1"), m.ResponseDone(response_id="r1", status="completed"))
    await session.aclose()
    assert exporter.get_finished_spans() == ()


async def test_traces_without_metrics(records: Records) -> None:
    session = await opened(ScriptedClient(), Telemetry(tracer_provider=records.tracers))
    await arrive(session, m.ResponseCreated(response_id="r1"), m.ResponseDone(response_id="r1", status="failed"))
    await session.aclose()
    assert [span.name for span in records.spans] == [SESSION, "realtime_inference script"]


async def test_that_the_session_below_shows_through(records: Records) -> None:
    client = ScriptedClient()
    session = await opened(client, records.telemetry(), options=SessionOptions(voice="a"))
    assert isinstance(session.get_service(TelemetryLayer), TelemetryLayer)
    assert session.get_service(ScriptedLink) is client.link
    assert session.options is client.link.options
    assert session.capabilities is SCRIPTED_CAPABILITIES
    await session.aclose()


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.trace"])
def test_that_the_api_is_missing(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependency, match=r'opentelemetry-api is not installed.*pip install "duologue\[otel\]"'):
        Telemetry()
