"""How many sessions hold a conversation at once, in real time, and what each further one costs in memory.

Every session asks one recorded question after the other, at the pace of real speech. It plays what comes through a
buffer of 200 ms; a frame is late when it comes more than 20 ms after that buffer has run dry.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
from collections.abc import AsyncGenerator
from pathlib import Path

from duologue import messages as m
from duologue.local import LocalRealtimeClient
from duologue.session import RealtimeSession
from duologue.speech.responder import ResponderEvent, ResponderRequest, TextChunk
from duologue.tools import Tool
from user_audio import paced, questions, silence

BUFFER_S = 0.2
ALLOWED_S = 0.02


class _Talker:
    """Answers with three seconds of speech."""

    def __init__(self, phrases: tuple[str, ...]) -> None:
        self._phrases = phrases

    def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        return self._phrases

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        yield TextChunk("Certainly. I have done what you asked me to do, and there is nothing left to worry about.")

    async def aclose(self) -> None:
        pass


class _Seen:
    """What one session saw: lateness of frames in s, answers begun, decision → first audio in s."""

    def __init__(self) -> None:
        self.lateness: list[float] = []
        self.delays: list[float] = []


async def _speak(session: RealtimeSession, audio: list[bytes], start_after: float) -> None:
    await asyncio.sleep(start_after)
    for question in audio:
        async for chunk in paced(question + silence(4_500)):
            await session.send_audio(chunk)


async def _listen(session: RealtimeSession, seen: _Seen) -> None:
    loop = asyncio.get_running_loop()
    stopped = begun = played = 0.0
    item = ""
    async for message in session:
        now = loop.time()
        match message:
            case m.InputSpeechStopped():
                stopped = now
            case m.OutputAudioDelta():
                if message.item_id != item:
                    item, begun, played = message.item_id, now, 0.0
                    seen.delays.append(now - stopped)
                seen.lateness.append(now - (begun + BUFFER_S + played))
                played += message.format.duration_ms(len(message.audio)) / 1000
            case _:
                pass


async def _run(sessions: int, *, hints: bool, turns: int) -> tuple[list[_Seen], int]:
    spoken = questions()
    audio = list(spoken.values())
    seen = [_Seen() for _ in range(sessions)]
    client = LocalRealtimeClient(responder=_Talker(tuple(spoken) if hints else ()))
    async with client, contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(client.create_session()) for _ in range(sessions)]
        readers = [asyncio.create_task(_listen(session, each)) for session, each in zip(opened, seen, strict=True)]
        async with asyncio.TaskGroup() as group:
            for number, session in enumerate(opened):
                order = [audio[(number + turn) % len(audio)] for turn in range(turns)]
                group.create_task(_speak(session, order, 3.0 * number / sessions))
        memory = _memory()
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return seen, memory


def _memory() -> int:
    """What this process and its children hold, in KiB."""
    pages = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if os.getpid() in (int(fields[1]), int(stat.parent.name)):
                pages += int(fields[21])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 10, 20, 40, 80])
    parser.add_argument("--turns", type=int, default=2)
    arguments = parser.parse_args()
    for hints in (True, False):
        print(f"\n{'With hints' if hints else 'Free dictation'}")
        print(
            f"{'sessions':>10}{'answers':>10}{'late frames':>13}{'worst ms':>10}{'first audio ms':>16}{'MiB each':>10}"
        )
        first_memory = first_count = 0
        for sessions in arguments.sessions:
            seen, memory = asyncio.run(_run(sessions, hints=hints, turns=arguments.turns))
            lateness = [late for each in seen for late in each.lateness]
            delays = [delay for each in seen for delay in each.delays]
            late = sum(value > ALLOWED_S for value in lateness)
            each = "" if not first_count else f"{(memory - first_memory) / 1024 / (sessions - first_count):.2f}"
            if not first_count:
                first_memory, first_count = memory, sessions
            worst = max(lateness, default=0.0) * 1000
            delay = statistics.median(delays) * 1000 if delays else 0.0
            row = f"{sessions:>10}{len(delays):>10}{late:>13}{worst:>10.0f}{delay:>16.0f}{each:>10}"
            print(row, flush=True)
            if late or len(delays) < sessions * arguments.turns * 0.9:
                break


if __name__ == "__main__":
    main()
