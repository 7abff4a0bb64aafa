"""The client whose sessions are traced and measured."""

from __future__ import annotations

from urllib.parse import urlsplit

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider, NoOpMeter
from opentelemetry.trace import NoOpTracer, Tracer

from duologue.client import RealtimeClient
from duologue.link import Link, ProviderMetadata
from duologue.middleware.telemetry import names
from duologue.middleware.telemetry.layer import TelemetryLayer
from duologue.middleware.telemetry.metrics import Instruments, Labels
from duologue.middleware.telemetry.responses import max_tokens, output_type
from duologue.middleware.telemetry.session import SessionTrace, Value
from duologue.middleware.telemetry.settings import Telemetry
from duologue.options import SessionOptions
from duologue.runtime import LayeredClient, SessionLayer

_SCOPE = "duologue"
_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}


class TelemetryClient(LayeredClient):
    """The client that `Telemetry` makes of another."""

    def __init__(self, inner: RealtimeClient, settings: Telemetry) -> None:
        super().__init__(inner, SessionLayer, settings)  # `open_session` makes the layers itself
        self._settings = settings
        self._silent = Instruments(NoOpMeter(_SCOPE))
        self._instruments: tuple[MeterProvider, Instruments] | None = None

    async def open_session(self, options: SessionOptions) -> Link:
        # Who listens is asked for each session: an application may set OpenTelemetry up after its clients.
        tracer, instruments = self._find_tracer(), self._find_instruments()
        if tracer is None and instruments is self._silent:
            return await self.inner.open_session(options)
        session = SessionTrace(
            tracer or NoOpTracer(),
            instruments,
            _labels(self.metadata, options),
            _asked_for(options),
            captures=self._settings.captures,
            clock=self._settings.clock,
        )
        if instruments is self._silent and not session.span.is_recording():
            return await self.inner.open_session(options)
        with session.opening():
            link = await self.inner.open_session(options)
        return TelemetryLayer(link, session)

    def _find_tracer(self) -> Tracer | None:
        provider = self._settings.tracer_provider or trace.get_tracer_provider()
        return None if _does_nothing(provider) else provider.get_tracer(_SCOPE)

    def _find_instruments(self) -> Instruments:
        provider = self._settings.meter_provider or metrics.get_meter_provider()
        if _does_nothing(provider):
            return self._silent
        if self._instruments is None or self._instruments[0] is not provider:
            meter = provider.get_meter(_SCOPE)
            self._instruments = provider, self._silent if _does_nothing(meter) else Instruments(meter)
        return self._instruments[1]


def _does_nothing(part: object) -> bool:
    """Whether it is of OpenTelemetry's API, which only stands in for an SDK."""
    return type(part).__module__.startswith(("opentelemetry.trace", "opentelemetry.metrics"))


def _labels(metadata: ProviderMetadata, options: SessionOptions) -> Labels:
    labels: dict[str, str | int] = {names.PROVIDER_NAME: names.PROVIDERS.get(metadata.provider, metadata.provider)}
    model = options.model or metadata.model
    if model is not None:
        labels[names.REQUEST_MODEL] = model
    address = urlsplit(metadata.endpoint or "")
    if address.hostname:
        labels[names.SERVER_ADDRESS] = address.hostname
        labels[names.SERVER_PORT] = address.port or _PORTS.get(address.scheme, 443)
    return labels


def _asked_for(options: SessionOptions) -> dict[str, Value | None]:
    return {
        names.SESSION_KIND: options.kind,
        names.OUTPUT_TYPE: output_type(options.output_modalities),
        names.VOICE: options.voice,
        names.REQUEST_MAX_TOKENS: max_tokens(options.max_output_tokens),
        names.REQUEST_TEMPERATURE: options.temperature,
        names.REQUEST_REASONING_LEVEL: options.reasoning_effort,
    }
