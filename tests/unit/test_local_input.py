"""The listening half of the embedded provider: turns, items and transcripts of the user."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.errors import InvalidAudio, InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_8K, PCM16_24K, PCM16_48K, PCMU, AudioFormat
from duologue.local import commands as c
from duologue.options import OFF, ServerTurnDetection, SessionOptions, Transcription
from duologue.speech.responder import TextChunk
from duologue.testing.stages import LoudnessDetector
from engine_driver import Driver, detecting, manual, names, silence, speech


def update(**options: object) -> m.SessionUpdate:
    return m.SessionUpdate(options=SessionOptions(**options))  # type: ignore[arg-type]


def fed(driver: Driver, item_id: str) -> bytes:
    """What speech to text got of an item."""
    return b"".join(order.audio for order in driver.all(c.FeedUtterance) if order.item_id == item_id)


# --- turns that are detected ---


def test_a_turn_is_told_from_its_padding_to_the_end_of_its_silence() -> None:
    driver = Driver()
    out = driver.hear(silence(1_000) + speech(400) + silence(700))
    assert names(out) == [
        "InputSpeechStarted",
        "InputSpeechStopped",
        "InputAudioCommitted",
        "ItemAdded",
        "ItemDone",
        "ResponseCreated",
    ]
    started, stopped, committed, added, _, created = out
    assert isinstance(started, m.InputSpeechStarted)
    assert isinstance(stopped, m.InputSpeechStopped)
    assert isinstance(committed, m.InputAudioCommitted)
    assert isinstance(added, m.ItemAdded)
    assert isinstance(created, m.ResponseCreated)
    assert (started.audio_start_ms, stopped.audio_end_ms) == (700, 1_900)
    assert started.item_id == stopped.item_id == committed.item_id == added.item.id
    assert isinstance(added.item, m.MessageItem)
    assert added.item.role == "user"
    assert created.status == "in_progress"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"prefix_padding_ms": 0}, (1_000, 1_900)),
        ({"prefix_padding_ms": 5_000}, (0, 1_900)),
        ({"silence_ms": 200}, (700, 1_600)),
        ({"prefix_padding_ms": 100, "silence_ms": 640}, (900, 2_040)),
    ],
)
def test_the_settings_of_turn_detection_are_followed(settings: dict[str, int], expected: tuple[int, int]) -> None:
    driver = Driver(detecting(**settings))
    driver.hear(silence(1_000) + speech(400) + silence(700), chunk_ms=20)
    assert driver.last(m.InputSpeechStarted).audio_start_ms == expected[0]
    assert driver.last(m.InputSpeechStopped).audio_end_ms == expected[1]


def test_an_item_holds_the_audio_that_its_times_tell() -> None:
    driver = Driver(detecting(prefix_padding_ms=100))
    audio = silence(1_000) + speech(400) + silence(700)
    driver.hear(audio)
    item_id = driver.last(m.InputAudioCommitted).item_id
    assert item_id is not None
    start, end = 900 * 32, 1_900 * 32
    assert fed(driver, item_id) == audio[start:end]
    [retrieved] = driver.send(m.ItemRetrieve(item_id=item_id))
    assert isinstance(retrieved, m.ItemRetrieved)
    assert isinstance(retrieved.item, m.MessageItem)
    [part] = retrieved.item.content
    assert isinstance(part, m.AudioContent)
    assert part.audio == audio[start:end]


def test_a_second_turn_does_not_begin_before_the_end_of_the_first() -> None:
    driver = Driver(detecting(prefix_padding_ms=1_000, silence_ms=200))
    driver.hear(speech(400) + silence(300) + speech(400) + silence(300), chunk_ms=20)
    stops = [message.audio_end_ms for message in driver.all(m.InputSpeechStopped)]
    starts = [message.audio_start_ms for message in driver.all(m.InputSpeechStarted)]
    assert starts == [0, stops[0]]


def test_a_click_is_no_turn() -> None:
    driver = Driver()
    assert driver.hear(silence(500) + speech(40) + silence(1_000), chunk_ms=10) == []


_PIECES = st.lists(st.tuples(st.booleans(), st.integers(1, 60)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=60)
@given(pieces=_PIECES, cuts=st.lists(st.integers(100, 4_000), min_size=1, max_size=20), ends=st.booleans())
def test_what_is_told_does_not_depend_on_how_the_audio_was_cut(
    pieces: list[tuple[bool, int]], cuts: list[int], ends: bool
) -> None:
    audio = b"".join((speech if loud else silence)(tens * 20) for loud, tens in pieces)
    whole, chunked = Driver(detecting(silence_ms=200)), Driver(detecting(silence_ms=200))
    whole.hear(audio)
    position, number = 0, 0
    while position < len(audio):
        size = cuts[number % len(cuts)] * 2
        chunked.hear(audio[position : position + size])
        position, number = position + size, number + 1
    if ends:
        whole.send(m.InputAudioEnd())
        chunked.send(m.InputAudioEnd())
    assert chunked.messages == whole.messages
    for committed in whole.all(m.InputAudioCommitted):
        assert committed.item_id is not None
        expected, got = fed(whole, committed.item_id), fed(chunked, committed.item_id)
        assert got.startswith(expected)
        assert len(got) - len(expected) <= len(silence(40))  # silence of the frame that decides
        retrieve = m.ItemRetrieve(item_id=committed.item_id)
        assert chunked.send(retrieve) == whole.send(retrieve)


@settings(deadline=None, max_examples=60)
@given(pieces=_PIECES)
def test_turns_alternate_and_their_times_never_go_back(pieces: list[tuple[bool, int]]) -> None:
    driver = Driver(detecting(silence_ms=200))
    driver.hear(b"".join((speech if loud else silence)(tens * 20) for loud, tens in pieces), chunk_ms=20)
    driver.send(m.InputAudioEnd())
    edges: list[int] = []
    for message in driver.messages:
        if isinstance(message, m.InputSpeechStarted):
            assert len(edges) % 2 == 0
            edges.append(message.audio_start_ms or 0)
        elif isinstance(message, m.InputSpeechStopped):
            assert len(edges) % 2 == 1
            edges.append(message.audio_end_ms or 0)
    assert edges == sorted(edges)
    assert len(edges) % 2 == 0
    assert len(driver.all(m.InputAudioCommitted)) * 2 == len(edges)


@pytest.mark.parametrize("format", [PCM16_8K, PCM16_24K, PCM16_48K, PCMU], ids=str)
def test_times_are_the_same_in_every_format(format: AudioFormat) -> None:
    from duologue.audio.convert import Converter
    from duologue.formats import PCM16_16K

    converter = Converter(PCM16_16K, format)
    audio = converter.process(silence(1_000) + speech(400) + silence(900)) + converter.flush()
    driver = Driver(SessionOptions(input_audio=format))
    driver.hear(audio, chunk_ms=20)
    assert driver.last(m.InputSpeechStarted).audio_start_ms == pytest.approx(700, abs=20)
    assert driver.last(m.InputSpeechStopped).audio_end_ms == pytest.approx(1_900, abs=20)


class SlowDetector(LoudnessDetector):
    """Hears 8 kHz, in frames of 20 ms."""

    sample_rate = 8_000
    frame_samples = 160


def test_a_detector_of_another_rate_gets_audio_of_its_rate() -> None:
    driver = Driver(make_detector=SlowDetector)
    driver.hear(silence(1_000) + speech(400) + silence(900), chunk_ms=20)
    assert driver.last(m.InputSpeechStarted).audio_start_ms == pytest.approx(700, abs=25)
    assert driver.last(m.InputSpeechStopped).audio_end_ms == pytest.approx(1_900, abs=25)


def test_the_end_of_the_input_ends_the_turn() -> None:
    driver = Driver()
    driver.hear(speech(400))
    out = driver.send(m.InputAudioEnd())
    assert names(out)[:3] == ["InputSpeechStopped", "InputAudioCommitted", "ItemAdded"]
    assert driver.last(m.InputSpeechStopped).audio_end_ms == 400
    assert driver.send(m.InputAudioEnd()) == []


def test_an_end_of_input_without_speech_is_no_turn() -> None:
    driver = Driver()
    driver.hear(silence(400))
    assert driver.send(m.InputAudioEnd()) == []


def test_positions_go_on_after_a_pause_and_after_a_clear() -> None:
    driver = Driver(detecting(prefix_padding_ms=0))
    driver.hear(speech(400))
    driver.send(m.InputAudioEnd())
    driver.hear(silence(200))
    driver.send(m.InputAudioClear())
    driver.hear(silence(100) + speech(400) + silence(600))
    assert [message.audio_start_ms for message in driver.all(m.InputSpeechStarted)] == [0, 700]
    assert driver.last(m.InputSpeechStopped).audio_end_ms == 1_600


# --- the buffer ---


def test_a_commit_of_an_empty_buffer_is_an_error_that_names_its_cause() -> None:
    for options in (SessionOptions(), manual()):
        driver = Driver(options)
        [error] = driver.send(m.InputAudioCommit(id="commit_1"))
        assert isinstance(error, m.ErrorReported)
        assert error.kind == "invalid_request"
        assert error.cause_id == "commit_1"
        assert isinstance(error.cause, m.InputAudioCommit)
        assert error.error.code == "input_audio_buffer_commit_empty"


def test_a_manual_commit_makes_an_item_and_no_answer() -> None:
    driver = Driver(manual())
    assert driver.hear(speech(100)) == []
    out = driver.send(m.InputAudioCommit())
    assert names(out) == ["InputAudioCommitted", "ItemAdded", "ItemDone"]
    assert fed(driver, driver.last(c.FinishUtterance).item_id) == speech(100)
    assert not driver.all(c.Answer)
    [error] = driver.send(m.InputAudioCommit())
    assert isinstance(error, m.ErrorReported)


def test_a_commit_in_mid_speech_ends_the_turn_without_an_answer() -> None:
    driver = Driver()
    driver.hear(speech(400))
    out = driver.send(m.InputAudioCommit())
    assert names(out) == ["InputSpeechStopped", "InputAudioCommitted", "ItemAdded", "ItemDone"]
    assert driver.hear(speech(200)) != []  # it goes on: another turn
    assert driver.last(m.InputSpeechStarted).audio_start_ms == 400


def test_what_is_cleared_is_not_heard() -> None:
    driver = Driver()
    driver.hear(speech(400))
    assert names(driver.send(m.InputAudioClear())) == ["InputAudioCleared"]
    assert driver.last(c.CancelUtterance).item_id == driver.last(m.InputSpeechStarted).item_id
    assert driver.hear(silence(2_000)) == []
    assert not driver.all(m.InputAudioCommitted)


def test_half_a_sample_does_not_shift_what_follows() -> None:
    """The runtime refuses odd bytes; the engine would put them together."""
    driver = Driver(manual())
    audio = speech(100)
    driver.send(m.InputAudioAppend(audio=audio[:31]), m.InputAudioAppend(audio=audio[31:]), m.InputAudioCommit())
    assert fed(driver, driver.last(c.FinishUtterance).item_id) == audio


# --- turns that the application marks ---


def test_a_manual_turn_is_told_and_answered() -> None:
    driver = Driver(manual())
    driver.hear(silence(300))  # before the turn: not part of it
    assert names(driver.send(m.UserTurnStart())) == ["InputSpeechStarted"]
    assert driver.last(m.InputSpeechStarted).audio_start_ms == 300
    driver.hear(speech(200))
    out = driver.send(m.UserTurnEnd())
    assert names(out) == [
        "InputSpeechStopped",
        "InputAudioCommitted",
        "ItemAdded",
        "ItemDone",
        "ResponseCreated",
    ]
    assert driver.last(m.InputSpeechStopped).audio_end_ms == 500
    assert fed(driver, driver.last(c.FinishUtterance).item_id) == speech(200)


def test_a_manual_turn_need_not_be_answered() -> None:
    driver = Driver(manual())
    driver.send(m.UserTurnStart())
    driver.hear(speech(200))
    assert "ResponseCreated" not in names(driver.send(m.UserTurnEnd(respond=False)))


def test_a_manual_turn_without_audio_is_taken_back() -> None:
    driver = Driver(manual())
    driver.send(m.UserTurnStart())
    out = driver.send(m.UserTurnEnd(id="end_1"))
    assert names(out) == ["InputSpeechStopped", "InputAudioCleared", "ErrorReported"]
    assert driver.last(m.ErrorReported).cause_id == "end_1"
    assert driver.last(c.CancelUtterance).item_id == driver.last(m.InputSpeechStarted).item_id
    assert names(driver.send(m.UserTurnEnd())) == ["ErrorReported"]


def test_a_second_turn_start_begins_anew() -> None:
    driver = Driver(manual())
    driver.send(m.UserTurnStart())
    driver.hear(speech(500))
    out = driver.send(m.UserTurnStart())
    assert names(out) == ["InputSpeechStopped", "InputAudioCleared", "InputSpeechStarted"]
    driver.hear(speech(100))
    driver.send(m.UserTurnEnd())
    assert fed(driver, driver.last(c.FinishUtterance).item_id) == speech(100)
    assert len(driver.all(m.InputAudioCommitted)) == 1


def test_the_end_of_input_leaves_a_manual_turn_open() -> None:
    driver = Driver(manual())
    driver.send(m.UserTurnStart())
    driver.hear(speech(100))
    assert driver.send(m.InputAudioEnd()) == []
    assert "InputAudioCommitted" in names(driver.send(m.UserTurnEnd()))


@pytest.mark.parametrize("mark", [m.UserTurnStart(), m.UserTurnEnd()])
def test_marks_are_refused_while_turns_are_detected(mark: m.ClientMessage) -> None:
    driver = Driver()
    with pytest.raises(UnsupportedOperation, match="turn_detection=OFF"):
        driver.send(mark)
    assert driver.messages[1:] == []


# --- switching in mid-session ---


def test_detection_that_is_switched_off_in_mid_speech_leaves_the_turn_to_the_application() -> None:
    driver = Driver()
    driver.hear(speech(400))
    assert names(driver.send(update(turn_detection=OFF))) == ["SessionUpdated"]
    assert driver.hear(silence(2_000) + speech(100)) == []
    out = driver.send(m.InputAudioCommit())
    assert names(out) == ["InputSpeechStopped", "InputAudioCommitted", "ItemAdded", "ItemDone"]
    assert driver.last(m.InputSpeechStopped).audio_end_ms == 2_500
    assert fed(driver, driver.last(c.FinishUtterance).item_id) == speech(400) + silence(2_000) + speech(100)


def test_detection_that_is_switched_on_later_counts_from_the_beginning_of_the_session() -> None:
    driver = Driver(manual())
    driver.hear(speech(1_000))
    driver.send(m.InputAudioCommit())
    driver.send(update(turn_detection=ServerTurnDetection(prefix_padding_ms=100, silence_ms=200)))
    audio = silence(500) + speech(400) + silence(300)
    driver.hear(audio, chunk_ms=20)
    assert driver.last(m.InputSpeechStarted).audio_start_ms == 1_400
    assert driver.last(m.InputSpeechStopped).audio_end_ms == 2_100
    assert len(fed(driver, driver.last(c.FinishUtterance).item_id)) == pytest.approx(700 * 32, abs=40 * 32)


class ForgetfulDetector(LoudnessDetector):
    """Knows whether it has heard anything since it was told to forget."""

    has_heard = False

    def probability(self, frame: bytes) -> float:
        self.has_heard = True
        return super().probability(frame)

    def reset(self) -> None:
        self.has_heard = False


def test_a_detector_that_is_used_again_has_forgotten() -> None:
    detector = ForgetfulDetector()
    driver = Driver(make_detector=lambda: detector)
    driver.hear(silence(100))
    driver.send(update(turn_detection=OFF))
    assert detector.has_heard
    driver.send(update(turn_detection=ServerTurnDetection()))
    assert not detector.has_heard


def test_detection_that_is_switched_on_looks_at_what_is_in_the_buffer() -> None:
    driver = Driver(manual())
    driver.hear(silence(1_000) + speech(400) + silence(700))
    [begun] = driver.all(c.BeginUtterance)
    out = driver.send(update(turn_detection=ServerTurnDetection()))
    assert names(out)[:3] == ["SessionUpdated", "InputSpeechStarted", "InputSpeechStopped"]
    assert driver.last(m.InputSpeechStarted).audio_start_ms == 700
    assert driver.last(m.InputSpeechStopped).audio_end_ms == 1_900
    assert c.CancelUtterance(begun.item_id) in driver.commands
    item_id = driver.last(c.FinishUtterance).item_id
    assert item_id != begun.item_id
    assert len(fed(driver, item_id)) == 1_200 * 32  # each sample once


def test_a_turn_that_was_told_is_taken_back_when_detection_finds_no_speech_in_it() -> None:
    driver = Driver(manual())
    driver.send(m.UserTurnStart())
    driver.hear(silence(500))
    out = driver.send(update(turn_detection=ServerTurnDetection()))
    assert names(out) == ["SessionUpdated", "InputSpeechStopped", "InputAudioCleared"]
    driver.hear(speech(400) + silence(700))
    assert driver.last(m.InputSpeechStarted).audio_start_ms == 200
    assert len(driver.all(m.InputAudioCommitted)) == 1


def test_a_turn_without_audio_is_taken_back_when_detection_is_switched_on() -> None:
    driver = Driver(manual())
    driver.send(m.UserTurnStart())
    out = driver.send(update(turn_detection=ServerTurnDetection()))
    assert names(out) == ["SessionUpdated", "InputSpeechStopped", "InputAudioCleared"]
    assert names(driver.hear(speech(200))) == ["InputSpeechStarted"]


def test_off_and_on_again_in_mid_speech_keeps_the_words() -> None:
    driver = Driver()
    driver.hear(speech(400))
    driver.send(update(turn_detection=OFF))
    driver.hear(speech(200))
    driver.send(update(turn_detection=ServerTurnDetection()))
    driver.hear(silence(700))
    [committed] = driver.all(m.InputAudioCommitted)
    assert committed.item_id is not None
    assert fed(driver, committed.item_id).startswith(speech(600))
    starts = [message.item_id for message in driver.all(m.InputSpeechStarted)]
    stops = [message.item_id for message in driver.all(m.InputSpeechStopped)]
    assert starts == stops


@settings(deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("hear"), st.booleans(), st.integers(1, 40)),
            st.sampled_from(["on", "off", "commit", "clear", "end", "start turn", "end turn"]),
        ),
        max_size=25,
    )
)
def test_however_turns_are_found_every_start_is_closed_and_times_are_true(steps: list[object]) -> None:
    driver = Driver(detecting(silence_ms=200))
    is_on, position = True, 0
    for step in steps:
        if isinstance(step, tuple):
            ms = step[2] * 20
            position += ms
            driver.hear((speech if step[1] else silence)(ms))
        elif step in ("on", "off"):
            is_on = step == "on"
            driver.send(update(turn_detection=ServerTurnDetection() if is_on else OFF))
        elif not (is_on and step in ("start turn", "end turn")):
            driver.send(_STEPS[str(step)])
        _check_turns(driver.messages, position)


_STEPS: dict[str, m.ClientMessage] = {
    "commit": m.InputAudioCommit(),
    "clear": m.InputAudioClear(),
    "end": m.InputAudioEnd(),
    "start turn": m.UserTurnStart(),
    "end turn": m.UserTurnEnd(),
}


def _check_turns(messages: list[m.ServerMessage], position_ms: int) -> None:
    """One turn at a time; a stop belongs to the open start; nothing lies beyond the present."""
    open_item: str | None = None
    for message in messages:
        match message:
            case m.InputSpeechStarted(item_id=item_id, audio_start_ms=int(start_ms)):
                assert start_ms <= position_ms
                open_item = item_id
            case m.InputSpeechStopped(item_id=item_id, audio_end_ms=int(end_ms)):
                assert item_id == open_item
                assert end_ms <= position_ms
                open_item = None
            case m.InputAudioCleared():
                open_item = None
            case m.InputAudioCommitted():
                assert open_item is None


# --- words ---


def test_transcripts_are_told_as_they_come() -> None:
    driver = Driver()
    driver.hear(speech(400))
    item_id = driver.last(m.InputSpeechStarted).item_id or ""
    driver.engine.transcript_partial(item_id, "hel")
    driver.hear(silence(700))
    out = driver.transcript("hello")
    assert driver.last(m.InputTranscriptDelta).text == "hel"
    assert driver.last(m.InputTranscriptDelta).replaces
    [completed] = out
    assert isinstance(completed, m.InputTranscriptCompleted)
    assert (completed.item_id, completed.text, completed.confidence) == (item_id, "hello", 0.9)
    assert driver.last(c.Answer).request.items[0].text == "hello"  # type: ignore[union-attr]


def test_transcripts_that_are_switched_off_are_heard_and_not_told() -> None:
    driver = Driver(SessionOptions(transcription=OFF))
    driver.say_something()
    driver.engine.transcript_partial(driver.last(c.FinishUtterance).item_id, "hel")
    assert driver.transcript("hello") == []
    assert driver.last(c.Answer).request.items[0].text == "hello"  # type: ignore[union-attr]


def test_words_of_an_item_that_is_gone_are_dropped() -> None:
    driver = Driver(manual())
    driver.hear(speech(100))
    driver.send(m.InputAudioCommit())
    item_id = driver.last(c.FinishUtterance).item_id
    assert names(driver.send(m.ItemDelete(item_id=item_id))) == ["ItemDeleted"]
    assert driver.commands[-1] == c.CancelUtterance(item_id)
    driver.engine.transcript_partial(item_id, "hel")
    assert driver.transcript("hello", item_id) == []
    assert driver.transcript_failed("no", item_id) == []
    assert driver.transcript("hello", "item_unknown") == []


def test_a_transcript_that_fails_is_told_and_the_session_goes_on() -> None:
    driver = Driver(manual())
    driver.hear(speech(100))
    driver.send(m.InputAudioCommit())
    [failed] = driver.transcript_failed("The worker died.")
    assert isinstance(failed, m.InputTranscriptFailed)
    assert failed.error.message == "The worker died."
    driver.send(m.ItemCreate(item=m.MessageItem.user("Hello?")), m.ResponseCreate())
    assert driver.all(c.Answer)


def test_the_hints_are_the_applications_the_clients_and_the_responders() -> None:
    transcription = Transcription(keywords=("one",), language="de")
    driver = Driver(
        SessionOptions(turn_detection=OFF, transcription=transcription),
        hints=("two",),
        expects=lambda tools: ("three",),
    )
    driver.hear(speech(100))
    begun = driver.last(c.BeginUtterance)
    assert begun.hints == ("one", "two", "three")
    assert begun.language == "de"


# --- transcription-only sessions ---


def test_a_transcription_session_hears_and_never_answers() -> None:
    driver = Driver(SessionOptions(kind="transcription"), expects=lambda tools: ("yes", "no"), hints=("maybe",))
    out = driver.say_something()
    assert names(out) == [
        "InputSpeechStarted",
        "InputSpeechStopped",
        "InputAudioCommitted",
        "ItemAdded",
        "ItemDone",
    ]
    assert names(driver.transcript("hello")) == ["InputTranscriptCompleted"]
    assert not driver.all(c.Answer)
    assert driver.last(c.BeginUtterance).hints == ("maybe",)  # what nobody answers may be anything


def test_a_manual_transcription_session_does_not_answer_either() -> None:
    driver = Driver(SessionOptions(kind="transcription", turn_detection=OFF))
    driver.send(m.UserTurnStart())
    driver.hear(speech(100))
    driver.send(m.UserTurnEnd())
    driver.transcript("hello")
    assert not driver.all(m.ResponseCreated)


def test_a_transcription_session_without_transcripts_is_refused() -> None:
    with pytest.raises(InvalidInput, match="transcription=OFF"):
        Driver(SessionOptions(kind="transcription", transcription=OFF))
    driver = Driver(SessionOptions(kind="transcription"))
    with pytest.raises(InvalidInput, match="transcription=OFF"):
        driver.send(update(transcription=OFF))
    driver.say_something()
    assert names(driver.transcript("hello")) == ["InputTranscriptCompleted"]


# --- recordings that the application adds ---


def test_a_recording_is_transcribed_where_it_stands() -> None:
    from duologue.audio.resample import resample

    driver = Driver(manual())
    clip = m.AudioContent(audio=resample(speech(200), 16_000, 24_000), format=PCM16_24K)
    item = m.MessageItem(id="clip", role="user", content=(m.TextContent(text="Listen: "), clip))
    driver.send(m.ItemCreate(item=item), m.ResponseCreate())
    assert not driver.all(c.Answer)
    assert len(fed(driver, "clip")) == len(speech(200))
    [completed] = driver.transcript("hello", "clip")
    assert isinstance(completed, m.InputTranscriptCompleted)
    assert completed.content_index == 1
    assert driver.last(c.Answer).request.items[0].text == "Listen: hello"  # type: ignore[union-attr]
    [retrieved] = driver.send(m.ItemRetrieve(item_id="clip"))
    assert isinstance(retrieved, m.ItemRetrieved)
    assert isinstance(retrieved.item, m.MessageItem)
    text, audio = retrieved.item.content
    assert text == m.TextContent(text="Listen: ")
    assert isinstance(audio, m.AudioContent)
    assert audio.transcript == "hello"
    assert len(audio.audio or b"") == len(speech(200))


def test_a_recording_with_its_words_is_not_transcribed() -> None:
    driver = Driver(manual())
    clip = m.AudioContent(audio=speech(100), transcript="hello")
    driver.send(m.ItemCreate(item=m.MessageItem(role="user", content=(clip,))))
    assert driver.commands == []


def test_recordings_that_cannot_be_heard_are_refused() -> None:
    driver = Driver(manual())
    clip = m.AudioContent(audio=speech(100))
    with pytest.raises(InvalidAudio, match="whole samples"):
        driver.send(m.ItemCreate(item=m.MessageItem(role="user", content=(m.AudioContent(audio=b"odd"),))))
    with pytest.raises(UnsupportedOperation, match="item of each"):
        driver.send(m.ItemCreate(item=m.MessageItem(role="user", content=(clip, clip))))
    assert driver.messages[1:] == []
    assert driver.commands == []


def test_a_recording_in_the_history_is_transcribed() -> None:
    item = m.MessageItem(id="clip", role="user", content=(m.AudioContent(audio=speech(100)),))
    driver = Driver(manual(history=(item,)))
    assert driver.last(c.FinishUtterance).item_id == "clip"
    driver.transcript("hello")
    driver.send(m.ResponseCreate())
    assert driver.last(c.Answer).request.items[0].text == "hello"  # type: ignore[union-attr]


# --- silence ---


def test_the_user_who_says_nothing_is_spoken_to() -> None:
    driver = Driver(detecting(idle_timeout_ms=5_000))
    assert driver.wait(60) == []  # nobody has spoken yet: nobody is waited for
    driver.send(m.Say(text="Hello there"))
    driver.speak()
    out = driver.wait(5.1)
    assert "InputIdleTimeout" not in names(out)  # it counts from the end of playback
    out = driver.wait(0.2)
    assert names(out) == ["InputIdleTimeout", "ItemAdded", "ItemDone", "ResponseCreated"]
    request = driver.last(c.Answer).request
    assert request.idle
    assert request.understood
    assert driver.wait(60) == []  # it is answering


def test_the_user_who_speaks_or_writes_is_not_idle() -> None:
    driver = Driver(detecting(idle_timeout_ms=5_000))
    driver.send(m.Say(text="Hello"))
    driver.speak()
    driver.wait(4)
    driver.hear(speech(200))
    assert driver.wait(60) == []
    driver.send(m.InputAudioClear())
    driver.send(m.Say(text="Hello"))
    driver.speak()
    driver.wait(4)
    driver.send(m.ItemCreate(item=m.MessageItem.user("Hi")), m.ResponseCreate())
    assert driver.wait(60) == []


def test_a_user_who_waits_for_a_function_is_not_idle() -> None:
    driver = Driver(detecting(idle_timeout_ms=5_000))
    driver.send(m.ResponseCreate())
    driver.call(call_id="call_1")
    assert driver.wait(60) == []
    result = m.FunctionResult(call_id="call_1", output="{}")
    driver.send(m.ItemCreate(item=result), m.ResponseCreate(output_modalities=("text",)))
    driver.answer(TextChunk("Done."))
    assert "InputIdleTimeout" in names(driver.wait(6))


def test_an_answer_that_is_cancelled_or_fails_leaves_the_user_to_idle() -> None:
    for end in ("cancel", "fail"):
        driver = Driver(detecting(idle_timeout_ms=5_000))
        driver.send(m.ResponseCreate())
        if end == "cancel":
            driver.send(m.ResponseCancel())
        else:
            driver.fail("gone", driver.last(m.ResponseCreated).response_id)
        assert "InputIdleTimeout" in names(driver.wait(6))


def test_an_idle_timeout_that_is_changed_holds_at_once() -> None:
    driver = Driver(detecting(idle_timeout_ms=60_000))
    driver.send(m.ResponseCreate(), m.ResponseCancel())
    driver.wait(5)
    driver.send(update(turn_detection=ServerTurnDetection(idle_timeout_ms=1_000)))
    assert "InputIdleTimeout" in names(driver.wait(0.1))


@pytest.mark.parametrize("timeout_ms", [0, -1])
def test_an_idle_timeout_is_a_time(timeout_ms: int) -> None:
    with pytest.raises(InvalidInput, match="idle_timeout_ms"):
        Driver(detecting(idle_timeout_ms=timeout_ms))
