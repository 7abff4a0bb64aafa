"""The user's speech: its items, its words, its turns."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.formats import PCM16_16K
from duologue.messages.base import ServerMessage
from duologue.options import OFF, SessionOptions, Transcription
from duologue.protocols.gemini import VERTEX_AI, GeminiClientProtocol
from gemini_wire import (
    GENERATED,
    INTERRUPTED,
    TURN_COMPLETE,
    audio,
    content,
    frame,
    heard,
    only,
    opened,
    read,
    said,
    without_items,
)

HEARING = SessionOptions(transcription=Transcription())
MANUAL = SessionOptions(transcription=Transcription(), turn_detection=OFF)
CHUNK = m.InputAudioAppend(audio=bytes(320), format=PCM16_16K)
START = frame(voiceActivity={"voiceActivityType": "ACTIVITY_START", "audioOffset": "1.280s"})
END = frame(voiceActivity={"voiceActivityType": "ACTIVITY_END", "audioOffset": "2.5s"})


def _transcripts(messages: list[ServerMessage]) -> dict[str, str]:
    return {one.item_id: one.text for one in only(messages, m.InputTranscriptCompleted)}


def _roles(messages: list[ServerMessage]) -> list[tuple[str, str]]:
    conversation = Conversation()
    for message in messages:
        conversation.feed(message)
    return [(item.role, item.text) for item in conversation.items if isinstance(item, m.MessageItem)]


def test_that_the_first_words_make_an_item() -> None:
    protocol = opened(options=HEARING)
    said(protocol, CHUNK)
    messages = read(protocol, heard("Hel"), heard("lo"), audio(), GENERATED, TURN_COMPLETE)
    assert without_items(messages)[:4] == [
        "InputAudioCommitted",
        "InputTranscriptDelta",
        "InputTranscriptDelta",
        "ResponseCreated",
    ]
    assert list(_transcripts(messages).values()) == ["Hello"]
    assert _roles(messages) == [("user", "Hello"), ("assistant", "")]


def test_that_late_words_join_the_item_before_the_answer() -> None:
    protocol = opened(options=HEARING)
    said(protocol, CHUNK)
    messages = read(protocol, audio(), heard("Hello"), GENERATED, heard(" there"), TURN_COMPLETE)
    [committed] = only(messages, m.InputAudioCommitted)
    assert _transcripts(messages) == {committed.item_id: "Hello there"}
    assert _roles(messages) == [("user", "Hello there"), ("assistant", "")]


def test_that_speech_without_a_transcript_has_its_item_all_the_same() -> None:
    protocol = opened()
    said(protocol, CHUNK)
    messages = read(protocol, audio(), GENERATED, TURN_COMPLETE)
    assert len(only(messages, m.InputAudioCommitted)) == 1
    assert not _transcripts(messages)


def test_that_what_was_written_has_no_spoken_item() -> None:
    protocol = opened()
    said(protocol, CHUNK)
    said(protocol, m.ItemCreate(item=m.MessageItem.user("Hi")))
    said(protocol, m.ResponseCreate())
    assert not only(read(protocol, audio()), m.InputAudioCommitted)


def test_that_finished_words_are_complete_at_once() -> None:
    protocol = opened(options=HEARING)
    messages = read(protocol, heard("Hello"), heard(".", finished=True))
    assert list(_transcripts(messages).values()) == ["Hello."]
    assert not _transcripts(read(protocol, audio(), TURN_COMPLETE))


def test_that_interim_words_are_replaced() -> None:
    protocol = opened(options=HEARING)
    interim = [content(interimInputTranscription={"text": text}) for text in ("Hal", "Hallo wor")]
    messages = read(protocol, heard("Oh. "), *interim, heard("Hello world"), heard("!"))
    deltas = [(one.text, one.replaces) for one in only(messages, m.InputTranscriptDelta)]
    assert deltas == [
        ("Oh. ", False),
        ("Oh. Hal", True),
        ("Oh. Hallo wor", True),
        ("Oh. Hello world", True),
        ("!", False),
    ]
    assert list(_transcripts(read(protocol, audio(), TURN_COMPLETE)).values()) == ["Oh. Hello world!"]


def test_that_who_interrupts_has_an_item_of_their_own() -> None:
    protocol = opened(options=HEARING)
    messages = read(protocol, heard("One"), audio(), INTERRUPTED, heard("Two"), TURN_COMPLETE, audio(), TURN_COMPLETE)
    assert list(_transcripts(messages).values()) == ["One", "Two"]
    assert [role for role, _ in _roles(messages)] == ["user", "assistant", "user", "assistant"]


def test_that_speech_that_is_not_answered_has_an_empty_response() -> None:
    protocol = opened(options=HEARING)
    messages = read(protocol, heard("Hm"), TURN_COMPLETE)
    assert list(_transcripts(messages).values()) == ["Hm"]
    assert without_items(messages)[-3:] == ["ResponseCreated", "ResponseDone", "TurnDone"]


# --- where the wire tells of speech ---


def test_that_speech_is_told_where_the_wire_tells_of_it() -> None:
    protocol = opened(VERTEX_AI, HEARING)
    messages = read(protocol, START, heard("Hello"), END, audio(), GENERATED, TURN_COMPLETE)
    assert without_items(messages)[:5] == [
        "InputSpeechStarted",
        "InputTranscriptDelta",
        "InputSpeechStopped",
        "InputAudioCommitted",
        "ResponseCreated",
    ]
    [started] = only(messages, m.InputSpeechStarted)
    [stopped] = only(messages, m.InputSpeechStopped)
    [committed] = only(messages, m.InputAudioCommitted)
    assert started.item_id == stopped.item_id == committed.item_id
    assert (started.audio_start_ms, stopped.audio_end_ms) == (1_280, 2_500)
    assert _transcripts(messages) == {started.item_id: "Hello"}


def test_that_an_answer_ends_speech_whose_end_was_not_told() -> None:
    messages = read(opened(VERTEX_AI), START, audio())
    assert without_items(messages)[:4] == [
        "InputSpeechStarted",
        "InputSpeechStopped",
        "InputAudioCommitted",
        "ResponseCreated",
    ]


def test_that_marks_that_come_twice_are_told_once() -> None:
    signals = [
        frame(voiceActivityDetectionSignal={"vadSignalType": f"VAD_SIGNAL_TYPE_{kind}"}) for kind in ("SOS", "EOS")
    ]
    messages = read(opened(VERTEX_AI), START, signals[0], signals[1], END)
    assert without_items(messages) == ["InputSpeechStarted", "InputSpeechStopped", "InputAudioCommitted"]


@pytest.mark.parametrize("offset", ["-1.5s", "1.0s", "soon", None])
def test_that_times_go_one_way(offset: str | None) -> None:
    again = frame(voiceActivity={"voiceActivityType": "ACTIVITY_START", "audioOffset": offset})
    started = only(read(opened(VERTEX_AI), START, END, again), m.InputSpeechStarted)
    assert [one.audio_start_ms for one in started] == [1_280, None]


# --- turns that the application marks ---


def _marks(frames: list[dict[str, Any]]) -> list[str]:
    return [next(iter(one["realtimeInput"])) for one in frames]


def _sent(protocol: GeminiClientProtocol, *messages: m.ClientMessage) -> list[str]:
    return [mark for message in messages for mark in _marks(said(protocol, message))]


def test_that_a_marked_turn_is_answered() -> None:
    protocol = opened(options=MANUAL)
    assert _sent(protocol, m.UserTurnStart(), CHUNK, CHUNK, m.UserTurnEnd()) == [
        "activityStart",
        "audio",
        "audio",
        "activityEnd",
    ]
    committed = protocol.tick(0.0)
    assert without_items(committed) == ["InputAudioCommitted"]
    messages = [*committed, *read(protocol, heard("Hello"), audio(), TURN_COMPLETE)]
    assert list(_transcripts(messages).values()) == ["Hello"]
    assert len(only(messages, m.InputAudioCommitted)) == 1


def test_that_audio_begins_a_turn_by_itself() -> None:
    protocol = opened(options=MANUAL)
    assert _sent(protocol, CHUNK, m.UserTurnEnd(), CHUNK) == [
        "activityStart",
        "audio",
        "activityEnd",
        "activityStart",
        "audio",
    ]


@pytest.mark.parametrize("end", [m.InputAudioCommit(), m.UserTurnEnd(respond=False)], ids=lambda end: end.type)
def test_that_a_turn_that_is_not_to_be_answered_waits_for_a_request(end: m.ClientMessage) -> None:
    protocol = opened(options=MANUAL)
    assert _sent(protocol, CHUNK, end) == ["activityStart", "audio"]
    assert without_items(protocol.tick(0.0)) == ["InputAudioCommitted"]
    assert _sent(protocol, m.ResponseCreate()) == ["activityEnd"]


def test_that_what_is_said_after_a_commit_belongs_to_the_same_activity() -> None:
    protocol = opened(options=MANUAL)
    assert _sent(protocol, CHUNK, m.InputAudioCommit(), CHUNK, m.InputAudioCommit(), m.ResponseCreate()) == [
        "activityStart",
        "audio",
        "audio",
        "activityEnd",
    ]
    assert len(only(protocol.tick(0.0), m.InputAudioCommitted)) == 2


@pytest.mark.parametrize(
    "message", [m.InputAudioCommit(id="a"), m.UserTurnEnd(id="a"), m.UserTurnEnd(id="a", respond=False)]
)
def test_that_the_end_of_nothing_is_an_error_that_names_its_cause(message: m.ClientMessage) -> None:
    protocol = opened(options=MANUAL)
    assert said(protocol, message) == []
    [error] = only(protocol.tick(0.0), m.ErrorReported)
    assert (error.kind, error.cause_id, error.cause) == ("invalid_request", "a", message)


def test_that_words_before_the_mark_wait_for_it() -> None:
    protocol = opened(options=MANUAL)
    said(protocol, CHUNK)
    messages = read(protocol, heard("Hello"))
    assert without_items(messages) == ["InputTranscriptDelta"]
    said(protocol, m.UserTurnEnd())
    [committed] = only(protocol.tick(0.0), m.InputAudioCommitted)
    assert committed.item_id == only(messages, m.InputTranscriptDelta)[0].item_id
