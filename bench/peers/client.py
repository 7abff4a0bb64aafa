"""One client's process: imports its library, measures, and prints the figures as one line of JSON.

``python -m peers.client MODULE PARTS PORTS SIZES``: parts are ``streams`` and ``connecting``, joined by a comma; the
last two are JSON. The ports are ``control``, ``ws`` and ``wss``; without ``ws``, the streams are measured over TLS. CPU
times are of this process.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import random
import statistics
import sys
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from peers.adapters import Connect, Session
from peers.sink import Checksum, Delays, Sink, Tally
from peers.wire import Totals

_REPEATS = 7
_PATIENCE = 20.0  # s, for everything that a measurement waits for
_SETTLE = 0.05  # s, for what begins and ends a response to arrive
_HELD = 0.03  # s, for the system to take in what is sent
_CHUNK = 960  # bytes, 20 ms
_WARM = 5  # sessions that are open before memory is measured


class Control:
    """The line to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def tell(self, what: str, **arguments: Any) -> None:
        self._writer.write(json.dumps({"do": what, **arguments}).encode() + b"\n")

    async def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        self.tell(what, **arguments)
        async with asyncio.timeout(_PATIENCE):
            return cast(dict[str, Any], json.loads(await self._reader.readline()))


class Streams:
    """What is measured on open sessions.

    Args:
        sizes: How much of everything; see `peers.__main__`.
    """

    def __init__(self, connect: Connect, ports: dict[str, int], sizes: dict[str, Any]) -> None:
        self._connect = connect
        scheme = "ws" if "ws" in ports else "wss"
        self._url = f"{scheme}://127.0.0.1:{ports[scheme]}/v1"
        self._port = ports["control"]
        self._sizes = sizes
        self._sink = Sink()

    async def run(self) -> dict[str, Any]:
        self._control = Control(*await asyncio.open_connection("127.0.0.1", self._port))
        session = await self._open()
        for audio_ms in self._sizes["audio_ms"]:
            await self._flood(audio_ms, self._sizes["checked"], check=True)
        flood = [await _typical(self._flood, audio_ms, self._sizes["deltas"]) for audio_ms in self._sizes["audio_ms"]]
        turns = await _typical(self._turns)
        sent = await _typical(self._send, session)
        return {"flood": flood, "turns": turns, "sent": sent, **await self._live()}

    async def _open(self) -> Session:
        async with asyncio.timeout(_PATIENCE):
            return await self._connect(self._url, self._sink)

    async def _flood(self, audio_ms: int, deltas: int, *, check: bool = False) -> float:
        """CPU µs per delta that comes as fast as it is taken."""
        totals = Totals(**await self._control.ask("prepare", sessions=1, audio_ms=audio_ms, deltas=deltas))
        tally = Checksum(totals) if check else Tally(totals)
        self._sink.use(tally)
        await asyncio.sleep(_SETTLE)
        gc.collect()
        self._control.tell("flood")
        time.sleep(_HELD)  # noqa: ASYNC251 - the server is to be done before this process begins
        began = time.process_time()
        await tally.complete(_PATIENCE)
        spent = time.process_time() - began
        self._control.tell("finish")
        await asyncio.sleep(_SETTLE)
        return spent / totals.events * 1e6

    async def _turns(self) -> float:
        """CPU µs per event of whole, short responses."""
        totals = Totals(**await self._control.ask("turns", turns=self._sizes["turns"], audio_ms=20))
        tally = Tally(totals)
        self._sink.use(tally)
        gc.collect()
        began = time.process_time()
        await tally.complete(_PATIENCE)
        await asyncio.sleep(_SETTLE)
        return (time.process_time() - began) / totals.events * 1e6

    async def _send(self, session: Session) -> float:
        """CPU µs per chunk of 20 ms, until the server has them all."""
        seeded = random.Random(_CHUNK)
        chunks = [seeded.randbytes(_CHUNK) for _ in range(self._sizes["chunks"])]
        crc = zlib.crc32(b"".join(chunks))
        await self._control.ask("listen")
        gc.collect()
        began = time.process_time()
        for chunk in chunks:
            await session.send_audio(chunk)
        heard = await self._control.ask("heard", audio=_CHUNK * len(chunks))
        spent = time.process_time() - began
        if heard != {"audio": _CHUNK * len(chunks), "crc": crc}:
            raise RuntimeError("the server got something else than what was sent")
        return spent / len(chunks) * 1e6

    async def _live(self) -> dict[str, Any]:
        """Many sessions in real time: all of them in step, then spread evenly."""
        opened = [await self._open() for _ in range(self._sizes["sessions"])]
        in_step = sorted([await self._paced(len(opened), spread=False) for _ in range(_REPEATS)])
        spread = sorted([await self._paced(len(opened), spread=True) for _ in range(_REPEATS)])
        delays = spread[_REPEATS // 2][1]
        return {
            "in_step": in_step[_REPEATS // 2][0],
            "spread": spread[_REPEATS // 2][0],
            "p50": delays[len(delays) // 2] / 1e3,
            "p99": delays[len(delays) * 99 // 100] / 1e3,
        }

    async def _paced(self, sessions: int, *, spread: bool) -> tuple[float, list[int]]:
        """CPU µs per delta, and how long the audio took to get here, in ns, sorted."""
        per_second = self._sizes["per_second"]
        deltas = int(per_second * self._sizes["seconds"]) // 2 * 2
        totals = Totals(**await self._control.ask("prepare", sessions=sessions, audio_ms=100, deltas=deltas))
        tally = Delays(totals, sessions)
        self._sink.use(tally)
        await asyncio.sleep(_SETTLE * 4)
        gc.collect()
        began = time.process_time()
        self._control.tell("pace", per_second=per_second, spread=spread)
        await tally.complete(self._sizes["seconds"] + _PATIENCE)
        spent = time.process_time() - began
        self._control.tell("finish")
        await asyncio.sleep(_SETTLE * 4)
        return spent / totals.events / sessions * 1e6, sorted(tally.ns)


async def _typical(measure: Callable[..., Awaitable[float]], *arguments: Any) -> float:
    """The median of some measurements. A core that is shared is twice as fast at times: the least would be chance."""
    return statistics.median([await measure(*arguments) for _ in range(_REPEATS)])


async def connecting(connect: Connect, ports: dict[str, int], scheme: str, count: int) -> dict[str, Any]:
    """What sessions cost to open one after the other, and to hold while nothing happens."""
    url = f"{scheme}://127.0.0.1:{ports[scheme]}/v1"
    sessions: list[Session] = []
    wall: list[float] = []
    cpu: list[float] = []

    async def open_one() -> None:
        began, spent = time.perf_counter(), time.process_time()
        async with asyncio.timeout(_PATIENCE):
            sessions.append(await connect(url, Sink()))
        wall.append((time.perf_counter() - began) * 1e3)
        cpu.append((time.process_time() - spent) * 1e3)

    for _ in range(_WARM):
        await open_one()
    await asyncio.sleep(_SETTLE)
    gc.collect()
    memory, tasks = resident_kib(), len(asyncio.all_tasks())
    for _ in range(count):
        await open_one()
    await asyncio.sleep(_SETTLE)
    gc.collect()
    return {
        "first_ms": wall[0],
        "connect_ms": statistics.median(wall[_WARM:]),
        "connect_cpu_ms": statistics.mean(cpu[_WARM:]),
        "kib": (resident_kib() - memory) / count,
        "tasks": (len(asyncio.all_tasks()) - tasks) / count,
    }


def resident_kib() -> float:
    """What this process holds in memory; 0 where the system does not tell it this way."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


async def _measure(module: str, parts: list[str], ports: dict[str, int], sizes: dict[str, Any]) -> dict[str, Any]:
    memory, began = resident_kib(), time.perf_counter()
    connect: Connect = importlib.import_module(f"peers.adapters.{module}").connect
    figures: dict[str, Any] = {
        "import_ms": (time.perf_counter() - began) * 1e3,
        "import_mib": (resident_kib() - memory) / 1024,
    }
    if "streams" in parts:
        figures |= await Streams(connect, ports, sizes).run()
    if "connecting" in parts:
        schemes = ("ws", "wss")
        figures["connecting"] = {scheme: await connecting(connect, ports, scheme, sizes["idle"]) for scheme in schemes}
    return figures


async def _run(module: str, parts: str, ports: str, sizes: str) -> None:
    """Print the figures, or why there are none, and leave at once: hundreds of sessions need not part politely."""
    try:
        figures = await _measure(module, parts.split(","), json.loads(ports), json.loads(sizes))
    except Exception as error:  # noqa: BLE001 - told by whoever started this
        figures = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(figures), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
