"""The vendor's own SDK, as a client of the emulator: what we emulate is what it expects."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from duologue.formats import PCM16_24K
from duologue.speech.responder import CallRequested
from duologue.testing import OpenAIEmulator
from duologue.testing.emulation import Reply
from local_harness import tone

openai = pytest.importorskip("openai")
pytest.importorskip("websockets")


async def _until(connection: Any, event_type: str) -> tuple[Any, list[str]]:
    seen: list[str] = []
    async with asyncio.timeout(10):
        async for event in connection:
            seen.append(event.type)
            assert event.type != "error", event
            if event.type == event_type:
                return event, seen
    raise AssertionError(f"No {event_type} after {seen}.")


async def test_that_it_holds_a_conversation() -> None:
    async with OpenAIEmulator(["Hello there."], hears=["How are you?"], api_key="right") as emulator:
        client = openai.AsyncOpenAI(api_key="right", base_url=f"{emulator.http_url}/v1")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            created, _ = await _until(connection, "session.created")
            assert created.session.model == "gpt-realtime"
            await connection.session.update(
                session={
                    "type": "realtime",
                    "audio": {
                        "input": {"transcription": {"model": "whisper-1"}, "turn_detection": {"type": "server_vad"}}
                    },
                }
            )
            await _until(connection, "session.updated")
            audio = tone(PCM16_24K) + bytes(PCM16_24K.bytes_for(1_500))
            await connection.input_audio_buffer.append(audio=base64.b64encode(audio).decode())
            done, seen = await _until(connection, "response.done")
            assert done.response.status == "completed"
            assert [part.transcript for item in done.response.output for part in item.content] == ["Hello there."]
            assert {"input_audio_buffer.speech_started", "response.output_audio.delta"} <= set(seen)
        await client.close()


async def test_that_it_calls_a_function() -> None:
    replies: list[Reply] = [[CallRequested("get_weather", '{"city": "Oslo"}')], "It rains."]
    async with OpenAIEmulator(replies) as emulator:
        client = openai.AsyncOpenAI(api_key="any", base_url=f"{emulator.http_url}/v1")
        async with client.realtime.connect(model="gpt-realtime") as connection:
            tool = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
            await connection.session.update(
                session={"type": "realtime", "output_modalities": ["text"], "tools": [tool]}
            )
            await connection.response.create()
            done, _ = await _until(connection, "response.done")
            call = done.response.output[0]
            assert (call.name, call.arguments) == ("get_weather", '{"city": "Oslo"}')
            await connection.conversation.item.create(
                item={"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
            )
            await connection.response.create()
            text, _ = await _until(connection, "response.output_text.done")
            assert text.text == "It rains."
        await client.close()


async def test_that_it_makes_a_client_secret_and_uses_it() -> None:
    async with OpenAIEmulator(api_key="right") as emulator:
        client = openai.AsyncOpenAI(api_key="right", base_url=f"{emulator.http_url}/v1")
        secret = await client.realtime.client_secrets.create(session={"type": "realtime", "instructions": "Be brief."})
        await client.close()
        browser = openai.AsyncOpenAI(api_key=secret.value, base_url=f"{emulator.http_url}/v1")
        async with browser.realtime.connect(model="gpt-realtime") as connection:
            created, _ = await _until(connection, "session.created")
            assert created.session.instructions == "Be brief."
        await browser.close()
