"""The gateway's process: it serves, and reports what it saw and used whenever a line comes in."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from pathlib import Path

from duologue.gateway import create_app
from duologue.gateway.configuration import Configuration
from duologue.gateway.server import GatewayServer, spare_the_collector
from gateway_load.upstream import PacedClient


async def main() -> None:
    client = PacedClient()
    server = GatewayServer(create_app(client), Configuration(port=0, drain_seconds=0))
    spare_the_collector()
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    print(server.port, flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        used = resource.getrusage(resource.RUSAGE_SELF)
        _, _, up = client.upwards.take()
        print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "up": up, "memory": _memory()}), flush=True)
    server.should_exit = True
    await running


def _memory() -> int:
    """What is resident now, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


asyncio.run(main())
