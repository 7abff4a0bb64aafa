"""Speech to text with PocketSphinx: real workers, recorded questions."""

from __future__ import annotations

import array
import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncGenerator
from importlib import resources
from itertools import pairwise

import pytest

pytest.importorskip("pocketsphinx")

from duologue.audio import read_wav
from duologue.errors import SpeechFailed, UnsupportedOperation
from duologue.speech.pocketsphinx import PocketSphinxSpeechToText
from duologue.speech.pocketsphinx.engine import PocketSphinxUtterance

_CHUNK = 640  # bytes: 20 ms


def _questions() -> dict[str, bytes]:
    folder = resources.files("duologue.cli") / "assets"
    spoken = {}
    for question in json.loads((folder / "questions.json").read_text())["questions"]:
        with resources.as_file(folder / question["file"]) as path:
            pcm, format = read_wav(path)
        assert format.rate == 16_000
        spoken[question["text"]] = pcm
    return spoken


QUESTIONS = _questions()
HINTS = tuple(QUESTIONS)


@pytest.fixture
async def engine() -> AsyncGenerator[PocketSphinxSpeechToText, None]:
    made = PocketSphinxSpeechToText(workers=1)
    await made.start()
    yield made
    await made.aclose()
    assert made.process_ids == ()


def _feed(utterance: PocketSphinxUtterance, audio: bytes) -> None:
    for start in range(0, len(audio), _CHUNK):
        utterance.feed(audio[start : start + _CHUNK])


