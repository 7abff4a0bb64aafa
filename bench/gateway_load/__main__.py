"""Prints the table: ``python -m gateway_load [--quick]``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from gateway_load.clients import Client, open_clients
from gateway_load.stamps import APPENDS_A_SECOND, EVENTS_A_SECOND, Latencies

ALLOWED_MS = 20.0
_A_SESSION = APPENDS_A_SECOND + 2 * EVENTS_A_SECOND  # events a second


async def measure(step: int, most: int, seconds: float) -> None:
    gateway = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway_load.gateway",
        cwd=Path(__file__).parents[1],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert gateway.stdin is not None
    assert gateway.stdout is not None
    port = int(await gateway.stdout.readline())

    async def report() -> Any:
        gateway.stdin.write(b"\n")  # type: ignore[union-attr]
        return json.loads(await gateway.stdout.readline())  # type: ignore[union-attr]

    downwards = Latencies()
    clients: list[Client] = []
    empty = (await report())["memory"]
    carried = 0
    print(f"{'sessions':>8} {'down p50':>9} {'down p99':>9} {'up p99':>9} {'CPU':>6} {'a event':>9} {'a session':>10}")
    while len(clients) < most:
        clients += await open_clients(port, step, downwards)
        await asyncio.sleep(1.0)
        downwards.take()
        before, began = await report(), time.monotonic()
        await asyncio.sleep(seconds)
        after, took = await report(), time.monotonic() - began
        received, median, down = downwards.take()
        cpu = (after["cpu"] - before["cpu"]) / took
        memory = (after["memory"] - empty) / len(clients) / 1024
        expected = len(clients) * EVENTS_A_SECOND * took
        print(
            f"{len(clients):>8} {median:>6.1f} ms {down:>6.1f} ms {after['up']:>6.1f} ms {cpu:>6.0%} "
            f"{cpu / len(clients) / _A_SESSION * 1e6:>6.0f} µs {memory:>6.0f} KiB",
            flush=True,
        )
        if max(down, after["up"]) > ALLOWED_MS or received < 0.9 * expected:
            break
        carried = len(clients)
    print(f"\nCarried with a 99th percentile of at most {ALLOWED_MS:g} ms, both ways: {carried} sessions.")
    print("In one process, of which the load and the upstream's pace take a part; the clients are another process.")
    await asyncio.gather(*(client.close() for client in clients))
    gateway.stdin.close()
    await gateway.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sessions, for a short time")
    quick = parser.parse_args().quick
    asyncio.run(measure(20, 40, 2.0) if quick else measure(20, 400, 5.0))


main()
