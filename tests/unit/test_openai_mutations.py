"""Frames that were damaged: nothing is raised, no event that can be read is lost, and the protocol stays usable.

Every dialect, in both roles, and the client's while its session opens. ``DUOLOGUE_MUTATIONS`` says how many frames; the
default is quick. To fuzz in earnest, set it to a million: ``DUOLOGUE_MUTATIONS=1000000``.
"""

from __future__ import annotations

import functools
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.options import OFF, SessionOptions
from duologue.protocols import ProtocolState
from duologue.protocols.openai import (
    AZURE,
    AZURE_PREVIEW,
    LOCALAI,
    OPENAI,
    QWEN,
    SPEACHES,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
    VOICE_LIVE,
    XAI,
    Dialect,
    OpenAIClientProtocol,
    OpenAIServerProtocol,
)
from duologue.transports import Closed
from mutations import MUTATIONS, SECONDS, damaged
from openai_messages import client_messages, server_messages
from openai_wire import RECORDINGS, opened
from protocol_reading import take

_ROUND = 200  # a protocol lives for so many frames: then it says how it ended
_ALL = (
    OPENAI,
    AZURE,
    AZURE_PREVIEW,
    VOICE_LIVE,
    XAI,
    QWEN,
    SPEACHES,
    LOCALAI,
    SPEECH_TO_SPEECH,
    VLLM_TRANSCRIPTION,
)
_SHORT_ROUND = 20
_FIRST = {ProtocolState.OPEN: m.SessionCreated, ProtocolState.CLOSED: m.ErrorReported}
_SHAPES = (OPENAI, VOICE_LIVE, XAI, QWEN)  # of frames: the others' are among them


def _recorded(direction: str) -> list[bytes]:
    found = []
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        if path.name.startswith("google"):
            continue
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found += [json.dumps(line["data"]).encode() for line in lines if line.get("direction") == direction]
    return found


def _made(kind: Any, fields: dict[str, Any], count: int = 4) -> list[Any]:
    made: list[Any] = []

    @seed(7)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.builds(kind, **fields))
    def collect(message: Any) -> None:
        made.append(message)

    collect()
    return made


@functools.cache
def _from_servers() -> list[bytes]:
    frames = []
    for dialect in _SHAPES:
        server = OpenAIServerProtocol(dialect)
        for kind, fields in server_messages(dialect).items():
            for message in _made(kind, fields):
                server.send(message)
        frames += [frame.encode() for frame in server.frames_to_send() if isinstance(frame, str)]
    return frames


def _from_clients() -> list[bytes]:
    frames = []
    for dialect in _SHAPES:
        client = opened(dialect)
        for kind, fields in client_messages(dialect).items():
            for message in _made(kind, fields):
                client.send(message)
        frames += [frame.encode() for frame in client.frames_to_send() if isinstance(frame, str)]
    return frames


@pytest.mark.timeout(SECONDS)
def test_that_damaged_frames_are_taken_by_a_client() -> None:
    chance = random.Random(MUTATIONS)
    frames = _recorded("received") + _from_servers()
    assert len(frames) > 800
    for begin in range(0, MUTATIONS // 3, _ROUND):
        dialect = chance.choice(_ALL)
        client = opened(dialect)
        for _ in range(min(_ROUND, MUTATIONS // 3 - begin)):
            messages = take(client, damaged(chance.choice(frames), chance))
            assert all(isinstance(message, m.ServerMessage) for message in messages)
            client.frames_to_send()
        _still_works(client, dialect)


def _still_works(client: OpenAIClientProtocol, dialect: Dialect) -> None:
    assert client.state is ProtocolState.OPEN
    assert [type(read) for read in client.receive(b'{"type":"input_audio_buffer.cleared"}')] == [m.InputAudioCleared]
    if dialect.capabilities.explicit_response:
        client.send(m.ResponseCreate(id="still"))
        assert '"response.create"' in str(client.frames_to_send())
    client.tick(0.0)
    _ends(client, dialect)


@pytest.mark.timeout(SECONDS)
def test_that_damaged_frames_are_taken_by_a_client_that_opens() -> None:
    chance = random.Random(MUTATIONS + 2)
    frames = _recorded("received") + _from_servers()
    deciding = [frame for frame in frames if b"session.updated" in frame or b"session.created" in frame]
    outcomes: set[tuple[str, ProtocolState]] = set()
    for number in range(MUTATIONS // 3 // _SHORT_ROUND):
        dialect = _ALL[number % len(_ALL)]
        client = OpenAIClientProtocol(dialect, awaits_greeting=chance.random() < 0.5)
        client.open(SessionOptions(instructions="Be brief.", turn_detection=OFF))
        for _ in range(_SHORT_ROUND):
            was = client.state
            messages = take(client, damaged(chance.choice(chance.choice((frames, deciding))), chance))
            assert all(isinstance(message, m.ServerMessage) for message in messages)
            client.frames_to_send()
            if was is ProtocolState.OPENING and messages:  # it is open, or it is refused: that is said first
                assert type(messages[0]) is _FIRST[client.state]
                outcomes.add((dialect.provider, client.state))
        _ends(client, dialect)
    assert {provider for provider, _ in outcomes} == {dialect.provider for dialect in _ALL}
    assert {state for _, state in outcomes} == set(_FIRST)


def _ends(client: OpenAIClientProtocol, dialect: Dialect) -> None:
    ends, end = client.connection_lost(Closed(code=1006))
    assert all(isinstance(message, m.ResponseDone) for message in ends)
    assert end.provider == dialect.provider


@pytest.mark.timeout(SECONDS)
def test_that_damaged_frames_are_taken_by_a_server() -> None:
    chance = random.Random(MUTATIONS + 1)
    frames = _recorded("sent") + _from_clients()
    assert len(frames) > 200
    for begin in range(0, MUTATIONS // 3, _ROUND):
        server = OpenAIServerProtocol(chance.choice(_ALL))
        for _ in range(min(_ROUND, MUTATIONS // 3 - begin)):
            frame = damaged(chance.choice(frames), chance)
            messages = server.receive(frame)
            refusals = server.frames_to_send()
            assert len(messages) + len(refusals) == 1, frame  # it is taken, or it is refused
        assert server.receive(b'{"type":"input_audio_buffer.clear","event_id":"a"}') == [m.InputAudioClear(id="a")]
