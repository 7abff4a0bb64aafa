"""The tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Figures = Mapping[str, Any]
Pick = Callable[[Figures], float]

_TITLE_WIDTH = 36


@dataclass
class Client:
    """One client and what was measured of it.

    Attributes:
        module: Its module in `peers.adapters`.
        title: What the tables call it.
        peer: It is another project's library; the rest are this project, and what one writes by hand.
        ports: The server's ports that it uses, by what it takes them for.
        rounds: The figures of each round.
        connecting: The figures of many sessions, by scheme.
    """

    module: str
    title: str
    peer: bool = True
    ports: Mapping[str, str] = field(default_factory=lambda: {name: name for name in ("control", "ws", "wss")})
    rounds: list[dict[str, Any]] = field(default_factory=list)
    connecting: dict[str, dict[str, Any]] = field(default_factory=dict)

    def median(self, pick: Pick) -> float:
        return statistics.median(pick(figures) for figures in self.rounds)


class Column:
    """A column of medians.

    Args:
        title: Its heading.
        pick: Finds the figure of one round.
        digits: Decimal places.
    """

    def __init__(self, title: str, pick: Pick, digits: int = 1) -> None:
        self.title = title
        self.pick = pick
        self._digits = digits

    def cell(self, client: Client) -> str:
        return f"{client.median(self.pick):.{self._digits}f}"


class Ratio(Column):
    """A column of ratios to one client's median."""

    def __init__(self, title: str, pick: Pick, base: Client) -> None:
        super().__init__(title, pick, 2)
        self._base = base

    def cell(self, client: Client) -> str:
        return f"{client.median(self.pick) / self._base.median(self.pick):.2f}"


class _Table:
    def __init__(self, title: str, heads: Sequence[str]) -> None:
        self._widths = [max(10, len(head) + 2) for head in heads]
        print(f"\n{title}")
        self.row("", heads)

    def row(self, title: str, cells: Sequence[str]) -> None:
        padded = (f"{cell:>{width}}" for cell, width in zip(cells, self._widths, strict=True))
        print(f"{title:<{_TITLE_WIDTH}}{''.join(padded)}", flush=True)


def of(name: str) -> Pick:
    """Finds a figure by its name."""
    return lambda figures: float(figures[name])


def flood_of(place: int) -> Pick:
    """Finds the figure of a flood, of the size at that place."""
    return lambda figures: float(figures["flood"][place])


def stream_tables(clients: Sequence[Client], floor: Client, audio_ms: Sequence[int], live: str) -> None:
    """Receiving, sending, live sessions and imports."""
    middle = len(audio_ms) // 2
    sizes = [Column(f"{size} ms", flood_of(place)) for place, size in enumerate(audio_ms)]
    against = Ratio(f"÷ floor at {audio_ms[middle]} ms", flood_of(middle), floor)
    columns = [*sizes, against, Column("short turns", of("turns")), Ratio("÷ floor", of("turns"), floor)]
    _columns("Receiving in a flood: CPU µs per event", clients, columns)
    _columns(
        "Sending chunks of 20 ms: CPU µs per chunk",
        clients,
        [Column("µs", of("sent")), Ratio("÷ floor", of("sent"), floor)],
    )
    _columns(
        f"{live}: CPU µs per event, and delivery (server's send → application, spread) in µs",
        clients,
        [
            Column("in step", of("in_step")),
            Ratio("÷ floor", of("in_step"), floor),
            Column("spread", of("spread")),
            Ratio("÷ floor", of("spread"), floor),
            Column("p50", of("p50"), 0),
            Column("p99", of("p99"), 0),
        ],
    )
    _columns(
        "Imports in a fresh process, above asyncio",
        clients,
        [Column("ms", of("import_ms"), 0), Column("MiB", of("import_mib"), 0)],
    )


def _columns(title: str, clients: Sequence[Client], columns: Sequence[Column]) -> None:
    table = _Table(title, [column.title for column in columns])
    for client in clients:
        table.row(client.title, [column.cell(client) for column in columns])


def connecting_table(clients: Sequence[Client], count: int) -> None:
    """Sessions that are opened one after the other, without and with TLS."""
    table = _Table(
        f"Connecting one after the other, and {count} idle sessions; each session",
        ["first ms", "ms", "CPU ms", "KiB", "tasks", "TLS: ms", "CPU ms", "KiB"],
    )
    for client in clients:
        plain = _cells(client, "ws", {"first_ms": 0, "connect_ms": 2, "connect_cpu_ms": 2, "kib": 0, "tasks": 1})
        secure = _cells(client, "wss", {"connect_ms": 2, "connect_cpu_ms": 2, "kib": 0})
        table.row(client.title, plain + secure)


def _cells(client: Client, scheme: str, digits: Mapping[str, int]) -> list[str]:
    figures = client.connecting.get(scheme)
    return [f"{figures[name]:.{places}f}" if figures else "-" for name, places in digits.items()]


def targets(rows: Sequence[tuple[str, float, float | None]]) -> None:
    """What must be reached, and whether it was: titles, limits, figures; None: it was not measured."""
    table = _Table("Targets", ["at most", "is", ""])
    for title, limit, reached in rows:
        if reached is not None:
            table.row(title, [f"{limit:.2f}", f"{reached:.2f}", "reached" if reached <= limit else "MISSED"])


def targets_table(ours: Client, floor: Client, peers: Sequence[Client], audio_ms: Sequence[int]) -> None:
    """What this project must reach, and whether it did."""
    middle = flood_of(len(audio_ms) // 2)
    size = audio_ms[len(audio_ms) // 2]
    tls = ours.connecting.get("wss", {})
    rows = (
        ("live, in step ÷ floor", 1.3, beside(ours, of("in_step"), [floor])),
        ("live, in step ÷ best peer", 1 / 3, beside(ours, of("in_step"), peers)),
        ("live, spread ÷ floor", 1.3, beside(ours, of("spread"), [floor])),
        ("live, spread ÷ best peer", 1 / 3, beside(ours, of("spread"), peers)),
        (f"flood at {size} ms ÷ floor", 2.0, beside(ours, middle, [floor])),
        (f"flood at {size} ms ÷ best peer", 1 / 4, beside(ours, middle, peers)),
        ("sending 20 ms ÷ floor", 1.5, beside(ours, of("sent"), [floor])),
        ("TLS connect, CPU ms", 4.0, tls.get("connect_cpu_ms")),
        ("TLS idle session, KiB", 110.0, tls.get("kib")),
    )
    targets(rows)


def beside(ours: Client, pick: Pick, others: Sequence[Client]) -> float | None:
    """Our median as a part of the best of theirs."""
    return ours.median(pick) / min(other.median(pick) for other in others) if others else None
