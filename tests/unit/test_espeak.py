from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.errors import InvalidInput, MissingDependency, SpeechFailed
from duologue.speech.espeak import EspeakTextToSpeech
from duologue.speech.espeak.library import EspeakLibrary, Receive, WordEvent, open_first
from duologue.speech.espeak.location import LONGEST_DATA_PATH, Installation, installations, short_path
from duologue.speech.espeak.synthesis import Manner, Synthesis
from duologue.speech.espeak.text import LONGEST_CLAUSE, Clause, ClauseWords, clauses, speakable
from duologue.speech.stages import SpeechChunk, SpokenWord

MANNER = Manner("voice", 175)


# Text


def cut(text: str) -> list[str]:
    return [text[clause.start : clause.end] for clause in clauses(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("?! ... --", []),
        ("Yes, so it is. Then", ["Yes, ", "so it is. Then"]),
        ("It was perfect. Then it rained", ["It was perfect. ", "Then it rained"]),
        ("Dr. Smith saw No. 5 at approx. ten", ["Dr. Smith saw No. 5 at approx. ten"]),
        ("Go! Now? Yes; now: go", ["Go! ", "Now? ", "Yes; ", "now: ", "go"]),
        ("It costs 1,234.50 at 10:30, e.g. here", ["It costs 1,234.50 at 10:30, ", "e.g. here"]),
        ("one\ntwo\n\nthree", ["one\ntwo\n\n", "three"]),
        ("你好，今天。", ["你好，", "今天。"]),
    ],
)
def test_a_text_is_cut_where_the_voice_pauses_anyway(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@given(st.text(alphabet="aB1 .,!?\n😀—", max_size=600))
def test_clauses_hold_everything_that_can_be_spoken_in_bounded_pieces(text: str) -> None:
    found = list(clauses(text))
    assert all(0 < clause.end - clause.start <= LONGEST_CLAUSE for clause in found)
    assert [clause.last for clause in found] == [False] * (len(found) - 1) + [True] * bool(found)
    inside = {index for clause in found for index in range(clause.start, clause.end)}
    assert len(inside) == sum(clause.end - clause.start for clause in found)
    assert all(index in inside for index, character in enumerate(text) if character in "aB1😀")


def test_a_word_of_any_length_is_one_word() -> None:
    text = "so " + "x" * 5000 + " it is"
    found = [words_of(text, clause) for clause in clauses(text)]
    assert [word for words in found for word in words] == [(0, 2), (3, 5003), (5004, 5006), (5007, 5009)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('He said: "Go!" (twice)', ["He", "said", "Go", "twice"]),
        ("naïve café 東京 ok 😀 done", ["naïve", "café", "東", "京", "ok", "😀", "done"]),
        ("one—two … three - four", ["one", "two", "three", "four"]),
        ("isn't 10:30 p.m. $5.00 50% state-of-the-art", ["isn't", "10:30", "p.m", "$5.00", "50%", "state-of-the-art"]),
        ("हिन्दी।", ["हिन्दी"]),
    ],
)
def test_words_are_without_the_punctuation_around_them(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in words_of(text, Clause(0, len(text), True))] == expected


def words_of(text: str, clause: Clause) -> list[tuple[int, int]]:
    return [(word.start, word.end) for word in ClauseWords(text, clause).rest(0)]


def test_each_word_is_given_once_however_espeak_reports_it() -> None:
    text = "Mr. and 25 of the"
    words = ClauseWords(text, Clause(0, len(text), True))
    reported = [(0, 1.0), (3, 2.0), (8, 3.0), (9, 4.0), (8, 5.0), (11, 6.0)]
    given_ = [(text[w.start : w.end], w.start_ms) for place, ms in reported for w in words.begun(place, ms)]
    assert given_ == [("Mr", 1.0), ("and", 2.0), ("25", 3.0), ("of", 6.0)]
    assert [(text[w.start : w.end], w.start_ms) for w in words.rest(9.0)] == [("the", 9.0)]


def test_a_word_that_espeak_passes_over_begins_with_the_next_one() -> None:
    text = "end of the day"
    words = ClauseWords(text, Clause(0, len(text), True))
    assert [w.start_ms for place, ms in [(0, 0.0), (4, 5.0), (11, 9.0)] for w in words.begun(place, ms)] == [0, 5, 9, 9]


@given(st.text())
def test_what_is_spoken_has_the_same_length_and_no_commands(text: str) -> None:
    said = speakable(text)
    assert len(said) == len(text)
    assert not any(ord(c) < 32 and c not in "\t\n" for c in said)
    assert b"\0" not in said.encode()


# Location


def test_a_short_path_stays_as_it_is(tmp_path: Path) -> None:
    assert short_path(Path("/usr/share/espeak")) == Path("/usr/share/espeak")


