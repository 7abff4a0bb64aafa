"""Signal handlers that close, at whatever moment they come; and closing while a session opens."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from duologue.errors import InvalidInput
from duologue.providers import ConnectionSettings
from duologue.providers.compatible import OpenAICompatibleRealtimeClient
from duologue.sync import RealtimeClient
from duologue.sync.process import thread_of
from duologue.testing import OpenAIEmulator
from duologue.testing.loopback import Delay
from links import WireClient
from sync_helpers import in_thread, until

TESTS = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX only")

BEGINNING = """
import faulthandler, itertools, signal, sys
faulthandler.dump_traceback_later(40, exit=True)  # where it hangs
from duologue.errors import InvalidInput, SessionEnded
from duologue.sync import RealtimeClient, process
from links import WireClient
from sync_helpers import push, text
ENDS = (InvalidInput, SessionEnded)
"""


def output(program: str) -> list[str]:
    """The words that a program prints. It ends well, and without a complaint."""
    command = [sys.executable, "-W", "error", "-c", BEGINNING + textwrap.dedent(program)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=50, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.split()


EVERY_LINE = """
def interrupt_at(line, work):
    '''Do `work`, and have a signal come at so manieth of the lines of duologue.sync; whether there are so many.'''
    lines = itertools.count(1)
    def trace(frame, event, argument):
        if "duologue/sync" not in frame.f_code.co_filename:
            return None
        if event == "line" and next(lines) == line:
            signal.raise_signal(signal.SIGTERM)
        return trace
    sys.settrace(trace)
    try:
        work()
    except ENDS:
        pass
    finally:
        sys.settrace(None)
    return next(lines) > line
"""


@pytest.mark.parametrize(
    "work",
    [
        "client.connect()",
        "client.send_audio(bytes(480))",
        "[client.receive(20) for _ in range(3)]",
        "client.close()",
    ],
)
def test_that_a_handler_may_close_at_every_line(work: str) -> None:
    program = f"""
    {textwrap.indent(EVERY_LINE, "    ").strip()}
    def is_interrupted(line):
        client = RealtimeClient(client=WireClient())
        signal.signal(signal.SIGTERM, lambda *_: client.close())
        if "connect" not in {work!r}:
            push(client.connect(), text(1), text(2))
        came = interrupt_at(line, lambda: {work})
        client.close()
        assert client._session is None or client._session.ended is not None
        return came

    lines = next(line for line in itertools.count(1) if not is_interrupted(line))
    print(lines > 5)
    """
    assert output(program) == ["True"]


def test_that_a_handler_may_connect_at_every_line_too() -> None:
    program = f"""
    {textwrap.indent(EVERY_LINE, "    ").strip()}
    def is_interrupted(line):
        if process._current is not None:
            process._current.stop()
        client, other = RealtimeClient(client=WireClient()), RealtimeClient(client=WireClient())
        signal.signal(signal.SIGTERM, lambda *_: other.connect())
        came = interrupt_at(line, client.connect)
        assert not came or {{client.session._thread, other.session._thread}} <= process._running()
        client.close()
        other.close()
        return came

    lines = next(line for line in itertools.count(1) if not is_interrupted(line))
    print(lines > 20)
    """
    assert output(program) == ["True"]


@pytest.mark.parametrize("work", ["client.send_audio(bytes(960))", "client.receive(20)"])
def test_that_a_handler_may_close_while_the_thread_is_busy(work: str) -> None:
    program = f"""
    for number in range(40):
        client = RealtimeClient(client=WireClient())
        push(client.connect(), *[text(number) for number in range(2_000)])
        signal.signal(signal.SIGALRM, lambda *_: client.close())
        signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.00003 * number)
        try:
            while True:
                {work}
        except ENDS:
            pass
    print("done")
    """
    assert output(program) == ["done"]


def test_that_a_handler_may_close_while_a_session_opens() -> None:
    program = """
    for use in ("connect", "receive", "drain"):
        wire = WireClient()
        wire.opening.clear()
        client = RealtimeClient(client=wire)
        signal.signal(signal.SIGALRM, lambda *_: client.close())
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            getattr(client, use)()
        except InvalidInput as error:
            print(error)
    """
    assert output(program) == ["This", "client", "is", "closed.", "Make", "a", "new", "one."] * 3


# --- closing while a session opens ---


def test_that_closing_gives_up_what_opens_for_every_thread_that_waits() -> None:
    wire = WireClient()
    wire.opening.clear()
    client = RealtimeClient(client=wire)
    with in_thread(client.connect) as one, in_thread(client.receive) as two:
        until(lambda: len(client._opening._joined) == 2)
        client.close()
    for result in (one, two):
        assert isinstance(result.error, InvalidInput)
        assert "This client is closed" in str(result.error)
    assert len(wire.links) == 1


def test_that_closing_gives_up_a_server_that_does_not_answer() -> None:
    with OpenAIEmulator() as emulator:
        emulator.inject(Delay(100.0))
        wire = OpenAICompatibleRealtimeClient(
            emulator.url, model="model", connection=ConnectionSettings(attempts=1, open_timeout=200)
        )
        client = RealtimeClient(client=wire)
        with in_thread(client.connect) as opening:
            until(lambda: wire._opening)
            client.close()
        assert isinstance(opening.error, InvalidInput)
        assert "This client is closed" in str(opening.error)


def test_that_threads_that_come_meanwhile_share_an_opening() -> None:
    wire = WireClient()
    wire.opening.clear()
    with RealtimeClient(client=wire) as client:
        with in_thread(client.connect) as one, in_thread(client.connect) as two:
            until(lambda: len(client._opening._joined) == 2)
            thread_of(client._client).call_soon(wire.opening.set)
        assert one.error is two.error is None
        assert one.value is two.value is client.session
