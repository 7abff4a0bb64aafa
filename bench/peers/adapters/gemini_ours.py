"""This project on Gemini's wire, through its public API."""

from __future__ import annotations

from functools import cache

from duologue.formats import PCM16_16K
from duologue.options import SessionOptions
from duologue.providers.gemini import GeminiRealtimeClient
from peers.adapters import KEY
from peers.adapters.ours import Session
from peers.sink import Sink

_OPTIONS = SessionOptions(input_audio=PCM16_16K)


@cache
def _client(base_url: str) -> GeminiRealtimeClient:
    return GeminiRealtimeClient("gemini-3.8-live", api_key=KEY, base_url=base_url)


async def connect(base_url: str, sink: Sink) -> Session:
    return Session(await _client(base_url).create_session(_OPTIONS), sink)
