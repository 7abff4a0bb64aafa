"""Measures receiving on Gemini Live's wire beside the floor of that wire and google-genai: ``make bench ARGS=gemini``.

As `peers`: every client in a process of its own, medians of the rounds, ratios within this run. google-genai insists on
TLS, so this project and the floor are measured with it and without.
"""

from __future__ import annotations

import argparse
import sys

from peers import environment
from peers.report import Client, beside, flood_of, stream_tables, targets
from peers.running import FULL, QUICK, Bench, serving

_PLAIN = {"control": "control", "ws": "gemini_ws"}
_TLS = {"control": "control", "wss": "gemini_wss"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="gemini", description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small, to see that everything runs; no figures to quote")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    sizes = QUICK if arguments.quick else FULL
    floor = Client("gemini_floor", "floor: picows, msgspec, pybase64", peer=False, ports=_PLAIN)
    iterated = Client("gemini_floor_iterated", "floor behind async for", peer=False, ports=_PLAIN)
    ours = Client("gemini_ours", "duologue, async for", peer=False, ports=_PLAIN)
    listening = Client("gemini_ours_listening", "duologue, listen", peer=False, ports=_PLAIN)
    secure_floor = Client("gemini_floor", "floor", peer=False, ports=_TLS)
    secure_ours = Client("gemini_ours", "duologue", peer=False, ports=_TLS)
    theirs = Client("google_genai", "google-genai", ports=_TLS)
    try:
        python = environment.python()
    except environment.NotBuilt as reason:
        print(reason, file=sys.stderr)
        return
    with serving(python) as server:
        bench = Bench(python, sizes, server)
        for _ in range(1 if arguments.quick else arguments.rounds):
            for client in (floor, iterated, ours, listening, secure_floor, secure_ours, theirs):
                bench.measure(client, "streams")
    live = f"{sizes['sessions']} live sessions, {sizes['per_second']} events a second each"
    plain = [client for client in (floor, iterated, ours, listening) if client.rounds]
    secure = [client for client in (secure_floor, secure_ours, theirs) if client.rounds]
    print("\n--- without TLS ---")
    if floor.rounds:
        stream_tables(plain, floor, sizes["audio_ms"], live)
    print("\n--- with TLS ---")
    if secure_floor.rounds:
        stream_tables(secure, secure_floor, sizes["audio_ms"], live)
    if not (floor in plain and ours in plain):
        return
    rows = []
    for place, audio_ms in enumerate(sizes["audio_ms"]):
        rows.append((f"flood at {audio_ms} ms ÷ floor", 1.6, beside(ours, flood_of(place), [floor])))
        if listening in plain:
            rows.append(("the same, listening", 1.6, beside(listening, flood_of(place), [floor])))
        if secure_ours in secure and theirs in secure:
            with_tls = beside(secure_ours, flood_of(place), [theirs])
            rows.append((f"flood at {audio_ms} ms ÷ google-genai, TLS", 1 / 5, with_tls))
    targets(ours.title, rows)


if __name__ == "__main__":
    main()
