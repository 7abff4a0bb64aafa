"""Ten minutes of speech without a pause: one turn, nothing lost."""

from __future__ import annotations

import array

import pytest

from duologue import messages as m
from duologue.formats import PCM16_16K
from duologue.local import LocalRealtimeClient
from duologue.options import SessionOptions
from duologue.speech.responder import TextChunk
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech

SECONDS = 600
ONE_SECOND = array.array("h", ([8_000] * 16 + [-8_000] * 16) * 500).tobytes()


@pytest.mark.timeout(60)
async def test_a_ten_minute_monologue_is_one_turn() -> None:
    speech_to_text = ScriptedSpeechToText(["a very long story"])
    client = LocalRealtimeClient(
        speech_to_text=speech_to_text,
        responder=ScriptedResponder(lambda request: [TextChunk("Well.")]),
        text_to_speech=ToneTextToSpeech(),
        voice_activity=LoudnessDetector,
    )
    async with client, client.create_session(SessionOptions(input_audio=PCM16_16K)) as session:
        for _ in range(SECONDS):
            await session.send_audio(ONE_SECOND)
        await session.send_audio(bytes(32_000))
        seen: list[m.ServerMessage] = []
        async for message in session:
            seen.append(message)
            if isinstance(message, m.TurnDone):
                break
    (stopped,) = [message for message in seen if isinstance(message, m.InputSpeechStopped)]
    assert stopped.audio_end_ms == SECONDS * 1000 + 500
    (utterance,) = speech_to_text.utterances
    assert bytes(utterance.audio[: SECONDS * 32_000]) == ONE_SECOND * SECONDS
    assert [message.text for message in seen if isinstance(message, m.InputTranscriptCompleted)] == [
        "a very long story"
    ]
    assert seen[-1] == m.TurnDone(turn_id="turn_1", outcome="completed")
