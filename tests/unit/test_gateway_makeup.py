"""What the gateway makes up for where an upstream tells less than OpenAI's API."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.gateway.cuts import Cuts
from duologue.gateway.follow_ups import FollowUps
from duologue.gateway.speech_marks import SpeechMarks
from duologue.gateway.terms import NotAllowed

USER = m.MessageItem(id="theirs", role="user", content=(m.AudioContent(),))


def spoken(item_id: str, response_id: str, ms: int) -> m.OutputAudioDelta:
    audio = bytes(PCM16_24K.bytes_for(ms))
    return m.OutputAudioDelta(item_id=item_id, response_id=response_id, audio=audio, format=PCM16_24K)


# --- interruptions ---


def test_an_interruption_names_the_item_that_comes_of_it() -> None:
    marks = SpeechMarks(lambda: 700)
    started, interrupted = marks.around(m.Interrupted())
    assert isinstance(started, m.InputSpeechStarted)
    assert isinstance(interrupted, m.Interrupted)
    assert marks.around(m.Interrupted()) == [interrupted]  # it is told once
    stopped, committed = marks.around(m.InputAudioCommitted(item_id="theirs"))
    assert isinstance(stopped, m.InputSpeechStopped)
    assert isinstance(committed, m.InputAudioCommitted)
    assert started.item_id == stopped.item_id == committed.item_id != "theirs"
    (added,) = marks.around(m.ItemAdded(item=USER))
    (after,) = marks.around(m.ItemAdded(item=m.MessageItem(id="next", role="user"), previous_item_id="theirs"))
    assert isinstance(added, m.ItemAdded)
    assert isinstance(after, m.ItemAdded)
    assert added.item.id == after.previous_item_id == started.item_id == marks.name("theirs")
    assert marks.meant(m.ItemDelete(item_id=str(started.item_id))) == m.ItemDelete(item_id="theirs")
    assert marks.meant(m.ItemDelete(item_id="other")) == m.ItemDelete(item_id="other")


def test_words_that_came_before_the_interruption_are_what_was_said() -> None:
    marks = SpeechMarks(lambda: 700)
    marks.around(m.InputAudioCommitted(item_id="theirs"))
    started, stopped, _ = marks.around(m.Interrupted())
    assert isinstance(started, m.InputSpeechStarted)
    assert isinstance(stopped, m.InputSpeechStopped)
    assert started.item_id == stopped.item_id == "theirs"


def test_speech_that_led_to_nothing_is_over_when_the_model_speaks() -> None:
    marks = SpeechMarks(lambda: 700)
    marks.around(m.Interrupted())
    assert [type(told) for told in marks.around(m.ResponseCreated(response_id="r"))] == [
        m.InputSpeechStopped,
        m.ResponseCreated,
    ]
    assert len(marks.around(m.Interrupted())) == 2


# --- cuts ---


def test_what_was_interrupted_or_is_newest_can_be_cut() -> None:
    cuts = Cuts()
    for number in ("1", "2", "3"):
        cuts.received(m.ResponseCreated(response_id=f"r{number}"))
        cuts.received(spoken(f"i{number}", f"r{number}", 60))
        cuts.received(spoken(f"i{number}", f"r{number}", 60))
        if number == "2":
            cuts.received(m.Interrupted(response_id="r2"))
    for item_id, is_told in (("i1", False), ("i2", True), ("i3", True), ("i4", False)):
        told = cuts.answer(m.ItemTruncate(item_id=item_id, content_index=0, audio_end_ms=120))
        assert (told == m.ItemTruncated(item_id=item_id, audio_end_ms=120)) is is_told
    with pytest.raises(NotAllowed, match="120ms is already shorter than 130ms"):
        cuts.answer(m.ItemTruncate(item_id="i3", content_index=0, audio_end_ms=130))
    cuts.received(m.Interrupted())  # of all that is to be heard
    assert cuts.answer(m.ItemTruncate(item_id="i1", content_index=0, audio_end_ms=0)) is not None


# --- answers that come anyway ---


def test_one_request_belongs_to_the_answer_that_comes_anyway() -> None:
    follow_ups = FollowUps()
    assert not follow_ups.covers(m.ResponseCreate())
    assert follow_ups.covers(m.ResponseCreate(metadata={"a": "b"}), has_results=True)
    follow_ups.result_sent("1")
    assert not follow_ups.covers(m.ResponseCreate(instructions="Be brief."))
    assert follow_ups.covers(m.ResponseCreate())
    follow_ups.begun()
    assert not follow_ups.is_open
    follow_ups.asked_for()
    assert not follow_ups.covers(m.ResponseCreate())


def test_a_result_that_is_refused_is_followed_by_nothing() -> None:
    follow_ups = FollowUps()
    follow_ups.result_sent("1")
    follow_ups.refused("2")
    assert follow_ups.is_open
    follow_ups.refused("1")
    assert not follow_ups.is_open
    assert not follow_ups.covers(m.ResponseCreate())
