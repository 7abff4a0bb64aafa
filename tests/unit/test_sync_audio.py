"""Audio that threads hand over without waiting: its order, its bound, its errors, its end."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator

import pytest

from duologue import messages as m
from duologue.errors import HungUp, InvalidAudio, InvalidInput, SessionClosed
from duologue.formats import PCM16_16K
from duologue.messages.base import ClientMessage
from duologue.runtime import SessionLayer, wrap_sessions
from duologue.sync import RealtimeClient, Session, audio_sender, connect
from duologue.sync.audio_sender import MOST_BYTES
from duologue.testing import ScriptedClient, ScriptedLink
from links import WireClient
from sync_helpers import in_thread, on_loop, scripted, until

CHUNK = bytes(960)


@pytest.fixture
def client() -> WireClient:
    return WireClient()


@pytest.fixture
def session(client: WireClient) -> Iterator[Session]:
    with connect(client) as session:
        yield session


@pytest.fixture
def slow() -> Iterator[tuple[Session, ScriptedLink]]:
    """A session whose provider takes what is sent only when told to."""
    with connect(ScriptedClient()) as session:
        link = scripted(session)
        on_loop(session, link.block_sending)
        yield session, link
        if session.ended is None:
            on_loop(session, link.unblock_sending)


def held_up(session: Session) -> Callable[[], None]:
    """Keep the event loop busy until the function that this gives is called."""
    go_on, is_busy = threading.Event(), threading.Event()

    def block() -> None:
        is_busy.set()
        assert go_on.wait(20)

    session._thread.call_soon(block)
    assert is_busy.wait(20)
    return go_on.set


def sample(number: int) -> bytes:
    return number.to_bytes(2, "little")


def test_that_nobody_waits_for_the_loop(client: WireClient, session: Session) -> None:
    go_on = held_up(session)
    ids = [session.send_audio(sample(number)) for number in range(10)]
    assert client.link.written == []
    go_on()
    session.drain()
    assert [(message.id, message.audio) for message in client.link.written_of(m.InputAudioAppend)] == [
        (message_id, sample(number)) for number, message_id in enumerate(ids)
    ]


def test_that_memory_may_be_used_again_at_once(client: WireClient, session: Session) -> None:
    go_on = held_up(session)
    memory = bytearray(2)
    for number in range(3):
        memory[:] = sample(number)
        session.send_audio(memory if number else memoryview(memory))  # type: ignore[arg-type]
    go_on()
    session.drain()
    assert [message.audio for message in client.link.written_of(m.InputAudioAppend)] == [sample(n) for n in range(3)]


def test_that_audio_keeps_its_place_among_what_is_sent_next(client: WireClient, session: Session) -> None:
    sends: list[tuple[Callable[[], str], type[ClientMessage]]] = [
        (lambda: session.send_audio(CHUNK), m.InputAudioAppend),
        (lambda: session.send_text("a", respond=False), m.ItemCreate),
        (lambda: session.send(m.InputAudioCommit()), m.InputAudioCommit),
        (lambda: session.send(m.InputAudioAppend(audio=CHUNK)), m.InputAudioAppend),
    ]
    sent = [(send(), kind) for _ in range(50) for send, kind in sends]
    assert [(message.id, type(message)) for message in client.link.written] == sent


def test_that_each_of_many_threads_keeps_its_order(client: WireClient, session: Session) -> None:
    def send(sender: int) -> None:
        for number in range(200):
            session.send_audio(bytes([sender, number]))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.drain()
    written = [message.audio for message in client.link.written_of(m.InputAudioAppend)]
    for sender in range(4):
        assert [audio[1] for audio in written if audio[0] == sender] == list(range(200))


def test_that_a_thread_waits_when_much_is_on_its_way(slow: tuple[Session, ScriptedLink]) -> None:
    session, link = slow
    sent = threading.Semaphore(0)

    def stream() -> None:
        for _ in range(3 * MOST_BYTES // len(CHUNK)):
            session.send_audio(CHUNK)
            sent.release()

    with in_thread(stream) as streaming:
        until(lambda: session._thread._calls)  # it waits
        until(lambda: len(link.sent_of(m.InputAudioAppend)) == 1)
        assert abs(session._handover.audio.size - MOST_BYTES) <= len(CHUNK)  # with or without the one that was sent
        on_loop(session, link.unblock_sending)
    assert streaming.error is None
    session.drain()
    assert len(link.sent_of(m.InputAudioAppend)) == 3 * MOST_BYTES // len(CHUNK)


def test_that_an_error_is_raised_by_the_next_call_and_only_once(client: WireClient, session: Session) -> None:
    nexts: list[Callable[[], object]] = [
        lambda: session.send_audio(CHUNK),
        lambda: session.send_text("Hello."),
        session.drain,
        lambda: session.send(m.InputAudioCommit()),
    ]
    for call in nexts:
        session.send_audio(CHUNK, PCM16_16K)
        until(lambda: session._handover.audio._error)
        with pytest.raises(InvalidAudio, match="AudioConversion"):
            call()
        session.drain()
    assert client.link.written == []  # what raised did nothing else


def test_that_what_is_no_audio_is_refused_at_once(client: WireClient, session: Session) -> None:
    with pytest.raises(InvalidInput, match=r"InputAudioAppend\.audio is None"):
        session.send_audio(None)  # type: ignore[arg-type]
    session.drain()
    assert client.link.written == []


def test_that_closing_sends_what_was_handed_over_first(client: WireClient, session: Session) -> None:
    go_on = held_up(session)
    for number in range(5):
        session.send_audio(sample(number))
    with in_thread(session.close):
        go_on()
    assert [message.audio for message in client.link.written_of(m.InputAudioAppend)] == [
        sample(number) for number in range(5)
    ]
    with pytest.raises(SessionClosed):
        session.send_audio(CHUNK)


def test_that_closing_does_not_wait_for_a_provider_that_takes_nothing(slow: tuple[Session, ScriptedLink]) -> None:
    session, link = slow
    for number in range(5):
        session.send_audio(sample(number))
    with in_thread(lambda: session.send_text("late")) as sending:
        until(lambda: link.sent)
        session.close()
    assert [message.audio for message in link.sent_of(m.InputAudioAppend)] == [sample(number) for number in range(5)]
    assert sending.error is session.ended


def test_that_closing_does_not_wait_for_a_layer_that_never_comes_back(
    client: WireClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(audio_sender, "_PATIENCE", 0.01)
    given_up: list[str | None] = []

    class Stuck(SessionLayer):
        async def send(self, message: ClientMessage) -> str:
            if self._over:
                return await self.inner.send(message)
            never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            try:
                return await never
            except asyncio.CancelledError:
                given_up.append(message.id)
                raise

    session = connect(client.with_middleware(wrap_sessions(Stuck)))
    sent = [session.send_audio(CHUNK), session.send_audio(CHUNK)]
    session.close()
    assert sorted(map(str, given_up)) == sorted(sent)
    (record,) = caplog.records
    assert "audio was not sent" in record.getMessage()
    with pytest.raises(SessionClosed):
        session.send(m.InputAudioCommit())  # it does not wait for what was given up


def test_that_the_end_of_the_session_is_raised_by_whatever_is_sent_next(slow: tuple[Session, ScriptedLink]) -> None:
    session, link = slow
    for _ in range(3):
        session.send_audio(CHUNK)
    on_loop(session, link.hang_up)
    until(lambda: session.ended)
    for call in (lambda: session.send_audio(CHUNK), lambda: session.send_text("?"), session.drain):
        with pytest.raises(HungUp):
            call()


def test_that_an_error_nobody_was_told_of_is_logged(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    session.send_audio(CHUNK, PCM16_16K)
    with caplog.at_level(logging.WARNING, "duologue.sync"):
        session.close()
    (record,) = caplog.records
    assert "audio was not sent" in record.getMessage()


def test_the_client_of_one_session(client: WireClient) -> None:
    with RealtimeClient(client=client) as talk:
        message_id = talk.send_audio(CHUNK)
    assert [message.id for message in client.link.written] == [message_id]
