"""Frames that were damaged: nothing is raised, the lifecycle holds, and the protocol stays usable. In both roles."""

from __future__ import annotations

import functools
import json
import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.items import FunctionCall, MessageItem
from duologue.messages.base import ServerMessage
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols import ProtocolState
from duologue.protocols.gemini import GEMINI, VERTEX_AI, GeminiClientProtocol, GeminiServerProtocol
from duologue.testing.lifecycle import LifecycleChecker
from duologue.tools import FunctionTool
from duologue.transports import Closed
from gemini_wire import (
    CALL,
    GENERATED,
    INTERRUPTED,
    RECORDINGS,
    TURN_COMPLETE,
    audio,
    calls,
    content,
    frame,
    heard,
    only,
    opened,
    recorded,
    words,
)
from mutations import MUTATIONS, SECONDS, damaged
from protocol_reading import take

_ROUND = 200  # a protocol lives for so many frames: then it says how it ended
_SHORT_ROUND = 20
_DIALECTS = (GEMINI, VERTEX_AI, GEMINI.for_model("gemini-3.1-flash-live"), GEMINI.for_model("gemini-3.8-live"))
_OPTIONS = SessionOptions(
    instructions="Be brief.",
    transcription=Transcription(),
    tools=(FunctionTool(name="get_weather"), FunctionTool(name="later", background=True)),
    history=(MessageItem.user("Hi."),),
)


