"""Conversations that go on in another session, without `async`."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue import tool
from duologue.errors import InvalidInput
from duologue.middleware import FunctionInvocation, Reconnection
from duologue.options import SessionOptions
from duologue.snapshots import Snapshot
from duologue.sync import RealtimeClient, Session, close, connect
from duologue.testing import ScriptedClient
from lasting import said
from sync_helpers import in_thread, scripted


@tool
def clock() -> str:
    """Tell the time."""
    return "noon"


def _talk(session: Session, text: str) -> None:
    session.send_text(text)
    for message in session:
        if isinstance(message, m.OutputAudioDelta):
            session.send(m.OutputAudioPlayed(item_id=message.item_id, played_ms=1_000_000, finished=True))
        if isinstance(message, m.TurnDone):
            return


TOLD = [("user", "Hello"), ("assistant", "Hello you")]


def _snapshot(**options: object) -> Snapshot:
    """A conversation of which only a document is left."""
    client = ScriptedClient(["Hello you"]).with_middleware(FunctionInvocation(), Reconnection())
    with connect(client, SessionOptions(**options)) as session:  # type: ignore[arg-type]
        _talk(session, "Hello")
        with in_thread(session.snapshot) as taken:
            pass
    close(client)
    assert isinstance(taken.value, Snapshot)
    return Snapshot.from_json(taken.value.to_json())


def test_another_session_goes_on_from_a_snapshot() -> None:
    snapshot = _snapshot(instructions="Be brief.")
    assert said(snapshot.items) == TOLD
    client = ScriptedClient(["Fine, thanks."]).with_middleware(Reconnection())
    with connect(client, resume=snapshot) as session:
        assert session.options.instructions == "Be brief."
        assert said(scripted(session).options.history or ()) == TOLD
        _talk(session, "How are you?")
        assert said(session.snapshot().items) == [*TOLD, ("user", "How are you?"), ("assistant", "Fine, thanks.")]
    close(client)


def test_a_client_goes_on_with_its_first_session_alone() -> None:
    scripts = ScriptedClient(["Fine, thanks."])
    with RealtimeClient(client=scripts, middleware=[Reconnection()], resume=_snapshot()) as client:
        assert said(client.session.snapshot().items) == TOLD
        client.session.close()
        client.connect()
        assert client.session.snapshot().items == ()
    assert [said(link.options.history or ()) for link in scripts.links] == [TOLD, []]


def test_what_the_conversation_needs_has_to_be_there() -> None:
    snapshot = _snapshot(tools=(clock,), extra={"key": "hush"})
    forgetful = RealtimeClient(client=ScriptedClient(), middleware=[Reconnection()], resume=snapshot)
    with forgetful, pytest.raises(InvalidInput, match="clock"):
        forgetful.connect()
    options = SessionOptions(tools=(clock,))
    with RealtimeClient(
        client=ScriptedClient(), options=options, middleware=[Reconnection()], resume=snapshot
    ) as client:
        assert client.session.options.tools == (clock,)
        assert client.session.snapshot().options["extra"] == {"key": "hush"}
        assert client.session.snapshot(extra=False).left_out == ("extra", "tools")


def test_nobody_follows_the_conversation() -> None:
    client = ScriptedClient()
    with connect(client) as session, pytest.raises(InvalidInput, match="Reconnection"):
        session.snapshot()
    close(client)
