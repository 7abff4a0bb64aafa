"""Google's own SDK, as a client of the emulator: what we emulate is what it expects. Then our client, likewise."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.formats import PCM16_16K
from duologue.options import SessionOptions, Transcription
from duologue.protocols.gemini import GEMINI, VERTEX_AI, GeminiDialect
from duologue.providers import ConnectionSettings, GeminiRealtimeClient, VertexRealtimeClient
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested, ResponderRequest
from duologue.testing import GeminiEmulator
from duologue.testing.emulation import Reply
from duologue.tools import FunctionTool
from local_harness import tone

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    genai = pytest.importorskip("google.genai")
    from google.genai import types

MODEL = "gemini-2.5-flash-native-audio-preview-12-2025"
DIALECTS = {"gemini": GEMINI, "vertex-ai": VERTEX_AI}
SPEECH = tone(PCM16_16K) + bytes(PCM16_16K.bytes_for(1_500))
WEATHER = types.FunctionDeclaration(
    name="get_weather", parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}}
)


def answer(request: ResponderRequest) -> Reply:
    """What the model says, whoever asks."""
    last = request.items[-1]
    if isinstance(last, m.FunctionResult):
        return f"It says {last.output}."
    said = last.text if isinstance(last, m.MessageItem) else ""
    if "weather" in said and request.tools:
        return [CallRequested("get_weather", '{"city": "Oslo"}')]
    if "count" in said:
        return "Number. " * 3_000
    earlier = [item.text for item in request.items[:-1] if isinstance(item, m.MessageItem) and item.role == "user"]
    return f"After {earlier[0]!r}: {said}" if earlier else f"You said: {said}"


def sdk(emulator: GeminiEmulator, dialect: GeminiDialect, key: str = "right") -> Any:
    """The SDK's client, at the emulator."""
    trusting = emulator.client_context
    http = {"base_url": emulator.http_url, "async_client_args": {"ssl": trusting, "verify": trusting}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dialect.service == "developer":
            http["api_version"] = "v1alpha" if key.startswith("auth_tokens/") else "v1beta"
            return genai.Client(api_key=key, http_options=http)
        return genai.Client(vertexai=True, api_key=key, http_options=http)


@asynccontextmanager
async def connected(client: Any, **config: Any) -> AsyncIterator[Any]:
    config = {"response_modalities": ["AUDIO"], **config}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        async with client.aio.live.connect(model=MODEL, config=types.LiveConnectConfig(**config)) as session:
            yield session


class Turn:
    """What one turn of the SDK's session told."""

    def __init__(self) -> None:
        self.audio = b""
        self.heard = self.said = ""
        self.calls: list[Any] = []
        self.marks: list[str] = []
        self.handle: str | None = None
        self.usage: Any = None

    def take(self, message: Any) -> None:
        content = message.server_content
        self.usage = message.usage_metadata or self.usage
        if message.tool_call is not None:
            self.calls += message.tool_call.function_calls
        if message.session_resumption_update is not None and message.session_resumption_update.resumable:
            self.handle = message.session_resumption_update.new_handle
        if content is None:
            return
        for part in content.model_turn.parts if content.model_turn is not None else ():
            self.audio += part.inline_data.data if part.inline_data is not None else b""
        self.heard += content.input_transcription.text or "" if content.input_transcription is not None else ""
        self.said += content.output_transcription.text or "" if content.output_transcription is not None else ""
        marks = ("interrupted", "generation_complete", "turn_complete")
        self.marks += [mark for mark in marks if getattr(content, mark)]


async def messages(session: Any) -> AsyncGenerator[Any, None]:
    """All that comes; the SDK's `receive` ends with each turn."""
    while True:
        async for message in session.receive():
            yield message


async def read(session: Any, until: Callable[[Turn], object] = lambda turn: "turn_complete" in turn.marks) -> Turn:
    """Read the SDK's session until that holds."""
    turn = Turn()
    async with asyncio.timeout(10), aclosing(messages(session)) as coming:
        async for message in coming:
            turn.take(message)
            if until(turn):
                break
    return turn


@pytest.fixture(params=DIALECTS)
async def emulator(request: pytest.FixtureRequest) -> AsyncIterator[GeminiEmulator]:
    dialect = DIALECTS[request.param]
    async with GeminiEmulator(answer, hears=["How are you?"], dialect=dialect, api_key="right", tls=True) as running:
        yield running


async def test_that_it_hears_and_speaks(emulator: GeminiEmulator) -> None:
    client = sdk(emulator, emulator.dialect)
    async with connected(client, input_audio_transcription={}, output_audio_transcription={}) as session:
        assert session.setup_complete is not None
        await session.send_realtime_input(audio=types.Blob(data=SPEECH, mime_type="audio/pcm;rate=16000"))
        turn = await read(session)
    assert turn.heard == "How are you?"
    assert turn.said == "You said: How are you?"
    assert len(turn.audio) == 5 * 100 * 48  # a tone of 100 ms for each word
    assert turn.marks == ["generation_complete", "turn_complete"]
    assert turn.usage.total_token_count > 0


async def test_that_it_is_written_to(emulator: GeminiEmulator) -> None:
    async with connected(sdk(emulator, emulator.dialect), output_audio_transcription={}) as session:
        for text, said in (("Good morning", "You said: Good morning"), ("Well?", "After 'Good morning': Well?")):
            await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text=text)]))
            turn = await read(session)
            assert (turn.said, turn.marks) == (said, ["generation_complete", "turn_complete"])
        await session.send_realtime_input(text="And now?")
        assert (await read(session)).said == "After 'Good morning': And now?"


