"""Whole programs: Ctrl-C, exit, forks. Each runs in an interpreter of its own, where every warning is an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
EXAMPLES = TESTS.parent / "examples"

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX only")

BEGINNING = """
import os, signal, sys, threading, time, warnings
import logging
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine is slow, which -X dev complains of
from duologue import messages as m
from duologue.errors import InvalidInput
from duologue.sync import RealtimeClient, close, connect
from duologue.sync.process import thread_of
from duologue.testing import ScriptedClient
from links import WireClient
from sync_helpers import is_waited_for, on_loop, push, scripted, text, until, wait_for_reader
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    command = [sys.executable, "-W", "error", "-X", "dev", "-c", BEGINNING + textwrap.dedent(program)]
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50, check=False)


def output(program: str) -> list[str]:
    """The words that a program prints. It ends well, and without a complaint."""
    done = run(program)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.split()


# --- exit ---


@pytest.mark.parametrize(
    "at_the_end",
    [
        "",
        "session.send_text('Hello'); next(session)",
        "threading.Thread(target=lambda: list(session), daemon=True).start(); wait_for_reader(session)",
        "session.close(); close(client)",
        "import atexit; atexit.register(session.close); atexit.register(close, client)",
    ],
)
def test_that_a_program_that_just_ends_is_silent(at_the_end: str) -> None:
    program = f"""
    client = ScriptedClient(["Hello you"])
    session = connect(client)
    print("connected")
    {at_the_end}
    """
    assert output(program) == ["connected"]


def test_that_sessions_and_clients_are_closed_in_an_orderly_way_at_exit() -> None:
    program = """
    import asyncio

    class Telling(WireClient):
        async def open_link(self, options, dropped):
            await asyncio.to_thread(lambda: None)
            return await super().open_link(options, dropped)

        async def aclose(self):
            await asyncio.to_thread(lambda: None)  # executors still work
            print("client", self.link.hang_ups)

    def main():
        session = connect(Telling())
        next(session)

    main()
    print("end")
    """
    assert output(program) == ["end", "client", "1"]


def test_that_it_is_over_for_what_runs_after_the_program() -> None:
    program = """
    import atexit
    session = connect(WireClient())
    client = RealtimeClient(client=ScriptedClient())
    next(session)

    def late():
        for use in (lambda: session.send_text("?"), lambda: connect(WireClient()), client.connect):
            try:
                use()
            except InvalidInput as error:
                print("stopped" if "has stopped" in str(error) else error)
        print(list(session))

    atexit.register(late)
    """
    assert output(program) == ["stopped"] * 3 + ["[]"]


def test_that_threads_that_the_program_waits_for_keep_their_sessions() -> None:
    program = """
    session = connect(WireClient())
    next(session)
    def work():
        until(lambda: not threading.main_thread().is_alive())
        push(session, text("still"), text("here"))
        print(session.receive(20).text, next(session).text, session.ended)
    threading.Thread(target=work).start()
    print("main")
    """
    assert output(program) == ["main", "still", "here", "None"]


def test_that_the_program_of_an_unhandled_error_ends_with_its_traceback_alone() -> None:
    done = run("""
    client = RealtimeClient(client=ScriptedClient(["Hello you"]))
    client.send_text("Hello")
    for event in client:
        raise KeyError("mine")
    """)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "KeyError: 'mine'"
    assert done.stderr.count("Traceback") == 1


# --- Ctrl-C ---

INTERRUPT = """
def ctrl_c_when(condition):
    def press():
        until(condition)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=press, daemon=True).start()
"""


@posix
def test_that_ctrl_c_ends_a_program_that_waits_for_a_message() -> None:
    done = run(f"""
    {textwrap.indent(INTERRUPT, "    ").strip()}
    client = RealtimeClient(client=ScriptedClient())
    ctrl_c_when(lambda: client._session and is_waited_for(client._session._inbox))
    for event in client:
        print(type(event).__name__)
    """)
    assert done.returncode == -signal.SIGINT
    assert done.stdout.split() == ["SessionCreated"]
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert done.stderr.count("Traceback") == 1


@posix
def test_that_ctrl_c_in_a_read_loses_nothing_and_leaves_the_session_usable() -> None:
    program = f"""
    {textwrap.indent(INTERRUPT, "    ").strip()}
    session = connect(WireClient())
    next(session)
    for read in (lambda: next(session), session.receive, lambda: session.receive(1000)):
        for _ in range(3):
            ctrl_c_when(lambda: is_waited_for(session._inbox))
            try:
                read()
            except KeyboardInterrupt:
                print("interrupted")
    push(session, *[text(number) for number in range(3)])
    print(*[session.receive(20).text for _ in range(3)])
    session.send_text("usable")
    session.close()
    """
    assert output(program) == ["interrupted"] * 9 + ["0", "1", "2"]


