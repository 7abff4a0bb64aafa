"""Recorded conversations with Google's live servers, replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.messages.base import ClientMessage
from duologue.options import SessionOptions
from duologue.protocols.gemini import GeminiClientProtocol, GeminiServerProtocol
from duologue.runtime.turns import TurnTracker
from duologue.testing.lifecycle import LifecycleChecker
from gemini_wire import RECORDINGS, only, recorded
from protocol_reading import take

FILES = sorted(RECORDINGS.glob("google-*.jsonl"))

pytestmark = pytest.mark.skipif(not FILES, reason="The recordings are not here.")
each = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def _understood(path: Path) -> list[ClientMessage]:
    """What the client of a recording said."""
    server = GeminiServerProtocol()
    understood = [one for data in recorded(path, "sent") for one in server.receive(json.dumps(data))]
    assert server.refusal is None
    return understood


def _replay(path: Path) -> list[m.ServerMessage]:
    """All that comes of a recording, with its requests at the time at which they were made."""
    protocol, server = GeminiClientProtocol(), GeminiServerProtocol()
    protocol.open(SessionOptions())
    messages: list[m.ServerMessage] = []
    for line in path.read_text().splitlines():
        step = json.loads(line)
        frame = json.dumps(step.get("data")).encode()
        if step.get("direction") == "received":
            messages += take(protocol, frame)
        elif step["kind"] == "message":
            for said in server.receive(frame):
                if not isinstance(said, m.SessionUpdate):
                    protocol.send(said)
                    messages += protocol.tick(0.0)
    return messages


@each
def test_that_every_frame_is_understood(path: Path) -> None:
    messages = _replay(path)
    assert not only(messages, m.RawServerMessage)
    assert not only(messages, m.ErrorReported)
    audio = only(messages, m.OutputAudioDelta)
    assert len(audio) == sum("inlineData" in json.dumps(data) for data in recorded(path, "received"))
    assert all(len(delta.audio) in (33, 34) for delta in audio)


@each
def test_that_every_response_and_every_turn_is_told_once(path: Path) -> None:
    messages = _replay(path)
    checker = LifecycleChecker()
    checker.feed_all(messages)
    checker.finish()
    marks = [data.get("serverContent", {}) for data in recorded(path, "received")]
    asked = sum("toolCall" in data for data in recorded(path, "received"))
    turns = sum(mark.get("turnComplete", False) for mark in marks)
    done = only(messages, m.ResponseDone)
    assert len(only(messages, m.ResponseCreated)) == len(done) == turns + asked  # a call ends its response
    assert len(only(messages, m.TurnDone)) == turns == 1
    assert all(one.status == "completed" for one in done)
    assert sum(len(one.function_calls) for one in done) == asked
    tracker = TurnTracker(waits_for_calls=False, ends_are_told=True)
    tracked = [one for message in messages for one in tracker.received(message, follow_up_waits=False)]
    [over] = only(tracked, m.TurnDone)
    assert {one.turn_id for one in only(tracked, m.ResponseDone)} == {over.turn_id}


@each
def test_that_transcripts_and_usage_are_complete(path: Path) -> None:
    messages = _replay(path)
    conversation = Conversation()
    for message in messages:
        conversation.feed(message)
    received = recorded(path, "received")
    words = [data.get("serverContent", {}).get("outputTranscription", {}).get("text", "") for data in received]
    last = conversation.items[-1]
    assert isinstance(last, m.MessageItem)
    assert last.text == "".join(words) != ""
    usage = received[-1]["usageMetadata"]
    assert conversation.usage.input_tokens == usage["promptTokenCount"]
    assert conversation.usage.output_tokens == usage["responseTokenCount"]
    assert conversation.usage.total_tokens == usage["totalTokenCount"]
    assert conversation.usage.reasoning_tokens == usage.get("thoughtsTokenCount")
    assert not conversation.open_calls


@each
def test_that_what_was_sent_is_what_we_would_send(path: Path) -> None:
    client, server = GeminiClientProtocol(), GeminiServerProtocol()
    first, *rest = _understood(path)
    assert isinstance(first, m.SessionUpdate)
    client.open(first.options)
    client.receive(b'{"setupComplete":{}}')
    for message in rest:
        client.send(message)
    out = client.frames_to_send()
    understood = [one for frame in out for one in server.receive(frame)]
    again = understood[0]
    assert isinstance(again, m.SessionUpdate)
    names = ("model", "instructions", "output_modalities", "transcription", "tools")
    assert {name: getattr(again.options, name) for name in names} == {
        name: getattr(first.options, name) for name in names
    }
    assert understood[1:] == rest
