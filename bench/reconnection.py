"""How long the user waits for an answer that was cut off: from the cut to the first audio of the one that is asked for.

On loopback, without the waits between attempts. Beside it: from a question to the first audio of its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from duologue import RealtimeSession, Reconnection
from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.providers import GeminiRealtimeClient, OpenAIRealtimeClient
from duologue.testing import OpenAIEmulator
from duologue.testing.gemini_emulator import GeminiEmulator
from duologue.testing.loopback import Cut


async def _first_audio(session: RealtimeSession) -> tuple[float, str]:
    async for message in session:
        if isinstance(message, m.OutputAudioDelta):
            await session.send(m.OutputAudioPlayed(item_id=message.item_id, played_ms=0))
            return time.perf_counter(), message.response_id
    raise AssertionError("The session has ended.")


async def _restored(session: RealtimeSession) -> m.SessionRestored:
    async for message in session:
        if isinstance(message, m.SessionRestored):
            return message
    raise AssertionError("The session has ended.")


async def _rounds(wire: str, rounds: int) -> tuple[list[float], list[float]]:
    emulator = OpenAIEmulator(lead_ms=1e9) if wire == "openai" else GeminiEmulator(lead_ms=1e9)
    answers: list[float] = []
    gaps: list[float] = []
    async with emulator:
        client: RealtimeClient = (
            OpenAIRealtimeClient("gpt-realtime", base_url=emulator.url, api_key="key")
            if wire == "openai"
            else GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="key")
        )
        lasting = client.with_middleware(Reconnection(random=lambda: 0.0, attempts_in_all=rounds + 1))
        async with lasting, lasting.create_session() as session:
            for _ in range(rounds):
                asked = time.perf_counter()
                await session.send_text("one two three four five six seven eight nine ten")
                at, _response = await _first_audio(session)
                answers.append(at - asked)
                cut = time.perf_counter()
                emulator.inject(Cut())
                if not (await _restored(session)).asked_again:  # all of the answer had come before the cut
                    continue
                at, _response = await _first_audio(session)
                gaps.append(at - cut)
                async for message in session:
                    if isinstance(message, m.TurnDone):
                        break
    return answers, gaps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    rounds = 10 if parser.parse_args().quick else 50
    print(f"{'wire':10}{'answer, ms':>14}{'gap, ms':>14}{'gap / answer':>16}   (medians of {rounds})")
    for wire in ("openai", "gemini"):
        answers, gaps = asyncio.run(_rounds(wire, rounds))
        answer, gap = statistics.median(answers) * 1000, statistics.median(gaps) * 1000
        print(f"{wire:10}{answer:14.1f}{gap:14.1f}{gap / answer:16.1f}")


if __name__ == "__main__":
    main()
