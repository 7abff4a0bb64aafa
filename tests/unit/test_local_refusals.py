"""What the embedded provider does not know is refused at the door, never ignored."""

from __future__ import annotations

import array

import pytest

from duologue.client import DuologueWarning
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_16K, PCM16_24K
from duologue.local import LocalRealtimeClient, input
from duologue.local.input import InputBuffer, TurnAudio
from duologue.messages import ResponseCreate
from duologue.options import FunctionChoice, SessionOptions, Transcription
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


def test_a_commit_takes_what_the_resampler_held_back() -> None:
    tone = array.array("h", ([8_000] * 24 + [-8_000] * 24) * 50).tobytes()  # 100 ms at 24 kHz
    buffer = InputBuffer(PCM16_24K, LoudnessDetector)
    buffer.append(tone)
    buffer.flush()
    assert len(buffer.commit() or b"") == PCM16_16K.bytes_for(100)
    buffer.append(bytes(len(tone)))
    buffer.flush()
    assert set(buffer.commit() or b"?") == {0}


async def test_a_voice_is_a_preference() -> None:
    client = LocalRealtimeClient(
        speech_to_text=ScriptedSpeechToText(),
        responder=ScriptedResponder(lambda request: []),
        text_to_speech=ToneTextToSpeech(),
        voice_activity=LoudnessDetector,
    )
    async with client:
        with pytest.raises(InvalidInput, match=r"There are 2: alto, tenor\."):
            await client.create_session(SessionOptions(voice="marin"))
        with pytest.warns(DuologueWarning, match="has no voice"):
            session = await client.create_session(SessionOptions(voice="marin"), unsupported="drop")
        assert session.dropped == ("voice",)
        assert session.options.voice is None


async def test_a_function_that_does_not_exist_cannot_be_chosen() -> None:
    client = LocalRealtimeClient(
        speech_to_text=ScriptedSpeechToText(),
        responder=ScriptedResponder(lambda request: []),
        text_to_speech=ToneTextToSpeech(),
        voice_activity=LoudnessDetector,
    )
    async with client, client.create_session() as session:
        with pytest.raises(InvalidInput, match="'missing'"):
            await session.respond(ResponseCreate(tool_choice=FunctionChoice("missing")))
        with pytest.raises(UnsupportedOperation, match="two output modalities"):
            await session.respond(ResponseCreate(output_modalities=("audio", "text")))
    with pytest.raises(InvalidInput, match="not str"):
        ResponseCreate(tools=("no tool",))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="at least 1"):
        ResponseCreate(max_output_tokens=0)
