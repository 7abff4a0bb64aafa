"""What clients sent in recorded conversations with live servers brings the same events from the emulator."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.formats import PCM16_24K
from duologue.options import OFF, SessionOptions
from duologue.protocols.openai import AZURE, OPENAI, VOICE_LIVE, XAI, OpenAIClientProtocol
from duologue.speech.responder import CallRequested
from duologue.testing.emulation.model import EmulatedModel, Reply
from duologue.testing.openai_emulator.session import OpenAIEmulatedSession
from duologue.transports import Closed, Frame
from duologue.transports.memory import memory_pair
from local_harness import tone
from openai_wire import RECORDINGS
from protocol_reading import take

DIALECTS = {"openai": OPENAI, "azure": AZURE, "azure_voice_live": VOICE_LIVE, "xai": XAI}
FILES = sorted(path for path in RECORDINGS.glob("*.jsonl") if path.name.split("-")[0] in DIALECTS)

pytestmark = pytest.mark.skipif(not FILES, reason="The recordings are not here.")


class Client:
    """Notes what arrives, and lets a test wait for it."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.news = asyncio.Event()

    def frame_received(self, frame: Frame) -> None:
        assert isinstance(frame, str)
        self.frames.append(frame)
        self.news.set()

    def connection_closed(self, how: Closed) -> None:
        self.news.set()

    @property
    def types(self) -> list[str]:
        return _without_deltas(json.loads(frame)["type"] for frame in self.frames)

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.types) < count:
                self.news.clear()
                await self.news.wait()


def _without_deltas(types: Iterator[str]) -> list[str]:
    return [event_type for event_type in types if not event_type.endswith(".delta")]


def _conversation(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line for line in lines if line["kind"] == "message"]


def _appends() -> list[dict[str, Any]]:
    """The user's speech: its audio was cut out of the recordings."""
    audio = tone(PCM16_24K) + bytes(PCM16_24K.bytes_for(1_000))
    size = PCM16_24K.bytes_for(100)
    chunks = [audio[start : start + size] for start in range(0, len(audio), size)]
    return [{"type": "input_audio_buffer.append", "audio": base64.b64encode(chunk).decode()} for chunk in chunks]


def _answers(path: Path) -> list[Reply]:
    """What the model said in the recording, one reply for each response."""
    responses = [line["data"]["response"] for line in _conversation(path) if line["data"]["type"] == "response.done"]
    return [[_step(item) for item in response["output"]] for response in responses]


def _step(item: dict[str, Any]) -> str | CallRequested:
    if item["type"] == "function_call":
        return CallRequested(item["name"], item["arguments"], item["call_id"])
    return "".join(part.get("transcript") or part.get("text") or "" for part in item["content"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_that_the_same_events_come(path: Path) -> None:
    dialect = DIALECTS[path.name.split("-")[0]]
    ours, theirs = memory_pair(10_000)
    model = EmulatedModel(_answers(path), ["Hello."], 100, 60_000)
    session = OpenAIEmulatedSession(theirs, dialect, model, SessionOptions(model="m", transcription=OFF))
    client = Client()
    session.open()
    ours.start(client)
    expected: list[str] = []
    has_spoken = False
    for line in _conversation(path):
        event = line["data"]
        if line["direction"] == "received":
            expected += _without_deltas(iter([event["type"]]))
            continue
        await client.wait_for(len(expected))
        if event["type"] != "input_audio_buffer.append":
            ours.write(json.dumps(event))
        elif not has_spoken:
            has_spoken = True
            for append in _appends():
                ours.write(json.dumps(append))
    await client.wait_for(len(expected))
    transcript = "conversation.item.input_audio_transcription.completed"  # comes when it is ready
    assert [name for name in client.types if name != transcript] == [name for name in expected if name != transcript]
    assert client.types.count(transcript) == expected.count(transcript)
    await ours.aclose()
    await session.wait_closed()
    _check_conversation(client.frames, OpenAIClientProtocol(dialect), path)


def _check_conversation(frames: list[str], protocol: OpenAIClientProtocol, path: Path) -> None:
    """What the client makes of it is what the recorded responses say."""
    conversation = Conversation()
    protocol.open(SessionOptions())
    for frame in frames:
        for message in take(protocol, frame):
            assert not isinstance(message, m.ErrorReported)
            conversation.feed(message)
    said = [step for reply in _answers(path) for step in reply]  # type: ignore[union-attr]
    answers = [item for item in conversation.items if getattr(item, "role", None) == "assistant"]
    assert [item.text for item in answers if isinstance(item, m.MessageItem)] == [t for t in said if isinstance(t, str)]
    calls = [item for item in conversation.items if isinstance(item, m.FunctionCall)]
    assert [(call.call_id, call.arguments) for call in calls] == [
        (step.call_id, step.arguments) for step in said if isinstance(step, CallRequested)
    ]
