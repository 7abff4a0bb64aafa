"""Measures this project beside its peers, and prints the tables: ``make bench ARGS=peers``.

Every client runs in a process of its own, one at a time; the server in another. A round goes through all clients; the
tables show medians of the rounds, and ratios within this run. "Event" is the mean of an audio and a transcript delta.
"""

from __future__ import annotations

import argparse
import sys

from peers import environment
from peers.report import Client, connecting_table, stream_tables, targets_table
from peers.running import FULL, QUICK, Bench, serving


def _clients() -> list[Client]:
    return [
        Client("floor", "floor: picows, msgspec, pybase64", peer=False),
        Client("ours", "duologue", peer=False),
        Client("raw_websockets", "websockets, json, base64", peer=False),
        Client("openai_python", "openai-python"),
        Client("openai_agents_model", "openai-agents, model layer"),
        Client("openai_agents_session", "openai-agents, RealtimeSession"),
        Client("livekit_plugin", "livekit-plugins-openai (sends × 5)"),
        Client("pydantic_ai_session", "pydantic-ai"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="peers", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small, to see that everything runs; no figures to quote")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="MODULE", help="modules of peers/adapters, beside the floor")
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else FULL
    chosen = [c for c in _clients() if not arguments.only or c.module in (*arguments.only, "floor")]
    try:
        python = environment.python()
    except environment.NotBuilt as reason:
        print(reason, file=sys.stderr)
        return
    with serving(python) as server:
        bench = Bench(python, sizes, server)
        clients = bench.run_quickly(chosen) if arguments.quick else bench.run(chosen, arguments.rounds)
    by_module = {client.module: client for client in clients}
    floor = by_module.get("floor")
    if floor is None:
        return  # and why was told
    live = f"{sizes['sessions']} live sessions, {sizes['per_second']} events a second each"
    stream_tables(clients, floor, sizes["audio_ms"], live)
    connecting_table(clients, sizes["idle"])
    if "ours" in by_module:
        targets_table(by_module["ours"], floor, [c for c in clients if c.peer], sizes["audio_ms"])


if __name__ == "__main__":
    main()
