"""Frames that were damaged: nothing is raised, no event that can be read is lost, and the protocol stays usable.

``DUOLOGUE_MUTATIONS`` says how many; the default is quick.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.protocols import ProtocolState
from duologue.protocols.openai import OPENAI, VOICE_LIVE, XAI, Dialect, OpenAIClientProtocol, OpenAIServerProtocol
from duologue.transports import Closed
from openai_messages import client_messages, server_messages
from openai_wire import RECORDINGS, opened

MUTATIONS = int(os.environ.get("DUOLOGUE_MUTATIONS", "20000"))
_ROUND = 1_000  # a protocol lives for so many frames: then it says how it ended

_WORDS = [
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"-1",
    b"1e400",
    b"0.5",
    b"true",
    b"\xff",
    b'"\\ud800"',
    b"99999999999999999999",
    b"[[[[[[[[",
    b"[{}]",
    b'{"type":null}',
]


def _recorded(direction: str) -> list[bytes]:
    found = []
    for path in sorted(RECORDINGS.glob("*.jsonl")):
        if path.name.startswith("google"):
            continue
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        found += [json.dumps(line["data"]).encode() for line in lines if line.get("direction") == direction]
    return found


def _made(kind: Any, fields: dict[str, Any], count: int = 12) -> list[Any]:
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


def _from_servers() -> list[bytes]:
    frames = []
    for dialect in (OPENAI, VOICE_LIVE, XAI):
        server = OpenAIServerProtocol(dialect)
        for kind, fields in server_messages(dialect).items():
            for message in _made(kind, fields):
                server.send(message)
        frames += [frame.encode() for frame in server.frames_to_send() if isinstance(frame, str)]
    return frames


def _from_clients() -> list[bytes]:
    frames = []
    for dialect in (OPENAI, VOICE_LIVE, XAI):
        client = opened(dialect)
        for kind, fields in client_messages(dialect).items():
            for message in _made(kind, fields):
                client.send(message)
        frames += [frame.encode() for frame in client.frames_to_send() if isinstance(frame, str)]
    return frames


@pytest.mark.timeout(3_600 if MUTATIONS > 100_000 else 60)
def test_that_damaged_frames_are_taken_by_a_client() -> None:
    chance = random.Random(MUTATIONS)
    frames = _recorded("received") + _from_servers()
    assert len(frames) > 1_000
    for begin in range(0, MUTATIONS // 2, _ROUND):
        dialect = chance.choice((OPENAI, VOICE_LIVE, XAI))
        client = opened(dialect)
        for _ in range(min(_ROUND, MUTATIONS // 2 - begin)):
            messages = client.receive(_damaged(chance.choice(frames), chance))
            assert all(isinstance(message, m.ServerMessage) for message in messages)
            client.frames_to_send()
        _still_works(client, dialect)


def _still_works(client: OpenAIClientProtocol, dialect: Dialect) -> None:
    assert client.state is ProtocolState.OPEN
    assert [type(read) for read in client.receive(b'{"type":"input_audio_buffer.cleared"}')] == [m.InputAudioCleared]
    client.send(m.ResponseCreate(id="still"))
    assert '"response.create"' in str(client.frames_to_send())
    client.tick(0.0)
    ends, end = client.connection_lost(Closed(code=1006))
    assert all(isinstance(message, m.ResponseDone) for message in ends)
    assert end.provider == dialect.provider


@pytest.mark.timeout(3_600 if MUTATIONS > 100_000 else 60)
def test_that_damaged_frames_are_taken_by_a_server() -> None:
    chance = random.Random(MUTATIONS + 1)
    frames = _recorded("sent") + _from_clients()
    assert len(frames) > 300
    for begin in range(0, MUTATIONS // 2, _ROUND):
        server = OpenAIServerProtocol(chance.choice((OPENAI, VOICE_LIVE, XAI)))
        for _ in range(min(_ROUND, MUTATIONS // 2 - begin)):
            damaged = _damaged(chance.choice(frames), chance)
            messages = server.receive(damaged)
            refusals = server.frames_to_send()
            assert len(messages) + len(refusals) == 1, damaged  # it is taken, or it is refused
        assert server.receive(b'{"type":"input_audio_buffer.clear","event_id":"a"}') == [m.InputAudioClear(id="a")]


def _damaged(frame: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(frame)
    for _ in range(chance.randint(1, 4)):
        _damage(damaged, chance)
    return bytes(damaged)


def _damage(data: bytearray, chance: random.Random) -> None:
    position = chance.randrange(len(data))
    match chance.randrange(5):
        case 0:
            data[position] = chance.randrange(256)
        case 1:
            del data[position : position + chance.randint(1, 8)]
            data += b" "
        case 2:
            data[position:position] = chance.choice(_WORDS)
        case 3:  # cut off
            del data[max(1, position) :]
        case _:  # a value of another type
            colon = data.find(b":", position)
            if colon >= 0:
                end = data.find(b",", colon)
                data[colon + 1 : end if end >= 0 else len(data) - 1] = chance.choice(_WORDS)
