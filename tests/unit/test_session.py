"""The session and its client, as an application sees them."""

from __future__ import annotations

import asyncio
import warnings

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.client import DuologueWarning, RealtimeClient
from duologue.errors import (
    ConcurrentRead,
    ConnectRefused,
    CutOff,
    HungUp,
    InvalidAudio,
    InvalidInput,
    SessionClosed,
    SessionEnded,
    SessionFailed,
    UnsupportedOperation,
)
from duologue.formats import PCM16_16K, PCM16_24K
from duologue.link import FunctionInvoker, Link
from duologue.messages.base import ServerMessage
from duologue.options import OFF, SessionOptions
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.tools import FunctionTool, tool
from links import EVERYTHING, WireClient, WireLink, audio


def text(words: str) -> m.OutputTextDelta:
    return m.OutputTextDelta(response_id="r1", item_id="i1", text=words)


async def read(session: RealtimeSession, count: int) -> list[ServerMessage]:
    return [await anext(session) for _ in range(count)]


# --- opening ---


async def test_that_a_session_is_entered_or_awaited() -> None:
    client = WireClient()
    async with client.create_session(SessionOptions(voice="a")) as session:
        assert isinstance(await anext(session), m.SessionCreated)
        assert session.options.voice == "a"
        assert session.ended is None
    assert isinstance(session.ended, SessionClosed)
    awaited = await client.create_session()
    assert awaited.ended is None
    await awaited.aclose()
    assert [link.hang_ups for link in client.links] == [1, 1]


async def test_that_the_clients_defaults_hold_under_the_sessions_options() -> None:
    client = WireClient(defaults=SessionOptions(voice="a", speed=1.1, turn_detection=OFF))
    async with client.create_session(SessionOptions(voice="b")) as session:
        assert session.options == SessionOptions(voice="b", speed=1.1, turn_detection=OFF)
        assert session.metadata.provider == "wire"
        assert session.capabilities is EVERYTHING
        assert session.get_service(WireLink) is client.link
        assert session.get_service(RealtimeSession) is session
        assert session.get_service(FunctionInvoker) is None


async def test_that_options_that_cannot_be_carried_open_nothing() -> None:
    client = WireClient(replace(EVERYTHING, options=EVERYTHING.options - {"voice", "instructions"}))
    with pytest.raises(UnsupportedOperation):
        await client.create_session(SessionOptions(voice="a"))
    assert client.links == []


async def test_that_preferences_are_dropped_with_a_warning() -> None:
    client = WireClient(replace(EVERYTHING, options=EVERYTHING.options - {"voice", "speed"}))
    options = SessionOptions(voice="a", speed=1.2, instructions="hi")
    with pytest.warns(DuologueWarning, match="wire has no voice, speed: left out"):
        session = await client.create_session(options, unsupported="drop")
    assert session.dropped == ("voice", "speed")
    assert session.options.voice is None
    assert session.options.instructions == "hi"
    await session.aclose()


@tool
def now() -> str:
    """The time."""
    return "noon"


class Runs(SessionLayer, FunctionInvoker):
    watches = ()


async def test_that_tools_that_nobody_runs_are_warned_of() -> None:
    client = WireClient()
    with pytest.warns(DuologueWarning, match=r"Nothing runs the tools now\. .*FunctionInvocation"):
        session = await client.create_session(SessionOptions(tools=(now,)))
    await session.aclose()


@pytest.mark.parametrize("options", [SessionOptions(tools=(FunctionTool(name="declared"),)), SessionOptions(tools=())])
async def test_that_declarations_are_not_warned_of(options: SessionOptions) -> None:
    async with WireClient().create_session(options):
        pass


async def test_that_an_invoker_runs_them() -> None:
    client = WireClient().with_middleware(wrap_sessions(Runs))
    async with client.create_session(SessionOptions(tools=(now,))) as session:
        assert isinstance(session.get_service(FunctionInvoker), Runs)


async def test_that_a_warning_made_an_error_leaves_no_session_behind() -> None:
    client = WireClient()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DuologueWarning):
            await client.create_session(SessionOptions(tools=(now,)))
    assert client.link.hang_ups == 1


# --- reading ---


async def test_that_reading_goes_on_where_it_stopped() -> None:
    client = WireClient()
    async with client.create_session() as session:
        client.link.push(text("a"), text("b"), text("c"))
        seen: list[ServerMessage] = []
        async for message in session:
            seen.append(message)
            if message == text("a"):
                break
        seen += await read(session, 1)
        async for message in session:
            seen.append(message)
            break
    assert seen[1:] == [text("a"), text("b"), text("c")]


async def test_that_a_read_that_timed_out_loses_nothing() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(session), 0)
        client.link.push(text("a"))
        assert await anext(session) == text("a")


async def test_that_there_is_one_reader_at_a_time() -> None:
    async with WireClient().create_session() as session:
        await anext(session)
        reader = asyncio.ensure_future(anext(session))
        await asyncio.sleep(0)
        with pytest.raises(ConcurrentRead):
            await anext(session)
        reader.cancel()
    assert session.ended is not None


async def test_that_iteration_ends_quietly_when_our_side_closed() -> None:
    client = WireClient()
    session = await client.create_session()
    client.link.push(text("a"))
    await session.aclose()
    assert [message async for message in session][1:] == [text("a")]
    assert [message async for message in session] == []
    await session.aclose()


