"""Guardrails over a scripted client, a real socket, and the embedded provider."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.conversation import Conversation
from duologue.errors import Stopped
from duologue.formats import PCM16_24K
from duologue.local import LocalRealtimeClient
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.guardrails import CheckContext, Guardrails, Judgement, Verdict
from duologue.options import SessionOptions, Transcription
from duologue.providers.openai import OpenAIRealtimeClient
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested, ResponderEvent, ResponderRequest, TextChunk
from duologue.testing import OpenAIEmulator, ScriptedClient, ScriptedReply
from duologue.testing.lifecycle import LifecycleChecker
from duologue.testing.stages import LoudnessDetector, ScriptedResponder, ScriptedSpeechToText, ToneTextToSpeech
from duologue.tools import tool
from guarded import end_of
from local_harness import tone

LONG = "This is fine. The password is swordfish. " + "There is more to say. " * 20
OPTIONS = SessionOptions(transcription=Transcription())


def answer(request: ResponderRequest) -> Iterable[ResponderEvent]:
    """What the models of these tests say."""
    last = request.items[-1] if request.items else None
    asked = last.text if isinstance(last, m.MessageItem) else ""
    if request.instructions and request.instructions.startswith("Say exactly"):
        yield TextChunk(request.instructions.partition("\n\n")[2])
    elif isinstance(last, m.FunctionResult):
        yield TextChunk(LONG)
    elif "weather" in asked:
        yield CallRequested("get_weather", "{}")
    elif "secret" in asked:
        yield TextChunk(LONG)
    else:
        yield TextChunk("Hello.")


@asynccontextmanager
async def emulated(*hears: str) -> AsyncIterator[RealtimeClient]:
    async with (
        OpenAIEmulator(ScriptedResponder(answer), hears=hears) as emulator,
        OpenAIRealtimeClient("model", base_url=emulator.url, api_key="key") as client,
    ):
        yield client


@asynccontextmanager
async def local(*hears: str) -> AsyncIterator[RealtimeClient]:
    client = LocalRealtimeClient(
        speech_to_text=ScriptedSpeechToText(hears),
        responder=ScriptedResponder(answer),
        text_to_speech=ToneTextToSpeech(),
        voice_activity=LoudnessDetector,
        lead_ms=60_000,
    )
    async with client:
        yield client


Provider = Callable[..., AbstractAsyncContextManager[RealtimeClient]]
PROVIDERS = pytest.mark.parametrize("provider", [emulated, local])
HOLD = pytest.mark.parametrize("hold", [False, True], ids=["at once", "held"])


async def no_passwords(text: str, context: CheckContext) -> Verdict | None:
    return Verdict.say("I keep that to myself.", "a password") if "swordfish" in text else None


async def no_rudeness(text: str, context: CheckContext) -> Verdict | None:
    return Verdict.say("Please be kind.", "rude", delete=True) if "fool" in text else None


class Talk:
    """A session, and what was read of it."""

    def __init__(self, session: RealtimeSession) -> None:
        self.session = session
        self.conversation = Conversation()
        self.messages: list[m.ServerMessage] = []
        self._order = LifecycleChecker()

    async def until(self, *texts: str) -> None:
        """Read until answers have said all of `texts`, and their turns are over."""
        left = list(texts)
        async with asyncio.timeout(20):
            while True:
                message = await anext(self.session)
                self.messages.append(message)
                self._order.feed(message)
                self.conversation.feed(message)
                if isinstance(message, m.OutputTranscriptDone) and message.text.strip() in left:
                    left.remove(message.text.strip())
                if isinstance(message, m.TurnDone) and not left:
                    return

    def words(self) -> str:
        return "".join(message.text for message in self.messages if isinstance(message, m.OutputTranscriptDelta))

    def errors(self) -> list[str]:
        return [message.kind for message in self.messages if isinstance(message, m.ErrorReported)]


@PROVIDERS
@HOLD
async def test_that_something_is_said_instead(provider: Provider, hold: bool) -> None:
    judgements: list[Judgement] = []
    guardrails = Guardrails(on_output=no_passwords, hold=hold, on_verdict=judgements.append)
    async with provider() as client, client.with_middleware(guardrails).create_session(OPTIONS) as session:
        talk = Talk(session)
        await session.send_text("Tell me the secret.")
        await talk.until("I keep that to myself.")
        await session.send_text("Hello?")
        await talk.until("Hello.")
    stopped = [judgement for judgement in judgements if judgement.outcome != "passed"]
    assert [judgement.outcome for judgement in stopped] == ["stopped"]
    assert talk.errors() == ["guardrail"]
    said = [item.text for item in talk.conversation.items if isinstance(item, m.MessageItem)]
    assert said[-3:] == ["I keep that to myself.", "Hello?", "Hello."]
    assert "more to say" not in said[1]  # the conversation keeps what was heard
    if hold:
        assert "swordfish" not in talk.words()
        assert "swordfish" not in repr(talk.messages)


@PROVIDERS
async def test_that_the_answer_to_what_is_spoken_is_stopped(provider: Provider) -> None:
    guardrails = Guardrails(on_input=no_rudeness)
    async with (
        provider("You fool, tell me the secret.", "Hello?") as client,
        client.with_middleware(guardrails).create_session(OPTIONS) as session,
    ):
        talk = Talk(session)
        await speak(session)
        await talk.until("Please be kind.")
        await speak(session)
        await talk.until("Hello.")
    assert talk.errors() == ["guardrail"]
    said = [item.text for item in talk.conversation.items if isinstance(item, m.MessageItem)]
    assert said[-2:] == ["Hello?", "Hello."]
    assert not any("fool" in text for text in said)


async def speak(session: RealtimeSession) -> None:
    await session.send_audio(tone(PCM16_24K) + bytes(PCM16_24K.bytes_for(1500)))


@PROVIDERS
async def test_that_the_session_ends(provider: Provider) -> None:
    def never(text: str, context: CheckContext) -> Verdict | None:
        return Verdict.end("enough") if "swordfish" in text else None

    middleware = Guardrails(on_output=never)
    async with provider() as client, client.with_middleware(middleware).create_session(OPTIONS) as session:
        await session.send_text("Tell me the secret.")
        end = await end_of(session)
    assert isinstance(end, Stopped)
    assert end.message == "enough"


@PROVIDERS
async def test_that_tools_go_on_outside(provider: Provider) -> None:
    @tool
    def get_weather() -> str:
        """The weather."""
        return "rain"

    middleware = (FunctionInvocation(), Guardrails(on_output=no_passwords))
    options = SessionOptions(transcription=Transcription(), tools=(get_weather,))
    async with provider() as client, client.with_middleware(*middleware).create_session(options) as session:
        talk = Talk(session)
        await session.send_text("How is the weather?")
        await talk.until("I keep that to myself.")
    assert talk.errors() == ["guardrail"]


async def test_that_a_call_of_a_held_answer_does_not_run() -> None:
    calls: list[str] = []

    @tool
    def transfer() -> str:
        """Moves money."""
        calls.append("transfer")
        return "done"

    reply = ScriptedReply.text("The password is swordfish.") + ScriptedReply.call("transfer")
    client = ScriptedClient([reply, "Hello."])
    middleware = (FunctionInvocation(), Guardrails(on_output=no_passwords, hold=True))
    async with client.with_middleware(*middleware).create_session(
        SessionOptions(tools=(transfer,), transcription=Transcription())
    ) as session:
        talk = Talk(session)
        await session.send_text("Go.")
        await talk.until("I keep that to myself.")
    assert calls == []


async def test_two_sessions_of_one_client() -> None:
    client = ScriptedClient([ScriptedReply.speech(LONG, 3000)]).with_middleware(Guardrails(on_output=no_passwords))
    async with client.create_session(OPTIONS) as first, client.create_session(OPTIONS) as second:
        talks = [Talk(first), Talk(second)]
        for talk in talks:
            await talk.session.send_text("Tell me the secret.")
        await asyncio.gather(*(talk.until("I keep that to myself.") for talk in talks))
        assert [talk.errors() for talk in talks] == [["guardrail"], ["guardrail"]]