def test_a_path_that_is_too_long_for_espeak_is_reached_by_a_link_until_the_process_ends(tmp_path: Path) -> None:
    loader = pytest.importorskip("espeakng_loader")
    far = tmp_path / ("x" * LONGEST_DATA_PATH)
    far.mkdir()
    (far / "data").symlink_to(loader.get_data_path())
    program = (
        "import pathlib, sys; from duologue.speech.espeak.library import open_first;"
        "from duologue.speech.espeak.location import Installation;"
        "library = open_first([Installation(sys.argv[1], pathlib.Path(sys.argv[2]))]);"
        "print(library.sample_rate, len(list(pathlib.Path(sys.argv[3]).glob('espeak-*/data'))))"
    )
    temporary = tmp_path / "t"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, loader.get_library_path(), str(far / "data"), str(temporary)],
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["22050", "1"]
    assert list(temporary.iterdir()) == []


def test_a_temporary_directory_that_is_too_long_as_well_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path / ("x" * LONGEST_DATA_PATH)
    far.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(far))
    with pytest.raises(SpeechFailed, match="TMPDIR"):
        short_path(far)


def test_the_wheel_comes_before_the_system() -> None:
    pytest.importorskip("espeakng_loader")
    first, second = list(installations())[:2]
    assert "espeakng_loader" in first.library
    assert second == Installation("libespeak-ng.so.1", None)


def test_without_the_wheel_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    assert next(installations()) == Installation("libespeak-ng.so.1", None)


def test_nothing_installed_is_told_with_the_commands_that_install_it() -> None:
    with pytest.raises(MissingDependency, match=r'pip install "duologue\[local\]".*libespeak-ng1'):
        open_first([Installation("no-such-library.so.1", None)])


# One synthesis, with a voice machine that the test moves on


class FakeLibrary:
    """Speaks one piece of 100 ms a character; each may wait for the test."""

    sample_rate = 1000

    def __init__(self, allow: Callable[[], None] = lambda: None, fail: bool = False) -> None:
        self.spoken: list[str] = []
        self.stopped: list[str] = []
        self._allow = allow
        self._fail = fail

    def speak(self, text: str, *, receive: Receive, pause_after: bool, **manner: object) -> None:
        assert manner == MANNER._asdict()
        self.spoken.append(text)
        if self._fail:
            raise SpeechFailed("out of breath")
        for index in range(len(text)):
            self._allow()
            words = [] if text[index].isspace() else [WordEvent(index, index * 100)]
            if not receive(bytes(200), words):
                self.stopped.append(text)
                return


