"""What each middleware adds to a message, as a ratio to the bare session: received, delivered and read; and sent."""

from __future__ import annotations

import asyncio
import io
import logging
import math
import statistics
import time
from collections.abc import Callable

from duologue import (
    AudioConversion,
    FunctionInvocation,
    Guardrails,
    Logging,
    Recording,
    SessionOptions,
    Telemetry,
    Transcription,
    UsageLimits,
    Verdict,
    wrap_sessions,
)
from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import RealtimeClient
from duologue.link import Link, ProviderMetadata
from duologue.messages.base import ServerMessage
from duologue.runtime import ProviderClient
from duologue.session import RealtimeSession
from layers import SilentLink, Unwatching, audio, other, transcript

_MESSAGES = 4_000
_ROUNDS = 9
_CHUNK = bytes(960)

Middleware = Callable[[RealtimeClient], RealtimeClient]


class SilentClient(ProviderClient):
    """Opens sessions without a wire, and keeps the last one's link."""

    link: SilentLink

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider="silent")

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return Capabilities(delete=True, cancel=True, input_transcripts="on request", output_transcripts="always")

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        self.link = SilentLink()
        self.link.push([m.SessionCreated(options=options), m.ResponseCreated(response_id="r1")])
        return self.link


async def _allow(text: str, context: object) -> Verdict | None:
    return None


def _tracing() -> Middleware | None:
    try:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.trace import TracerProvider
    except ImportError:
        return None
    return Telemetry(tracer_provider=TracerProvider(), meter_provider=MeterProvider())


def _logged() -> Middleware:
    logger = logging.getLogger("bench")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    return Logging("bench")


def chains() -> dict[str, Middleware | None]:
    """The middlewares, by what is measured of them."""
    return {
        "a layer that watches nothing": wrap_sessions(Unwatching),
        "FunctionInvocation()": FunctionInvocation(),
        "Telemetry(), nobody listens": Telemetry(),
        "Telemetry(), recording": _tracing(),
        "Logging(), level off": Logging("quiet"),
        "Logging(), DEBUG": _logged(),
        "Recording(audio cut)": Recording(io.BytesIO(), audio="cut"),
        "UsageLimits(total_tokens)": UsageLimits(total_tokens=math.inf),
        "UsageLimits(audio seconds)": UsageLimits(input_audio_seconds=math.inf, output_audio_seconds=math.inf),
        "Guardrails(on_output)": Guardrails(on_output=_allow),
        "AudioConversion(), same formats": AudioConversion(),
    }


async def received_us(session: RealtimeSession, link: SilentLink, make: Callable[[], ServerMessage]) -> float:
    """From the wire's protocol to the application, for each message."""
    messages = [[make()] for _ in range(_MESSAGES)]
    began = time.process_time()
    for one in messages:
        link.push(one)
    while len(session._inbox):
        await anext(session)
    spent = time.process_time() - began
    await asyncio.sleep(0)
    return spent / _MESSAGES * 1e6


async def sent_us(session: RealtimeSession) -> float:
    """From the application to the wire's protocol, for each chunk."""
    began = time.process_time()
    for _ in range(_MESSAGES):
        await session.send_audio(_CHUNK)
    return (time.process_time() - began) / _MESSAGES * 1e6


async def figures(middleware: Middleware | None) -> list[float]:
    """One round: audio, transcript, other, sent."""
    bottom = SilentClient()
    client: RealtimeClient = bottom.with_middleware(middleware) if middleware is not None else bottom
    async with client, client.create_session(SessionOptions(transcription=Transcription())) as session:
        received = [await received_us(session, bottom.link, make) for make in (audio, transcript, other)]
        return [*received, await sent_us(session)]


async def main() -> None:
    measured: dict[str, Middleware | None] = {"the bare session": None, **chains()}
    lacking = [title for title, middleware in chains().items() if middleware is None]
    rounds: dict[str, list[list[float]]] = {title: [] for title in measured if title not in lacking}
    for _ in range(_ROUNDS):
        for title in rounds:
            rounds[title].append(await figures(measured[title]))
    medians = {  # the first round warms up
        title: [statistics.median(column) for column in zip(*rows[1:], strict=True)] for title, rows in rounds.items()
    }
    bare = medians["the bare session"]
    print(f"{'each message, CPU':<36}{'audio':>10}{'transcript':>12}{'other':>9}{'send audio':>12}")
    print(f"{'the bare session, µs':<36}{bare[0]:>10.2f}{bare[1]:>12.2f}{bare[2]:>9.2f}{bare[3]:>12.2f}")
    for title, row in medians.items():
        if title != "the bare session":
            ratios = [figure / base for figure, base in zip(row, bare, strict=True)]
            print(f"{title:<36}{ratios[0]:>9.2f}×{ratios[1]:>11.2f}×{ratios[2]:>8.2f}×{ratios[3]:>11.2f}×")


if __name__ == "__main__":
    asyncio.run(main())