async def test_that_anything_else_is_raised_after_what_has_arrived() -> None:
    client = WireClient()
    async with client.create_session() as session:
        end = HungUp("The provider is done.", provider="wire", code="bye", retryable=True)
        client.link.push(text("a"))
        client.link.cut(end)
        assert (await read(session, 2))[1] == text("a")
        for _ in range(2):
            with pytest.raises(HungUp) as raised:
                await anext(session)
            assert raised.value is end
        assert session.ended is end
        for late in (session.send_text("hello?"), session.drain()):
            with pytest.raises(HungUp):
                await late
    assert client.link.hang_ups == 1


async def test_that_a_reader_that_waits_learns_of_the_end() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        reader = asyncio.ensure_future(anext(session))
        await asyncio.sleep(0)
        client.link.cut()
        with pytest.raises(CutOff):
            await reader


async def test_that_the_end_of_another_session_is_no_quiet_end() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        client.link.fail(SessionClosed("Another session was closed."))
        with pytest.raises(SessionClosed, match="Another session"):
            await anext(session)
        assert isinstance(session.ended, SessionFailed)


async def test_what_was_raised_reaches_the_reader_and_send_names_it() -> None:
    client = WireClient()
    async with client.create_session() as session:
        await anext(session)
        client.link.fail(ZeroDivisionError("oops"))
        with pytest.raises(ZeroDivisionError, match="oops"):
            await anext(session)
        with pytest.raises(SessionFailed, match="ZeroDivisionError") as raised:
            await session.send_audio(b"")
        assert isinstance(raised.value.__cause__, ZeroDivisionError)


# --- sending ---


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
        assert session.options.tools == (now,)
        assert session.options.tools[0] is now
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


async def test_that_what_the_runtime_adds_knows_its_frame() -> None:
    client = WireClient()
    async with client.create_session() as session:
        client.link.push(m.ResponseCreated(response_id="r1"), audio(500))
        speech = m.InputSpeechStarted()
        m.base.set_meta(speech, m.Meta(5, 3, b'{"type": "speech"}'))
        client.link.push(speech)
        interrupted = (await read(session, 2))[1]
        assert isinstance(interrupted, m.Interrupted)
        assert interrupted.meta == m.Meta(5, 3, b'{"type": "speech"}')


# --- the client ---


async def test_that_closing_the_client_ends_its_sessions() -> None:
    client = WireClient()
    async with client:
        sessions = [await client.create_session() for _ in range(3)]
    assert [type(session.ended) for session in sessions] == [SessionClosed] * 3
    assert [link.hang_ups for link in client.links] == [1, 1, 1]


async def test_that_closing_a_provider_ends_sessions_opened_through_layers() -> None:
    client = WireClient()
    session = await client.with_middleware(wrap_sessions(Runs)).create_session()
    await client.aclose()
    assert [message.type async for message in session] == ["session_created"]
    assert client.link.hang_ups == 1


async def test_that_closing_a_wrapped_client_closes_the_provider() -> None:
    client = WireClient()
    wrapped = client.with_middleware(wrap_sessions(Runs))
    session = await wrapped.create_session()
    await wrapped.aclose()
    assert isinstance(session.ended, SessionClosed)
    with pytest.raises(InvalidInput, match="client is closed"):
        await client.create_session()


async def test_that_a_session_that_opens_while_its_client_closes_is_closed_too() -> None:
    client = WireClient()
    client.opening.clear()
    opening = asyncio.ensure_future(client._open(SessionOptions()))
    await asyncio.sleep(0)
    await client.aclose()
    client.opening.set()
    with pytest.raises(InvalidInput, match="client is closed"):
        await opening
    assert client.link.hang_ups == 1


async def test_that_a_client_forgets_sessions_that_are_over() -> None:
    client = WireClient()
    session = await client.create_session()
    client.link.cut()
    assert client._sessions == set()
    await session.aclose()


class Refuses(WireClient):
    async def open_link(self, options: SessionOptions, dropped: tuple[str, ...]) -> Link:
        raise ConnectRefused("No.", provider="wire", code="busy", hint="Come back later.", retryable=True)


async def test_what_a_refusal_says() -> None:
    with pytest.raises(ConnectRefused) as raised:
        async with Refuses().create_session():
            pass
    assert str(raised.value) == "wire: No. (busy) Come back later."
    assert raised.value.retryable
    assert isinstance(raised.value, SessionEnded)


async def test_the_order_of_middleware() -> None:
    order = []

    def note(name: str, client: RealtimeClient) -> RealtimeClient:
        order.append(name)
        return client

    client = WireClient()
    assert client.with_middleware(lambda inner: note("a", inner), lambda inner: note("b", inner)) is client
    assert order == ["b", "a"]
    assert client.with_middleware() is client


async def test_that_middleware_has_to_give_a_client_back() -> None:
    def forgets(client: RealtimeClient) -> None:
        """Returns nothing."""

    with pytest.raises(InvalidInput, match=r"Middleware number 2 \(forgets\) gave back NoneType, not a client"):
        WireClient().with_middleware(wrap_sessions(Runs), forgets)  # type: ignore[arg-type]
