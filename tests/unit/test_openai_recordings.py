"""Recorded conversations with live servers, replayed."""

from __future__ import annotations

import json
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
from openai_wire import RECORDINGS, opened
from protocol_reading import take

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
    return [message for data in _frames(path, "received") for message in take(protocol, json.dumps(data))]


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
