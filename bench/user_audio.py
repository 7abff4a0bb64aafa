"""User audio for the measurements: the demo's recorded questions, and sentences made with eSpeak NG."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import AsyncGenerator
from importlib import resources

from duologue.audio import read_wav, resample
from duologue.formats import PCM16_24K
from duologue.speech.espeak import EspeakTextToSpeech

CHUNK_MS = 20
_CHUNK = PCM16_24K.bytes_for(CHUNK_MS)


@functools.cache
def questions() -> dict[str, bytes]:
    """The demo's questions: what is said → s16le at 24 kHz."""
    folder = resources.files("duologue.cli") / "assets"
    spoken = {}
    for question in json.loads((folder / "questions.json").read_text())["questions"]:
        with resources.as_file(folder / question["file"]) as path:
            pcm, format = read_wav(path)
        spoken[question["text"]] = resample(pcm, format.rate, PCM16_24K.rate)
    return spoken


async def say(text: str, *, voice: str = "en-us") -> bytes:
    """`text` spoken by eSpeak NG: s16le at 24 kHz."""
    engine = EspeakTextToSpeech()
    await engine.start()
    try:
        audio = b"".join([chunk.audio async for chunk in engine.synthesize(text, voice=voice)])
        return resample(audio, engine.sample_rate, PCM16_24K.rate)
    finally:
        await engine.aclose()


def silence(duration_ms: float) -> bytes:
    """Nothing, at 24 kHz."""
    return bytes(PCM16_24K.bytes_for(duration_ms))


async def paced(audio: bytes) -> AsyncGenerator[bytes, None]:
    """Chunks of 20 ms, at the pace of real speech."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number, position in enumerate(range(0, len(audio), _CHUNK)):
        await asyncio.sleep(max(0.0, start + number * CHUNK_MS / 1000 - loop.time()))
        yield audio[position : position + _CHUNK]
