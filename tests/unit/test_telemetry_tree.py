"""`Telemetry`: the trace of one spoken turn with a tool, as the documentation shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from duologue import FunctionInvocation, SessionOptions, Transcription, tool
from duologue import messages as m
from duologue.formats import PCM16_24K
from duologue.middleware.telemetry import names
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedReply
from local_harness import LocalHarness
from telemetry_records import Records, attributes, opened, tree

GUIDE = Path(__file__).parents[2] / "docs" / "telemetry.md"
SHOWN = (
    names.END_REASON,
    names.FINISH_REASONS,
    names.OUTPUT_TYPE,
    names.TOOL_TYPE,
    names.TOOL_OUTCOME,
    names.TURN_ID,
)
TIMED = (names.FIRST_TEXT, names.FIRST_AUDIO, names.VOICE_TO_VOICE)


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


@pytest.fixture
def records() -> Records:
    return Records()


async def end_of_turn(session: RealtimeSession) -> None:
    async for message in session:
        if isinstance(message, m.TurnDone):
            break
    await session.aclose()


async def test_the_trace_of_a_spoken_turn_with_a_tool(records: Records) -> None:
    harness = LocalHarness()
    layers = (FunctionInvocation(), records.telemetry(clock=time.monotonic_ns))
    options = SessionOptions(tools=(get_weather,), transcription=Transcription())
    async with harness.make_client() as client:
        session = await client.with_middleware(*layers).create_session(options)
        await session.send_audio(await harness.speech(LocalHarness.tool_prompt, PCM16_24K))
        await session.send_audio(bytes(PCM16_24K.bytes_for(2_000)))
        await end_of_turn(session)
    drawn = tree(records.spans, SHOWN, TIMED)
    assert f"```text\n{drawn}\n```" in GUIDE.read_text(encoding="utf-8"), drawn
    heard = attributes(records.named("realtime_inference local")[1])
    voice_to_voice, first_audio = heard[names.VOICE_TO_VOICE], heard[names.FIRST_AUDIO]
    assert isinstance(voice_to_voice, float)
    assert isinstance(first_audio, float)
    assert voice_to_voice > first_audio > 0


async def test_the_same_over_a_script(records: Records) -> None:
    client = ScriptedClient(
        [ScriptedReply.call("get_weather", {"city": "Oslo"}), ScriptedReply.speech("It rains.")], provider="openai"
    )
    options = SessionOptions(tools=(get_weather,), transcription=Transcription())
    session = await opened(client, FunctionInvocation(), records.telemetry(), options=options)
    client.link.hear("What is the weather in Oslo?")
    await end_of_turn(session)
    assert tree(records.spans, (names.PROVIDER_NAME, names.FINISH_REASONS)).splitlines() == [
        "realtime_session script",
        "│     gen_ai.provider.name = openai",
        "├─ user_speech",
        "│        gen_ai.provider.name = openai",
        "├─ realtime_inference script",
        "│  │     gen_ai.provider.name = openai",
        "│  │     gen_ai.response.finish_reasons = ('tool_call',)",
        "│  └─ execute_tool get_weather",
        "│           gen_ai.provider.name = openai",
        "└─ realtime_inference script",
        "         gen_ai.provider.name = openai",
        "         gen_ai.response.finish_reasons = ('stop',)",
    ]


def all_names() -> Iterator[str]:
    for value in vars(names).values():
        if isinstance(value, str) and value.startswith(("gen_ai.", "error.", "server.", "OTEL_")):
            yield value.replace("{modality}", "*")


@pytest.mark.parametrize("name", sorted(set(all_names())))
def test_that_the_guide_tells_of_every_name(name: str) -> None:
    assert f"`{name}`" in GUIDE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [names.SESSION, names.RESPONSE, names.USER_SPEECH, names.EXECUTE_TOOL])
def test_that_the_guide_tells_of_every_span(name: str) -> None:
    assert f"| `{name}" in GUIDE.read_text(encoding="utf-8")
