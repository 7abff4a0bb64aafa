"""Gemini Live's wire for tests: protocols that are open, frames, recordings."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.gemini import GEMINI, GeminiClientProtocol, GeminiDialect, GeminiServerProtocol
from protocol_reading import take

RECORDINGS = Path(__file__).parents[1].parent / "shared" / "recordings"

PCM = bytes(range(64))


def frame(**fields: Any) -> bytes:
    """A server's frame."""
    return json.dumps(fields).encode()


def content(**fields: Any) -> bytes:
    """A server's frame with content."""
    return frame(serverContent=fields)


def audio(data: bytes = PCM, mime_type: str = "audio/pcm;rate=24000") -> bytes:
    """A server's frame with audio."""
    blob = {"mimeType": mime_type, "data": base64.b64encode(data).decode()}
    return content(modelTurn={"parts": [{"inlineData": blob}]})


def words(text: str) -> bytes:
    """A server's frame with words of the model."""
    return content(outputTranscription={"text": text})


def heard(text: str, **more: Any) -> bytes:
    """A server's frame with words of the user."""
    return content(inputTranscription={"text": text, **more})


def calls(*functions: dict[str, Any]) -> bytes:
    """A server's frame that asks for functions."""
    return frame(toolCall={"functionCalls": list(functions)})


GENERATED = content(generationComplete=True)
TURN_COMPLETE = content(turnComplete=True)
INTERRUPTED = content(interrupted=True)
CALL = {"id": "c1", "name": "get_weather", "args": {"city": "Oslo"}}


def opened(dialect: GeminiDialect = GEMINI, options: SessionOptions | None = None) -> GeminiClientProtocol:
    """A client's protocol whose session is confirmed; nothing is left to be read or sent."""
    protocol = GeminiClientProtocol(dialect)
    protocol.open(options or SessionOptions())
    protocol.receive(frame(setupComplete={}))
    protocol.frames_to_send()
    protocol.tick(0.0)
    return protocol


def said(protocol: GeminiClientProtocol, message: ClientMessage) -> list[dict[str, Any]]:
    """What goes out for `message`."""
    protocol.send(message)
    return sent(protocol)


def sent(protocol: GeminiClientProtocol | GeminiServerProtocol) -> list[dict[str, Any]]:
    return [json.loads(out) for out in protocol.frames_to_send()]


def read(protocol: GeminiClientProtocol, *frames: bytes) -> list[ServerMessage]:
    """What the client makes of these frames."""
    return [message for one in frames for message in take(protocol, one)]


def kinds(messages: Iterable[ServerMessage]) -> list[str]:
    """The names of their classes."""
    return [type(message).__name__ for message in messages]


def only(messages: Iterable[ServerMessage], kind: type[Any]) -> list[Any]:
    """Those of one class."""
    return [message for message in messages if isinstance(message, kind)]


def without_items(messages: Iterable[ServerMessage]) -> list[str]:
    """The names of their classes, without what tells of items and their parts."""
    beside = (m.ItemAdded, m.ItemDone, m.OutputItemAdded, m.OutputItemDone, m.ContentPartAdded, m.ContentPartDone)
    return kinds(message for message in messages if not isinstance(message, beside))


def recorded(path: Path, direction: str) -> list[dict[str, Any]]:
    """The frames of a recording that went that way."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["data"] for line in lines if line.get("direction") == direction]
