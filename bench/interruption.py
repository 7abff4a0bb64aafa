"""How soon the assistant falls silent when the user speaks, and whether it remembers just what was heard.

The sink plays in real time. An interruption is measured from the first sample of the user's speech in the input to the
last sample rendered, while the answer is being generated and after `ResponseDone`. The words kept are compared with the
words whose audio was rendered, by the word times of a synthesis of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from duologue import live
from duologue import messages as m
from duologue.audio import MemorySink
from duologue.formats import PCM16_24K, AudioFormat
from duologue.local import LocalRealtimeClient
from duologue.speech.espeak import EspeakTextToSpeech
from duologue.speech.responder import ResponderEvent, ResponderRequest, TextChunk
from duologue.tools import Tool
from user_audio import CHUNK_MS, paced, questions, silence

SENTENCES = (
    "Once upon a time there was a small robot who lived in a lighthouse. ",
    "Every evening it lit the lamp, and every morning it counted the ships that had passed. ",
    "One night the fog was so thick that no ship could see the light at all. ",
    "So the robot climbed to the top and sang, louder and louder, until the last ship had found its way home.",
)
STORY = "".join(SENTENCES)
LEAD_MARGIN_MS = 200  # quiet at the start of every recorded question


class _Storyteller:
    def expects(self, tools: tuple[Tool, ...]) -> tuple[str, ...]:
        return tuple(questions())

    async def respond(self, request: ResponderRequest) -> AsyncGenerator[ResponderEvent, None]:
        last = request.items[-1]
        wants_story = isinstance(last, m.MessageItem) and "story" in last.text
        yield TextChunk(STORY if wants_story else "All right.")

    async def aclose(self) -> None:
        pass


class _Microphone:
    """An `AudioSource`: quiet until there is something to say."""

    format: AudioFormat = PCM16_24K

    def __init__(self) -> None:
        self._pending = b""
        self.onset = 0.0  # when the first sample of speech goes out

    def speak(self, audio: bytes) -> None:
        self._pending = audio
        self.onset = time.monotonic() + LEAD_MARGIN_MS / 1000

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        size = PCM16_24K.bytes_for(CHUNK_MS)
        async for quiet in paced(silence(60_000)):
            chunk, self._pending = self._pending[:size], self._pending[size:]
            yield chunk + quiet[len(chunk) :]

    async def aclose(self) -> None:
        pass


async def _word_times() -> list[tuple[float, int]]:
    """For each word of the story: when its audio is over, in ms, and where it ends in the text."""
    engine = EspeakTextToSpeech()
    await engine.start()
    starts: list[tuple[float, int]] = []
    at_ms, at_character = 0.0, 0
    for sentence in SENTENCES:
        chunks = [chunk async for chunk in engine.synthesize(sentence)]
        starts += [(at_ms + word.start_ms, at_character + word.end) for chunk in chunks for word in chunk.words]
        at_ms += sum(len(chunk.audio) for chunk in chunks) * 500 / engine.sample_rate
        at_character += len(sentence)
    await engine.aclose()
    ends = [start for start, _ in starts[1:]] + [at_ms]
    return [(end, character) for end, (_, character) in zip(ends, starts, strict=True)]


class _Sink(MemorySink):
    """Knows when the story began to sound."""

    began = 0.0

    def play(self, audio: bytes, item_id: str, content_index: int) -> None:
        self.began = self.began or time.monotonic()
        super().play(audio, item_id, content_index)


async def _round(words: list[tuple[float, int]], *, after_done: bool) -> tuple[float, bool]:
    """Reaction in ms, and whether the words kept are the words rendered."""
    spoken = questions()
    microphone, sink = _Microphone(), _Sink(PCM16_24K)
    kept: str | None = None
    is_time = asyncio.Event()  # the story has begun, or its generation is over
    client = LocalRealtimeClient(responder=_Storyteller(), lead_ms=60_000 if after_done else 1_000)
    async with client, client.create_session() as session, aclosing(live(session, microphone, sink)) as messages:
        microphone.speak(spoken["tell me a story"])

        async def interrupt() -> None:
            await is_time.wait()
            await asyncio.sleep(1.5)
            microphone.speak(spoken["that is enough thank you"])

        interrupting = asyncio.create_task(interrupt())
        async for message in messages:
            if isinstance(message, m.TurnDone if after_done else m.OutputAudioDelta):
                is_time.set()
            elif isinstance(message, m.ItemTruncated):
                kept = message.transcript
                break
        await interrupting
    stopped = sink.last_audible_at or 0.0
    await sink.aclose()
    rendered_ms = (stopped - sink.began) * 1000
    heard = STORY[: max((end for over, end in words if over <= rendered_ms), default=0)]
    return (stopped - microphone.onset) * 1000, heard == kept


async def measure(rounds: int) -> None:
    """Print a row for each kind of interruption."""
    words = await _word_times()
    for after_done in (False, True):
        results = [await _round(words, after_done=after_done) for _ in range(rounds)]
        reactions = [reaction for reaction, _ in results]
        kind = "after ResponseDone" if after_done else "while generating"
        same = sum(is_same for _, is_same in results)
        print(f"{kind:<20}{statistics.median(reactions):>8.0f}{max(reactions):>8.0f}{same:>12}/{rounds}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    print("From the user's first sample to the last sample rendered, in ms")
    print(f"{'':<20}{'median':>8}{'worst':>8}   words kept = words rendered")
    asyncio.run(measure(parser.parse_args().rounds))


if __name__ == "__main__":
    main()
