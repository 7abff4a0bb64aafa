"""A user says or writes something, and is answered."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue.errors import InvalidAudio
from duologue.formats import PCM16_8K, PCM16_48K
from duologue.options import OFF, SessionOptions, Transcription
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.talk import Talk, detection_off, need, opened, talking

TEXT = SessionOptions(output_modalities=("text",))
HEARING = SessionOptions(transcription=Transcription())


class TextTurnTests:
    """Written questions, spoken and written answers."""

    async def test_a_written_question_is_answered(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            done = await talk.ask(harness.short_prompt)
            assert done.status == "completed"
            assert done.error is None
            assert talk.last(m.TurnDone).outcome == "completed"
            assert len(talk.of(m.ResponseCreated)) == len(talk.of(m.ResponseDone)) == 1
            talk.checker.finish()

    async def test_an_answer_is_spoken_with_its_words(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need("audio" in talk.can.output_modalities and talk.can.explicit_response, "spoken answer")
            done = await talk.ask(harness.short_prompt)
            expected = talk.session.options.output_audio
            deltas = talk.of(m.OutputAudioDelta)
            assert deltas
            assert expected is None or {delta.format for delta in deltas} == {expected}
            if talk.can.output_transcripts == "always":
                words = "".join(delta.text for delta in talk.of(m.OutputTranscriptDelta))
                assert words == talk.text_of(done) != ""

    async def test_an_answer_can_be_written(self, harness: Harness) -> None:
        async with opened(harness) as client:
            need("text" in client.capabilities(harness.options).output_modalities, "written answer")
        async with talking(harness, TEXT) as talk:
            done = await talk.ask(harness.short_prompt)
            assert talk.text_of(done) == "".join(delta.text for delta in talk.of(m.OutputTextDelta)) != ""
            assert not talk.of(m.OutputAudioDelta)

    async def test_turns_follow_each_other(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            for _ in range(3):
                await talk.ask(harness.short_prompt)
            roles = [item.role for item in talk.conversation.items if isinstance(item, m.MessageItem)]
            assert roles == ["user", "assistant"] * 3
            turns = [message.turn_id for message in talk.of(m.TurnDone)]
            assert len(set(turns)) == 3
            created = [message.turn_id for message in talk.of(m.ResponseCreated)]
            assert created == [message.turn_id for message in talk.of(m.ResponseDone)] == turns

    async def test_the_assistant_can_speak_first(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            need(talk.can.explicit_response, "answer that is asked for")
            await talk.session.respond()
            await talk.turn()
            assert talk.last(m.ResponseDone).status == "completed"

    async def test_an_item_need_not_be_answered(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            await talk.write("Remember this.", respond=False)
            added = await talk.until(m.ItemDone)
            assert isinstance(added.item, m.MessageItem)
            assert added.item.text == "Remember this."
            assert not talk.of(m.ResponseCreated)


class SpokenTurnTests:
    """Spoken questions: where they begin and end, and what was said."""

    async def test_a_spoken_question_is_answered(self, harness: Harness) -> None:
        async with talking(harness, await _hearing(harness)) as talk:
            need("server" in talk.can.turn_detections, "turn detection")
            await talk.say(harness.short_prompt)
            await talk.turn()
            _check_speech_events(talk)
            _check_transcript(talk, harness.short_prompt)
            assert talk.last(m.ResponseDone).status == "completed"
            roles = [item.role for item in talk.conversation.items if isinstance(item, m.MessageItem)]
            assert roles == ["user", "assistant"]

    async def test_the_end_of_the_input_ends_the_turn(self, harness: Harness) -> None:
        async with talking(harness, await _hearing(harness)) as talk:
            need("server" in talk.can.turn_detections, "turn detection")
            await talk.say(harness.short_prompt, silence=False)
            await talk.session.send(m.InputAudioEnd())
            await talk.turn()
            _check_speech_events(talk)
            _check_transcript(talk, harness.short_prompt)

    async def test_times_are_those_of_the_audio(self, harness: Harness) -> None:
        async with talking(harness, await _hearing(harness)) as talk:
            need(talk.can.speech_events and "server" in talk.can.turn_detections, "speech events")
            audio = await talk.speech(harness.short_prompt)
            length_ms = talk.input_format.duration_ms(len(audio))
            await talk.play(talk.silence(2_000) + audio + talk.silence())
            started = await talk.until(m.InputSpeechStarted)
            stopped = await talk.until(m.InputSpeechStopped)
            if started.audio_start_ms is not None and stopped.audio_end_ms is not None:
                assert 1_000 <= started.audio_start_ms <= 2_000 + length_ms
                assert started.audio_start_ms < stopped.audio_end_ms
                assert stopped.audio_end_ms <= 2_000 + length_ms + harness.silence_ms

    async def test_turns_can_be_marked(self, harness: Harness) -> None:
        async with talking(harness, await _manual(harness)) as talk:
            need(talk.can.explicit_response, "answer that is asked for")
            await talk.session.send(m.UserTurnStart())
            await talk.say(harness.short_prompt, silence=False)
            await talk.session.send(m.UserTurnEnd())
            await talk.turn()
            _check_transcript(talk, harness.short_prompt)
            assert talk.last(m.ResponseDone).status == "completed"

    async def test_a_marked_turn_need_not_be_answered(self, harness: Harness) -> None:
        async with talking(harness, await _manual(harness)) as talk:
            await talk.session.send(m.UserTurnStart())
            await talk.say(harness.short_prompt, silence=False)
            await talk.session.send(m.UserTurnEnd(respond=False))
            await talk.until(m.ItemDone)
            assert not talk.of(m.ResponseCreated)

    async def test_a_commit_makes_an_item_and_no_answer(self, harness: Harness) -> None:
        async with talking(harness, await _manual(harness)) as talk:
            await talk.say(harness.short_prompt, silence=False)
            await talk.session.send(m.InputAudioCommit())
            committed = await talk.until(m.InputAudioCommitted)
            added = await talk.until(m.ItemAdded)
            assert committed.item_id == added.item.id
            assert not talk.of(m.ResponseCreated)
            need(talk.can.explicit_response, "answer that is asked for")
            await talk.session.respond()
            await talk.turn()
            _check_transcript(talk, harness.short_prompt)

    async def test_a_commit_of_nothing_is_an_error_that_names_its_cause(self, harness: Harness) -> None:
        async with talking(harness, await _manual(harness)) as talk:
            cause = await talk.session.send(m.InputAudioCommit())
            error = await talk.until(m.ErrorReported)
            assert error.cause_id == cause

    async def test_what_is_cleared_is_not_heard(self, harness: Harness) -> None:
        async with talking(harness, await _manual(harness)) as talk:
            need(talk.can.input_clear, "way to clear its input")
            await talk.say(harness.short_prompt, silence=False)
            await talk.session.send(m.InputAudioClear())
            await talk.until(m.InputAudioCleared)
            await talk.session.send(m.InputAudioCommit())
            await talk.until(m.ErrorReported)
            assert not talk.of(m.InputAudioCommitted)

    async def test_audio_of_another_format_or_length_is_refused(self, harness: Harness) -> None:
        async with talking(harness) as talk:
            other = PCM16_8K if talk.input_format != PCM16_8K else PCM16_48K
            with pytest.raises(InvalidAudio, match="AudioConversion"):
                await talk.session.send_audio(bytes(320), other)
            if talk.input_format.sample_bytes == 2:
                with pytest.raises(InvalidAudio):
                    await talk.session.send_audio(bytes(321))
            await talk.session.send_audio(talk.silence(100))  # and the session goes on


class TranscriptionTests:
    """Sessions that only write down what is said."""

    async def test_a_transcription_session_hears_and_does_not_answer(self, harness: Harness) -> None:
        kind = SessionOptions(kind="transcription")
        async with opened(harness) as client:
            can = client.capabilities(harness.options.merged(kind))
            need("transcription" in can.session_kinds, "transcription-only session")
        options = kind.merged(HEARING) if can.input_transcripts == "on request" else kind
        async with talking(harness, options) as talk:
            await talk.say(harness.short_prompt)
            if talk.can.turn_owner == "client":
                await talk.session.send(m.InputAudioCommit())
            await talk.until(m.InputTranscriptCompleted)
            _check_transcript(talk, harness.short_prompt)
            assert not talk.of(m.ResponseCreated)

    async def test_transcripts_can_be_switched_off(self, harness: Harness) -> None:
        async with opened(harness) as client:
            need(client.capabilities(harness.options).input_transcripts == "on request", "choice of transcripts")
        async with talking(harness, SessionOptions(transcription=OFF)) as talk:
            await talk.say(harness.short_prompt)
            await talk.turn()
            assert not talk.of(m.InputTranscriptCompleted)
            assert not talk.of(m.InputTranscriptDelta)


async def _hearing(harness: Harness) -> SessionOptions:
    """Options of a session whose transcripts are told, if they can be."""
    async with opened(harness) as client:
        can = client.capabilities(harness.options)
    return HEARING if can.input_transcripts == "on request" else SessionOptions()


async def _manual(harness: Harness) -> SessionOptions:
    async with opened(harness) as client:
        can = client.capabilities(harness.options)
    return (await _hearing(harness)).merged(detection_off(can))


def _check_speech_events(talk: Talk) -> None:
    started, stopped = talk.of(m.InputSpeechStarted), talk.of(m.InputSpeechStopped)
    if not talk.can.speech_events:
        assert not started
        assert not stopped
        return
    assert len(started) == len(stopped) == len(talk.of(m.InputAudioCommitted)) == 1
    assert started[0].item_id == stopped[0].item_id == talk.last(m.InputAudioCommitted).item_id
    kinds = [type(message) for message in talk.messages]
    assert kinds.index(m.InputSpeechStarted) < kinds.index(m.InputSpeechStopped) < kinds.index(m.InputAudioCommitted)


def _check_transcript(talk: Talk, said: str) -> None:
    heard = [message.text for message in talk.of(m.InputTranscriptCompleted)]
    if talk.can.input_transcripts == "never":
        assert not heard
        return
    assert len(heard) == 1
    assert talk.harness.hears(said, heard[0]), f"{said!r} was heard as {heard[0]!r}."
    assert talk.conversation.transcript(talk.last(m.InputTranscriptCompleted).item_id) == heard[0]
