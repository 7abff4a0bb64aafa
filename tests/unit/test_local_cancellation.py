"""A program that is cancelled at any moment leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from duologue import messages as m
from duologue.local import LocalRealtimeClient
from duologue.speech.responder import TextChunk
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech


@pytest.mark.parametrize("steps", range(60))
async def test_cancelling_after_any_step_leaves_no_task_and_no_open_stage(steps: int) -> None:
    speech_to_text = ScriptedSpeechToText()
    responder = ScriptedResponder(lambda request: [TextChunk("One two three. "), TextChunk("Four five six.")])
    text_to_speech = ToneTextToSpeech()

    async def program() -> None:
        client = LocalRealtimeClient(
            speech_to_text=speech_to_text,
            responder=responder,
            text_to_speech=text_to_speech,
            voice_activity=LoudnessDetector,
        )
        async with client, client.create_session() as session:
            await session.send_text("Count.")
            await session.send_audio(bytes(960))
            async for message in session:
                if isinstance(message, m.TurnDone):
                    break

    before = asyncio.all_tasks()
    running = asyncio.create_task(program())
    for _ in range(steps):
        await asyncio.sleep(0)
    running.cancel()
    (outcome,) = await asyncio.gather(running, return_exceptions=True)
    assert outcome is None or isinstance(outcome, asyncio.CancelledError)
    assert asyncio.all_tasks() == before
    began = steps > 0
    assert speech_to_text.is_closed is began
    assert responder.is_closed is began
    assert text_to_speech.is_closed is began
