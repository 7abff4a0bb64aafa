"""What OpenTelemetry recorded, for the tests of `Telemetry`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.formats import PCM16_24K
from duologue.middleware.telemetry import Telemetry
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedLink


class Clock:
    """A monotonic clock that stands still unless told otherwise, in ns."""

    def __init__(self) -> None:
        self.now = 5_000_000_000

    def __call__(self) -> int:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)


class Records:
    """An SDK that keeps everything in memory."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider(metric_readers=[self._reader])

    def telemetry(self, *, capture_content: bool | None = None, clock: Callable[[], int] | None = None) -> Telemetry:
        return Telemetry(
            tracer_provider=self.tracers,
            meter_provider=self.meters,
            capture_content=capture_content,
            clock=clock or self.clock,
        )

    # --- spans ---

    @property
    def spans(self) -> list[ReadableSpan]:
        """All spans that have ended, by the time of their beginning."""
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    # --- metrics ---

    @property
    def metrics(self) -> dict[str, Metric]:
        """All metrics with a measurement, by name."""
        data = self._reader.get_metrics_data()
        resources = data.resource_metrics if data is not None else ()
        return {metric.name: metric for one in resources for scope in one.scope_metrics for metric in scope.metrics}

    def points(self, name: str) -> list[HistogramDataPoint | NumberDataPoint]:
        metric = self.metrics.get(name)
        points = metric.data.data_points if metric is not None else ()
        return [point for point in points if isinstance(point, HistogramDataPoint | NumberDataPoint)]

    def values(self, name: str, *labels: str) -> dict[tuple[object, ...], float]:
        """Of a metric, the sum for each combination of these labels."""
        found: dict[tuple[object, ...], float] = {}
        for point in self.points(name):
            key = tuple((point.attributes or {}).get(label) for label in labels)
            value = point.sum if isinstance(point, HistogramDataPoint) else point.value
            found[key] = found.get(key, 0) + value
        return found


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    return span.attributes or {}


def duration(span: ReadableSpan) -> float:
    """In seconds."""
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def events(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]


def tree(spans: Iterable[ReadableSpan], shown: Iterable[str] = (), timed: Iterable[str] = ()) -> str:
    """The spans as a tree, each with those attributes that are shown; of those that are timed without the value."""
    spans, shown, timed = list(spans), list(shown), list(timed)

    def lines_of(span: ReadableSpan) -> list[str]:
        found = attributes(span)
        return [f"{name} = {found[name]}" for name in shown if name in found] + [
            f"{name} = …" for name in timed if name in found
        ]

    def draw(span: ReadableSpan, first: str, rest: str) -> list[str]:
        assert span.context is not None
        lines = [first + span.name]
        children = [child for child in spans if child.parent and child.parent.span_id == span.context.span_id]
        lines += [f"{rest}{'│' if children else ' '}     {line}" for line in lines_of(span)]
        for child in children:
            last = child is children[-1]
            lines += draw(child, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))
        return lines

    known = {span.context.span_id for span in spans if span.context}
    roots = [span for span in spans if span.parent is None or span.parent.span_id not in known]
    return "\n".join(line.rstrip() for root in roots for line in draw(root, "", ""))


async def opened(
    client: ScriptedClient,
    *middleware: Callable[[RealtimeClient], RealtimeClient],
    options: SessionOptions | None = None,
) -> RealtimeSession:
    """A session with these layers; its `SessionCreated` is read."""
    session = await client.with_middleware(*middleware).create_session(options)
    await anext(session)
    return session


async def arrive(session: RealtimeSession, *messages: m.ServerMessage) -> None:
    """Have the provider send these, one after the other, each when the one before it was read."""
    link = session.get_service(ScriptedLink)
    assert link is not None
    for message in messages:
        link.push(message)
        async for read in session:
            if type(read) is type(message):
                break


# --- messages ---

WEATHER = m.FunctionCall(id="i2", status="completed", call_id="c1", name="get_weather", arguments='{"city":"Oslo"}')


def created(response_id: str = "r1", **more: object) -> m.ResponseCreated:
    return msgspec.structs.replace(m.ResponseCreated(response_id=response_id, output_modalities=("audio",)), **more)


def done(response_id: str = "r1", status: str = "completed", **more: object) -> m.ResponseDone:
    return msgspec.structs.replace(m.ResponseDone(response_id=response_id, status=status), **more)


def audio(response_id: str = "r1") -> m.OutputAudioDelta:
    return m.OutputAudioDelta(response_id=response_id, item_id="i1", audio=bytes(4800), format=PCM16_24K)


def words(response_id: str = "r1") -> m.OutputTranscriptDelta:
    return m.OutputTranscriptDelta(response_id=response_id, item_id="i1", text="Hello")


def call_done(call: m.FunctionCall = WEATHER, response_id: str = "r1") -> m.OutputItemDone:
    return m.OutputItemDone(response_id=response_id, item=call)


def result(call_id: str = "c1", *, is_error: bool = False) -> m.ItemCreate:
    return m.ItemCreate(item=m.FunctionResult(call_id=call_id, output="rain", is_error=is_error))
