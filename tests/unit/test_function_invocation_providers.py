"""Function calls over real providers: the emulated server on a socket, and the embedded provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.formats import PCM16_24K
from duologue.local import LocalRealtimeClient
from duologue.messages.base import ServerMessage
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.options import SessionOptions
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested, ResponderEvent, ResponderRequest, TextChunk
from duologue.testing import OpenAIEmulator
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech
from duologue.tools import FunctionTool, ToolContext, tool
from local_harness import tone

Answer = Callable[[ResponderRequest], Iterable[str | CallRequested]]

HEARD = "Where is Oslo?"
SPOKEN = tone(PCM16_24K) + bytes(PCM16_24K.bytes_for(800))


@pytest.fixture(params=["emulator", "local"])
def provider(request: pytest.FixtureRequest) -> str:
    name = request.param
    assert isinstance(name, str)
    return name


@asynccontextmanager
async def client_of(provider: str, answer: Answer) -> AsyncIterator[RealtimeClient]:
    """A client of that provider whose model answers so; what is spoken is `HEARD`."""
    if provider == "local":
        async with LocalRealtimeClient(
            speech_to_text=ScriptedSpeechToText([HEARD] * 4),
            responder=ScriptedResponder(lambda request: _events(answer(request))),
            text_to_speech=ToneTextToSpeech(20),
            voice_activity=LoudnessDetector,
            lead_ms=60_000,
        ) as client:
            yield client
        return
    async with (
        OpenAIEmulator(lambda request: list(answer(request)), hears=[HEARD] * 4, word_ms=20) as emulator,
        OpenAIRealtimeClient("model", base_url=emulator.url, api_key="any") as client,
    ):
        yield client


def _events(steps: Iterable[str | CallRequested]) -> Iterator[ResponderEvent]:
    for step in steps:
        yield TextChunk(step) if isinstance(step, str) else step


class Talk:
    """What a session said so far."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.read: list[ServerMessage] = []
        self.conversation = Conversation()

    async def until(self, kind: type[ServerMessage], count: int = 1) -> None:
        """Read until so many of that kind have come, from now."""
        async with asyncio.timeout(20):
            while count:
                message = await anext(self.session)
                self.read.append(message)
                self.conversation.feed(message)
                count -= isinstance(message, kind)

    def all(self, kind: type[ServerMessage]) -> list[ServerMessage]:
        return [message for message in self.read if isinstance(message, kind)]

    @property
    def results(self) -> dict[str, str]:
        """What the conversation holds, by function."""
        calls = {item.call_id: item.name for item in self.conversation.items if isinstance(item, m.FunctionCall)}
        results = [item for item in self.conversation.items if isinstance(item, m.FunctionResult)]
        return {calls[result.call_id]: result.output for result in results}

    @property
    def last_words(self) -> str:
        (*_, last) = [item for item in self.conversation.items if isinstance(item, m.MessageItem)]
        return last.text


class Slow:
    """A function that runs until it is let go."""

    def __init__(self, **settings: object) -> None:
        self.running, self.release = asyncio.Event(), asyncio.Event()
        self.tool: FunctionTool = tool(name="slow", **settings)(self.run)  # type: ignore[call-overload]

    async def run(self) -> str:
        self.running.set()
        await self.release.wait()
        return "found"


@tool
def quick() -> str:
    """A function that is quick."""
    return "seen"


@tool
async def quicker() -> str:
    """A function that is quicker."""
    return "heard"


def last_said(request: ResponderRequest) -> str:
    said = [item.text for item in request.items if isinstance(item, m.MessageItem) and item.role == "user"]
    return said[-1] if said else ""


def searching(*names: str) -> Answer:
    """A model that calls these functions once, tells what they found, and knows where Oslo is."""

    def answer(request: ResponderRequest) -> Iterable[str | CallRequested]:
        last = request.items[-1]
        if isinstance(last, m.FunctionResult):
            outputs = [item.output for item in request.items if isinstance(item, m.FunctionResult)]
            yield f"I have {len(outputs)}."
        elif last_said(request) == HEARD:
            yield "Oslo lies in Norway."
        else:
            yield "Let me see. "
            yield from (CallRequested(name, "{}") for name in names)

    return answer


async def test_audio_goes_on_while_one_of_three_tools_is_slow(provider: str) -> None:
    slow = Slow()
    async with client_of(provider, searching("quick", "slow", "quicker")) as client:
        layered = client.with_middleware(FunctionInvocation())
        async with layered.create_session(SessionOptions(tools=(quick, slow.tool, quicker))) as session:
            talk = Talk(session)
            await session.send_text("Search.")
            await talk.until(m.ResponseDone)
            await slow.running.wait()
            before = len(talk.all(m.OutputAudioDelta))
            await session.send_text(HEARD)
            await talk.until(m.ResponseDone)
            assert len(talk.all(m.OutputAudioDelta)) > before
            assert talk.last_words == "Oslo lies in Norway."
            slow.release.set()
            await talk.until(m.ResponseDone)
            assert talk.last_words == "I have 3."
            assert talk.results == {"quick": "seen", "slow": "found", "quicker": "heard"}
            assert len(talk.all(m.ResponseCreated)) == 3  # the calls, the question in between, one follow-up
            assert not talk.all(m.ErrorReported)


