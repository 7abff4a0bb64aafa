"""The emulator of Gemini Live, as those use it who test their applications."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from duologue import messages as m
from duologue.errors import ConnectRefused
from duologue.formats import PCM16_24K
from duologue.options import SessionOptions
from duologue.providers import ConnectionSettings, GeminiRealtimeClient
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested, ResponderRequest
from duologue.testing import GeminiEmulator
from duologue.testing.emulation import Reply
from duologue.transports.websocket import connect_websocket
from local_harness import tone

MODEL = "models/gemini-2.5-flash-native-audio-preview-12-2025"
PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
ONCE = ConnectionSettings(attempts=1, open_timeout=2.0)


class Wire:
    """A client that knows nothing but frames."""

    def __init__(self, emulator: GeminiEmulator) -> None:
        self._emulator = emulator
        self._frames: asyncio.Queue[Any] = asyncio.Queue()

    async def connect(self) -> None:
        self._transport = await connect_websocket(self._emulator.url + PATH)
        self._transport.start(self)

    def frame_received(self, frame: str | bytes) -> None:
        assert isinstance(frame, bytes)
        self._frames.put_nowait(json.loads(frame))

    def connection_closed(self, how: Any) -> None:
        self._frames.put_nowait(how)

    def write(self, frame: str) -> None:
        self._transport.write(frame)

    def send(self, **frame: Any) -> None:
        self.write(json.dumps(frame))

    async def read(self) -> Any:
        async with asyncio.timeout(5):
            return await self._frames.get()

    async def until(self, name: str) -> Any:
        """Read to a frame with that field; of content, ``"turnComplete"`` for one. Gives the field."""
        while True:
            frame = await self.read()
            assert isinstance(frame, dict), frame
            content = frame.get("serverContent", {})
            if name in frame or name in content:
                return frame.get(name, content.get(name))

    async def set_up(self, **setup: Any) -> None:
        self.send(setup={"model": MODEL, **setup})
        await self.until("setupComplete")

    def say(self, text: str, *, answer: bool = True) -> None:
        self.send(clientContent={"turns": [{"role": "user", "parts": [{"text": text}]}], "turnComplete": answer})

    async def closed(self) -> tuple[int | None, str]:
        while isinstance(how := await self.read(), dict):
            pass
        return how.code, how.reason

    async def aclose(self) -> None:
        await self._transport.aclose()


@asynccontextmanager
async def wire_of(emulator: GeminiEmulator) -> AsyncIterator[Wire]:
    wire = Wire(emulator)
    await wire.connect()
    try:
        yield wire
    finally:
        await wire.aclose()


def tool(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "parametersJsonSchema": {"type": "object", "properties": {}}, **fields}


async def words_until(wire: Wire, name: str = "turnComplete") -> str:
    """The words of the answer, up to that mark."""
    words = ""
    while True:
        frame: dict[str, Any] = await wire.read()
        content: dict[str, Any] = frame.get("serverContent", {})
        words += str(content.get("outputTranscription", {}).get("text", ""))
        if name in frame or name in content:
            return words


HEARING: dict[str, Any] = {"outputAudioTranscription": {}}


# --- what it takes, and what ends the connection ---


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (["no JSON"], "Invalid JSON"),
        (['{"clientContent": {}}'], "setup must be the first"),
        (['{"setup": {}}', '{"setup": {}}'], "setup must be the first message and only the first"),
        (['{"setup": {}}', '{"surprise": {}}'], "Unknown name"),
        (['{"setup": {}, "surprise": {}}'], "Unknown name"),
        (['{"setup": {"generationConfig": {"responseModalities": ["TEXT"]}}}'], "non-audio"),
        (['{"setup": {}}', '{"contextUpdate": {"tools": {"tools": []}}}'], "invalid argument"),
        (['{"setup": {}}', '{"toolResponse": {"functionResponses": [{"id": "x", "name": "y"}]}}'], "invalid argument"),
        (['{"setup": {}}', '{"realtimeInput": {"activityStart": {}}}'], "turn detection"),
        (['{"setup": {}}', '{"realtimeInput": {"audio": {"data": "?", "mimeType": "audio/pcm"}}}'], "base64"),
    ],
)
async def test_what_ends_the_connection(frames: list[str], reason: str) -> None:
    async with GeminiEmulator() as emulator, wire_of(emulator) as wire:
        for frame in frames:
            wire.write(frame)
        code, said = await wire.closed()
        assert code == 1007
        assert reason in said


async def test_that_there_are_models_or_not() -> None:
    async with GeminiEmulator(models=["gemini-x"]) as emulator:
        with pytest.raises(ConnectRefused, match="is not found for API version") as refused:
            await client_of(emulator, "gemini-y").create_session()
        assert (refused.value.close_code, refused.value.code) == (1008, "NOT_FOUND")
        await (await client_of(emulator, "gemini-x").create_session()).aclose()


async def test_that_a_path_is_none() -> None:
    async with GeminiEmulator() as emulator:
        client = GeminiRealtimeClient("m", api_key="k", base_url=emulator.url, api_version="v2", connection=ONCE)
        await (await client.create_session()).aclose()  # any version
        with pytest.raises(Exception, match="404"):
            await connect_websocket(f"{emulator.url}/v1/realtime")


# --- answers ---


async def test_that_replies_are_given_in_order_and_fail_when_there_are_none() -> None:
    async with GeminiEmulator(["One.", "Two."]) as emulator, wire_of(emulator) as wire:
        await wire.set_up(**HEARING)
        for said in ("One.", "Two."):
            wire.say("Next?")
            assert await words_until(wire) == said
        wire.say("Next?")
        while "turnComplete" not in (content := (await wire.read()).get("serverContent", {})):
            pass
        assert content["turnCompleteReason"] == "RESPONSE_REJECTED"


async def test_that_it_says_no_more_than_it_was_asked_for() -> None:
    async with GeminiEmulator(["Hi."], hears=["Hello"]) as emulator, wire_of(emulator) as wire:
        await wire.set_up()
        wire.say("Hello?")
        await wire.until("turnComplete")
        told = {name for frame in emulator.session.sent for name in emulator.session.names_of(frame)}
        assert told == {
            "setupComplete",
            "serverContent",
            "serverContent.modelTurn",
            "serverContent.generationComplete",
            "serverContent.turnComplete",
            "usageMetadata",
        }


async def test_that_what_is_written_waits_for_the_end_of_the_turn() -> None:
    async with GeminiEmulator() as emulator, wire_of(emulator) as wire:
        await wire.set_up(**HEARING)
        wire.say("One", answer=False)
        wire.say("Two", answer=True)
        assert await words_until(wire) == "You said: Two"


async def test_that_what_is_written_interrupts() -> None:
    replies = ["Number. " * 3_000, "I stopped."]
    async with GeminiEmulator(replies) as emulator, wire_of(emulator) as wire:
        await wire.set_up(**HEARING)
        wire.say("Count")
        await wire.until("modelTurn")
        wire.say("Stop")
        await words_until(wire, "interrupted")
        await wire.until("turnComplete")
        assert await words_until(wire) == "I stopped."


async def test_that_speech_stops_what_is_only_being_played() -> None:
    async with GeminiEmulator(["A long answer."], word_ms=5_000, hears=["Stop"]) as emulator, wire_of(emulator) as wire:
        await wire.set_up()
        wire.say("Speak")
        await wire.until("turnComplete")
        await wire_speech(wire)
        await wire.until("interrupted")


async def wire_speech(wire: Wire) -> None:
    """Half a second of speech, and silence, in a rate that has to be converted."""
    audio = tone(PCM16_24K) + bytes(PCM16_24K.bytes_for(1_500))
    blob = {"data": base64.urlsafe_b64encode(audio).decode(), "mimeType": "audio/pcm;rate=24000"}
    wire.send(realtimeInput={"audio": blob})


# --- the beginning of a conversation ---


async def test_that_a_history_is_not_answered() -> None:
    def reply(request: ResponderRequest) -> Reply:
        return " ".join(item.text for item in request.items if isinstance(item, m.MessageItem))

    async with GeminiEmulator(reply) as emulator, wire_of(emulator) as wire:
        await wire.set_up(historyConfig={"initialHistoryInClientContent": True}, **HEARING)
        turns = [{"role": "user", "parts": [{"text": "One."}]}, {"role": "model", "parts": [{"text": "Two."}]}]
        wire.send(clientContent={"turns": turns, "turnComplete": True})
        wire.say("Three.")
        assert await words_until(wire) == "One. Two. Three."


async def test_that_some_models_take_content_only_at_first() -> None:
    async with GeminiEmulator() as emulator, wire_of(emulator) as wire:
        wire.send(setup={"model": "models/gemini-3.1-flash-live", **HEARING})
        wire.say("One")
        assert await words_until(wire) == "You said: One"
        wire.send(realtimeInput={"text": "Two"})
        assert await words_until(wire) == "You said: Two"
        wire.say("Three")
        assert (await wire.closed())[0] == 1007


async def test_that_some_models_take_other_instructions_and_tools() -> None:
    emulator = GeminiEmulator(lambda request: f"{request.instructions} {len(request.tools)}")
    async with emulator, wire_of(emulator) as wire:
        wire.send(
            setup={"model": "models/gemini-3.8-live", "tools": [{"functionDeclarations": [tool("f")]}], **HEARING}
        )
        update = {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "tools": {"tools": []}}
        wire.send(contextUpdate=update)
        wire.say("Hello")
        assert await words_until(wire) == "Be brief. 0"


async def test_that_a_handle_that_is_none_is_refused() -> None:
    async with GeminiEmulator() as emulator, wire_of(emulator) as wire:
        wire.send(setup={"model": MODEL, "sessionResumption": {"handle": "none"}})
        assert await wire.closed() == (1008, "BidiGenerateContent session not found")


# --- functions ---


def calling(name: str) -> Callable[[ResponderRequest], Reply]:
    def reply(request: ResponderRequest) -> Reply:
        last = request.items[-1]
        if not isinstance(last, m.MessageItem) or last.role == "assistant":
            outputs = [item.output for item in request.items if isinstance(item, m.FunctionResult)]
            return f"It says {outputs[-1]}."
        said = last.text
        return [CallRequested(name, "{}")] if said == "Call" else f"You said: {said}"

    return reply


def results(call: dict[str, Any], scheduling: str | None = None) -> dict[str, Any]:
    response = {"id": call["id"], "name": call["name"], "response": {"output": "rain"}}
    return {"functionResponses": [response if scheduling is None else {**response, "scheduling": scheduling}]}


async def test_that_speech_takes_calls_back_that_are_waited_for() -> None:
    async with GeminiEmulator(calling("f"), hears=["Never mind"]) as emulator, wire_of(emulator) as wire:
        await wire.set_up(tools=[{"functionDeclarations": [tool("f")]}], **HEARING)
        wire.say("Call")
        call = (await wire.until("toolCall"))["functionCalls"][0]
        await wire_speech(wire)
        assert (await wire.until("toolCallCancellation"))["ids"] == [call["id"]]
        assert await words_until(wire) == "You said: Never mind"
        wire.send(toolResponse=results(call))  # which is not wanted any more
        wire.say("Hello")
        assert await words_until(wire) == "You said: Hello"


@pytest.mark.parametrize(
    ("scheduling", "answers"),
    [("INTERRUPT", ["It says rain."]), ("WHEN_IDLE", ["You said: Meanwhile", "It says rain."]), ("SILENT", [])],
)
async def test_that_functions_in_the_background_keep_nobody_waiting(scheduling: str, answers: list[str]) -> None:
    async with GeminiEmulator(calling("f"), hears=["Never mind"]) as emulator, wire_of(emulator) as wire:
        await wire.set_up(tools=[{"functionDeclarations": [tool("f", behavior="NON_BLOCKING")]}], **HEARING)
        wire.say("Call")
        call = (await wire.until("toolCall"))["functionCalls"][0]
        await wire.until("turnComplete")
        if scheduling == "WHEN_IDLE":
            wire.say("Meanwhile")
        wire.send(toolResponse=results(call, scheduling))
        for words in answers:
            assert await words_until(wire) == words
        wire.say("And now?")
        assert await words_until(wire) == "You said: And now?"


# --- for pytest, and without an event loop ---


def client_of(emulator: GeminiEmulator, model: str = "gemini-3.8-live") -> GeminiRealtimeClient:
    return GeminiRealtimeClient(model, base_url=emulator.url, api_key="key", connection=ONCE)


async def ask(session: RealtimeSession, text: str = "Hello?") -> str:
    await session.send_text(text)
    async with asyncio.timeout(10):
        while not isinstance(message := await anext(session), m.ResponseDone):
            pass
    return "".join(item.text for item in message.items if isinstance(item, m.MessageItem))


def test_the_fixtures(gemini_emulator: GeminiEmulator, make_gemini_emulator: Callable[..., GeminiEmulator]) -> None:
    other = make_gemini_emulator(["Hi."])
    assert other.url != gemini_emulator.url

    async def converse() -> str:
        async with client_of(other) as client, client.create_session(SessionOptions(voice="Puck")) as session:
            return await ask(session)

    assert asyncio.run(converse()) == "Hi."
    assert other.run(other.session.wait_closed()).by_peer
    [setup] = other.session.received_of("setup")
    assert setup["setup"]["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"] == {
        "voiceName": "Puck"
    }


async def test_that_a_test_can_have_it_say_anything() -> None:
    async with GeminiEmulator() as emulator, client_of(emulator) as client, client.create_session() as session:
        emulator.session.send({"serverContent": {"surprise": 1}}, m.SessionExpiring(seconds_left=9.5))
        async with asyncio.timeout(5):
            assert isinstance(await anext(session), m.SessionCreated)
            assert isinstance(await anext(session), m.RawServerMessage)
            assert await anext(session) == m.SessionExpiring(seconds_left=9.5)
