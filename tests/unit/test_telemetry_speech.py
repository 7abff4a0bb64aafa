"""`Telemetry`: the spans of what the user says, and the time to the answer."""

from __future__ import annotations

import msgspec
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from duologue import SessionOptions, Transcription
from duologue import messages as m
from duologue.errors import UnsupportedOperation
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient
from telemetry_records import WEATHER, Records, arrive, attributes, audio, created, done, duration, opened


@pytest.fixture
def records() -> Records:
    return Records()


async def test_what_the_user_says(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, m.InputSpeechStarted(item_id="u1", audio_start_ms=300))
    records.clock.advance(2)
    await arrive(session, m.InputSpeechStopped(item_id="u1", audio_end_ms=2100))
    records.clock.advance(0.5)
    await arrive(session, m.InputAudioCommitted(item_id="u1"))
    (span,) = records.spans
    assert span.name == "user_speech"
    assert span.kind is SpanKind.INTERNAL
    assert duration(span) == 2.5
    assert dict(attributes(span)) == {
        "gen_ai.operation.name": "user_speech",
        "gen_ai.provider.name": "scripted",
        "gen_ai.realtime_session.id": "scripted",
        "gen_ai.realtime.turn.id": "turn_1",
        "gen_ai.realtime.item.id": "u1",
        "gen_ai.realtime.speech.start_ms": 300,
        "gen_ai.realtime.speech.end_ms": 2100,
    }
    await session.aclose()


async def test_the_time_from_voice_to_voice(records: Records) -> None:
    """It ends with the first audio of the turn, be it in the response that follows a tool."""
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, m.InputSpeechStarted(item_id="u1"), m.InputSpeechStopped(item_id="u1"))
    records.clock.advance(0.5)
    await arrive(session, m.InputAudioCommitted(item_id="u1"), created("r1"), done("r1", items=(WEATHER,)))
    records.clock.advance(0.5)
    await arrive(session, created("side", out_of_band=True), audio("side"), done("side", out_of_band=True))
    await arrive(session, created("r2"))
    records.clock.advance(0.25)
    await arrive(session, audio("r2"), done("r2"), created("r3"), audio("r3"), done("r3"))
    await session.aclose()
    found = {
        attributes(span)["gen_ai.response.id"]: attributes(span).get("gen_ai.realtime.voice_to_voice_latency")
        for span in records.named("realtime_inference script")
    }
    assert found == {"r1": None, "side": None, "r2": 1.25, "r3": None}


async def test_that_only_an_answer_ends_that_time(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, m.InputSpeechStarted(item_id="u1"), m.InputSpeechStopped(item_id="u1"))
    await arrive(session, m.InputAudioCommitted(item_id="u1"), created("silent"), done("silent"))
    await arrive(session, created("unasked"), audio("unasked"), done("unasked"))
    await arrive(session, m.InputSpeechStarted(item_id="u2"), m.InputSpeechStopped(item_id="u2"))
    await arrive(session, m.InputSpeechStarted(item_id="u3"), created("hasty"), audio("hasty"), done("hasty"))
    await session.aclose()
    shown = [attributes(span) for span in records.named("realtime_inference script")]
    assert [one["gen_ai.response.id"] for one in shown] == ["silent", "unasked", "hasty"]
    assert [one for one in shown if "gen_ai.realtime.voice_to_voice_latency" in one] == []


async def test_a_transcript_that_comes_early(records: Records) -> None:
    options = SessionOptions(transcription=Transcription())
    session = await opened(ScriptedClient(), records.telemetry(), options=options)
    usage = m.Usage(seconds=1.5)
    await arrive(session, m.InputSpeechStarted(item_id="u1"))
    await arrive(session, m.InputTranscriptCompleted(item_id="u1", text="secret", usage=usage))
    assert records.spans == []
    await arrive(session, m.InputAudioCommitted(item_id="u1"))
    assert attributes(records.one("user_speech"))["gen_ai.realtime.usage.audio_seconds"] == 1.5
    await session.aclose()


async def test_that_a_span_waits_for_its_transcript(records: Records) -> None:
    options = SessionOptions(transcription=Transcription())
    session = await opened(ScriptedClient(), records.telemetry(), options=options)
    for item_id in ("u1", "u2", "u3"):
        await arrive(session, m.InputSpeechStarted(item_id=item_id), m.InputSpeechStopped(item_id=item_id))
        records.clock.advance(1)
        await arrive(session, m.InputAudioCommitted(item_id=item_id))
    assert records.spans == []
    records.clock.advance(60)
    await arrive(session, m.InputTranscriptCompleted(item_id="u2", text="secret", usage=m.Usage(seconds=1.5)))
    failure = m.ErrorDetail(message="secret", code="audio_unintelligible")
    await arrive(session, m.InputTranscriptFailed(item_id="u1", error=failure))
    await arrive(session, m.InputTranscriptCompleted(item_id="unknown", text="secret"))
    first, second = records.named("user_speech")
    assert (duration(first), duration(second)) == (1, 1)
    assert first.status.status_code is StatusCode.ERROR
    assert attributes(first)["error.type"] == "audio_unintelligible"
    assert attributes(second)["gen_ai.realtime.usage.audio_seconds"] == 1.5
    await session.aclose()
    assert len(records.named("user_speech")) == 3


async def test_that_transcripts_that_never_come_do_not_pile_up(records: Records) -> None:
    options = SessionOptions(transcription=Transcription())
    session = await opened(ScriptedClient(), records.telemetry(), options=options)
    for number in range(70):
        item_id = f"u{number}"
        await arrive(session, m.InputSpeechStarted(item_id=item_id), m.InputAudioCommitted(item_id=item_id))
    assert [attributes(span)["gen_ai.realtime.item.id"] for span in records.spans] == [f"u{n}" for n in range(6)]
    await session.aclose()


async def test_speech_that_is_not_committed(records: Records) -> None:
    session = await opened(ScriptedClient(), records.telemetry())
    await arrive(session, m.InputSpeechStarted(item_id="u1"))
    records.clock.advance(1)
    await arrive(session, m.InputAudioCleared(), m.InputAudioCommitted(item_id="u0"))
    await arrive(session, m.InputSpeechStarted(item_id="u2"))
    records.clock.advance(2)
    await arrive(session, m.InputSpeechStopped(item_id="u2"))
    records.clock.advance(9)
    await arrive(session, created())
    assert len(records.named("user_speech")) == 2
    await arrive(session, m.InputSpeechStarted(item_id="u3"))
    records.clock.advance(3)
    await arrive(session, m.InputSpeechStarted(item_id="u4"))
    records.clock.advance(4)
    await session.aclose()
    assert [duration(span) for span in records.named("user_speech")] == [1, 2, 3, 4]


async def test_turns_that_the_application_takes(records: Records) -> None:
    session = await opened(ScriptedClient(["Hello"]), records.telemetry())
    await session.send(m.UserTurnStart())
    records.clock.advance(1.5)
    await session.send(m.UserTurnEnd())
    async for message in session:
        if isinstance(message, m.TurnDone):
            break
    assert duration(records.one("user_speech")) == 1.5
    await session.aclose()


async def test_that_a_turn_that_was_refused_is_none(records: Records) -> None:
    capabilities = msgspec.structs.replace(SCRIPTED_CAPABILITIES, manual_turns=False)
    session = await opened(ScriptedClient(capabilities=capabilities), records.telemetry())
    with pytest.raises(UnsupportedOperation):
        await session.send(m.UserTurnStart())
    await session.aclose()
    assert records.named("user_speech") == []