@pytest.mark.parametrize("on_interruption", ["finish", "cancel"])
async def test_the_user_speaks_in_the_middle_of_a_tool(provider: str, on_interruption: str) -> None:
    slow = Slow(on_interruption=on_interruption)
    async with client_of(provider, searching("slow")) as client:
        layered = client.with_middleware(FunctionInvocation())
        async with layered.create_session(SessionOptions(tools=(slow.tool,))) as session:
            talk = Talk(session)
            await session.send_text("Search.")
            await talk.until(m.ResponseDone)
            await slow.running.wait()
            await session.send_audio(SPOKEN)
            await talk.until(m.InputSpeechStarted)
            if on_interruption == "finish":
                slow.release.set()
            await talk.until(m.ResponseDone)
            assert len(talk.all(m.ResponseCreated)) == 2  # the user's turn has the one answer
            expected = "found" if on_interruption == "finish" else "The call was cancelled"
            assert talk.results["slow"].startswith(expected)
            outcomes = [message.outcome for message in talk.all(m.TurnDone) if isinstance(message, m.TurnDone)]
            assert outcomes == ["interrupted"]
            await talk.until(m.TurnDone)
            assert not talk.all(m.ErrorReported)


async def test_two_hundred_calls_in_one_session(provider: str) -> None:
    ran: list[str] = []

    @tool
    async def count(number: int, context: ToolContext) -> int:
        ran.append(context.call_id)
        return number

    def answer(request: ResponderRequest) -> Iterable[str | CallRequested]:
        last = request.items[-1]
        if isinstance(last, m.FunctionResult):
            yield last.output
        else:
            yield from (CallRequested("count", f'{{"number": {number}}}') for number in range(4))

    async with client_of(provider, answer) as client:
        layered = client.with_middleware(FunctionInvocation(maximum_iterations=1))
        options = SessionOptions(tools=(count,), output_modalities=("text",))
        async with layered.create_session(options) as session:
            talk = Talk(session)
            for turn in range(50):
                await session.send_text(f"Count, {turn}.")
                await talk.until(m.TurnDone)
            names = {task.get_name().split()[0] for task in asyncio.all_tasks()}
            assert names.isdisjoint({"function", "follow-up", "filler"})
            results = [item for item in talk.conversation.items if isinstance(item, m.FunctionResult)]
            assert len(ran) == len(set(ran)) == len(results) == 200
            assert len(talk.all(m.ResponseCreated)) == 100
            assert not talk.all(m.ErrorReported)


async def test_two_sessions_of_one_client(provider: str) -> None:
    both = asyncio.Barrier(2)

    @tool
    async def who(context: ToolContext) -> str:
        await both.wait()  # passes only if both sessions' calls run at once
        assert context.session is not None
        return f"I am {context.session.options.instructions}"

    def answer(request: ResponderRequest) -> Iterable[str | CallRequested]:
        last = request.items[-1]
        yield last.output if isinstance(last, m.FunctionResult) else CallRequested("who", "{}")

    async with client_of(provider, answer) as client:
        layered = client.with_middleware(FunctionInvocation())

        async def converse(name: str) -> str:
            async with layered.create_session(SessionOptions(tools=(who,), instructions=name)) as session:
                talk = Talk(session)
                await session.send_text("Who are you?")
                await talk.until(m.TurnDone)
                return talk.last_words

        assert list(await asyncio.gather(converse("Ada"), converse("Bob"))) == ["I am Ada", "I am Bob"]


async def test_a_call_in_the_background(provider: str) -> None:
    slow = Slow(background=True)
    async with client_of(provider, searching("slow")) as client:
        layered = client.with_middleware(FunctionInvocation())
        async with layered.create_session(SessionOptions(tools=(slow.tool,))) as session:
            talk = Talk(session)
            await session.send_text("Search.")
            await talk.until(m.TurnDone)
            assert talk.last_words == "I have 1."
            assert talk.results["slow"].startswith("It was started")
            slow.release.set()
            await talk.until(m.TurnDone)
            assert talk.last_words == "I have 2."
            assert talk.results["slow"] == "found"
            assert not talk.conversation.open_calls
            assert not talk.all(m.ErrorReported)


async def test_a_filler_is_heard_before_the_answer(provider: str) -> None:
    slow = Slow(filler="One moment, please.", filler_after=0.001)
    asked: list[str] = []

    def answer(request: ResponderRequest) -> Iterable[str | CallRequested]:
        if "One moment" in (request.instructions or ""):  # a provider that is told what to say
            asked.append(request.instructions or "")
            yield "One moment, please."
        elif isinstance(request.items[-1], m.FunctionResult):
            yield "I found it."
        else:
            yield CallRequested("slow", "{}")

    async with client_of(provider, answer) as client:
        layered = client.with_middleware(FunctionInvocation())
        async with layered.create_session(SessionOptions(tools=(slow.tool,))) as session:
            talk = Talk(session)
            await session.send_text("Search.")
            await talk.until(m.ResponseDone, 2)
            assert talk.last_words == "One moment, please."
            slow.release.set()
            await talk.until(m.ResponseDone)
            assert talk.last_words == "I found it."
            assert len(asked) == (provider == "emulator")
            assert not talk.all(m.ErrorReported)
