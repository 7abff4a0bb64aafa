"""From the end of a turn to the first answer audio, with hints and in free dictation; and pauses inside a sentence."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
from collections.abc import AsyncGenerator

from duologue import messages as m
from duologue.local import LocalRealtimeClient
from duologue.session import RealtimeSession
from duologue.speech.responder import ResponderEvent, ResponderRequest, TextChunk
from duologue.tools import Tool
from stall import watch_stalls
from user_audio import paced, questions, silence

_SILENCE_MS = 900


class _Fixed:
    """Answers the same to everything, so that only speech is measured; expects the demo's questions, or anything."""

    def __init__(self, phrases: tuple[str, ...]) -> None:
        self._phrases = phrases

    def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        return self._phrases

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        yield TextChunk("Yes, of course.")

    async def aclose(self) -> None:
        pass


async def _turn(session: RealtimeSession, audio: bytes) -> tuple[str, float, int]:
    """One spoken turn: what was heard, decision → first audio in ms, and how many turns were found."""
    loop = asyncio.get_running_loop()
    heard, stopped, first, turns = "", 0.0, 0.0, 0

    async def speak() -> None:
        async for chunk in paced(audio + silence(_SILENCE_MS)):
            await session.send_audio(chunk)

    speaker = asyncio.create_task(speak())
    async for message in session:
        match message:
            case m.InputSpeechStopped():
                stopped = loop.time()
                turns += 1
            case m.OutputAudioDelta() if not first:
                first = loop.time()
            case m.InputTranscriptCompleted(text=text):
                heard += text
            case m.TurnDone():
                break
    await speaker
    with contextlib.suppress(TimeoutError):  # what a second, unwanted turn would bring
        async with asyncio.timeout(0.3):
            async for message in session:
                turns += isinstance(message, m.InputSpeechStopped)
    return heard, (first - stopped) * 1000, turns


async def measure(rounds: int, *, hints: bool) -> None:
    """Print a row for one kind of recognition."""
    spoken = questions()
    delays: list[float] = []
    right = cut = 0
    responder = _Fixed(tuple(spoken) if hints else ())
    async with LocalRealtimeClient(responder=responder) as client, client.create_session() as session:
        await anext(session)
        async with watch_stalls() as stalls:
            for _ in range(rounds):
                for text, audio in spoken.items():
                    heard, delay, turns = await _turn(session, audio)
                    delays.append(delay)
                    right += heard == text
                    cut += turns != 1
    count = len(delays)
    kind = "with hints" if hints else "free dictation"
    print(
        f"{kind:<16}{statistics.median(delays):>10.0f}{sorted(delays)[int(count * 0.9)]:>8.0f}{max(delays):>8.0f}"
        f"{right:>8}/{count}{cut:>8}{stalls.worst_ms:>14.1f}{stalls.share_over(15):>12.5f}{stalls.busiest_ms:>12.1f}"
    )


async def pauses() -> None:
    """Sentences with 400 ms of silence inside: how many are cut in two."""
    spoken = questions()
    cut = 0
    async with LocalRealtimeClient(responder=_Fixed(())) as client, client.create_session() as session:
        await anext(session)
        for audio in spoken.values():
            half = len(audio) // 4 * 2
            _, _, turns = await _turn(session, audio[:half] + silence(400) + audio[half:])
            cut += turns != 1
    print(f"\nSentences with a pause of 400 ms inside that were cut: {cut} of {len(spoken)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2, help="how often every question is asked")
    rounds = parser.parse_args().rounds
    print("Endpoint decision → first answer audio (the silence window of 500 ms comes before it), in ms")
    titles = ("median", "p90", "worst", "right", "cut", "worst stall", "over 15 ms", "own work")
    print("".join(f"{title:>{width}}" for title, width in zip(titles, (26, 8, 8, 10, 8, 14, 12, 12), strict=True)))
    asyncio.run(measure(rounds, hints=True))
    asyncio.run(measure(rounds, hints=False))
    asyncio.run(pauses())


if __name__ == "__main__":
    main()