@posix
def test_that_ctrl_c_in_a_send_that_waits_leaves_the_session_usable_and_the_message_whole() -> None:
    program = f"""
    {textwrap.indent(INTERRUPT, "    ").strip()}
    session = connect(ScriptedClient(["Hello you"]))
    link = scripted(session)
    on_loop(session, link.block_sending)
    ctrl_c_when(lambda: link.sent)
    try:
        session.send_text("Hello")
    except KeyboardInterrupt:
        print("interrupted")
    on_loop(session, link.unblock_sending)
    print(*[message.text for message in session if type(message) in (m.OutputTranscriptDelta, m.TurnDone)
            if type(message) is m.OutputTranscriptDelta or session.close()])
    """
    assert output(program) == ["interrupted", "Hello", "you"]


@posix
def test_that_ctrl_c_while_connecting_leaves_nothing_behind() -> None:
    program = f"""
    {textwrap.indent(INTERRUPT, "    ").strip()}
    wire = WireClient()
    wire.opening.clear()
    ctrl_c_when(lambda: wire.links)
    try:
        connect(wire)
    except KeyboardInterrupt:
        print("interrupted")
    thread_of(wire).call_soon(wire.opening.set)
    session = connect(wire)
    print(type(next(session)).__name__, len(session._thread.open_links))
    """
    assert output(program) == ["interrupted", "SessionCreated", "1"]


# --- forks ---

FORK = """
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads and forks
def in_child(work):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        work()
        sys.exit(0)  # in the way of a program: with exit handlers
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""


@posix
def test_that_a_child_starts_anew_and_the_parent_is_untouched() -> None:
    program = f"""
    {textwrap.indent(FORK, "    ").strip()}
    client = WireClient()
    session = connect(client)
    next(session)

    def child():
        for use in (lambda: next(session), lambda: session.receive(0), lambda: session.send_text("?"), session.drain,
                    lambda: connect(client)):
            try:
                use()
            except InvalidInput as error:
                assert "belongs to the parent" in str(error), error
                print("refused")
        session.close()
        close(client)
        with connect(ScriptedClient(["Hi"])) as own:
            own.send_text("Hello")
            print([message.text for _, message in zip(range(8), own) if type(message) is m.OutputTranscriptDelta])

    in_child(child)
    in_child(child)
    push(session, text("parent"))
    print(next(session).text, client.link.hang_ups)
    session.close()
    print(client.link.hang_ups)
    """
    assert output(program) == [*["refused"] * 5, "['Hi']"] * 2 + ["parent", "0", "1"]


@posix
def test_that_a_client_that_was_not_used_before_the_fork_works_in_the_child() -> None:
    program = f"""
    {textwrap.indent(FORK, "    ").strip()}
    client = RealtimeClient(client=ScriptedClient(["Hi"]))
    used = RealtimeClient(client=ScriptedClient(["Hi"]))
    used.connect()

    def child():
        client.send_text("Hello")
        print(type(next(iter(client))).__name__)
        try:
            used.send_text("Hello")
        except InvalidInput:
            print("refused")
        used.close()

    in_child(child)
    client.send_text("Hello")
    used.send_text("Hello")
    print(type(next(iter(client))).__name__)
    """
    assert output(program) == ["SessionCreated", "refused", "SessionCreated"]


@posix
def test_that_a_fork_while_something_is_locked_does_not_lock_the_child() -> None:
    program = f"""
    {textwrap.indent(FORK, "    ").strip()}
    from duologue.sync import process
    session = connect(WireClient())

    def child():
        try:
            next(session)
        except InvalidInput:
            print("refused")
        session.close()
        print(type(next(connect(WireClient()))).__name__)

    with process._guard:
        in_child(child)
    print(type(next(session)).__name__)
    """
    assert output(program) == ["refused", "SessionCreated", "SessionCreated"]


@posix
def test_that_processes_of_multiprocessing_close_what_they_opened() -> None:
    program = f"""
    {textwrap.indent(FORK, "    ").strip()}
    import multiprocessing

    class Telling(WireClient):
        async def aclose(self):
            await super().aclose()
            print("closed", self.link.hang_ups, flush=True)

    def work():
        next(connect(Telling()))

    session = connect(WireClient())
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    print(child.exitcode, session.ended)
    """
    assert output(program) == ["closed", "1", "0", "None"]
