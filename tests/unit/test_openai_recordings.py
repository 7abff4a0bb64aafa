"""Recorded conversations with live servers, replayed; and what is left of them when bytes change."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.items import FunctionCall
from duologue.options import SessionOptions
from duologue.protocols.openai import (
    AZURE,
    OPENAI,
    VOICE_LIVE,
    XAI,
    Dialect,
    OpenAIClientProtocol,
    OpenAIServerProtocol,
)
from duologue.transports import Closed
from openai_wire import RECORDINGS, opened

DIALECTS: dict[str, Dialect] = {"openai": OPENAI, "azure": AZURE, "azure_voice_live": VOICE_LIVE, "xai": XAI}
FILES = sorted(path for path in RECORDINGS.glob("*.jsonl") if path.name.split("-")[0] in DIALECTS)
RAW_ON_PURPOSE = {"ping", "conversation.created"}

pytestmark = pytest.mark.skipif(not FILES, reason="The recordings are not here.")


def _frames(path: Path, direction: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["data"] for line in lines if line.get("direction") == direction]


def _replay(path: Path) -> list[m.ServerMessage]:
    protocol = OpenAIClientProtocol(DIALECTS[path.name.split("-")[0]])
    protocol.open(SessionOptions())
    return [message for data in _frames(path, "received") for message in protocol.receive(json.dumps(data))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_that_every_event_is_understood(path: Path) -> None:
    messages = _replay(path)
    assert isinstance(messages[0], m.SessionCreated)
    assert sum(isinstance(message, m.SessionCreated) for message in messages) == 1
    raw = {message.event_type for message in messages if isinstance(message, m.RawServerMessage)}
    assert raw <= RAW_ON_PURPOSE
    assert not [message for message in messages if isinstance(message, m.ErrorReported)]
    received = _frames(path, "received")
    assert len(messages) >= len(received) - 1  # the greeting and the confirmation are one message
    assert all(message.id is not None for message in messages)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_that_the_conversation_is_what_the_responses_say(path: Path) -> None:
    conversation = Conversation()
    messages = _replay(path)
    for message in messages:
        conversation.feed(message)
    said = {item.id: item for item in conversation.items}
    for done in (message for message in messages if isinstance(message, m.ResponseDone)):
        assert done.status == "completed"
        assert done.usage is not None
        assert done.usage.total_tokens
        for item in done.items:
            kept = said[item.id]
            if isinstance(item, FunctionCall):
                assert isinstance(kept, FunctionCall)
                assert (kept.call_id, kept.arguments) == (item.call_id, item.arguments)
            else:
                assert isinstance(item, m.MessageItem)
                assert isinstance(kept, m.MessageItem)
                assert kept.text == item.text


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_that_every_sent_frame_is_understood_and_says_the_same_again(path: Path) -> None:
    dialect = DIALECTS[path.name.split("-")[0]]
    server, client = OpenAIServerProtocol(dialect), opened(dialect)
    for data in _frames(path, "sent"):
        [message] = server.receive(json.dumps(data))
        assert not isinstance(message, m.RawClientMessage)
        client.send(message)
        [again] = client.frames_to_send()
        assert json.loads(again) == data
    assert server.frames_to_send() == []


def test_that_changed_bytes_raise_nothing() -> None:
    chance = random.Random(20_000)
    frames = [json.dumps(data).encode() for path in FILES for data in _frames(path, "received")]
    sent = [json.dumps(data).encode() for path in FILES for data in _frames(path, "sent")]
    client, server = opened(), OpenAIServerProtocol()
    for number in range(20_000):
        damaged = bytearray(chance.choice(frames if number % 2 else sent))
        for _ in range(chance.randint(1, 4)):
            _damage(damaged, chance)
        if number % 2:
            client.receive(bytes(damaged))
        else:
            server.receive(bytes(damaged))
        client.frames_to_send()
        server.frames_to_send()
    client.connection_lost(Closed(code=1006))
    fresh = opened()
    assert [type(read) for read in fresh.receive(b'{"type":"input_audio_buffer.cleared"}')] == [m.InputAudioCleared]


_WORDS = [b"null", b"[]", b"{}", b'"x"', b"-1", b"1e400", b"0.5", b"true", b"\xff", b'"\\ud800"']


def _damage(data: bytearray, chance: random.Random) -> None:
    position = chance.randrange(len(data))
    match chance.randrange(4):
        case 0:
            data[position] = chance.randrange(256)
        case 1:
            del data[position : position + chance.randint(1, 8)]
            data += b" "
        case 2:
            data[position:position] = chance.choice(_WORDS)
        case _:  # a value of another type
            colon = data.find(b": ", position)
            if colon >= 0:
                end = data.find(b",", colon)
                data[colon + 2 : end if end >= 0 else len(data) - 1] = chance.choice(_WORDS)
