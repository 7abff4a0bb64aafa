"""How fast espeak-ng speaks through the library: alone, when it is stopped, and with many sessions at once.

    python bench/text_to_speech.py

"First audio" is from the call to the first chunk on the event loop. "Cancel" is from closing the generator in the
middle of a clause until the next text is heard. "Loop late" is how much later than asked a 1 ms timer fires.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator

from duologue.speech.espeak import EspeakTextToSpeech

SENTENCE = "It is twenty-five minutes past three, and the train to Oslo leaves from platform nine."
MONOLOGUE = "The sea was calm that day, and nobody on the harbour wall spoke a word about the storm. " * 40


def line(name: str, values: list[float], unit: str = "ms") -> None:
    ordered = sorted(values)
    print(
        f"{name:44} median {statistics.median(ordered):7.2f}  p95 {ordered[int(len(ordered) * 0.95)]:7.2f}"
        f"  max {ordered[-1]:7.2f} {unit}"
    )


def since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


@contextlib.asynccontextmanager
async def stall(name: str) -> AsyncIterator[None]:
    late: list[float] = []

    async def tick() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(since(began) - 1)

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()
    line(f"{name}: loop late by", late)


async def first_audio(engine: EspeakTextToSpeech, text: str) -> float:
    began = time.perf_counter()
    speech = engine.synthesize(text)
    await anext(speech)
    taken = since(began)
    await speech.aclose()
    return taken


async def whole(engine: EspeakTextToSpeech, text: str) -> tuple[float, float, int]:
    """The ms it took, the ms of audio that came, and the number of chunks."""
    began, size, chunks = time.perf_counter(), 0, 0
    async for chunk in engine.synthesize(text):
        size += len(chunk.audio)
        chunks += 1
    return since(began), size * 500 / engine.sample_rate, chunks


async def cancel(engine: EspeakTextToSpeech) -> tuple[float, float]:
    """The ms that closing takes, and until the next text is heard: the worker is free then."""
    speech = engine.synthesize(MONOLOGUE)
    await anext(speech)
    began = time.perf_counter()
    await speech.aclose()
    closed = since(began)
    await first_audio(engine, "Next.")
    return closed, since(began)


async def paced(engine: EspeakTextToSpeech, text: str) -> float:
    """The ms by which the audio fell behind a player that plays in real time, at the worst."""
    began = time.perf_counter()
    played_ms, behind, start = 0.0, 0.0, 0.0
    async for chunk in engine.synthesize(text):
        now = since(began)
        start = start or now
        behind = max(behind, now - start - played_ms)
        played_ms += len(chunk.audio) * 500 / engine.sample_rate
        await asyncio.sleep(max(0.0, (start + played_ms - 60 - since(began)) / 1000))
    return behind


async def main() -> None:
    began = time.perf_counter()
    engine = EspeakTextToSpeech()
    await engine.start()
    print(f"{'start':44} {since(began):14.2f} ms")
    line("first audio", [await first_audio(engine, SENTENCE) for _ in range(200)])
    runs = [await whole(engine, SENTENCE) for _ in range(50)]
    line("real-time factor", [taken / audio * 1000 for taken, audio, _ in runs], "/ 1000")
    _, audio_ms, chunks = runs[0]
    print(f"{'chunks':44} {chunks} of {audio_ms / chunks:.0f} ms in the mean")
    cancels = [await cancel(engine) for _ in range(200)]
    line("cancel: the generator is closed", [closed for closed, _ in cancels])
    line("cancel: first audio of the next text", [free for _, free in cancels])
    async with stall("one long text, as fast as can be"):
        taken, audio_ms, _ = await whole(engine, MONOLOGUE)
    print(f"{'':44} {taken:.0f} ms for {audio_ms / 1000:.0f} s")
    for sessions in (10, 50):
        async with stall(f"{sessions} sessions begin at once"):
            line(
                f"{sessions} sessions begin at once: first audio",
                await asyncio.gather(*(first_audio(engine, SENTENCE) for _ in range(sessions))),
            )
        async with stall(f"{sessions} sessions in real time"):
            line(
                f"{sessions} sessions in real time: audio late by",
                await asyncio.gather(*(paced(engine, SENTENCE) for _ in range(sessions))),
            )
    await engine.aclose()


if __name__ == "__main__":
    asyncio.run(main())
