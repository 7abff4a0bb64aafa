"""One small module for each client: it opens sessions and puts what comes into a `Sink`.

Importing a module imports the client's library, and that is timed. The libraries are not part of the development
environment, so they are imported by name.
"""

from __future__ import annotations

from typing import Protocol

from peers.sink import Sink

KEY = "sk-bench"
MODEL = "gpt-realtime"


class Session(Protocol):
    """An open session that puts what it receives into its sink."""

    async def send_audio(self, pcm: bytes) -> None:
        """Send a piece of the microphone's audio, at once where the library can."""
        ...


class Connect(Protocol):
    """What every module has as ``connect``."""

    async def __call__(self, base_url: str, sink: Sink) -> Session:
        """Open a session at ``ws://host:port/v1`` (or ``wss://``), and return once the server has greeted."""
        ...


def realtime_url(base_url: str) -> str:
    return f"{base_url}/realtime?model={MODEL}"


def http_url(base_url: str) -> str:
    """The same address for clients that want it with ``http``."""
    return base_url.replace("ws", "http", 1)
