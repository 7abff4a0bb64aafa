"""What the embedded provider does not know is refused at the door, never ignored."""

from __future__ import annotations

import pytest

from duologue.errors import UnsupportedOperation
from duologue.formats import PCM16_16K
from duologue.local import LocalRealtimeClient, input
from duologue.local.input import InputBuffer, TurnAudio
from duologue.options import SessionOptions, Transcription
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (SessionOptions(model="gpt-realtime"), "the model 'gpt-realtime'"),
        (SessionOptions(transcription=Transcription(model="whisper-1")), "model of transcription"),
        (SessionOptions(transcription=Transcription(prompt="ships")), "prompt of transcription"),
        (SessionOptions(transcription=Transcription(languages=("en", "fr"))), "languages of transcription"),
        (SessionOptions(transcription=Transcription(delay="minimal")), "delay of transcription"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_options_that_mean_nothing_here_are_refused(options: SessionOptions, says: str) -> None:
    client = LocalRealtimeClient(
        speech_to_text=ScriptedSpeechToText(),
        responder=ScriptedResponder(lambda request: []),
        text_to_speech=ToneTextToSpeech(),
        voice_activity=LoudnessDetector,
    )
    async with client:
        with pytest.raises(UnsupportedOperation, match=says) as refused:
            await client.create_session(options)
        assert refused.value.way_out


def test_a_turn_that_never_ends_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input, "_LONGEST_TURN", 1_000)
    buffer = InputBuffer(PCM16_16K, LoudnessDetector)
    given = b""
    for number in range(20):
        chunk = bytes([number]) * 640
        given += chunk
        assert TurnAudio(chunk) in buffer.append(chunk)  # all of it goes to speech to text
    assert buffer.commit() == given[-1_000:]
