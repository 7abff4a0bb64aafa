"""Blocking sessions among threads, and the thread that they live on."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import itertools
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator

import pytest

from duologue import FunctionInvocation, SessionOptions, tool
from duologue import messages as m
from duologue.errors import InvalidInput, SessionClosed
from duologue.inbox import Inbox
from duologue.sync import Session, close, connect, loop_thread, waiting
from duologue.sync.inbox import HandoverLayer
from duologue.sync.loop_thread import LoopThread
from duologue.sync.process import thread_of
from duologue.sync.waiting import wait_for
from duologue.testing import ScriptedClient, ScriptedReply
from links import WireClient, WireLink
from sync_helpers import in_thread, is_waited_for, on_loop, push, scripted, text, until, wait_for_reader


@pytest.fixture
def client() -> WireClient:
    return WireClient()


@pytest.fixture
def session(client: WireClient) -> Iterator[Session]:
    with connect(client) as session:
        next(session)
        yield session


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


def test_many_senders_and_one_reader(client: WireClient, session: Session) -> None:
    senders, each = 8, 40
    ids: list[list[str]] = [[] for _ in range(senders)]

    def send(sender: int) -> None:
        for number in range(each):
            ids[sender].append(session.send_text(f"{sender} {number}", respond=False))
            push(session, text(f"{sender} {number}"))

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(senders)]
    for sender in threads:
        sender.start()
    read = [session.receive(20) for _ in range(senders * each)]
    for sender in threads:
        sender.join()
    expected = [[f"{sender} {number}" for number in range(each)] for sender in range(senders)]
    written = client.link.written_of(m.ItemCreate)
    for words in (
        [message.text for message in read if isinstance(message, m.OutputTextDelta)],
        ["".join(part.text for part in message.item.content) for message in written],  # type: ignore[union-attr]
    ):
        by_sender = [[word for word in words if word.startswith(f"{sender} ")] for sender in range(senders)]
        assert by_sender == expected
    assert sorted(itertools.chain(*ids)) == sorted(message.id or "" for message in written)


def test_that_closing_in_another_thread_ends_a_read_quietly(session: Session) -> None:
    with in_thread(lambda: list(session)) as reading:
        wait_for_reader(session)
        session.close()
    assert reading.value == []
    with in_thread(session.receive) as reading:
        pass
    assert isinstance(reading.error, SessionClosed)


def test_that_the_end_frees_a_sender_that_waits() -> None:
    with connect(ScriptedClient()) as session:
        link = scripted(session)
        on_loop(session, link.block_sending)
        with in_thread(lambda: session.send(m.InputAudioAppend(audio=bytes(480)))) as sending:
            until(lambda: link.sent_of(m.InputAudioAppend))
            on_loop(session, link.hang_up)
        assert sending.error is session.ended


def test_that_calls_run_in_the_context_of_the_caller(thread: LoopThread) -> None:
    variable = contextvars.ContextVar("variable", default="none")

    async def look() -> str:
        return variable.get()

    variable.set("the caller's")
    assert thread.run(look) == "the caller's"


def test_that_what_is_raised_shows_both_sides_and_is_let_go_of(thread: LoopThread) -> None:
    class Failure(Exception):
        pass

    async def fail() -> None:
        raise Failure

    def names_and_error() -> tuple[list[str], weakref.ref[Failure]]:
        try:
            thread.run(fail)
        except Failure as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)], weakref.ref(error)
        raise AssertionError("nothing was raised")

    gc.disable()
    try:
        names, error = names_and_error()
        assert names[0] == "names_and_error"
        assert names[-1] == "fail"
        until(lambda: error() is None)  # without a cycle to collect
    finally:
        gc.enable()


# --- the event loop's own thread ---


def test_that_an_async_tool_that_calls_its_session_gets_an_error_and_a_plain_one_works() -> None:
    seen: list[str] = []
    talks: list[Session] = []

    @tool
    async def ask() -> str:
        """Ask."""
        (talk,) = talks
        for call in (lambda: talk.send_text("x"), talk.receive, talk.close, lambda: close(chatty)):
            try:
                call()
            except InvalidInput as error:
                seen.append(str(error))
        return "asked"

    @tool
    def tell() -> str:
        """Tell."""
        return talks[0].send_text("told", respond=False)

    script: list[ScriptedReply | str] = [ScriptedReply.call("ask", {}), ScriptedReply.call("tell", {}), "Done."]
    chatty = ScriptedClient(script).with_middleware(FunctionInvocation())
    with connect(chatty, SessionOptions(tools=(ask, tell))) as talk:
        talks.append(talk)
        talk.send_text("Go")
        link = scripted(talk)
        until(lambda: len(link.sent_of(m.ItemCreate)) == 4)  # "Go", two results, and "told"
    assert len(seen) == 4
    assert all("its own event loop" in error for error in seen)
    close(chatty)


async def test_that_it_works_inside_a_running_event_loop_which_it_blocks(client: WireClient) -> None:
    with connect(client) as session:
        assert isinstance(next(session), m.SessionCreated)
        session.send_audio(bytes(480))
    assert client.link.written_of(m.InputAudioAppend)


# --- what is interrupted ---


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object], Callable[[], object]], None]:
    """Do something, and interrupt this thread in its wait as soon as something has happened."""
    this_thread = threading.get_ident()

    def interrupt(work: Callable[[], object], when: Callable[[], object]) -> None:
        def wait(lock: threading.Lock, timeout: float | None = None) -> bool:
            if threading.get_ident() != this_thread:
                return wait_for(lock, timeout)
            until(when)
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(loop_thread, "wait_for", wait)
            with pytest.raises(KeyboardInterrupt):
                work()

    return interrupt


Interrupt = Callable[[Callable[[], object], Callable[[], object]], None]


def test_that_a_message_whose_sender_is_interrupted_is_sent_all_the_same(ctrl_c: Interrupt) -> None:
    with connect(ScriptedClient(["Hi."])) as session:
        link = scripted(session)
        on_loop(session, link.block_sending)
        ctrl_c(lambda: session.send_text("Hello"), lambda: link.sent_of(m.ItemCreate))
        assert not link.sent_of(m.ResponseCreate)
        on_loop(session, link.unblock_sending)
        while not isinstance(session.receive(20), m.TurnDone):
            pass
        assert [type(message) for message in link.sent] == [m.ItemCreate, m.ResponseCreate]


def test_that_a_failure_that_nobody_waits_for_is_no_noise(
    thread: LoopThread, ctrl_c: Interrupt, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()

    async def fail() -> None:
        failed.set()
        raise KeyError("nobody waits")

    ctrl_c(lambda: thread.run(fail), failed.is_set)
    on_thread(thread, gc.collect)
    assert caplog.records == []


def test_that_an_opening_that_is_interrupted_is_cancelled(client: WireClient, ctrl_c: Interrupt) -> None:
    client.opening.clear()
    ctrl_c(lambda: connect(client), lambda: client.links)
    on_thread(thread_of(client), client.opening.set)  # too late
    on_thread(thread_of(client), lambda: None)
    assert client.link.end is None
    assert not client.link.written
    assert not any(link.get_service(type(client.link)) is client.link for link in thread_of(client).open_links)
    with connect(client) as session:
        assert isinstance(next(session), m.SessionCreated)
    close(client)


def test_that_a_session_that_nobody_waits_for_is_closed(client: WireClient, ctrl_c: Interrupt) -> None:
    ctrl_c(lambda: connect(client), lambda: thread_of(client).open_links)
    until(lambda: client.link.hang_ups == 1)
    assert thread_of(client).open_links == set()
    close(client)


@pytest.mark.parametrize("longest", [threading.TIMEOUT_MAX, 0.001])
def test_that_a_wait_is_as_long_as_it_says_also_when_made_of_short_ones(
    longest: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_LONGEST", longest)
    lock = threading.Lock()
    lock.acquire()
    for timeout in (0, -1, 0.005):
        assert not wait_for(lock, timeout)
    for bound in (None, 20, float("inf")):
        tries = itertools.count()
        with in_thread(lambda bound=bound: wait_for(lock, bound)) as waited:  # type: ignore[misc]
            until(lambda tries=tries: next(tries) == 5)  # type: ignore[misc]
            lock.release()
        assert waited.value is True


# --- the end of the thread ---


def test_that_no_loop_is_left_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    loop = asyncio.new_event_loop()
    monkeypatch.setattr(asyncio, "new_event_loop", lambda: loop)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start"):
        LoopThread()
    assert loop.is_closed()


def on_thread(thread: LoopThread, action: Callable[[], object]) -> None:
    async def act() -> None:
        action()

    thread.run(act)


def test_that_stopping_closes_sessions_then_clients_and_frees_who_waits() -> None:
    thread = LoopThread()
    order: list[str] = []

    class Closing(WireClient):
        async def aclose(self) -> None:
            order.append("client")
            await super().aclose()

    client = Closing()
    thread.clients.add(client)
    layer = HandoverLayer(WireLink(), thread)

    async def connect_link() -> None:
        layer.connect(Inbox(lambda: None, lambda: None))

    thread.run(connect_link)
    with in_thread(layer.inbox.take) as reading, in_thread(lambda: thread.run(asyncio.Event().wait)) as waiting:
        until(lambda: is_waited_for(layer.inbox) and thread._tasks)
        thread.stop()
    assert isinstance(reading.error, SessionClosed)
    assert isinstance(waiting.error, InvalidInput)
    assert order == ["client"]
    assert thread.is_over
    thread.stop()
    with pytest.raises(InvalidInput, match="has stopped"):
        thread.run(client.aclose)


def test_that_what_does_not_close_is_cut_off(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(loop_thread, "CLOSING_SECONDS", 0.01)
    thread = LoopThread()
    cancelled = threading.Event()

    class Stuck(WireClient):
        async def aclose(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    thread.clients.add(Stuck())
    thread.stop()
    assert cancelled.is_set()
    assert not thread._thread.is_alive()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "did not close" in caplog.text


def test_that_what_goes_wrong_while_it_stops_is_told(caplog: pytest.LogCaptureFixture) -> None:
    thread = LoopThread()

    class Broken(WireClient):
        async def aclose(self) -> None:
            raise RuntimeError("cannot close")

    fine = WireClient()
    thread.clients |= {Broken(), fine}
    thread.stop()
    assert "cannot close" in caplog.text
    assert fine._closed


def test_that_a_tool_that_leaves_the_program_takes_the_reader_along_and_another_thread_takes_over() -> None:
    @tool
    async def leave() -> str:
        """Leave."""
        raise SystemExit(3)

    client = ScriptedClient([ScriptedReply.call("leave", {})]).with_middleware(FunctionInvocation())
    with connect(client, SessionOptions(tools=(leave,))) as session:
        session.send_text("Go")
        with pytest.raises(SystemExit, match="3"):
            list(session)
        until(lambda: session._thread.is_over)
        with pytest.raises(InvalidInput, match="has stopped"):
            session.send_text("?")
    close(client)
    with connect(WireClient()) as another:
        assert another._thread is not session._thread
        assert isinstance(next(another), m.SessionCreated)