async def test_that_it_calls_a_function(emulator: GeminiEmulator) -> None:
    tools = [types.Tool(function_declarations=[WEATHER])]
    async with connected(sdk(emulator, emulator.dialect), tools=tools, output_audio_transcription={}) as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="The weather?")]))
        [call] = (await read(session, lambda turn: turn.calls)).calls
        assert (call.name, call.args) == ("get_weather", {"city": "Oslo"})
        result = types.FunctionResponse(id=call.id, name=call.name, response={"output": "rain"})
        await session.send_tool_response(function_responses=result)
        assert (await read(session)).said == "It says rain."


async def test_that_it_is_interrupted(emulator: GeminiEmulator) -> None:
    async with connected(sdk(emulator, emulator.dialect), output_audio_transcription={}) as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Please count")]))
        await read(session, lambda turn: turn.audio)
        await session.send_realtime_input(audio=types.Blob(data=SPEECH, mime_type="audio/pcm;rate=16000"))
        stopped = await read(session)
        assert stopped.marks == ["interrupted", "turn_complete"]
        assert (await read(session)).said == "After 'Please count': How are you?"


async def test_that_turns_can_be_marked(emulator: GeminiEmulator) -> None:
    by_hand = {"automatic_activity_detection": {"disabled": True}}
    async with connected(
        sdk(emulator, emulator.dialect), realtime_input_config=by_hand, output_audio_transcription={}
    ) as session:
        await session.send_realtime_input(activity_start={})
        await session.send_realtime_input(audio=types.Blob(data=SPEECH, mime_type="audio/pcm;rate=16000"))
        await session.send_realtime_input(activity_end={})
        assert (await read(session)).said == "You said: How are you?"


async def test_that_a_conversation_is_taken_up_again(emulator: GeminiEmulator) -> None:
    client = sdk(emulator, emulator.dialect)
    hello = types.Content(role="user", parts=[types.Part(text="Hello")])
    async with connected(client, session_resumption=types.SessionResumptionConfig()) as session:
        await session.send_client_content(turns=hello)
        handle = (await read(session, lambda turn: turn.handle)).handle
    resumption = types.SessionResumptionConfig(handle=handle)
    async with connected(client, session_resumption=resumption, output_audio_transcription={}) as session:
        await session.send_client_content(turns=types.Content(role="user", parts=[types.Part(text="Who am I?")]))
        assert (await read(session)).said == "After 'Hello': Who am I?"


async def test_that_the_end_is_told() -> None:
    async with GeminiEmulator(api_key="right", models=[MODEL], tls=True) as emulator:
        with pytest.raises(genai.errors.APIError, match=r"1007 None\. API key not valid"):
            async with connected(sdk(emulator, GEMINI, "wrong")):
                pass
        async with connected(sdk(emulator, GEMINI)) as session:
            emulator.session.send(m.SessionExpiring(seconds_left=50))
            async with asyncio.timeout(10), aclosing(messages(session)) as coming:
                assert (await anext(coming)).go_away.time_left == "50s"


