"""Faults of the real stages, seen from a session of the embedded provider."""

from __future__ import annotations

import os
import signal
import socket
from importlib import resources

import pytest

pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")

from duologue import messages as m
from duologue.audio import read_wav
from duologue.formats import PCM16_16K
from duologue.local import LocalRealtimeClient
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.speech.pocketsphinx import PocketSphinxSpeechToText

pytestmark = pytest.mark.timeout(60)

SECOND = 32_000


def _question(name: str) -> bytes:
    with resources.as_file(resources.files("duologue.cli") / "assets" / name) as path:
        pcm, format = read_wav(path)
    assert format == PCM16_16K
    return pcm


async def _until_turn_done(session: RealtimeSession) -> list[m.ServerMessage]:
    seen: list[m.ServerMessage] = []
    async for message in session:
        seen.append(message)
        if isinstance(message, m.TurnDone):
            break
    return seen


async def test_a_speech_worker_killed_while_the_user_speaks_costs_nothing() -> None:
    speech_to_text = PocketSphinxSpeechToText(workers=1)
    client = LocalRealtimeClient(speech_to_text=speech_to_text, hints=("what time is it", "turn on the light"))
    async with client, client.create_session(SessionOptions(input_audio=PCM16_16K)) as session:
        audio = _question("time.wav")
        await session.send_audio(audio[:SECOND])
        async for message in session:
            if isinstance(message, m.InputTranscriptDelta):
                break
        os.kill(speech_to_text.process_ids[0], signal.SIGKILL)
        await session.send_audio(audio[SECOND:] + bytes(SECOND))
        seen = await _until_turn_done(session)
    (heard,) = [message for message in seen if isinstance(message, m.InputTranscriptCompleted)]
    assert heard.text == "what time is it"
    assert isinstance(seen[-1], m.TurnDone)
    assert seen[-1].outcome == "completed"


async def test_a_chat_endpoint_that_is_down_fails_the_turn_and_not_the_session() -> None:
    pytest.importorskip("openai")
    from duologue.speech.chat import ChatResponder

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    responder = ChatResponder("nobody", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0)
    client = LocalRealtimeClient(responder=responder)
    async with client, client.create_session() as session:
        for _ in range(2):
            await session.send_text("Is anybody there?")
            seen = await _until_turn_done(session)
            done = next(message for message in seen if isinstance(message, m.ResponseDone))
            assert done.status == "failed"
            assert done.error is not None
            assert "127.0.0.1" in done.error.message
            assert seen[-1] == m.TurnDone(turn_id=done.turn_id, outcome="failed")
        await session.say("I am still here.")
        seen = await _until_turn_done(session)
        assert any(isinstance(message, m.OutputAudioDelta) for message in seen)
