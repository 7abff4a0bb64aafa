"""How the embedded provider gives out speech: in which pieces, how far ahead, with which words."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.formats import PCM16_8K, PCM16_24K, PCMU, AudioFormat
from duologue.local import commands as c
from duologue.local.speaking import DELTA_MS, Speech
from duologue.options import SessionOptions
from duologue.speech.stages import SpeechChunk, SpokenWord
from engine_driver import Driver, said, silence, speech

RATE = 16_000
LEAD_MS = st.sampled_from([100, 150, 300, 1_000])


class Speaker:
    """What a listener hears who plays everything at once, as it comes."""

    def __init__(self) -> None:
        self.free_at = 0.0  # when it has played all that it has
        self.furthest_ms = 0.0  # the most that waited to be played

    def play(self, duration_ms: float, now: float) -> None:
        self.free_at = max(self.free_at, now) + duration_ms / 1000
        self.furthest_ms = max(self.furthest_ms, (self.free_at - now) * 1000)


# --- pieces ---


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("One. Two! Three? Four", ["One. ", "Two! ", "Three? ", "Four"]),
        ("It is 3.14, or v2.0.", ["It is 3.14, or v2.0."]),
        ('He said "no." And left.', ['He said "no." ', "And left."]),
        ("First line\nsecond line", ["First line\n", "second line"]),
        ("", []),
        ("   ", ["   "]),
        ("one, " * 60, ["one, " * 48, "one, " * 12]),
        ("word " * 60, ["word " * 48, "word " * 12]),
        ("x" * 250, ["x" * 240, "x" * 10]),
    ],
)
def test_text_is_synthesised_a_sentence_at_a_time(text: str, pieces: list[str]) -> None:
    speech = Speech(PCM16_24K, RATE, 1_000)
    speech.add_text(text)
    speech.finish_text()
    got = []
    while (piece := speech.next_piece()) is not None:
        got.append(piece)
        assert speech.next_piece() is None  # one at a time
        speech.piece_done()
    assert got == pieces


@given(text=st.text("ab .,!?\n", max_size=400), cuts=st.lists(st.integers(1, 30), min_size=1, max_size=10))
def test_no_text_is_lost_however_it_comes(text: str, cuts: list[int]) -> None:
    speech = Speech(PCM16_24K, RATE, 1_000)
    position, number = 0, 0
    while position < len(text):
        size = cuts[number % len(cuts)]
        speech.add_text(text[position : position + size])
        position, number = position + size, number + 1
    speech.finish_text()
    got = ""
    while (piece := speech.next_piece()) is not None:
        got += piece
        speech.piece_done()
    assert got == text
    assert "".join(word for word in speech.take(0.0) if isinstance(word, str)) == text
    assert speech.is_over


# --- audio ---


@pytest.mark.parametrize("format", [PCM16_8K, PCM16_24K, PCMU, AudioFormat("pcm16", 16_000)], ids=str)
@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_all_audio_comes_out_in_deltas_of_100_ms(format: AudioFormat, rate: int) -> None:
    driver = Driver(SessionOptions(output_audio=format), rate=rate)
    driver.send(m.Say(text="one two three four"))
    driver.spoken(said("one two three four", rate=rate))
    driver.speech_done()
    driver.wait(10)
    assert driver.audio_ms == pytest.approx(400, abs=1)
    assert all(delta.format == format for delta in driver.all(m.OutputAudioDelta))
    assert all(format.duration_ms(len(delta.audio)) <= DELTA_MS for delta in driver.all(m.OutputAudioDelta))
    assert all(format.is_aligned(len(delta.audio)) for delta in driver.all(m.OutputAudioDelta))


def test_the_first_audio_goes_out_as_it_comes() -> None:
    driver = Driver()
    driver.send(m.Say(text="Hello"))
    driver.spoken(SpeechChunk(silence(20), (SpokenWord(0, 5, 0.0),)))
    assert driver.audio_ms == 20


def test_what_is_far_ahead_waits() -> None:
    driver = Driver(lead_ms=300)
    driver.send(m.Say(text="one two three four five six seven eight nine ten"))
    driver.speak()
    assert driver.audio_ms == 300
    driver.wait(0.1)
    assert driver.audio_ms == 400
    driver.wait(0.65)
    assert driver.audio_ms == 1_000
    assert driver.last(m.ResponseDone).status == "completed"


def test_synthesis_waits_while_enough_is_ready() -> None:
    driver = Driver(lead_ms=100)
    driver.send(m.Say(text="One. Two. Three."))
    driver.spoken(SpeechChunk(silence(5_000), (SpokenWord(0, 3, 0.0),)))
    response_id = driver.last(m.ResponseCreated).response_id
    assert not driver.engine.has_room(response_id)
    driver.speech_done()
    assert len(driver.all(c.Speak)) == 1
    driver.wait(3.5)
    assert driver.engine.has_room(response_id)
    assert len(driver.all(c.Speak)) == 2
    assert driver.engine.has_room("resp_unknown")


_CHUNKS = st.lists(
    st.tuples(st.integers(1, 400), st.floats(0, 0.6)),  # ms of audio, s until the next
    min_size=1,
    max_size=15,
)


@settings(deadline=None, max_examples=50)
@given(chunks=_CHUNKS, lead_ms=LEAD_MS, lateness=st.floats(0, 0.05), format=st.sampled_from([PCM16_24K, PCMU]))
def test_audio_is_never_too_far_ahead_and_is_never_held_back_too_long(
    chunks: list[tuple[int, float]], lead_ms: int, lateness: float, format: AudioFormat
) -> None:
    """Whenever synthesis and ticks come: the bound holds, nobody spins, and playback never waits for what is there."""
    speech, speaker, now = Speech(format, RATE, lead_ms), Speaker(), 50.0
    text = " ".join("word" for _ in chunks)
    speech.add_text(text)
    speech.finish_text()
    assert speech.next_piece() == text
    out: list[str | bytes] = []

    def take() -> None:
        for piece in speech.take(now):
            out.append(piece)
            if isinstance(piece, bytes):
                duration_ms = format.duration_ms(len(piece))
                assert duration_ms <= DELTA_MS
                speaker.play(duration_ms, now)
        deadline = speech.deadline()
        assert deadline is None or deadline > now
        if deadline is not None:
            assert deadline <= speaker.free_at + 1e-3

    def run_until(end: float) -> None:
        nonlocal now
        while (deadline := speech.deadline()) is not None and deadline + lateness <= end:
            now = deadline + lateness
            take()
        now = max(now, end)

    starts_ms = [0, *accumulate(ms for ms, _ in chunks)]
    for number, (ms, pause) in enumerate(chunks):
        word = SpokenWord(number * 5, number * 5 + 4, starts_ms[number])
        speech.add_audio(SpeechChunk(silence(ms), (word,)))
        take()
        run_until(now + pause)
    speech.piece_done()
    take()
    run_until(now + 60)
    assert speech.is_over
    assert "".join(piece for piece in out if isinstance(piece, str)) == text
    audio = b"".join(piece for piece in out if isinstance(piece, bytes))
    assert format.duration_ms(len(audio)) == pytest.approx(starts_ms[-1], abs=0.2)
    assert speaker.furthest_ms <= lead_ms + 1e-3
    _check_words_come_with_their_audio(out, starts_ms, format)


def _check_words_come_with_their_audio(out: list[str | bytes], starts_ms: list[int], format: AudioFormat) -> None:
    position_ms, words = 0.0, 0
    for piece in out:
        if isinstance(piece, str):
            words += len(piece.split())
        else:
            position_ms += format.duration_ms(len(piece))
            begun = sum(1 for start in starts_ms[:-1] if start < position_ms - 2)
            assert words >= begun
            assert all(start <= position_ms + 2 for start in starts_ms[: words - 1])


@settings(deadline=None, max_examples=50)
@given(
    turns=st.lists(
        st.tuples(st.integers(1, 12), st.floats(0, 1.5), st.sampled_from(["say", "beside", "text"])), max_size=8
    ),
    lead_ms=LEAD_MS,
)
def test_answers_that_follow_each_other_are_not_too_far_ahead_either(
    turns: list[tuple[int, float, str]], lead_ms: int
) -> None:
    driver, speaker, seen = Driver(lead_ms=lead_ms), Speaker(), 0

    def play() -> None:
        nonlocal seen
        for message in driver.messages[seen:]:
            if isinstance(message, m.OutputAudioDelta):
                speaker.play(message.format.duration_ms(len(message.audio)), driver.now)
        seen = len(driver.messages)

    for words, pause, kind in turns:
        if kind == "text":
            driver.send(m.ResponseCreate(output_modalities=("text",)))
            if driver.all(c.Answer):
                driver.answer("shown")
        else:
            driver.send(m.Say(text="word " * words))
        driver.speak()
        play()
        for _ in range(int(pause * 200)):
            driver.wait(0.005)
            driver.speak()
            play()
    assert speaker.furthest_ms <= lead_ms + 5.001  # a step of this test is 5 ms long


def test_after_an_interruption_the_next_answer_starts_at_once() -> None:
    driver = Driver(lead_ms=1_000)
    driver.send(m.Say(text="word " * 30))
    driver.speak()
    assert driver.audio_ms == 1_000
    driver.hear(speech(200))
    driver.send(m.InputAudioClear(), m.Say(text="word " * 30))
    driver.speak()
    assert driver.audio_ms == 2_000  # what was not heard is not waited for


def test_after_a_truncation_the_next_answer_starts_at_once() -> None:
    driver = Driver(lead_ms=1_000)
    driver.send(m.Say(text="word " * 10))
    driver.speak()
    assert driver.last(m.ResponseDone).status == "completed"
    item_id = driver.last(m.ResponseDone).items[0].id or ""
    driver.send(m.ItemTruncate(item_id=item_id, audio_end_ms=100), m.Say(text="word " * 10))
    driver.speak()
    assert driver.audio_ms == 2_000


@settings(deadline=None, max_examples=50)
@given(times=st.lists(st.floats(0, 5), max_size=30), lead_ms=LEAD_MS)
def test_a_tick_never_leaves_a_deadline_in_the_past(times: list[float], lead_ms: int) -> None:
    driver = Driver(SessionOptions(turn_detection=None), lead_ms=lead_ms)
    driver.send(m.Say(text="word " * 25))
    driver.speak()
    for step in times:
        driver.now += step
        driver.engine.tick(driver.now)
        deadline = driver.engine.deadline()
        assert deadline is None or deadline > driver.now
