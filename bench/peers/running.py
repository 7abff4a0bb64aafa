"""Runs clients in processes of their own, one at a time, beside one server."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from peers import environment
from peers.report import Client

_FOLDER = Path(__file__).parents[1]
_PATIENCE = 120  # s, for one client's process

FULL: dict[str, Any] = {
    "audio_ms": [20, 100, 400],
    "checked": 200,  # deltas whose checksum is taken
    "deltas": 1_000,
    "turns": 50,
    "chunks": 1_000,
    "sessions": 40,
    "per_second": 40,
    "seconds": 0.5,
    "idle": 200,
}
QUICK = {**FULL, "deltas": 400, "turns": 20, "chunks": 400, "sessions": 10, "idle": 20}


class Bench:
    """Starts the clients' processes beside one server.

    Args:
        python: The interpreter that has the peers.
        sizes: How much of everything.
        server: What the server said of itself.
    """

    def __init__(self, python: Path, sizes: dict[str, Any], server: dict[str, Any]) -> None:
        self._python = python
        self._sizes = sizes
        self._ports: Mapping[str, int] = server["ports"]
        self._variables = environment.variables(server["trusted"])

    def measure(self, client: Client, *parts: str) -> None:
        """One process's figures, noted in `client`; none of them, and a sentence, where it could not measure."""
        ports = {name: self._ports[port] for name, port in client.ports.items()}
        arguments = [client.module, ",".join(parts), json.dumps(ports), json.dumps(self._sizes)]
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
def serving(python: Path) -> Generator[dict[str, Any], None, None]:
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
