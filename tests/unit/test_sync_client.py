"""`duologue.sync.RealtimeClient`: one client, one session, at first use."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from duologue import FunctionInvocation, SessionOptions, tool
from duologue import client as asynchronous
from duologue import messages as m
from duologue.errors import ConnectRefused, HungUp, InvalidInput, SessionClosed
from duologue.link import FunctionInvoker
from duologue.middleware.function_invocation import FunctionInvocationLayer
from duologue.providers import registry
from duologue.sync import RealtimeClient
from duologue.testing import ScriptedClient, ScriptedReply
from duologue.tools import FunctionTool
from links import WireClient
from sync_helpers import in_thread, on_loop, scripted, wait_for_reader


def read_turn(client: RealtimeClient) -> str:
    """What is said until the turn is done."""
    said = ""
    for event in client:
        match event:
            case m.OutputTranscriptDelta(text=text):
                said += text
            case m.TurnDone():
                break
    return said


@tool
def clock() -> str:
    """Tell the time."""
    return "noon"


@tool
async def calendar() -> str:
    """Tell the day."""
    return "Monday"


def test_the_shortest_program() -> None:
    scripts = ScriptedClient(["Hello you", "Fine, thanks."])
    client = RealtimeClient(client=scripts)
    assert scripts.links == []  # nothing happens before it is used
    client.send_text("Hello")
    assert read_turn(client) == "Hello you"
    client.send_text("How are you?")
    assert read_turn(client) == "Fine, thanks."
    assert len(scripts.links) == 1
    client.close()


def test_that_reading_opens_it_too() -> None:
    with RealtimeClient(client=ScriptedClient()) as client:
        assert isinstance(client.receive(20), m.SessionCreated)
        client.drain()
        assert client.send(m.ItemDelete(item_id="i"))
    with RealtimeClient(client=ScriptedClient()) as client:
        for event in client:
            assert isinstance(event, m.SessionCreated)
            break


def test_that_it_opens_once_whoever_comes_first() -> None:
    scripts = ScriptedClient()
    client = RealtimeClient(client=scripts)
    threads = [threading.Thread(target=client.send_text, args=("x",), kwargs={"respond": False}) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(scripts.links) == 1
    assert len(scripts.link.sent) == 6
    client.close()


def test_that_every_verb_is_there() -> None:
    wire = WireClient()
    with RealtimeClient(client=wire, options=SessionOptions(instructions="Be brief.")) as client:
        client.send_audio(bytes(480))
        client.send_image(b"png", respond=False)
        client.update(SessionOptions(instructions="c"))
        client.say("b")
        client.respond()
        client.interrupt()
        assert client.session.options.instructions == "Be brief."
        kinds = [type(message) for message in wire.link.written]
        assert kinds == [m.InputAudioAppend, m.ItemCreate, m.SessionUpdate, m.Say, m.ResponseCancel]


# --- tools ---


def test_that_functions_are_run() -> None:
    scripts = ScriptedClient([ScriptedReply.call("clock", {}), ScriptedReply.call("calendar", {}), "Monday noon."])
    with RealtimeClient(client=scripts, options=SessionOptions(tools=(clock, calendar))) as client:
        client.send_text("What is the time?")
        assert read_turn(client) == "Monday noon."
        results = [message.item for message in scripts.link.sent_of(m.ItemCreate)[1:]]
        assert [item.output for item in results if isinstance(item, m.FunctionResult)] == ["noon", "Monday"]


def test_that_functions_of_the_clients_defaults_are_run() -> None:
    scripts = ScriptedClient([ScriptedReply.call("clock", {}), "Noon."], defaults=SessionOptions(tools=(clock,)))
    with RealtimeClient(client=scripts) as client:
        client.send_text("What is the time?")
        assert read_turn(client) == "Noon."


@pytest.mark.parametrize("where", ["middleware", "client"])
def test_that_the_middleware_that_is_given_runs_them(where: str) -> None:
    invocation, scripts = FunctionInvocation(timeout=7), ScriptedClient()
    options = SessionOptions(tools=(clock,))
    client = (
        RealtimeClient(client=scripts, options=options, middleware=[invocation])
        if where == "middleware"
        else RealtimeClient(client=scripts.with_middleware(invocation), options=options)
    )
    with client:
        layer = client.session.get_service(FunctionInvocationLayer)
        assert layer is not None
        assert layer._settings is invocation
        assert layer.inner is scripts.link  # once


@pytest.mark.parametrize("tools", [(), (FunctionTool(name="mine", description="Left to the reader."),)])
def test_that_calls_of_declarations_are_left_to_the_reader(tools: tuple[FunctionTool, ...]) -> None:
    with RealtimeClient(client=ScriptedClient(), options=SessionOptions(tools=tools)) as client:
        assert client.session.get_service(FunctionInvoker) is None


# --- ends ---


def test_that_a_closed_client_says_so_and_ends_its_reader() -> None:
    scripts = ScriptedClient()
    client = RealtimeClient(client=scripts)
    session = client.session
    assert client.session is session
    with in_thread(lambda: list(client)) as reading:
        wait_for_reader(session)
        client.close()
    assert isinstance(reading.value, list)
    assert isinstance(session.ended, SessionClosed)
    client.close()
    for use in (lambda: client.send_text("?"), client.receive, lambda: iter(client), client.drain, client.connect):
        with pytest.raises(InvalidInput, match="This client is closed"):
            use()
    with pytest.raises(InvalidInput, match="This client is closed"):
        _ = client.session
    assert scripts._closed


def test_that_an_unused_client_can_be_closed() -> None:
    scripts = ScriptedClient()
    RealtimeClient(client=scripts).close()
    assert scripts._closed


def test_that_the_block_closes_it_whatever_happened() -> None:
    scripts = ScriptedClient()
    client = RealtimeClient(client=scripts)
    client.connect()
    with pytest.raises(KeyError, match="mine"), client:
        raise KeyError("mine")
    assert scripts._closed


def test_that_an_end_stays_until_connect() -> None:
    scripts = ScriptedClient(["One.", "Two."])
    with RealtimeClient(client=scripts) as client:
        client.send_text("Hello")
        assert read_turn(client) == "One."
        first = client.session
        assert client.connect() is first  # it is open
        on_loop(first, scripted(first).hang_up)
        with pytest.raises(HungUp):
            list(client)
        with pytest.raises(HungUp):
            client.send_text("Are you there?")
        assert client.connect() is not first
        client.send_text("Hello again")
        assert read_turn(client) == "One."  # a new session, from the script's beginning


def test_that_a_refusal_is_raised_and_the_next_use_tries_again() -> None:
    scripts = ScriptedClient(["Hi."], refusal=ConnectRefused("No.", provider="scripted"))
    with RealtimeClient(client=scripts) as client:
        for use in (lambda: client.send_text("Hello"), lambda: iter(client)):
            with pytest.raises(ConnectRefused):
                use()
        scripts._refusal = None
        client.send_text("Hello")
        assert read_turn(client) == "Hi."


# --- where the client comes from ---


def test_that_a_provider_is_made_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def make_client(name: str, **given: object) -> asynchronous.RealtimeClient:
        made.append((name, given))
        return ScriptedClient(["Hi."])

    monkeypatch.setattr(registry, "make_client", make_client)
    with RealtimeClient("key", "a-model", base_url="http://here") as client:
        client.send_text("Hello")
        assert read_turn(client) == "Hi."
    RealtimeClient(provider="local")
    assert made == [
        ("openai", {"model": "a-model", "api_key": "key", "base_url": "http://here"}),
        ("local", {"model": None, "api_key": None, "base_url": None}),
    ]


def test_that_the_arguments_go_together() -> None:
    with pytest.raises(InvalidInput, match="no provider 'nobody'"):
        RealtimeClient(provider="nobody")
    with pytest.raises(InvalidInput, match="A client was given"):
        RealtimeClient("key", client=ScriptedClient())


def test_that_the_key_does_not_show() -> None:
    client = RealtimeClient("sk-secret", provider="compatible", base_url="http://localhost:1")
    assert "sk-secret" not in repr(client)
    assert "sk-secret" not in repr(vars(client))


def test_that_the_import_is_light() -> None:
    program = "import sys, duologue.sync; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(run.stdout.split())
    heavy = {"numpy", "pydantic", "picows", "duologue.providers", "duologue.local", "duologue.testing", "websockets"}
    assert not heavy & modules
