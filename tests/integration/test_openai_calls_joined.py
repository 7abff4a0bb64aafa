"""Calls of a browser or a telephone that a server of one's own joins (sideband), over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import ConnectRefused, HungUp
from duologue.formats import PCMU
from duologue.messages.base import ServerMessage
from duologue.middleware import FunctionInvocation
from duologue.options import OFF, Transcription
from duologue.protocols.openai import AZURE, OPENAI, Dialect
from duologue.providers import AzureOpenAIRealtimeClient, OpenAIRealtimeClient, OpenAISessionOptions
from duologue.session import RealtimeSession
from duologue.speech.responder import CallRequested
from duologue.testing import OpenAIEmulator
from duologue.testing.openai_emulator import EmulatedCall, Reply
from duologue.tools import tool

Kind = TypeVar("Kind", bound=ServerMessage)

CALL = "rtc_1"
JOIN = OpenAISessionOptions(call_id=CALL)
LONG = "Once upon a time there was a clock that told everybody what it thought of them. " * 3


@tool
async def current_time() -> str:
    """Tell the time."""
    return "ten to nine"


def openai(emulator: OpenAIEmulator) -> RealtimeClient:
    return OpenAIRealtimeClient("unused", base_url=emulator.url, api_key="key")


def azure(emulator: OpenAIEmulator) -> RealtimeClient:
    return AzureOpenAIRealtimeClient("unused", endpoint=emulator.http_url, api_key="key")


@asynccontextmanager
async def in_call(emulator: OpenAIEmulator) -> AsyncIterator[tuple[EmulatedCall, RealtimeSession]]:
    """A call, and a session that has joined it."""
    call = await emulator.hold_call(CALL)
    async with openai(emulator) as client, client.create_session(JOIN) as session:
        yield call, session


async def until(
    session: RealtimeSession, kind: type[Kind], where: Callable[[Kind], bool] = lambda message: True
) -> list[ServerMessage]:
    """Read on to a message of `kind` for which `where` holds; gives all that was read."""
    read: list[ServerMessage] = []
    async with asyncio.timeout(10):
        async for message in session:
            read.append(message)
            if isinstance(message, kind) and where(message):
                return read
    raise AssertionError(f"No {kind.__name__} has come.")


def of(messages: list[ServerMessage], kind: type[Kind]) -> list[Kind]:
    return [message for message in messages if isinstance(message, kind)]


@pytest.mark.parametrize(("make_client", "dialect"), [(openai, OPENAI), (azure, AZURE)])
async def test_that_tools_are_run_for_the_call(
    make_client: Callable[[OpenAIEmulator], RealtimeClient], dialect: Dialect
) -> None:
    replies: list[Reply] = [CallRequested("current_time", "{}"), "It is ten to nine."]
    async with OpenAIEmulator(replies, dialect=dialect) as emulator:
        call = await emulator.hold_call(CALL, OpenAISessionOptions(instructions="Be kind."))
        options = OpenAISessionOptions(call_id=CALL, tools=(current_time,))
        client = make_client(emulator).with_middleware(FunctionInvocation())
        async with client, client.create_session(options) as session:
            assert session.capabilities.tracks_playback
            assert session.options.instructions == "Be kind."
            assert emulator.requests[0].query.get("call_id") == CALL
            assert "model" not in emulator.requests[0].query
            await call.speak("what time is it")
            told = await until(session, m.TurnDone)
    assert [call.name for call in of(told, m.ResponseDone)[0].function_calls] == ["current_time"]
    (item,) = emulator.session.received_of("conversation.item.create")
    assert item["item"]["output"] == "ten to nine"
    assert "".join(delta.text for delta in of(told, m.OutputTranscriptDelta)) == "It is ten to nine."
    answer = of(told, m.ResponseDone)[-1].response_id
    assert [message.response_id for message in of(told, m.OutputAudioStarted)] == [answer]
    assert not of(told, m.OutputAudioDelta)  # which is for the caller


async def test_that_the_end_of_playback_is_told() -> None:
    async with OpenAIEmulator(["Hello."]) as emulator, in_call(emulator) as (call, session):
        await call.speak("hello")
        told = await until(session, m.OutputAudioStopped)
    kinds = [type(message) for message in told]
    assert kinds.index(m.OutputAudioStarted) < kinds.index(m.ResponseDone) < kinds.index(m.OutputAudioStopped)


async def test_that_all_who_joined_see_the_same_and_errors_come_to_whom_they_belong() -> None:
    async with (
        OpenAIEmulator(["Hello."]) as emulator,
        in_call(emulator) as (call, first),
        openai(emulator) as client,
        client.create_session(JOIN) as second,
    ):
        assert len(call.joined) == 2
        cause = await second.send(m.ItemRetrieve(item_id="nothing"))
        (error,) = of(await until(second, m.ErrorReported), m.ErrorReported)
        assert error.cause_id == cause
        await first.send_text("Hello?", respond=False)
        await until(second, m.ItemDone)
        await second.respond()
        told = [await until(session, m.ResponseDone) for session in (first, second)]
    assert not of(told[0], m.ErrorReported)
    assert [message.text for message in of(told[0], m.OutputTranscriptDelta)] == [
        message.text for message in of(told[1], m.OutputTranscriptDelta)
    ]
    assert of(told[0], m.ResponseDone)[0].response_id == of(told[1], m.ResponseDone)[0].response_id


async def test_that_who_comes_later_is_told_how_it_stands() -> None:
    async with OpenAIEmulator() as emulator, in_call(emulator) as (call, first):
        await first.update(OpenAISessionOptions(instructions="Be brief.", transcription=Transcription()))
        await until(first, m.SessionUpdated)
        await first.aclose()
        await emulator.sessions[0].wait_closed()
        async with openai(emulator) as client, client.create_session(JOIN) as second:
            assert second.options.instructions == "Be brief."
            assert len(call.joined) == 1  # and the call goes on without the first
            await call.speak("are you still there")
            heard = of(await until(second, m.InputTranscriptCompleted), m.InputTranscriptCompleted)
    assert [message.text for message in heard] == ["are you still there"]


async def test_that_a_caller_who_speaks_breaks_the_answer_off() -> None:
    async with OpenAIEmulator([LONG, "All right."], lead_ms=200) as emulator, in_call(emulator) as (call, session):
        await call.speak("tell me a story")
        await until(session, m.OutputAudioStarted)
        await call.speak("that is enough")
        told = await until(session, m.OutputAudioStopped)
        assert not emulator.session.received_of("conversation.item.truncate")  # the server knows what was heard
    assert len(of(told, m.Interrupted)) == 1
    assert len(of(told, m.OutputAudioCleared)) == 1
    assert [done.status for done in of(told, m.ResponseDone)] == ["cancelled", "completed"]


async def test_that_the_server_can_stop_the_answer() -> None:
    async with OpenAIEmulator([LONG], lead_ms=200) as emulator, in_call(emulator) as (call, session):
        await call.speak("tell me a story")
        await until(session, m.OutputAudioStarted)
        await session.interrupt()
        told = await until(session, m.OutputAudioCleared)
        assert [done.status for done in of(told, m.ResponseDone)] == ["cancelled"]
        await emulator.session.wait_received("output_audio_buffer.clear")


async def test_a_call_over_the_telephone() -> None:
    async with OpenAIEmulator(["Hello."]) as emulator:
        call = await emulator.hold_call(CALL, OpenAISessionOptions(input_audio=PCMU, output_audio=PCMU))
        async with openai(emulator) as client, client.create_session(JOIN) as session:
            await call.speak("hello")
            told = await until(session, m.TurnDone)
    (started,), (stopped,) = of(told, m.InputSpeechStarted), of(told, m.InputSpeechStopped)
    assert started.audio_start_ms == 0
    assert stopped.audio_end_ms is not None
    assert stopped.audio_end_ms >= 1_000  # half a second of speech, and the silence that ended it


async def test_turns_that_the_server_marks() -> None:
    async with OpenAIEmulator(["Hello."]) as emulator:
        call = await emulator.hold_call(CALL, OpenAISessionOptions(turn_detection=OFF))
        async with openai(emulator) as client, client.create_session(JOIN) as session:
            await call.speak("hello")
            await session.send(m.InputAudioCommit())
            await session.respond()
            await until(session, m.ResponseDone, lambda done: done.status == "completed")


async def test_that_the_end_of_the_call_ends_the_session() -> None:
    async with OpenAIEmulator() as emulator, in_call(emulator) as (call, session):
        await call.aclose()
        with pytest.raises(HungUp, match="The call has ended"):
            await until(session, m.TurnDone)
        assert call.joined == []


async def test_a_call_that_there_is_not() -> None:
    async with OpenAIEmulator() as emulator, in_call(emulator) as (call, _), openai(emulator) as client:
        with pytest.raises(ConnectRefused) as refused:
            await client.create_session(OpenAISessionOptions(call_id="rtc_2"))
        await call.aclose()
        with pytest.raises(ConnectRefused):
            await client.create_session(JOIN)  # nor one that is over
    assert refused.value.code == "call_not_found"
    assert "check model, call_id" in refused.value.hint
    assert not refused.value.retryable


def test_in_a_test_without_an_event_loop() -> None:
    with OpenAIEmulator(["Hello."]) as emulator:
        call = emulator.run(emulator.hold_call(CALL))

        async def join() -> None:
            async with openai(emulator) as client, client.create_session(JOIN) as session:
                await asyncio.to_thread(emulator.run, call.speak("hello"))
                await until(session, m.ResponseDone)

        asyncio.run(join())
