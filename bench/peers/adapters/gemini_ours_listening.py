"""This project on Gemini Live's wire, with a function that is called with every message."""

from __future__ import annotations

from peers.adapters.gemini_ours import open_session
from peers.adapters.ours_listening import Listening
from peers.sink import Sink


async def connect(base_url: str, sink: Sink) -> Listening:
    return Listening(await open_session(base_url), sink)
