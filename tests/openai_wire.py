"""OpenAI's wire for tests: protocols that are open, frames, recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.openai import OPENAI, Dialect, OpenAIClientProtocol, OpenAIServerProtocol

RECORDINGS = Path(__file__).parents[1].parent / "shared" / "recordings"

SESSION: dict[str, Any] = {"type": "realtime", "id": "sess_1", "model": "gpt-realtime"}


def frame(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_1", **fields})


def opened(
    dialect: Dialect = OPENAI, options: SessionOptions | None = None, *, started_at: float | None = None, **session: Any
) -> OpenAIClientProtocol:
    """A client's protocol whose session is confirmed; nothing is left to be read or sent."""
    protocol = OpenAIClientProtocol(dialect, started_at=started_at)
    protocol.open(options or SessionOptions())
    protocol.receive(frame("session.created", session=SESSION))
    protocol.receive(frame("session.updated", session={**SESSION, **session}))
    protocol.frames_to_send()
    return protocol


def said(protocol: OpenAIClientProtocol, message: ClientMessage) -> list[dict[str, Any]]:
    """What goes out for `message`."""
    protocol.send(message)
    return sent(protocol)


def sent(protocol: OpenAIClientProtocol) -> list[dict[str, Any]]:
    return [json.loads(out) for out in protocol.frames_to_send()]


def through_the_wire(message: ServerMessage, dialect: Dialect = OPENAI) -> list[ServerMessage]:
    """What a client reads when a server sends `message`."""
    server = OpenAIServerProtocol(dialect)
    server.send(message)
    client = opened(dialect)
    return [read for out in server.frames_to_send() for read in client.receive(out)]
