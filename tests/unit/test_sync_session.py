"""A blocking session keeps the contract of the asynchronous one."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import ALL_OPTIONS
from duologue.client import DuologueWarning
from duologue.errors import (
    ConcurrentRead,
    ConnectRefused,
    CutOff,
    HungUp,
    InvalidInput,
    SessionClosed,
    UnsupportedOperation,
)
from duologue.formats import AudioFormat
from duologue.link import FunctionInvoker
from duologue.messages.base import ServerMessage
from duologue.middleware import AudioConversion, FunctionInvocation
from duologue.options import SessionOptions
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.sync import Session, close, connect
from duologue.testing import ScriptedClient, ScriptedLink
from links import EVERYTHING, WireClient, WireLink, audio
from sync_helpers import in_thread, on_loop, push, scripted, text, wait_for_reader


@pytest.fixture
def client() -> WireClient:
    return WireClient()


@pytest.fixture
def session(client: WireClient) -> Iterator[Session]:
    """Open, and past its first message."""
    with connect(client) as session:
        assert isinstance(next(session), m.SessionCreated)
        yield session


def test_a_conversation_from_the_first_message_to_the_last() -> None:
    with connect(ScriptedClient(["Hello you"])) as session:
        sent = session.send_text("Hello")
        messages = list(itertools.takewhile(lambda message: not isinstance(message, m.TurnDone), session))
        assert isinstance(messages[0], m.SessionCreated)
        said = "".join(message.text for message in messages if isinstance(message, m.OutputTranscriptDelta))
        assert said == "Hello you"
        link = scripted(session)
        assert link.sent[0].id == sent
        assert [type(message) for message in link.sent] == [m.ItemCreate, m.ResponseCreate]


def test_every_verb_sends_what_the_asynchronous_one_sends(client: WireClient, session: Session) -> None:
    sends = [
        (session.send_text("a", respond=False), m.ItemCreate),
        (session.send_audio(bytes(480)), m.InputAudioAppend),
        (session.send_image(b"png", respond=False), m.ItemCreate),
        (session.say("b"), m.Say),
        (session.update(SessionOptions(instructions="c")), m.SessionUpdate),
        (session.send(m.ItemDelete(item_id="i")), m.ItemDelete),
    ]
    assert [(message.id, type(message)) for message in client.link.written] == sends
    assert session.respond()  # waits behind what is said
    assert session.interrupt()


def test_that_it_shows_what_it_is(client: WireClient, session: Session) -> None:
    link = client.link
    assert session.options is link.options
    assert session.capabilities is EVERYTHING
    assert session.metadata is link.metadata
    assert session.dropped == ()
    assert session.ended is None
    assert session.get_service(WireLink) is link
    assert session.get_service(Session) is session
    assert session.get_service(ScriptedLink) is None
    assert session.get_service(RealtimeSession) is None  # reading that one would never end


def test_that_preferences_are_dropped_when_asked() -> None:
    client = ScriptedClient(capabilities=replace(EVERYTHING, options=ALL_OPTIONS - {"voice"}))
    with pytest.raises(UnsupportedOperation):
        connect(client, SessionOptions(voice="anna"))
    with pytest.warns(DuologueWarning, match="has no voice"):
        session = connect(client, SessionOptions(voice="anna"), unsupported="drop")
    with session:
        assert session.dropped == ("voice",)


def test_that_connect_takes_clients_only() -> None:
    with pytest.raises(InvalidInput, match="not str"):
        connect("openai")  # type: ignore[arg-type]


def test_that_middleware_is_between() -> None:
    client = WireClient().with_middleware(AudioConversion(), FunctionInvocation())
    with connect(client) as session:
        assert session.get_service(FunctionInvoker) is not None
        session.send_audio(bytes(882), AudioFormat(encoding="pcm16", rate=44_100))
        assert session.get_service(WireLink) is not None


# --- reading ---


def test_that_messages_come_in_order_and_reading_goes_on_where_it_stopped(session: Session) -> None:
    messages = [text(number) for number in range(100)]
    push(session, *messages)
    read: list[ServerMessage] = []
    for message in session:
        read.append(message)
        if len(read) == 30:
            break
    read += [session.receive(0) for _ in range(30)]
    read += itertools.islice(session, 40)
    assert read == messages


def test_that_a_read_that_times_out_loses_nothing(session: Session) -> None:
    for timeout in (0, -1, 0.001):
        with pytest.raises(TimeoutError, match="Nothing is lost"):
            session.receive(timeout)
    push(session, text(1), text(2))
    assert session.receive(0) == text(1)
    assert session.receive(timeout=20) == text(2)


def test_that_a_message_wakes_a_read_with_and_without_a_bound(session: Session) -> None:
    for timeout in (None, 60, 1e12):
        with in_thread(lambda timeout=timeout: session.receive(timeout)) as read:  # type: ignore[misc]
            wait_for_reader(session)
            push(session, text(1))
        assert read.value == text(1)


def test_that_a_second_reader_gets_an_error(session: Session) -> None:
    with in_thread(lambda: next(session)) as first:
        wait_for_reader(session)
        with pytest.raises(ConcurrentRead, match="already being read"):
            next(session)
        push(session, text(1))
    assert first.value == text(1)
    push(session, text(2))
    assert next(session) == text(2)  # the other one is done


def test_that_an_interruption_overtakes_audio_that_nobody_has_read(session: Session) -> None:
    push(session, m.ResponseCreated(response_id="r1"), *[audio(20) for _ in range(50)], text("stays"))
    assert isinstance(next(session), m.ResponseCreated)  # the reader has begun on what there is
    session.interrupt()
    assert isinstance(next(session), m.Interrupted)
    assert isinstance(next(session), m.OutputTextDelta)
    with pytest.raises(TimeoutError):
        session.receive(0)


# --- ends ---


def test_that_iteration_ends_quietly_after_what_has_arrived_when_our_side_closes(session: Session) -> None:
    push(session, text(1), text(2))
    session.close()
    session.close()
    assert list(session) == [text(1), text(2)]
    assert list(session) == []
    assert isinstance(session.ended, SessionClosed)
    with pytest.raises(SessionClosed):
        session.receive()
    with pytest.raises(SessionClosed) as raised:
        session.send_text("late")
    assert raised.value is session.ended
    session.drain()


def test_that_any_other_end_is_raised_by_reading_and_sending(client: WireClient, session: Session) -> None:
    end = HungUp("It is late.", provider="wire", code="late")
    on_loop(session, lambda: client.link.push(text(1)))
    on_loop(session, lambda: client.link.cut(end))
    assert next(session) == text(1)
    depths = []
    for use in (lambda: next(session), session.receive, lambda: session.send_text("?"), session.drain) * 2:
        with pytest.raises(HungUp) as raised:
            use()
        assert raised.value is end
        depths.append(len(traceback.extract_tb(raised.value.__traceback__)))
    assert depths[:4] == depths[4:]  # tracebacks do not pile up
    assert session.ended is end
    session.close()
    assert session.ended is end


def test_that_the_reader_gets_what_a_layer_raised(client: WireClient) -> None:
    class Broken(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            raise ZeroDivisionError("in the layer")

    with connect(client.with_middleware(wrap_sessions(Broken))) as session:
        next(session)
        push(session, text(1))
        for _ in range(2):
            with pytest.raises(ZeroDivisionError, match="in the layer") as raised:
                next(session)
            names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
            assert names[-1] == "received"
            assert names.count("received") == 1


def test_that_the_end_of_another_session_is_no_quiet_end(client: WireClient) -> None:
    class Broken(SessionLayer):
        watches = (m.OutputTextDelta,)

        def received(self, message: ServerMessage) -> None:
            raise SessionClosed("another one")

    with connect(client.with_middleware(wrap_sessions(Broken))) as session:
        next(session)
        push(session, text(1))
        with pytest.raises(SessionClosed, match="another one"):
            next(session)


def test_that_leaving_the_block_closes_whatever_happened(client: WireClient) -> None:
    with pytest.raises(KeyError, match="mine"), connect(client) as session:
        raise KeyError("mine")
    assert isinstance(session.ended, SessionClosed)
    assert client.link.hang_ups == 1
    with connect(client) as session:
        on_loop(session, lambda: client.link.cut(CutOff("The wire broke.")))
    assert isinstance(session.ended, CutOff)  # and leaving did not raise it


def test_that_refusals_are_raised_and_leave_nothing_open() -> None:
    client = ScriptedClient(refusal=ConnectRefused("No.", provider="scripted"))
    for _ in range(2):
        with pytest.raises(ConnectRefused) as raised:
            connect(client)
        names = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
        assert "open_link" in names
    plain = WireClient(replace(EVERYTHING, images=False))
    with connect(plain) as session, pytest.raises(UnsupportedOperation):
        session.send_image(b"png")
    assert plain.link.written == []


def test_that_a_warning_that_is_an_error_closes_the_session_again() -> None:
    from duologue.tools import tool

    @tool
    def clock() -> str:
        """Tell the time."""
        return "noon"

    client = WireClient()
    with pytest.raises(DuologueWarning, match="Nothing runs the tools clock"):
        connect(client, SessionOptions(tools=(clock,)))
    assert client.link.hang_ups == 1


def test_that_closing_a_client_ends_its_sessions(client: WireClient) -> None:
    first, second = connect(client), connect(client)
    close(client)
    close(client)
    assert isinstance(first.ended, SessionClosed)
    assert isinstance(second.ended, SessionClosed)
    with pytest.raises(InvalidInput, match="client is closed"):
        connect(client)
    close(client)
