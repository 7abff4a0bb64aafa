"""One program, and every provider: nothing of it changes but the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from duologue import FunctionInvocation, SessionOptions
from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.formats import PCM16_24K
from duologue.protocols.gemini import VERTEX_AI
from duologue.providers import GeminiRealtimeClient, OpenAIRealtimeClient, VertexRealtimeClient
from duologue.session import RealtimeSession
from duologue.testing import GeminiEmulator, OpenAIEmulator
from duologue.testing.conformance import Harness
from duologue.tools import tool
from local_harness import LocalHarness, answer, tone

SPEECH = tone(PCM16_24K) + bytes(PCM16_24K.bytes_for(1_500))


# --- the program ---


async def program(client: RealtimeClient) -> list[str]:
    """Ask for the weather, which takes a tool; interrupt a long answer by speaking; write once more. Gives a log."""
    log: list[str] = []

    @tool
    def get_weather(city: str) -> str:
        """The weather in a city."""
        log.append(f"tool: {city}")
        return "sunny"

    options = SessionOptions(
        instructions="Be brief.", input_audio=PCM16_24K, output_audio=PCM16_24K, tools=(get_weather,)
    )
    async with client.with_middleware(FunctionInvocation()).create_session(options) as session:
        await session.send_text(Harness.tool_prompt)
        log += await turn(session)
        await session.send_text(Harness.long_prompt)
        while not isinstance(await anext(session), m.OutputAudioDelta):
            pass
        await session.send_audio(SPEECH)
        log += await turn(session)
        log += await turn(session)
        await session.send_text(Harness.short_prompt)
        log += await turn(session)
    return log


async def turn(session: RealtimeSession) -> list[str]:
    """What there is to tell of a turn."""
    log: list[str] = []
    async for message in session:
        match message:
            case m.Interrupted():
                log.append("interrupted")
            case m.ResponseDone(status="completed") if not message.function_calls:
                log.append("answer: " + "".join(item.text for item in message.items if isinstance(item, m.MessageItem)))
            case m.TurnDone(outcome=outcome):
                return [*log, outcome]
    return log


# --- the providers ---


@asynccontextmanager
async def local() -> AsyncIterator[RealtimeClient]:
    harness = LocalHarness()
    async with harness.make_client() as client:
        await harness.speech(Harness.short_prompt, PCM16_24K)
        yield client


def openai_of(emulator: OpenAIEmulator) -> RealtimeClient:
    return OpenAIRealtimeClient("gpt-realtime", base_url=emulator.url, api_key="key")


def gemini_of(emulator: GeminiEmulator) -> RealtimeClient:
    return GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="key")


def vertex_of(emulator: GeminiEmulator) -> RealtimeClient:
    return VertexRealtimeClient("gemini-live-2.5-flash", base_url=emulator.url, api_key="key")


@asynccontextmanager
async def openai() -> AsyncIterator[RealtimeClient]:
    async with OpenAIEmulator(answer, hears=[Harness.short_prompt]) as emulator, openai_of(emulator) as client:
        yield client


@asynccontextmanager
async def gemini() -> AsyncIterator[RealtimeClient]:
    async with GeminiEmulator(answer, hears=[Harness.short_prompt]) as emulator, gemini_of(emulator) as client:
        yield client


@asynccontextmanager
async def vertex() -> AsyncIterator[RealtimeClient]:
    emulator = GeminiEmulator(answer, hears=[Harness.short_prompt], dialect=VERTEX_AI)
    async with emulator, vertex_of(emulator) as client:
        yield client


@pytest.mark.parametrize("provider", [local, openai, gemini, vertex])
async def test_that_a_program_runs_unchanged(
    provider: Callable[[], AbstractAsyncContextManager[RealtimeClient]],
) -> None:
    async with asyncio.timeout(30), provider() as client:
        assert await program(client) == [
            "tool: Oslo",
            "answer: It says sunny.",
            "completed",
            "interrupted",
            "interrupted",  # the outcome of that turn
            "answer: Hello and good morning to you.",
            "completed",
            "answer: Hello and good morning to you.",
            "completed",
        ]
