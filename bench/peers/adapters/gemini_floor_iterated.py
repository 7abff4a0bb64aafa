"""The floor of Gemini's wire behind ``async for``: what it costs to wake a task for every event, and nothing else."""

from __future__ import annotations

from peers.adapters import gemini_floor
from peers.adapters.floor_iterated import Iterated, iterated
from peers.sink import Sink


async def connect(base_url: str, sink: Sink) -> Iterated:
    return await iterated(gemini_floor.connect, base_url, sink)
