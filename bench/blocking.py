"""What a chunk of audio costs a program without an event loop: handed over (`send_audio`), and waited for (`send`)."""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.formats import PCM16_24K
from duologue.link import Link, ProviderMetadata
from duologue.options import SessionOptions
from duologue.runtime import ProviderClient
from duologue.sync import Session, close, connect
from layers import SilentLink

_CHUNK = bytes(PCM16_24K.bytes_for(20))
_PACE_S = 0.005
_PACED, _AT_ONCE = 400, 5_000


class Silent(ProviderClient):
    """A provider without a wire."""

    @property
    def metadata(self) -> ProviderMetadata:
        return ProviderMetadata(provider="silent")

    def capabilities(self, options: SessionOptions | None = None) -> Capabilities:
        return Capabilities()

    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        return SilentLink()


def paced(send: Callable[[], object]) -> tuple[float, float]:
    """CPU of all threads, and time in the call, for each chunk at the pace of a microphone, in µs."""
    waited = 0.0
    began = time.process_time()
    for _ in range(_PACED):
        time.sleep(_PACE_S)
        called = time.perf_counter()
        send()
        waited += time.perf_counter() - called
    return (time.process_time() - began) / _PACED * 1e6, waited / _PACED * 1e6


def at_once(send: Callable[[], object], session: Session) -> float:
    """CPU of all threads for each chunk of a recording that is sent as fast as can be, in µs."""
    began = time.process_time()
    for _ in range(_AT_ONCE):
        send()
    session.drain()
    return (time.process_time() - began) / _AT_ONCE * 1e6


async def asynchronous() -> float:
    """The same on an event loop, in µs."""
    async with Silent() as client, client.create_session() as session:
        began = time.process_time()
        for _ in range(_AT_ONCE):
            await session.send_audio(_CHUNK)
        return (time.process_time() - began) / _AT_ONCE * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="one round")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else arguments.rounds
    client = Silent()
    with connect(client) as session:
        ways: dict[str, Callable[[], object]] = {
            "nothing": lambda: None,
            "waited for: send": lambda: session.send(m.InputAudioAppend(audio=_CHUNK)),
            "handed over: send_audio": lambda: session.send_audio(_CHUNK),
        }
        seen: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
        on_a_loop = []
        for _ in range(rounds):
            for way, send in ways.items():
                seen[way].append((*paced(send), at_once(send, session)))
            on_a_loop.append(asyncio.run(asynchronous()))
    close(client)
    median = {way: [statistics.median(column) for column in zip(*rows, strict=True)] for way, rows in seen.items()}
    print(f"{'each chunk of 20 ms, in µs':<28}{'CPU, paced':>12}{'in the call':>13}{'CPU, at once':>14}")
    nothing = median.pop("nothing")
    for way, (cpu, waited, burst) in median.items():
        print(f"{way:<28}{cpu - nothing[0]:>12.1f}{waited - nothing[1]:>13.1f}{burst - nothing[2]:>14.1f}")
    print(f"{'async: send_audio':<28}{'':>12}{'':>13}{statistics.median(on_a_loop):>14.1f}")
    (waits, _, burst_waits), (hands, _, burst_hands) = median.values()
    ratios = (hands - nothing[0]) / (waits - nothing[0]), burst_hands / burst_waits
    print(f"handed over / waited for: {ratios[0]:.2f} paced, {ratios[1]:.2f} at once")


if __name__ == "__main__":
    main()
