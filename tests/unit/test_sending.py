"""Sending: all or nothing, and what every provider's session makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.errors import (
    InvalidAudio,
    InvalidInput,
    SessionClosed,
    UnsupportedOperation,
)
from duologue.formats import PCM16_16K, PCM16_24K
from duologue.link import FunctionInvoker
from duologue.messages.base import ClientMessage, ServerMessage, set_meta
from duologue.options import SessionOptions
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.tools import FunctionTool, tool
from links import EVERYTHING, WireClient, WireLink, audio


def text(words: str) -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id="r1", item_id="i1", text=words)


async def read(session: RealtimeSession, count: int) -> list[ServerMessage]:
    return [await anext(session) for _ in range(count)]


@tool
def now() -> str:
    """The time."""
    return "noon"


class Runs(SessionLayer, FunctionInvoker):
    watches = ()


async def test_that_every_message_has_an_id_and_keeps_its_own() -> None:
    client = WireClient()
    async with client.create_session() as session:
        first = await session.send_text("hi", respond=False)
        second = await session.send(m.ItemDelete(id="mine", item_id="i1"))
        sent = client.link.written
        assert [message.id for message in sent] == [first, "mine"]
        assert second == "mine"
        assert await session.send_audio(b"\0\0") != first


@pytest.mark.parametrize("nonsense", ["hi", None, text("hi"), SessionOptions()])
async def test_that_only_client_messages_are_sent(nonsense: object) -> None:
    client = WireClient()
    async with client.create_session() as session:
        with pytest.raises(InvalidInput, match="A session sends client messages"):
            await session.send(nonsense)  # type: ignore[arg-type]
        assert client.link.written == []


async def test_the_verbs() -> None:
    client = WireClient()
    link: WireLink
    async with client.create_session() as session:
        link = client.link
        await session.send_text("hi")
        await session.send_image(b"png", text="look", respond=False)
        await session.send_audio(b"\0\0", PCM16_24K)
        await session.say("Hello.")
        await session.update(SessionOptions(voice="b"))
        await session.respond(m.ResponseCreate(out_of_band=True))
        sent = [replace(message, id=None) for message in link.written]
    assert sent == [
        m.ItemCreate(item=m.MessageItem.user("hi")),
        m.ResponseCreate(),
        m.ItemCreate(item=m.MessageItem.image(m.ImageContent(data=b"png"), "look")),
        m.InputAudioAppend(audio=b"\0\0", format=PCM16_24K),
        m.SessionUpdate(options=SessionOptions(voice="b")),
        m.ResponseCreate(out_of_band=True),
    ]


async def test_that_a_verb_sends_all_or_nothing() -> None:
    client = WireClient(replace(EVERYTHING, explicit_response=False))
    async with client.create_session() as session:
        with pytest.raises(UnsupportedOperation):
            await session.send_text("hi")
        assert client.link.written == []
        await session.send_text("hi", respond=False)
        assert len(client.link.written) == 1


async def test_that_audio_has_to_fit() -> None:
    client = WireClient()
    async with client.create_session(SessionOptions(input_audio=PCM16_16K)) as session:
        with pytest.raises(InvalidAudio, match=r"takes pcm16 at 16000 Hz.*pcm16 at 24000 Hz.*AudioConversion"):
            await session.send_audio(b"\0\0", PCM16_24K)
        with pytest.raises(InvalidAudio, match="3 bytes are no whole samples of pcm16 at 16000 Hz"):
            await session.send_audio(b"\0\0\0")
        assert client.link.written == []
        await session.send_audio(b"\0\0")
        await session.send_audio(b"\0\0", PCM16_16K)
        assert len(client.link.written) == 2


async def test_that_what_a_wire_refuses_changes_nothing() -> None:
    client = WireClient()
    async with client.create_session() as session:
        link = client.link
        for kind in (m.ResponseCreate, m.Say, m.SessionUpdate, m.ItemCreate):
            link.refuses[kind] = UnsupportedOperation("that", "wire")
        for refused in (
            m.ResponseCreate(),
            m.Say(text="hi"),
            m.ResponseCreate(when="now"),
            m.SessionUpdate(options=SessionOptions(voice="b")),
            m.ItemCreate(item=m.FunctionResult(call_id="c", output="")),
        ):
            with pytest.raises(UnsupportedOperation):
                await session.send(refused)
        await session.drain()
        link.refuses.clear()
        await session.respond()
        assert len(link.written_of(m.ResponseCreate)) == 1
        link.push(m.SessionUpdated(options=SessionOptions()))
        assert session.options.voice is None


async def test_that_a_waiting_request_that_the_wire_refuses_is_reported() -> None:
    client = WireClient()
    async with client.create_session() as session:
        link = client.link
        await session.respond()
        link.push(m.ResponseCreated(response_id="r1"))
        say_id = await session.say("Hello.")
        await session.respond(m.ResponseCreate(instructions="other"))
        link.refuses[m.Say] = UnsupportedOperation("saying that", "wire")
        link.push(m.ResponseDone(response_id="r1", status="completed"))
        assert [request.instructions for request in link.written_of(m.ResponseCreate)] == [None, "other"]
        *before, report = await read(session, 5)
        assert [message.type for message in before[1:]] == ["response_created", "response_done", "turn_done"]
        assert isinstance(report, m.ErrorReported)
        assert (report.kind, report.cause_id) == ("invalid_request", say_id)
        assert report.cause == m.Say(id=say_id, text="Hello.")
        assert "saying that" in report.error.message


async def test_that_sending_waits_and_its_cancellation_takes_nothing_back() -> None:
    client = WireClient()
    async with client.create_session() as session:
        client.link.room.clear()
        sending = asyncio.create_task(session.send_text("hi", respond=False))
        await asyncio.sleep(0)
        assert len(client.link.written) == 1
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert len(client.link.written) == 1
        client.link.room.set()


async def test_that_drain_waits_for_requests_that_wait_for_their_turn() -> None:
    client = WireClient()
    async with client.create_session() as session:
        client.link.push(m.ResponseCreated(response_id="r1"))
        await session.respond()
        draining = asyncio.create_task(session.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        client.link.push(m.ResponseDone(response_id="r1", status="completed"))
        await draining
        assert len(client.link.written_of(m.ResponseCreate)) == 1


async def test_that_drain_does_not_outlive_the_session() -> None:
    client = WireClient()
    session = await client.create_session()
    client.link.push(m.ResponseCreated(response_id="r1"))
    await session.respond()
    draining = asyncio.create_task(session.drain())
    await asyncio.sleep(0)
    await session.aclose()
    await draining


async def test_that_sending_after_the_end_raises_it() -> None:
    session = await WireClient().create_session()
    await session.aclose()
    with pytest.raises(SessionClosed, match="closed on our side"):
        await session.send_text("hi")


# --- what the runtime does for every provider ---


async def test_that_options_are_what_the_provider_confirmed_and_tools_stay_ours() -> None:
    client = WireClient().with_middleware(wrap_sessions(Runs))
    async with client.create_session(SessionOptions(voice="a", tools=(now,), history=())) as session:
        link = session.get_service(WireLink)
        assert link is not None
        await session.update(SessionOptions(voice="b", speed=1.2))
        assert session.options.voice == "a"
        theirs = SessionOptions(voice="b", temperature=0.8, tools=(FunctionTool(name="now"),), history=())
        link.push(m.SessionUpdated(options=theirs))
        assert session.options.tools is not None
        assert [tool is now for tool in session.options.tools] == [True]
        assert (session.options.voice, session.options.speed, session.options.temperature) == ("b", 1.2, 0.8)
        updated = (await read(session, 2))[1]
        assert isinstance(updated, m.SessionUpdated)
        assert updated.options == session.options


async def test_that_an_update_that_was_refused_is_forgotten() -> None:
    client = WireClient()
    async with client.create_session(SessionOptions(voice="a")) as session:
        bad = await session.update(SessionOptions(voice="nobody"))
        await session.update(SessionOptions(speed=1.2))
        client.link.push(
            m.ErrorReported(kind="invalid_request", error=m.ErrorDetail(message="no such voice"), cause_id=bad),
            m.SessionUpdated(options=SessionOptions()),
        )
        assert (session.options.voice, session.options.speed) == ("a", 1.2)


async def test_that_interrupt_stops_generation_and_playback_once() -> None:
    client = WireClient(clock=lambda: 0.0)
    async with client.create_session() as session:
        client.link.push(m.ResponseCreated(response_id="r1"), audio(500))
        await session.interrupt()
        await session.interrupt()
        client.link.push(audio(100), text("late words"), m.ResponseDone(response_id="r1", status="cancelled"))
        assert [replace(message, id=None) for message in client.link.written] == [
            m.ResponseCancel(response_id="r1"),
            m.ItemDelete(item_id="i1"),
            m.ResponseCancel(response_id="r1"),
        ]
        types = [message.type for message in await read(session, 6)]
        assert types == [
            "session_created", "interrupted", "response_created", "output_text_delta", "response_done", "turn_done",
        ]  # fmt: skip


@pytest.mark.parametrize("asked", ["by a request", "by speech", "by the end of a turn"])
async def test_that_interrupt_stops_an_answer_that_has_not_begun(asked: str) -> None:
    client = WireClient()
    async with client.create_session() as session:
        if asked == "by a request":
            await session.send_text("hi")
        elif asked == "by speech":
            client.link.push(m.InputAudioCommitted(item_id="u1"))
        else:
            await session.send(m.UserTurnEnd())
        client.link.written.clear()
        await session.interrupt()
        assert [replace(message, id=None) for message in client.link.written] == [m.ResponseCancel()]


async def test_that_interrupt_without_any_answer_says_nothing() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await session.interrupt()
        assert client.link.written == []


async def test_that_the_answer_to_a_turn_waits_for_the_one_before() -> None:
    client = WireClient()
    async with client.create_session() as session:
        client.link.push(m.ResponseCreated(response_id="r1"))
        turn = await session.send(m.UserTurnEnd())
        assert client.link.written == [m.UserTurnEnd(id=turn, respond=False)]
        client.link.push(m.ResponseDone(response_id="r1", status="completed"))
        assert client.link.written[1:] == [m.ResponseCreate(id=f"{turn}_response")]
        client.link.push(m.ResponseCreated(response_id="r2"), m.ResponseDone(response_id="r2", status="completed"))
        await session.send(m.UserTurnEnd(id="t"))
        assert client.link.written[2:] == [m.UserTurnEnd(id="t")]  # nothing runs: as the wire has it


async def test_that_the_answer_to_a_turn_waits_for_one_that_is_on_its_way() -> None:
    client = WireClient()
    async with client.create_session() as session:
        first = await session.send(m.UserTurnEnd())
        await session.respond()
        second = await session.send(m.UserTurnEnd())
        kinds = [type(message) for message in client.link.written]
        assert kinds == [m.UserTurnEnd, m.ResponseCreate, m.UserTurnEnd]
        assert client.link.written[2] == m.UserTurnEnd(id=second, respond=False)
        assert first != second


async def test_that_a_turn_that_cannot_be_marked_awaits_no_answer() -> None:
    class Refuses(WireLink):
        def _write(self, message: ClientMessage) -> None:
            raise UnsupportedOperation("turns", "wire")

    link = Refuses(SessionOptions(), EVERYTHING)
    with pytest.raises(UnsupportedOperation):
        await link.send(m.UserTurnEnd(id="t"))
    assert not link._sequencer.awaits_response
    await link.aclose()


@pytest.mark.parametrize("picture", [{}, {"data": b"png", "url": "https://host.example/a.png"}])
async def test_a_picture_that_is_none_or_two(picture: dict[str, Any]) -> None:
    client = WireClient()
    async with client.create_session() as session:
        with pytest.raises(InvalidInput, match="bytes or its url"):
            await session.send_image(**picture)
        assert client.link.written == []


async def test_that_what_the_runtime_adds_knows_its_frame() -> None:
    client = WireClient()
    async with client.create_session() as session:
        client.link.push(m.ResponseCreated(response_id="r1"), audio(500))
        speech = m.InputSpeechStarted()
        set_meta(speech, m.Meta(5, 3, b'{"type": "speech"}'))
        client.link.push(speech)
        interrupted = (await read(session, 2))[1]
        assert isinstance(interrupted, m.Interrupted)
        assert interrupted.meta == m.Meta(5, 3, b'{"type": "speech"}')
