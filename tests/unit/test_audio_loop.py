"""The audio loop: source to session, session to sink, and what was heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TypeVar

import msgspec
import pytest

from duologue import messages as m
from duologue.audio import Heard, MemorySink, MemorySource
from duologue.audio_loop import live
from duologue.errors import ConcurrentRead, HungUp, InvalidAudio
from duologue.formats import PCM16_16K, PCM16_24K, PCMU, AudioFormat
from duologue.messages.base import ServerMessage
from duologue.middleware import AudioConversion
from duologue.options import SessionOptions
from duologue.runtime.playback import PlaybackTracker
from duologue.session import RealtimeSession
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply

Kind = TypeVar("Kind", bound=ServerMessage)
CHUNK = bytes(960)


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Microphone:
    """A source that gives what the test says, when it says it."""

    def __init__(self, format: AudioFormat = PCM16_24K) -> None:
        self.format = format
        self.chunks: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.is_closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.chunks.get()
        if isinstance(chunk, Exception):
            raise chunk
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        self.is_closed = True


async def read_until(messages: AsyncIterator[ServerMessage], kind: type[Kind]) -> tuple[list[ServerMessage], Kind]:
    read: list[ServerMessage] = []
    async for message in messages:
        read.append(message)
        if isinstance(message, kind):
            return read, message
    raise AssertionError(f"no {kind.__name__} among {read}")


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def other_tasks() -> set[asyncio.Task[object]]:
    await settled()
    return asyncio.all_tasks()


async def test_the_source_is_streamed_and_its_end_told() -> None:
    client = ScriptedClient()
    source = MemorySource(bytes(range(250)) * 16, PCM16_24K, realtime=False)
    async with client.create_session() as session, aclosing(live(session, source)) as messages:
        await anext(messages)
        await client.link.wait_sent(m.InputAudioEnd)
    appended = client.link.sent_of(m.InputAudioAppend)
    assert b"".join(message.audio for message in appended) == bytes(range(250)) * 16
    assert isinstance(client.link.sent[-1], m.InputAudioEnd)


async def test_audio_is_played_and_everything_is_yielded() -> None:
    reply = ScriptedReply.audio(b"\1\2" * 4800, "Hello.")
    client = ScriptedClient([reply])
    sink = MemorySink(realtime=False)
    async with client.create_session() as session, aclosing(live(session, None, sink)) as messages:
        await session.respond()
        read, _ = await read_until(messages, m.TurnDone)
    assert isinstance(read[0], m.SessionCreated)
    assert sum(isinstance(message, m.OutputAudioDelta) for message in read) == 2
    assert sink.rendered == b"\1\2" * 4800


async def test_playing_and_stopping_do_not_wait_for_the_loops_body() -> None:
    clock = Clock()
    client = ScriptedClient([ScriptedReply.speech("Long.", 1000).held(), "Yes?"])
    sink = MemorySink(clock=clock)
    async with client.create_session() as session, aclosing(live(session, None, sink)) as messages:
        await session.respond()
        await anext(messages)  # and the body takes its time
        await settled()
        clock.seconds = 0.25
        assert sink.heard == Heard("item_2", 0, 250.0, finished=False)
        client.link.hear("Stop.")
        await settled()
        assert sink.heard is None
        assert isinstance(await anext(messages), m.Interrupted)


async def test_an_interruption_keeps_exactly_what_was_heard_when_the_audio_went_out() -> None:
    clock, source = Clock(), Microphone()
    client = ScriptedClient([ScriptedReply.speech("Once upon a time", 2000)])
    # The provider notices speech in the chunk that comes third.
    client.on(
        m.InputAudioAppend,
        lambda _: [m.InputSpeechStarted()] if len(client.link.sent_of(m.InputAudioAppend)) == 2 else None,
    )
    sink = MemorySink(clock=clock)
    async with (
        client.create_session() as session,
        aclosing(live(session, source, sink, report_every_ms=1e9)) as messages,
    ):
        await session.respond()
        await read_until(messages, m.TurnDone)
        for number in (1, 2, 3):
            clock.seconds = number * 0.3337
            source.chunks.put_nowait(CHUNK)
            await client.link.wait_sent(m.InputAudioAppend, number)
        _, interrupted = await read_until(messages, m.Interrupted)
        await client.link.wait_sent(m.ItemTruncate)
    rendered_ms = PCM16_24K.duration_ms(len(sink.rendered))
    assert interrupted.heard_ms == int(rendered_ms) == 1001
    assert [cut.audio_end_ms for cut in client.link.sent_of(m.ItemTruncate)] == [1001]


async def test_nothing_is_interrupted_when_all_was_heard() -> None:
    clock, source = Clock(), Microphone()
    client = ScriptedClient([ScriptedReply.speech("Short", 200)])
    sink = MemorySink(clock=clock)
    async with (
        client.create_session() as session,
        aclosing(live(session, source, sink, report_every_ms=1e9)) as messages,
    ):
        await session.respond()
        await read_until(messages, m.TurnDone)
        clock.seconds = 0.2
        source.chunks.put_nowait(CHUNK)
        (report,) = await client.link.wait_sent(m.OutputAudioPlayed)
        assert (report.played_ms, report.finished) == (200, True)
        client.link.push(m.InputSpeechStarted(), m.SessionExpiring(seconds_left=1))
        read, _ = await read_until(messages, m.SessionExpiring)
    assert not any(isinstance(message, m.Interrupted) for message in read)


async def test_reports_go_on_without_a_source_and_only_when_something_was_heard() -> None:
    clock = Clock()
    client = ScriptedClient([ScriptedReply.speech("Short", 200)])
    sink = MemorySink(clock=clock)
    async with client.create_session() as session, aclosing(live(session, None, sink, report_every_ms=0)) as messages:
        await session.respond()
        await read_until(messages, m.TurnDone)
        for number in (0, 1, 2):
            clock.seconds = 0.1 * number
            await client.link.wait_sent(m.OutputAudioPlayed, number + 1)
            await settled()
    reports = client.link.sent_of(m.OutputAudioPlayed)
    assert [(report.played_ms, report.finished) for report in reports] == [(0, False), (100, False), (200, True)]


async def test_the_position_of_an_interruption_is_reported() -> None:
    clock, source = Clock(), Microphone()
    client = ScriptedClient([ScriptedReply.speech("Long", 2000)])
    sink = MemorySink(clock=clock)
    async with (
        client.create_session() as session,
        aclosing(live(session, source, sink, report_every_ms=1e9)) as messages,
    ):
        await session.respond()
        await read_until(messages, m.TurnDone)
        clock.seconds = 0.5
        await session.interrupt()
        await read_until(messages, m.Interrupted)
        assert sink.heard is None
        source.chunks.put_nowait(CHUNK)
        (report,) = await client.link.wait_sent(m.OutputAudioPlayed)
    assert (report.played_ms, report.finished) == (500, False)


# --- what the reports mean --------------------------------------------------------------------------------------------


def tracker() -> PlaybackTracker:
    return PlaybackTracker(SessionOptions(), SCRIPTED_CAPABILITIES)


def delta(item_id: str, duration_ms: float, response_id: str = "r") -> m.OutputAudioDelta:
    audio = bytes(PCM16_24K.bytes_for(duration_ms))
    return m.OutputAudioDelta(response_id=response_id, item_id=item_id, audio=audio, format=PCM16_24K)


def interruption(playback: PlaybackTracker) -> m.Interrupted | None:
    (shown, *interrupted), _ = playback.received(m.InputSpeechStarted(), 100.0)
    assert isinstance(shown, m.InputSpeechStarted)
    assert all(isinstance(message, m.Interrupted) for message in interrupted)
    return next((message for message in interrupted if isinstance(message, m.Interrupted)), None)


def done(response_id: str = "r") -> m.ResponseDone:
    return m.ResponseDone(response_id=response_id, status="completed")


def test_a_speaker_that_ran_dry_has_not_finished_what_is_on_its_way() -> None:
    playback = tracker()
    playback.received(m.ResponseCreated(response_id="r"), 0.0)
    playback.audio(delta("i", 100), 0.0)
    playback.audio(delta("i", 100), 0.0)
    playback.received(done(), 0.0)
    playback.played(m.OutputAudioPlayed(item_id="i", played_ms=100, finished=True))
    interrupted = interruption(playback)
    assert interrupted is not None
    assert (interrupted.item_id, interrupted.heard_ms) == ("i", 100)


@pytest.mark.parametrize("played_ms", [199, 199.96, 200, 201])
def test_a_report_may_be_rounded(played_ms: float) -> None:
    playback = tracker()
    playback.received(m.ResponseCreated(response_id="r"), 0.0)
    playback.audio(delta("i", 200), 0.0)
    playback.received(done(), 0.0)
    playback.played(m.OutputAudioPlayed(item_id="i", played_ms=played_ms, finished=True))
    assert interruption(playback) is None


def test_a_report_of_one_part_means_that_those_before_it_were_heard() -> None:
    playback = tracker()
    playback.received(m.ResponseCreated(response_id="r"), 0.0)
    playback.audio(delta("first", 200), 0.0)
    playback.audio(delta("second", 200), 0.0)
    playback.played(m.OutputAudioPlayed(item_id="first", played_ms=180))
    playback.played(m.OutputAudioPlayed(item_id="second", played_ms=40))
    interrupted = interruption(playback)
    assert interrupted is not None
    assert (interrupted.item_id, interrupted.heard_ms) == ("second", 40)


def test_what_comes_beside_the_conversation_is_followed_until_its_response_ends() -> None:
    playback = tracker()
    playback.received(m.ResponseCreated(response_id="beside", out_of_band=True), 0.0)
    playback.audio(delta("i", 200, "beside"), 0.0)
    playback.played(m.OutputAudioPlayed(item_id="i", played_ms=200, finished=True))
    playback.received(m.ResponseCreated(response_id="r"), 0.0)
    playback.received(done(), 0.0)
    playback.audio(delta("i", 200, "beside"), 0.0)
    playback.played(m.OutputAudioPlayed(item_id="i", played_ms=300))
    interrupted = interruption(playback)
    assert interrupted is not None
    assert interrupted.heard_ms == 300


# --- the ends ---------------------------------------------------------------------------------------------------------


async def test_leaving_the_loop_ends_its_tasks_and_nothing_else() -> None:
    client, source, sink = ScriptedClient(), Microphone(), MemorySink(realtime=False)
    async with client.create_session() as session:
        before = asyncio.all_tasks()
        async for _ in live(session, source, sink):
            break
        assert await other_tasks() == before
        assert not source.is_closed
        sink.play(b"\1\2", "still open", 0)
        await session.send_text("Still open.", respond=False)


async def test_a_cancelled_loop_leaves_no_task_behind() -> None:
    client, source, sink = ScriptedClient(), Microphone(), MemorySink(realtime=False)

    async def talk(session: RealtimeSession) -> None:
        async for _ in live(session, source, sink):
            pass

    async with client.create_session() as session:
        before = asyncio.all_tasks()
        for turns in range(12):  # at every await on the way
            talking = asyncio.create_task(talk(session))
            for _ in range(turns):
                await asyncio.sleep(0)
            talking.cancel()
            await asyncio.wait([talking])
            assert talking.cancelled()
            assert await other_tasks() == before
        client.link.push(m.SessionExpiring(seconds_left=1))
        assert isinstance(await anext(session), m.SessionExpiring | m.SessionCreated)


async def test_our_own_end_ends_the_loop_quietly() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        before = asyncio.all_tasks()
        messages = live(session, Microphone(), MemorySink(realtime=False))
        assert isinstance(await anext(messages), m.SessionCreated)
        await session.aclose()
        assert [message async for message in messages] == []
        assert await other_tasks() <= before


async def test_the_providers_end_is_raised_after_what_it_sent() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        messages = live(session, Microphone(), MemorySink(realtime=False))
        await anext(messages)
        client.link.push(m.SessionExpiring(seconds_left=1))
        client.link.hang_up()
        assert isinstance(await anext(messages), m.SessionExpiring)
        with pytest.raises(HungUp):
            await anext(messages)


async def test_a_source_that_fails_raises_after_what_it_gave() -> None:
    client, source = ScriptedClient(), Microphone()
    async with client.create_session() as session:
        before = asyncio.all_tasks()
        source.chunks.put_nowait(CHUNK)
        source.chunks.put_nowait(InvalidAudio("The file is cut short."))
        messages = live(session, source)
        await anext(messages)
        with pytest.raises(InvalidAudio, match="cut short"):
            await anext(messages)
        assert await other_tasks() == before
        assert session.ended is None
    assert client.link.sent_of(m.InputAudioAppend)


async def test_a_sink_that_fails_raises() -> None:
    client = ScriptedClient([ScriptedReply.speech("Hi.", 100)])
    sink = MemorySink()
    await sink.aclose()
    async with client.create_session() as session:
        await session.respond()
        with pytest.raises(ValueError, match="closed"):
            await read_until(live(session, None, sink), m.TurnDone)


async def test_two_readers_are_refused() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        await anext(session)
        reading = asyncio.create_task(anext(session))
        await settled()
        with pytest.raises(ConcurrentRead):
            await anext(live(session))
        reading.cancel()
        await asyncio.wait([reading])


# --- formats ----------------------------------------------------------------------------------------------------------


async def test_formats_that_do_not_fit_are_told_before_anything_starts() -> None:
    client = ScriptedClient()
    async with client.create_session(SessionOptions(output_audio=PCM16_24K)) as session:
        before = asyncio.all_tasks()
        with pytest.raises(InvalidAudio, match=r"source gives pcm16 at 16000 Hz.*AudioConversion"):
            live(session, Microphone(PCM16_16K))
        with pytest.raises(InvalidAudio, match=r"sink takes pcmu at 8000 Hz.*AudioConversion"):
            live(session, None, MemorySink(PCMU))
        assert asyncio.all_tasks() == before
    assert client.link.sent == []


async def test_a_sink_that_does_not_fit_what_arrives_raises() -> None:
    client = ScriptedClient([ScriptedReply.speech("Hi.", 100)])
    async with client.create_session() as session:
        await session.respond()
        with pytest.raises(InvalidAudio, match="AudioConversion"):
            await read_until(live(session, None, MemorySink(PCMU)), m.TurnDone)


async def test_with_conversion_any_source_and_sink_will_do() -> None:
    narrow = msgspec.structs.replace(
        SCRIPTED_CAPABILITIES, input_formats=frozenset({PCM16_24K}), output_formats=frozenset({PCM16_24K})
    )
    client = ScriptedClient([ScriptedReply.speech("Hi.", 100)], capabilities=narrow)
    source, sink = MemorySource(bytes(320), PCMU, realtime=False), MemorySink(PCMU, realtime=False)
    layered = client.with_middleware(AudioConversion())
    async with layered.create_session(SessionOptions(input_audio=PCM16_16K, output_audio=PCMU)) as session:
        messages = live(session, source, sink)
        await session.respond()
        await read_until(messages, m.TurnDone)
        await client.link.wait_sent(m.InputAudioEnd)
        await messages.aclose()
    assert sum(len(message.audio) for message in client.link.sent_of(m.InputAudioAppend)) == 320 * 6
    assert len(sink.rendered) == PCMU.bytes_for(100)
