"""Playback: what was heard, one interruption, and what is truncated."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.formats import PCM16_48K, PCMU
from duologue.messages.base import ClientMessage
from duologue.options import OFF, SemanticTurnDetection, ServerTurnDetection, SessionOptions
from duologue.runtime.playback import PlaybackTracker
from links import EVERYTHING, audio

SPEECH = m.InputSpeechStarted(item_id="u1")


def make(options: SessionOptions | None = None, can: Capabilities = EVERYTHING) -> PlaybackTracker:
    return PlaybackTracker(options or SessionOptions(), can)


def began(tracker: PlaybackTracker, response: str = "r1", now: float = 0.0) -> None:
    tracker.received(m.ResponseCreated(response_id=response), now)


def done(tracker: PlaybackTracker, response: str = "r1", now: float = 0.0) -> None:
    tracker.received(m.ResponseDone(response_id=response, status="completed"), now)


def played(item: str, ms: float, *, finished: bool = False) -> m.OutputAudioPlayed:
    return m.OutputAudioPlayed(item_id=item, played_ms=ms, finished=finished)


def speak(tracker: PlaybackTracker, now: float) -> tuple[m.Interrupted | None, list[ClientMessage]]:
    """The user speaks: what the reader gets beside that, and what is sent."""
    up, to_send = tracker.received(SPEECH, now)
    assert up[0] is SPEECH
    assert len(up) <= 2
    interrupted = up[1] if len(up) == 2 else None
    assert interrupted is None or isinstance(interrupted, m.Interrupted)
    return interrupted, to_send


def test_that_speech_while_nothing_plays_is_no_interruption() -> None:
    assert speak(make(), 1.0) == (None, [])


def test_that_playback_is_taken_to_go_at_the_pace_of_real_time() -> None:
    tracker = make()
    began(tracker, now=10.0)
    for number in range(10):  # two seconds of audio, far ahead of playback
        assert tracker.audio(audio(200), 10.0 + number / 1000)
    interrupted, to_send = speak(tracker, 10.75)
    assert interrupted == m.Interrupted(response_id="r1", item_id="i1", heard_ms=750)
    assert to_send == [m.ItemTruncate(item_id="i1", audio_end_ms=750)]


def test_that_a_gap_in_the_audio_is_a_gap_in_playback() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(100), 0.0)
    tracker.audio(audio(100), 5.0)
    assert speak(tracker, 5.04)[1] == [m.ItemTruncate(item_id="i1", audio_end_ms=140)]


def test_that_what_was_heard_to_its_end_is_not_interrupted() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(200), 0.0)
    done(tracker)
    assert speak(tracker, 0.3) == (None, [])


def test_that_unplayed_audio_is_interrupted_although_the_response_is_done() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(500), 0.0)
    done(tracker)
    assert speak(tracker, 0.3)[0] == m.Interrupted(response_id="r1", item_id="i1", heard_ms=300)


def test_that_a_response_without_unplayed_audio_is_interrupted_while_it_runs() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(100), 0.0)
    assert speak(tracker, 0.5) == (m.Interrupted(response_id="r1"), [])


def test_that_reports_of_the_speaker_win_over_reckoning() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(1000), 0.0)
    tracker.played(played("i1", 120.7))
    assert speak(tracker, 0.9)[0] == m.Interrupted(response_id="r1", item_id="i1", heard_ms=120)


def test_that_an_item_without_a_report_goes_by_the_clock() -> None:
    """An application may report only the ends of items: the one that plays must not count as unheard."""
    tracker = make()
    began(tracker)
    tracker.audio(audio(1000, item="i1"), 0.0)
    tracker.played(played("i1", 1000, finished=True))
    tracker.audio(audio(1000, item="i2"), 1.0)
    interrupted, to_send = speak(tracker, 1.5)
    assert interrupted == m.Interrupted(response_id="r1", item_id="i2", heard_ms=500)
    assert to_send == [m.ItemTruncate(item_id="i2", audio_end_ms=500)]


def test_that_nothing_plays_before_what_comes_before_it() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(100, item="i1"), 0.0)
    tracker.audio(audio(1000, item="i2"), 0.0)
    tracker.played(played("i1", 50))  # the speaker is slow
    interrupted, to_send = speak(tracker, 0.9)
    assert interrupted == m.Interrupted(response_id="r1", item_id="i1", heard_ms=50)
    assert to_send == [m.ItemTruncate(item_id="i1", audio_end_ms=50), m.ItemDelete(item_id="i2")]


def test_that_more_than_was_received_was_not_heard() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(100), 0.0)
    tracker.played(played("i1", 5000))
    tracker.audio(audio(100), 0.0)
    assert speak(tracker, 0.0)[1] == [m.ItemTruncate(item_id="i1", audio_end_ms=100)]


def test_that_a_finished_part_is_heard_until_more_of_it_comes() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(100), 0.0)
    tracker.played(played("i1", 99, finished=True))
    assert speak(tracker, 0.0) == (m.Interrupted(response_id="r1"), [])
    began(tracker, "r2")
    tracker.audio(audio(100, response="r2", item="i2"), 0.0)
    tracker.played(played("i2", 99, finished=True))
    tracker.audio(audio(100, response="r2", item="i2"), 0.0)
    assert speak(tracker, 0.0)[1] == [m.ItemTruncate(item_id="i2", audio_end_ms=99)]


def test_that_there_is_one_interruption_and_no_audio_after_it() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(500), 0.0)
    assert speak(tracker, 0.1)[0] is not None
    assert not tracker.audio(audio(100), 0.1)
    assert speak(tracker, 0.2) == (None, [])
    assert tracker.received(m.Interrupted(), 0.2) == ([], [])
    done(tracker)
    assert speak(tracker, 0.3) == (None, [])
    began(tracker, "r2")
    assert tracker.audio(audio(100, response="r2", item="i2"), 0.4)
    assert speak(tracker, 0.4)[0] is not None


def test_that_the_providers_own_interruption_gets_what_was_heard() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(500), 0.0)
    up, _ = tracker.received(m.Interrupted(response_id="r1"), 0.2)
    assert up == [m.Interrupted(response_id="r1", item_id="i1", heard_ms=200)]


def test_that_several_items_are_interrupted_at_once() -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(300, item="i1"), 0.0)
    tracker.audio(audio(300, item="i2"), 0.0)
    tracker.audio(audio(300, item="i3"), 0.0)
    interrupted, to_send = speak(tracker, 0.4)
    assert interrupted == m.Interrupted(response_id="r1", item_id="i2", heard_ms=100)
    assert to_send == [m.ItemTruncate(item_id="i2", audio_end_ms=100), m.ItemDelete(item_id="i3")]


@pytest.mark.parametrize("second_is_done", [True, False])
def test_that_an_interruption_of_several_responses_names_none(second_is_done: bool) -> None:
    tracker = make()
    began(tracker)
    tracker.audio(audio(300, item="i1"), 0.0)
    done(tracker)
    began(tracker, "r2")
    tracker.audio(audio(300, response="r2", item="i2"), 0.0)
    if second_is_done:
        done(tracker, "r2")
    assert speak(tracker, 0.1)[0] == m.Interrupted(response_id=None, item_id="i1", heard_ms=100)


def test_that_an_out_of_band_response_is_not_heard_after_an_interruption() -> None:
    tracker = make()
    tracker.received(m.ResponseCreated(response_id="aside", out_of_band=True), 0.0)
    assert tracker.audio(audio(100, item="i1", response="aside"), 0.0)
    speak(tracker, 0.05)
    assert not tracker.audio(audio(100, item="i1", response="aside"), 0.06)
    tracker.received(m.ResponseDone(response_id="aside", out_of_band=True), 0.1)
    began(tracker)
    assert tracker.audio(audio(100), 0.1)


def test_that_out_of_band_audio_is_stopped_and_not_truncated() -> None:
    tracker = make()
    tracker.received(m.ResponseCreated(response_id="x", out_of_band=True), 0.0)
    tracker.audio(audio(300, response="x", item="aside"), 0.0)
    assert speak(tracker, 0.1) == (m.Interrupted(response_id="x", item_id="aside", heard_ms=100), [])


@pytest.mark.parametrize(
    ("heard", "changes", "sent"),
    [
        (250, {}, [m.ItemTruncate(item_id="i1", audio_end_ms=250)]),
        (1, {}, [m.ItemTruncate(item_id="i1", audio_end_ms=1)]),
        (0.9, {}, [m.ItemDelete(item_id="i1")]),
        (0, {}, [m.ItemDelete(item_id="i1")]),
        (0, {"delete": False}, []),
        (250, {"truncate": False}, []),
        (250, {"tracks_playback": True}, []),
        (0, {"tracks_playback": True}, []),
    ],
)
def test_what_is_sent_to_the_provider(heard: float, changes: dict[str, bool], sent: list[ClientMessage]) -> None:
    tracker = make(can=replace(EVERYTHING, **changes))
    began(tracker)
    tracker.audio(audio(500), 0.0)
    tracker.played(played("i1", heard))
    assert speak(tracker, 9.0)[1] == sent


@pytest.mark.parametrize(
    ("detection", "interrupts"),
    [
        (None, True),
        (OFF, True),
        (ServerTurnDetection(), True),
        (ServerTurnDetection(interrupt_response=True), True),
        (ServerTurnDetection(interrupt_response=False), False),
        (SemanticTurnDetection(interrupt_response=False), False),
    ],
)
def test_whether_speech_interrupts(
    detection: ServerTurnDetection | SemanticTurnDetection | None, interrupts: bool
) -> None:
    tracker = make(SessionOptions(turn_detection=detection))
    began(tracker)
    tracker.audio(audio(500), 0.0)
    assert (speak(tracker, 0.1)[0] is not None) is interrupts


def test_that_formats_may_change_within_a_part() -> None:
    tracker = make()
    began(tracker)
    for format in (PCM16_48K, PCMU, PCM16_48K):
        tracker.audio(audio(100, format=format), 0.0)
    assert speak(tracker, 0.2505)[1] == [m.ItemTruncate(item_id="i1", audio_end_ms=250)]


def test_that_a_report_about_something_unknown_is_harmless() -> None:
    tracker = make()
    tracker.played(played("nothing", 100, finished=True))
    assert speak(tracker, 0.0) == (None, [])


def test_that_what_was_played_is_forgotten() -> None:
    tracker = make()
    for number in range(100):
        response, item = f"r{number}", f"i{number}"
        began(tracker, response, now=float(number))
        tracker.audio(audio(100, response=response, item=item), float(number))
        if number % 2:
            tracker.played(played(item, 100, finished=True))
        done(tracker, response, now=float(number))
    began(tracker, "last", now=1000.0)
    assert len(tracker._parts) <= 50  # those that were never reported, since others were


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("audio"), st.integers(0, 400)),
        st.tuples(st.just("wait"), st.integers(0, 400)),
        st.tuples(st.just("report"), st.integers(0, 600)),
        st.tuples(st.just("speak"), st.just(0)),
        st.tuples(st.just("next"), st.just(0)),
    ),
    max_size=25,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(STEPS)
def test_that_no_more_is_kept_than_was_received_and_everything_is_cut_once(steps: list[tuple[str, int]]) -> None:
    tracker, now, response = make(), 0.0, 0
    received: dict[str, float] = {}
    cut: set[str] = set()
    began(tracker, "r0")
    for step, amount in steps:
        item = f"i{response}"
        match step:
            case "audio":
                delta = audio(amount, response=f"r{response}", item=item)
                taken = tracker.audio(delta, now)
                assert taken is (item not in cut)
                received[item] = received.get(item, 0.0) + (amount if taken else 0)
            case "wait":
                now += amount / 1000
            case "report":
                tracker.played(played(item, amount))
            case "next":
                done(tracker, f"r{response}", now)
                response += 1
                began(tracker, f"r{response}", now)
            case _:
                interrupted, to_send = speak(tracker, now)
                assert interrupted is not None or item in cut
                cut.add(item)
                for sent in to_send:
                    assert isinstance(sent, m.ItemTruncate | m.ItemDelete)
                    if isinstance(sent, m.ItemTruncate):
                        assert 1 <= sent.audio_end_ms <= received[sent.item_id]
                assert len({sent.item_id for sent in to_send}) == len(to_send)  # type: ignore[attr-defined]
