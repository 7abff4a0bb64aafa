"""Measures this project beside its peers, and prints the tables: ``make bench ARGS=peers``.

Every client runs in a process of its own, one at a time; the server in another. A round goes through all clients; the
tables show medians of the rounds, and ratios within this run. "Event" is the mean of an audio and a transcript delta.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from peers import environment
from peers.report import Client, connecting_table, stream_tables, targets_table

_FOLDER = Path(__file__).parents[1]
_PATIENCE = 120  # s, for one client's process

_FULL: dict[str, Any] = {
    "audio_ms": [20, 100, 400],
    "checked": 200,  # deltas whose checksum is taken
    "deltas": 2_000,
    "turns": 50,
    "chunks": 1_000,
    "sessions": 40,
    "per_second": 40,
    "seconds": 1.0,
    "idle": 200,
}
_QUICK = {**_FULL, "deltas": 400, "turns": 20, "chunks": 400, "sessions": 10, "seconds": 0.5, "idle": 20}


def _clients() -> list[Client]:
    return [
        Client("floor", "floor: picows, msgspec, pybase64", peer=False),
        Client("floor_iterated", "floor behind async for", peer=False),
        Client("ours", "duologue, async for", peer=False),
        Client("ours_listening", "duologue, listen", peer=False),
        Client("raw_websockets", "websockets, json, base64", peer=False),
        Client("openai_python", "openai-python"),
        Client("openai_agents_model", "openai-agents, model layer"),
        Client("openai_agents_session", "openai-agents, RealtimeSession"),
        Client("livekit_plugin", "livekit-plugins-openai (sends × 5)"),
        Client("pydantic_ai_session", "pydantic-ai"),
    ]


class _Bench:
    """Starts the clients' processes beside one server.

    Args:
        python: The interpreter that has the peers.
        sizes: How much of everything.
        server: What the server said of itself.
    """

    def __init__(self, python: Path, sizes: dict[str, Any], server: dict[str, Any]) -> None:
        self._python = python
        self._sizes = sizes
        self._ports: dict[str, int] = server["ports"]
        self._variables = environment.variables(server["trusted"])

    def measure(self, client: Client, *parts: str) -> None:
        """One process's figures, noted in `client`; none of them, and a sentence, where it could not measure."""
        arguments = [client.module, ",".join(parts), json.dumps(self._ports), json.dumps(self._sizes)]
        command = [str(self._python), "-m", "peers.client", *arguments]
        try:
            process = subprocess.run(
                command,
                cwd=_FOLDER,
                env=self._variables,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            figures: dict[str, Any] = {"error": f"it did not finish within {_PATIENCE} s"}
        else:
            figures = _last_line(process.stdout) or {"error": process.stderr.strip().rpartition("\n")[2]}
        if "error" in figures:
            print(f"{client.title} is left out ({', '.join(parts)}): {figures['error']}", file=sys.stderr, flush=True)
            return
        client.connecting = figures.pop("connecting", client.connecting)
        if "streams" in parts:
            client.rounds.append(figures)

    def run(self, clients: list[Client], rounds: int) -> list[Client]:
        """So many rounds, then connecting; gives back the clients that could be measured."""
        for _ in range(rounds):
            for client in clients:
                self.measure(client, "streams")
            clients = [client for client in clients if client.rounds]
        for client in clients:
            self.measure(client, "connecting")
        return clients

    def run_quickly(self, clients: list[Client]) -> list[Client]:
        """Everything once, in one process for each client."""
        for client in clients:
            self.measure(client, "streams", "connecting")
        return [client for client in clients if client.rounds]


def _last_line(output: str) -> dict[str, Any] | None:
    """The figures, behind whatever a library prints."""
    try:
        figures: dict[str, Any] = json.loads(output.strip().rpartition("\n")[2])
    except json.JSONDecodeError:
        return None
    return figures


@contextlib.contextmanager
def _server(python: Path) -> Generator[dict[str, Any], None, None]:
    """The emulated server while the block runs: its ports, and the file with the certificates to trust."""
    command = [str(python), "-m", "peers.server"]
    process = subprocess.Popen(command, cwd=_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="peers", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small, to see that everything runs; no figures to quote")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="MODULE", help="modules of peers/adapters, beside the floor")
    arguments = parser.parse_args()
    sizes = _QUICK if arguments.quick else _FULL
    chosen = [c for c in _clients() if not arguments.only or c.module in (*arguments.only, "floor")]
    try:
        python = environment.python()
    except environment.NotBuilt as reason:
        print(reason, file=sys.stderr)
        return
    with _server(python) as server:
        bench = _Bench(python, sizes, server)
        clients = bench.run_quickly(chosen) if arguments.quick else bench.run(chosen, arguments.rounds)
    by_module = {client.module: client for client in clients}
    floor = by_module.get("floor")
    if floor is None:
        return  # and why was told
    live = f"{sizes['sessions']} live sessions, {sizes['per_second']} events a second each"
    stream_tables(clients, floor, sizes["audio_ms"], live)
    connecting_table(clients, sizes["idle"])
    for name in ("ours", "ours_listening"):
        if name in by_module:
            targets_table(by_module[name], floor, [c for c in clients if c.peer], sizes["audio_ms"])


if __name__ == "__main__":
    main()