async def test_that_an_ephemeral_token_opens_a_session() -> None:
    async with GeminiEmulator(api_key="right", tls=True) as emulator:
        client = sdk(emulator, GEMINI)
        constraints = {"model": MODEL, "config": {"system_instruction": "Be brief.", "response_modalities": ["AUDIO"]}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            token = await client.aio.auth_tokens.create(
                config={"uses": 1, "live_connect_constraints": constraints, "http_options": {"api_version": "v1alpha"}}
            )
        async with connected(sdk(emulator, GEMINI, token.name)) as session:
            assert session.setup_complete is not None
        with pytest.raises(genai.errors.APIError, match="used up"):
            async with connected(sdk(emulator, GEMINI, token.name)):
                pass


# --- our client, in the same conversation ---


def ours(emulator: GeminiEmulator) -> RealtimeClient:
    connection = ConnectionSettings(attempts=1, ssl_context=emulator.client_context)
    if emulator.dialect.service == "developer":
        return GeminiRealtimeClient(MODEL, base_url=emulator.url, api_key="right", connection=connection)
    return VertexRealtimeClient(MODEL, base_url=emulator.url, api_key="right", connection=connection)


async def our_turn(session: RealtimeSession) -> tuple[m.ResponseDone, list[m.ServerMessage]]:
    """Read to the end of the turn: its last response, and all of it."""
    seen: list[m.ServerMessage] = []
    async with asyncio.timeout(10):
        async for message in session:
            seen.append(message)
            if isinstance(message, m.TurnDone):
                break
    return [message for message in seen if isinstance(message, m.ResponseDone)][-1], seen


def said(done: m.ResponseDone) -> str:
    return "".join(item.text for item in done.items if isinstance(item, m.MessageItem))


async def test_that_our_client_holds_the_same_conversation(emulator: GeminiEmulator) -> None:
    weather = FunctionTool(
        name="get_weather", parameters={"type": "object", "properties": {"city": {"type": "string"}}}
    )
    options = SessionOptions(transcription=Transcription(), tools=(weather,))
    handle = None
    async with ours(emulator) as client:
        async with client.create_session(options) as session:
            await session.send_audio(SPEECH)
            done, seen = await our_turn(session)
            assert [message.text for message in seen if isinstance(message, m.InputTranscriptCompleted)] == [
                "How are you?"
            ]
            assert said(done) == "You said: How are you?"
            assert sum(len(message.audio) for message in seen if isinstance(message, m.OutputAudioDelta)) == 24_000

            await session.send_text("The weather?")
            async with asyncio.timeout(10):
                while not isinstance(message := await anext(session), m.ResponseDone):
                    pass
            [call] = message.function_calls
            await session.send(m.ItemCreate(item=m.FunctionResult(call_id=call.call_id, output="rain")))
            done, _ = await our_turn(session)
            assert said(done) == "It says rain."

            emulator.session.will_hear("Stop.")
            await session.send_text("Please count")
            async with asyncio.timeout(10):
                while not isinstance(await anext(session), m.OutputAudioDelta):
                    pass
            await session.send_audio(SPEECH)
            done, seen = await our_turn(session)
            assert done.status == "cancelled"
            assert len([message for message in seen if isinstance(message, m.Interrupted)]) == 1
            done, _ = await our_turn(session)
            assert said(done) == "After 'How are you?': Stop."
            async with asyncio.timeout(10):
                while not (isinstance(update := await anext(session), m.ResumptionUpdated) and update.resumable):
                    pass
            handle = update.handle
        async with client.create_session(SessionOptions(resume=handle)) as session:
            await session.send_text("Who am I?")
            done, _ = await our_turn(session)
            assert said(done) == "After 'How are you?': Who am I?"


async def test_that_our_client_makes_a_token_and_uses_it() -> None:
    async with GeminiEmulator(api_key="right", tls=True) as emulator, ours(emulator) as client:
        assert isinstance(client, GeminiRealtimeClient)
        secret = await client.create_client_secret(SessionOptions(instructions="Be brief."), expires_after=60)
        async with connected(sdk(emulator, GEMINI, secret.value.reveal())) as session:
            assert session.setup_complete is not None