class ImmediateWorker(Executor):
    """Does the work at once, so that tests need not wait for a thread."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except SpeechFailed as error:
            future.set_exception(error)
        return future


def synthesis(library: FakeLibrary, text: str, worker: Executor | None = None) -> Synthesis:
    return Synthesis(cast("EspeakLibrary", library), worker or ImmediateWorker(), text, MANNER)


async def read_all(reading: Synthesis) -> list[SpeechChunk]:
    chunks: list[SpeechChunk] = []
    while (chunk := await reading.read()) is not None:
        chunks.append(chunk)
    return chunks


async def test_words_and_times_run_on_over_the_clauses() -> None:
    chunks = await read_all(synthesis(FakeLibrary(), "ab, cd e"))
    assert [word for chunk in chunks for word in chunk.words] == [
        SpokenWord(0, 2, 0.0),
        SpokenWord(4, 6, 400.0),
        SpokenWord(7, 8, 700.0),
    ]
    assert sum(len(chunk.audio) for chunk in chunks) == 8 * 200


async def test_the_next_clause_waits_until_less_than_a_second_is_unread() -> None:
    library = FakeLibrary()
    reading = synthesis(library, "fifteen letters, and so on it goes, and on")
    for _ in range(8):
        await reading.read()
        await asyncio.sleep(0)
    assert library.spoken == ["fifteen letters, "]  # 17 pieces of 100 ms, of which 9 are left
    await reading.read()
    assert library.spoken == ["fifteen letters, ", "and so on it goes, "]
    reading.stop()


async def test_the_clauses_of_many_texts_take_turns() -> None:
    library = FakeLibrary()
    with ThreadPoolExecutor(1) as worker:
        texts = ["a, b, c, d", "e, f, g, h", "i, j, k, l"]
        await asyncio.gather(*(read_all(synthesis(library, text, worker)) for text in texts))
    rounds = [set("".join(library.spoken[at : at + 3]).replace(", ", "")) for at in range(0, 12, 3)]
    assert rounds == [set("aei"), set("bfj"), set("cgk"), set("dhl")]


async def test_stop_leaves_the_clause_at_the_next_piece_and_speaks_no_other() -> None:
    moves = threading.Semaphore(2)
    library = FakeLibrary(allow=lambda: cast("None", moves.acquire()))
    with ThreadPoolExecutor(1) as worker:
        reading = synthesis(library, "a long clause, and another", worker)
        assert await reading.read() is not None
        waiting = synthesis(library, "a clause that has not begun", worker)
        asking = asyncio.create_task(waiting.read())
        await asyncio.sleep(0)
        reading.stop()
        waiting.stop()
        moves.release()
        await asyncio.wrap_future(worker.submit(lambda: None))
        assert await asking is None
    assert library.spoken == ["a long clause, "]
    assert library.stopped == ["a long clause, "]


async def test_a_failure_of_the_machine_reaches_the_reader() -> None:
    with pytest.raises(SpeechFailed, match="out of breath"):
        await read_all(synthesis(FakeLibrary(fail=True), "hello"))


async def test_fail_drops_what_is_unread() -> None:
    reading = synthesis(FakeLibrary(), "hello, hello")
    await reading.read()
    reading.fail(SpeechFailed("closed"))
    await asyncio.sleep(0)
    with pytest.raises(SpeechFailed, match="closed"):
        await reading.read()


def test_a_loop_that_is_gone_stops_the_voice() -> None:
    moves = threading.Semaphore(2)
    library = FakeLibrary(allow=lambda: cast("None", moves.acquire()))
    worker = ThreadPoolExecutor(1)

    async def read_one() -> None:
        await synthesis(library, "a long clause", worker).read()

    asyncio.run(read_one())
    moves.release(100)
    worker.shutdown(wait=True)
    assert library.stopped == ["a long clause"]


# The engine, with the real espeak-ng


@pytest.fixture
async def engine() -> AsyncGenerator[EspeakTextToSpeech, None]:
    pytest.importorskip("espeakng_loader")
    engine = EspeakTextToSpeech()
    await engine.start()
    yield engine
    await engine.aclose()


async def speak(engine: EspeakTextToSpeech, text: str, **manner: Any) -> tuple[float, list[SpokenWord]]:
    """The ms of audio, and the words."""
    size, words = 0, list[SpokenWord]()
    async for chunk in engine.synthesize(text, **manner):
        assert chunk.audio
        assert len(chunk.audio) % 2 == 0
        begin, size = size, size + len(chunk.audio)
        for word in chunk.words:
            assert begin / 44.1 - 0.001 <= word.start_ms <= size / 44.1 + 0.001
        words += chunk.words
    return size * 500 / engine.sample_rate, words


def said(text: str, words: list[SpokenWord]) -> list[str]:
    return [text[word.start : word.end] for word in words]


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world. The end of the day - isn't it?",
        "naïve café 東京 ok 😀 done",
        "At 10:30 p.m. Mr. and Mrs. Jones paid $1,234.50\nfor 25 apples.",
        'First paragraph.\n\nSecond; with: all (kinds) of "marks"!',
        "x" * 2000 + " and done",
    ],
)
async def test_each_word_is_spoken_once_and_in_order(engine: EspeakTextToSpeech, text: str) -> None:
    audio_ms, words = await speak(engine, text)
    assert [(word.start, word.end) for word in words] == words_of(text, Clause(0, len(text), True))
    times = [word.start_ms for word in words]
    assert times == sorted(times)
    assert times[0] < 100
    assert times[-1] < audio_ms


@given(text=st.text(max_size=80))
def test_any_text_is_taken(text: str) -> None:
    pytest.importorskip("espeakng_loader")

    async def run() -> None:
        engine = EspeakTextToSpeech()
        try:
            _, words = await speak(engine, text)
        finally:
            await engine.aclose()
        assert [(word.start, word.end) for word in words] == words_of(text, Clause(0, len(text), True))

    asyncio.run(run())


@pytest.mark.parametrize("text", ["", "   \n\t ", "...", "?!", " - , ; : — … ", "\0\x01", "\ud800"])
async def test_nothing_to_speak_makes_no_audio(engine: EspeakTextToSpeech, text: str) -> None:
    assert await speak(engine, text) == (0, [])


async def test_markup_is_read_out_and_not_obeyed(engine: EspeakTextToSpeech) -> None:
    plain_ms, _ = await speak(engine, "one two")
    text = "one <break time='3s'/> two"
    _, words = await speak(engine, text)
    assert said(text, words) == ["one", "<break", "time='3s'/>", "two"]
    assert words[-1].start_ms - words[1].start_ms > 500
    command_ms, words = await speak(engine, "one \x01900S two")
    assert said("one \x01900S two", words) == ["one", "900S", "two"]
    assert command_ms > plain_ms


async def test_a_pause_stands_between_clauses_and_none_at_the_end(engine: EspeakTextToSpeech) -> None:
    joined, _ = await speak(engine, "yes no")
    apart, _ = await speak(engine, "yes, no")
    ended, _ = await speak(engine, "yes no, ...")
    assert apart > joined + 100
    assert abs(ended - joined) < 150


async def test_speed_changes_the_pace(engine: EspeakTextToSpeech) -> None:
    slow, normal, fast = [(await speak(engine, "What time is it?", speed=s))[0] for s in (0.5, 1.0, 2.0)]
    assert slow > 1.5 * normal
    assert normal > 1.5 * fast
    unset, _ = await speak(engine, "What time is it?")
    assert abs(unset - normal) < 20


@pytest.mark.parametrize("speed", [0.2, 4.1, 0.0, -1.0, float("nan"), float("inf")])
async def test_a_speed_out_of_range_is_refused(engine: EspeakTextToSpeech, speed: float) -> None:
    with pytest.raises(InvalidInput, match=r"0\.25 and 4"):
        await speak(engine, "hello", speed=speed)


async def test_voices_can_be_chosen_and_altered(engine: EspeakTextToSpeech) -> None:
    assert {"en-us", "en-gb", "de"} <= set(engine.voices())
    assert "f3" in engine.variants()
    for voice in ("en-us+f3", "EN-US+F3", "en", "en-gb", "de+whisper"):
        assert (await speak(engine, "hello", voice=voice))[0] > 200


@pytest.mark.parametrize(
    ("voice", "close"),
    [("en-su", "en-us"), ("en-us+f33", "f3"), ("en-us+", "variants"), ("", "voices"), ("en-us++f3", "f3")],
)
async def test_an_unknown_voice_is_refused_with_what_is_close(
    engine: EspeakTextToSpeech, voice: str, close: str
) -> None:
    with pytest.raises(InvalidInput, match=close):
        await speak(engine, "hello", voice=voice)


async def test_an_unknown_default_voice_is_told_at_the_start() -> None:
    pytest.importorskip("espeakng_loader")
    engine = EspeakTextToSpeech(voice="klingonn")
    with pytest.raises(InvalidInput, match="klingonn"):
        await engine.start()
    await engine.aclose()


async def test_many_sessions_and_engines_at_once_keep_their_texts_apart(engine: EspeakTextToSpeech) -> None:
    other = EspeakTextToSpeech(voice="de")
    texts = [f"Number {n}, and the next one is {n + 1}." for n in range(12)]
    spoken = await asyncio.gather(
        *(speak((engine, other)[n % 2], text, speed=1 + n / 10) for n, text in enumerate(texts))
    )
    await other.aclose()
    for text, (audio_ms, words) in zip(texts, spoken, strict=True):
        assert audio_ms > 800
        assert said(text, words)[0] == "Number"
        assert len(words) == 8


async def test_the_next_text_is_whole_after_one_was_cancelled(engine: EspeakTextToSpeech) -> None:
    text = "This is a rather long sentence that nobody will hear to its end"
    whole, _ = await speak(engine, text)
    speech = engine.synthesize(text)
    assert (await anext(speech)).audio
    await speech.aclose()
    assert abs((await speak(engine, text))[0] - whole) < 20
    with pytest.raises(StopAsyncIteration):
        await anext(speech)


async def test_a_cancelled_reader_leaves_nothing_behind(engine: EspeakTextToSpeech) -> None:
    heard = asyncio.Event()

    async def listen() -> None:
        async for _ in engine.synthesize("Never to be heard, " * 500):
            heard.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(listen())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()
    await asyncio.sleep(0)
    assert not engine._open


async def test_start_may_be_called_again(engine: EspeakTextToSpeech) -> None:
    voices = engine.voices()
    await asyncio.gather(engine.start(), engine.start())
    assert engine.voices() == voices


async def test_closing_ends_open_syntheses_and_the_thread() -> None:
    pytest.importorskip("espeakng_loader")
    engine = EspeakTextToSpeech()
    speech = engine.synthesize("A long text, " * 1000)
    await anext(speech)
    await engine.aclose()
    with pytest.raises(SpeechFailed, match="closed"):
        async for _ in speech:
            pass
    assert not [t for t in threading.enumerate() if t.name.startswith("duologue-espeak")]
    with pytest.raises(SpeechFailed, match="closed"):
        await speak(engine, "hello")
    with pytest.raises(SpeechFailed, match="closed"):
        await engine.start()
    await engine.aclose()


async def test_an_engine_that_was_never_used_closes() -> None:
    engine = EspeakTextToSpeech()
    assert engine.voices() == ()
    await engine.aclose()


async def test_a_missing_library_is_told_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> EspeakLibrary:
        return open_first([])

    monkeypatch.setattr("duologue.speech.espeak.engine.load", load)
    engine = EspeakTextToSpeech()
    with pytest.raises(MissingDependency, match="duologue"):
        await engine.start()
    await engine.aclose()