@functools.cache
def _from_servers() -> list[bytes]:
    usage = {
        "promptTokenCount": 5,
        "totalTokenCount": "9",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 5}],
    }
    made = [
        audio(),
        audio(bytes(4_800)),
        words("Hello"),
        content(modelTurn={"role": "model", "parts": [{"text": "Hm.", "thought": True}, {"text": "Hi."}]}),
        calls(CALL, {"id": "c2", "name": "later", "args": {}}),
        frame(toolCallCancellation={"ids": ["c1", "c2"]}),
        heard("Hello", finished=True, languageCode="en"),
        content(interimInputTranscription={"text": "Hal"}),
        GENERATED,
        INTERRUPTED,
        TURN_COMPLETE,
        frame(serverContent={"turnComplete": True, "turnCompleteReason": "RESPONSE_REJECTED"}, usageMetadata=usage),
        frame(goAway={"timeLeft": "9.5s"}, sessionResumptionUpdate={"newHandle": "h", "resumable": True}),
        frame(voiceActivity={"voiceActivityType": "ACTIVITY_START", "audioOffset": "1.5s"}),
        frame(voiceActivityDetectionSignal={"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}),
        frame(error={"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}),
        frame(setupComplete={"sessionId": "s"}),
        b'{"server_content":{"model_turn":{"parts":[{"inline_data":{"mime_type":"audio/pcm","data":"-_-_"}}]}}}',
    ]
    return made * 3 + [json.dumps(data).encode() for path in _recordings() for data in recorded(path, "received")]


@functools.cache
def _from_clients() -> list[bytes]:
    client = opened(options=_OPTIONS)
    client.open(_OPTIONS)
    client.receive(frame(setupComplete={}))
    for message in (
        m.ItemCreate(item=MessageItem.image(m.ImageContent(data=b"x"), "Look.")),
        m.ItemCreate(item=FunctionCall(call_id="c", name="f", arguments='{"a":[1]}')),
        m.ItemCreate(item=m.FunctionResult(call_id="c", name="f", output='{"a":1}', scheduling="silent")),
        m.InputAudioAppend(audio=bytes(320)),
        m.InputImageAppend(image=m.ImageContent(data=b"x")),
        m.InputAudioEnd(),
        m.ResponseCreate(),
    ):
        client.send(message)
    made = [out.encode() for out in client.frames_to_send() if isinstance(out, str)]
    made += [frame(realtimeInput={name: {}}) for name in ("activityStart", "activityEnd")]
    made.append(frame(contextUpdate={"systemInstruction": {"parts": [{"text": "x"}]}, "tools": {"tools": []}}))
    return made + [json.dumps(data).encode() for path in _recordings() for data in recorded(path, "sent")]


def _recordings() -> list[Path]:
    return sorted(RECORDINGS.glob("google-*.jsonl"))


@pytest.mark.timeout(SECONDS)
def test_that_damaged_frames_are_taken_by_a_client() -> None:
    chance = random.Random(MUTATIONS)
    frames = _from_servers()
    for begin in range(0, MUTATIONS // 3, _ROUND):
        dialect = chance.choice(_DIALECTS)
        is_manual = chance.random() < 0.3
        client = opened(dialect, SessionOptions(turn_detection=OFF) if is_manual else _OPTIONS)
        checker = LifecycleChecker()
        checker.feed(m.SessionCreated(options=_OPTIONS))
        for _ in range(min(_ROUND, MUTATIONS // 3 - begin)):
            sent = chance.choice(frames)
            messages = take(client, damaged(sent, chance) if chance.random() < 0.7 else sent)
            client.frames_to_send()
            checker.feed_all(map(_as_promised, messages))
        _still_works(client, checker)


def _as_promised(message: ServerMessage) -> ServerMessage:
    """Audio says what it is, which in a damaged frame may be another format than its response promised."""
    return replace(message, format=PCM16_24K) if isinstance(message, m.OutputAudioDelta) else message


def _still_works(client: GeminiClientProtocol, checker: LifecycleChecker) -> None:
    assert client.state is ProtocolState.OPEN
    client.send(m.InputAudioAppend(audio=bytes(320)))
    assert client.frames_to_send()
    ends: list[ServerMessage] = [*client.receive(audio()), *client.tick(0.0)]
    assert only(ends, m.OutputAudioDelta)
    last, end = client.connection_lost(Closed(code=1006))
    checker.feed_all([*ends, *last])
    checker.finish()
    assert end.provider in ("gemini", "vertex-ai")


@pytest.mark.timeout(SECONDS)
def test_that_damaged_frames_are_taken_by_a_client_that_opens() -> None:
    chance = random.Random(MUTATIONS + 2)
    frames = _from_servers()
    deciding = [frame(setupComplete={"sessionId": "s"}), frame(setupComplete={}), frame(code=400, message="No.")]
    outcomes: set[ProtocolState] = set()
    for _ in range(MUTATIONS // 3 // _SHORT_ROUND):
        client = GeminiClientProtocol(chance.choice(_DIALECTS))
        client.open(_OPTIONS)
        for _ in range(_SHORT_ROUND):
            was = client.state
            messages = take(client, damaged(chance.choice(chance.choice((frames, deciding))), chance))
            client.frames_to_send()
            if was is ProtocolState.OPENING and client.state is not ProtocolState.OPENING:
                outcomes.add(client.state)
                first = m.SessionCreated if client.state is ProtocolState.OPEN else m.ErrorReported
                assert isinstance(messages[0], first)
        _, end = client.connection_lost(Closed(code=1006))
        assert end.provider in ("gemini", "vertex-ai")
    assert outcomes == {ProtocolState.OPEN, ProtocolState.CLOSED}


@pytest.mark.timeout(SECONDS)
def test_that_damaged_frames_are_taken_by_a_server() -> None:
    chance = random.Random(MUTATIONS + 1)
    frames = _from_clients()
    assert len(frames) > 10
    for begin in range(0, MUTATIONS // 3, _ROUND):
        server = GeminiServerProtocol(chance.choice(_DIALECTS))
        for _ in range(min(_ROUND, MUTATIONS // 3 - begin)):
            broken = damaged(chance.choice(frames), chance)
            messages = server.receive(broken)
            refused, server.refusal = server.refusal, None
            assert bool(messages) != (refused is not None), broken  # it is taken, or it is refused
        assert server.receive(b'{"realtimeInput":{"audioStreamEnd":true}}') == [m.InputAudioEnd()]
