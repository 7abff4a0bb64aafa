"""Speech to text on the demo's questions: words right, and how soon the final transcript comes after the speech."""

from __future__ import annotations

import asyncio
import statistics
import time

from duologue.audio import resample
from duologue.speech.pocketsphinx import PocketSphinxSpeechToText
from user_audio import paced, questions, silence

PAUSE_MS = 500


async def _utterance(engine: PocketSphinxSpeechToText, audio: bytes, hints: tuple[str, ...]) -> tuple[str, bool, float]:
    """What was heard, whether the engine trusts it, and finish → transcript in ms."""
    utterance = engine.utterance(hints=hints)
    async for chunk in paced(audio + silence(PAUSE_MS)):
        utterance.feed(resample(chunk, 24_000, 16_000))
    start = time.perf_counter()
    transcript = await utterance.finish()
    return transcript.text, transcript.understood, (time.perf_counter() - start) * 1000


async def main() -> None:
    spoken = questions()
    start = time.perf_counter()
    engine = PocketSphinxSpeechToText(workers=1)
    await engine.start()
    print(f"A worker is ready after {(time.perf_counter() - start) * 1000:.0f} ms.\n")
    print(f"{'':<32}{'right':>8}{'understood':>12}{'median ms':>12}{'worst ms':>10}")
    others = tuple(spoken)[1:]
    rows = (
        ("with hints", tuple(spoken), list(spoken)),
        ("free dictation", (), list(spoken)),
        ("hints for something else", others, list(spoken)[:1]),
    )
    for kind, hints, texts in rows:
        results = [await _utterance(engine, spoken[text], hints) for text in texts]
        right = sum(heard == text for (heard, _, _), text in zip(results, texts, strict=True))
        trusted = sum(understood for _, understood, _ in results)
        delays = [delay for _, _, delay in results]
        count = f"/{len(texts)}"
        print(
            f"{kind:<32}{str(right) + count:>8}{str(trusted) + count:>12}"
            f"{statistics.median(delays):>12.1f}{max(delays):>10.1f}"
        )
    await engine.aclose()


if __name__ == "__main__":
    asyncio.run(main())
