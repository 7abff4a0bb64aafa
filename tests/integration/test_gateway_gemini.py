"""The gateway over a provider that tells less than its clients count on: Gemini Live, emulated."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from duologue.formats import PCM16_24K
from duologue.providers import GeminiRealtimeClient
from duologue.speech.responder import CallRequested
from duologue.testing import GeminiEmulator
from gateway_client import Client, said, talking
from gateway_server import gateway_to
from local_harness import tone

LONG = "one two three four five six seven eight nine ten " * 5
TOOL = {"type": "function", "name": "clock", "parameters": {"type": "object", "properties": {}}}
CALL = CallRequested(name="clock", arguments="{}", call_id="call_1")
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "ten to nine"}


@asynccontextmanager
async def over_gemini(*replies: Any, hears: tuple[str, ...] = ()) -> AsyncIterator[tuple[Client, GeminiEmulator]]:
    """A client, whose session is carried over the emulator, at real pace."""
    async with (
        GeminiEmulator(replies, hears=hears, lead_ms=300) as emulator,
        GeminiRealtimeClient("gemini-3.8-live", base_url=emulator.url, api_key="any") as client,
        gateway_to(client) as gateway,
        talking(gateway) as talk,
    ):
        session = {"type": "realtime", "tools": [TOOL], "audio": {"input": {"transcription": {}}}}
        await talk.send("session.update", session=session)
        await talk.until("session.updated")
        yield talk, emulator


async def say(talk: Client) -> None:
    """Something loud, and silence after it."""
    audio = tone(PCM16_24K) + bytes(PCM16_24K.bytes_for(1_500))
    await talk.send("input_audio_buffer.append", audio=base64.b64encode(audio).decode())


async def ask(talk: Client) -> None:
    await talk.send("conversation.item.create", item=said("Go on."))
    await talk.send("response.create")


async def test_an_interruption_is_told_as_the_beginning_of_speech() -> None:
    async with over_gemini(LONG, "Yes.", hears=("stop",)) as (talk, _):
        await ask(talk)
        await talk.until("response.output_audio.delta")
        await say(talk)
        started = await talk.until("input_audio_buffer.speech_started")
        stopped = await talk.until("input_audio_buffer.speech_stopped")
        committed = await talk.until("input_audio_buffer.committed")
        item = (await talk.until("conversation.item.done"))["item"]
        heard = await talk.until("conversation.item.input_audio_transcription.completed")
        assert {started["item_id"]} == {
            stopped["item_id"],
            committed["item_id"],
            item["id"],
            heard["item_id"],
        }
        assert 0 < started["audio_start_ms"] <= stopped["audio_end_ms"]
        await talk.send("conversation.item.retrieve", item_id=started["item_id"])
        retrieved = (await talk.until("conversation.item.retrieved"))["item"]
        assert retrieved["content"][0]["transcript"] == "stop"


async def test_what_interrupts_nothing_is_not_told() -> None:
    async with over_gemini("Yes.", hears=("hello",)) as (talk, _):
        await say(talk)
        await talk.until("response.done")
        assert "input_audio_buffer.speech_started" not in talk.types()


async def test_the_answer_that_was_playing_can_be_cut() -> None:
    async with over_gemini(LONG, "Yes.", hears=("stop",)) as (talk, _):
        await ask(talk)
        audio = await talk.until("response.output_audio.delta")
        await say(talk)
        await talk.until("input_audio_buffer.speech_started")
        cut = {"item_id": audio["item_id"], "content_index": 0}
        await talk.send("conversation.item.truncate", **cut, audio_end_ms=50)
        truncated = await talk.until("conversation.item.truncated")
        assert (truncated["item_id"], truncated["audio_end_ms"]) == (audio["item_id"], 50)
        await talk.send("conversation.item.truncate", **cut, audio_end_ms=60_000, event_id="too much")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "audio_end_ms", "too much")


async def test_an_older_answer_cannot_be_cut() -> None:
    async with over_gemini("One.", "Two.") as (talk, _):
        await ask(talk)
        first = await talk.until("response.output_audio.delta")
        await talk.until("response.done")
        await ask(talk)
        await talk.until("response.done")
        cut = {"item_id": first["item_id"], "content_index": 0, "audio_end_ms": 10}
        await talk.send("conversation.item.truncate", **cut, event_id="old")
        error = (await talk.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("unsupported_operation", "old")


async def test_the_request_after_a_result_gets_the_answer_that_comes_anyway() -> None:
    async with over_gemini([CALL], "It is late.", "Two.") as (talk, emulator):
        await ask(talk)
        await talk.until("response.done")
        await talk.send("conversation.item.create", item=RESULT)
        await talk.send("response.create", response={"metadata": {"a": "b"}})
        assert (await talk.until("response.created"))["response"]["metadata"] == {"a": "b"}
        assert (await talk.until("response.output_audio_transcript.done"))["transcript"] == "It is late."
        assert len(emulator.session.received_of("toolResponse")) == 1
        await talk.until("response.done")
        await ask(talk)
        assert (await talk.until("response.created"))["response"]["metadata"] is None


async def test_a_result_goes_on_without_a_request() -> None:
    async with over_gemini([CALL], "It is late.") as (talk, emulator):
        await ask(talk)
        await talk.until("response.done")
        await talk.send("conversation.item.create", item=RESULT)
        assert (await talk.until("conversation.item.done"))["item"]["type"] == "function_call_output"
        await talk.until("response.created")
        await talk.send("response.create")  # too late: the answer has begun, and is the one that is asked for
        await talk.until("response.done")
        await talk.send("response.cancel", event_id="nothing")
        assert (await talk.until("error"))["error"]["event_id"] == "nothing"
        assert talk.types().count("response.created") == 2
        assert len(emulator.session.received_of("clientContent")) == 2


async def test_the_answer_after_a_result_can_be_cancelled_before_it_begins() -> None:
    async with over_gemini([CALL], LONG) as (talk, _):
        await ask(talk)
        await talk.until("response.done")
        await talk.send("conversation.item.create", item=RESULT)
        await talk.send("response.create")
        await talk.send("response.cancel")
        assert (await talk.until("response.done"))["response"]["status"] == "cancelled"


async def test_a_refused_result_leaves_requests_alone() -> None:
    async with over_gemini("Hello.") as (talk, _):
        result = {"type": "function_call_output", "call_id": "unknown", "output": "1"}
        await talk.send("conversation.item.create", item=result, event_id="result")
        assert (await talk.until("error"))["error"]["event_id"] == "result"
        await ask(talk)
        assert (await talk.until("response.output_audio_transcript.done"))["transcript"] == "Hello."