def _between_words(audio: bytes) -> int:
    """The quietest place in the middle of `audio`."""
    places = range(len(audio) // 3 // _CHUNK * _CHUNK, len(audio) * 2 // 3, _CHUNK)
    return min(places, key=lambda place: sum(sample * sample for sample in array.array("h", audio[place:][:_CHUNK])))


async def _transcribe(engine: PocketSphinxSpeechToText, audio: bytes, hints: tuple[str, ...] = HINTS) -> str:
    utterance = engine.utterance(hints=hints)
    _feed(utterance, audio)
    return (await utterance.finish()).text


@pytest.mark.parametrize("text", HINTS)
async def test_hints_are_recognised(engine: PocketSphinxSpeechToText, text: str) -> None:
    utterance = engine.utterance(hints=HINTS)
    _feed(utterance, QUESTIONS[text] + bytes(16_000))
    transcript = await utterance.finish()
    assert transcript.text == text
    assert transcript.understood
    assert transcript.confidence is not None
    assert 0 < transcript.confidence <= 1


async def test_free_dictation(engine: PocketSphinxSpeechToText) -> None:
    assert await _transcribe(engine, QUESTIONS["what time is it"], hints=()) == "what time is it"


async def test_hints_may_be_written_as_people_write(engine: PocketSphinxSpeechToText) -> None:
    hints = ("What is 12 times 7?", "Frobnicate the kitchen light!", "What time is it?")
    assert await _transcribe(engine, QUESTIONS["what is twelve times seven"], hints) == "what is twelve times seven"


async def test_words_come_while_one_speaks(engine: PocketSphinxSpeechToText) -> None:
    partials: list[str] = []
    utterance = engine.utterance(hints=HINTS, on_partial=partials.append)
    _feed(utterance, QUESTIONS["set a timer for five minutes"])
    await utterance.finish()
    assert len(partials) >= 3
    assert all(earlier != later for earlier, later in pairwise(partials))
    assert partials[-1].startswith("set a timer")


async def test_a_pause_does_not_end_an_utterance(engine: PocketSphinxSpeechToText) -> None:
    """The words are worked out early at a pause, and again when the speaker goes on."""
    audio = QUESTIONS["set a timer for five minutes"]
    between = _between_words(audio)
    utterance = engine.utterance(hints=HINTS)
    _feed(utterance, audio[:between] + bytes(32 * 450))
    _feed(utterance, audio[between:] + bytes(32 * 450))
    assert (await utterance.finish()).text == "set a timer for five minutes"


async def test_many_utterances_at_once(engine: PocketSphinxSpeechToText) -> None:
    order = [text for text in HINTS for _ in range(2)]
    texts = await asyncio.gather(*(_transcribe(engine, QUESTIONS[text]) for text in order))
    assert texts == order


async def test_more_free_dictation_than_decoders_loses_nothing(engine: PocketSphinxSpeechToText) -> None:
    audio = QUESTIONS["what time is it"]
    texts = await asyncio.gather(*(_transcribe(engine, audio, ()) for _ in range(5)))
    assert set(texts) == {"what time is it"}


async def test_silence_and_noise_are_not_understood(engine: PocketSphinxSpeechToText) -> None:
    noise = random.Random(1).randbytes(64_000)
    for audio in (b"", bytes(64_000), noise):
        utterance = engine.utterance(hints=HINTS)
        _feed(utterance, audio)
        transcript = await utterance.finish()
        assert not transcript.understood, transcript


async def test_a_long_monologue_is_decoded_in_segments(engine: PocketSphinxSpeechToText) -> None:
    text = "what time is it"
    utterance = engine.utterance(hints=HINTS)
    for _ in range(20):
        _feed(utterance, QUESTIONS[text] + bytes(32 * 250))
    words = (await utterance.finish()).text
    assert words.count(text) >= 18


async def test_a_killed_worker_is_replaced_and_nothing_is_lost(engine: PocketSphinxSpeechToText) -> None:
    partial = asyncio.Event()
    utterance = engine.utterance(hints=HINTS, on_partial=lambda _: partial.set())
    audio = QUESTIONS["turn on the kitchen light"]
    half = len(audio) // 4 * 2
    _feed(utterance, audio[:half])
    await partial.wait()
    (killed,) = engine.process_ids
    os.kill(killed, signal.SIGKILL)
    _feed(utterance, audio[half:])
    assert (await utterance.finish()).text == "turn on the kitchen light"
    assert engine.process_ids != (killed,)
    assert await _transcribe(engine, QUESTIONS["what time is it"]) == "what time is it"


async def test_a_worker_that_dies_twice_fails_the_utterance(engine: PocketSphinxSpeechToText) -> None:
    partial = asyncio.Event()
    utterance = engine.utterance(hints=HINTS, on_partial=lambda _: partial.set())
    _feed(utterance, QUESTIONS["tell me a story"])
    for _ in range(2):
        await partial.wait()
        partial.clear()
        os.kill(engine.process_ids[0], signal.SIGKILL)
    with pytest.raises(SpeechFailed, match="died twice"):
        await utterance.finish()
    assert await _transcribe(engine, QUESTIONS["what time is it"]) == "what time is it"


async def test_closing_fails_what_is_open() -> None:
    engine = PocketSphinxSpeechToText(workers=2)
    await engine.start()
    await engine.start()
    waiting = asyncio.create_task(engine.utterance().finish())
    processes = engine.process_ids
    assert len(processes) == 2
    await asyncio.sleep(0)
    await engine.aclose()
    with pytest.raises(SpeechFailed, match="closed"):
        await waiting
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    with pytest.raises(SpeechFailed, match="closed"):
        engine.utterance()
    with pytest.raises(SpeechFailed, match="closed"):
        await engine.start()
    await engine.aclose()


async def test_a_cancelled_start_leaves_no_process() -> None:
    engine = PocketSphinxSpeechToText(workers=1)
    starting = asyncio.create_task(engine.start())
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await engine.aclose()
    assert engine.process_ids == ()


async def test_a_cancelled_utterance_frees_its_decoder(engine: PocketSphinxSpeechToText) -> None:
    for _ in range(5):
        utterance = engine.utterance()
        _feed(utterance, QUESTIONS["what time is it"])
        utterance.cancel()
        with pytest.raises(SpeechFailed, match="cancelled"):
            await utterance.finish()
    assert await _transcribe(engine, QUESTIONS["what time is it"], ()) == "what time is it"


async def test_only_english(engine: PocketSphinxSpeechToText) -> None:
    engine.utterance(language="en-GB").cancel()
    with pytest.raises(UnsupportedOperation, match="'fr'"):
        engine.utterance(language="fr")
