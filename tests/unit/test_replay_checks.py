"""What `ReplayClient` makes of an application that does something else than was recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.messages.base import ServerMessage
from duologue.middleware.recording import Recording
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient
from duologue.testing.replay import ReplayClient
from duologue.testing.replay_script import ReplayMismatch
from replays import record, recorded_sends


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "call.jsonl"


async def differs(path: Path, act: Callable[[RealtimeSession], object], **settings: object) -> ReplayMismatch:
    """The difference that `act` makes, as its caller and the reader get it."""
    client = ReplayClient(path, **{"speed": None, **settings})  # type: ignore[arg-type]
    async with client.create_session() as session:
        with pytest.raises(ReplayMismatch) as caught:
            await act(session)  # type: ignore[misc]
        with pytest.raises(ReplayMismatch):
            async for _ in session:
                pass
    return caught.value


async def test_that_another_content_is_shown_with_its_place(path: Path) -> None:
    await recorded_sends(path, m.ItemCreate(item=m.MessageItem.user("Weather?")))
    error = await differs(path, lambda session: session.send_text("Time?", respond=False))
    assert "item.content[0].text differs" in str(error)
    assert '"Weather?"' in error.expected
    assert '"Time?"' in error.got


async def test_that_another_type_is_an_error_with_types_too(path: Path) -> None:
    await recorded_sends(path, m.ItemCreate(item=m.MessageItem.user("Weather?")))
    for check in ("strict", "types"):
        error = await differs(path, lambda session: session.respond(), check=check)
        assert "another message" in str(error)


async def test_that_types_alone_let_contents_differ(path: Path) -> None:
    await recorded_sends(path, m.ItemCreate(item=m.MessageItem.user("Weather?")))
    async with ReplayClient(path, speed=None, check="types").create_session(SessionOptions(voice="x")) as session:
        await session.send_text("Time?", respond=False)
        assert session.ended is None


async def test_that_more_than_was_recorded_is_an_error(path: Path) -> None:
    await recorded_sends(path)
    error = await differs(path, lambda session: session.respond())
    assert "nothing more of the kind" in str(error)
    assert error.expected == "nothing more"


async def test_that_the_amount_of_audio_counts_where_it_is_closed(path: Path) -> None:
    await recorded_sends(path, m.InputAudioAppend(audio=bytes(960)), m.InputAudioCommit())

    async def too_little(session: RealtimeSession) -> None:
        await session.send_audio(bytes(480))
        await session.send(m.InputAudioCommit())

    error = await differs(path, too_little)
    assert (error.expected, error.got) == ("960 bytes", "480 bytes")
    async with ReplayClient(path, speed=None).create_session() as session:
        for _ in range(3):
            await session.send_audio(bytes(320))
        await session.send(m.InputAudioCommit())
        assert session.ended is None


async def test_that_reports_of_playback_are_not_compared(path: Path) -> None:
    report = m.OutputAudioPlayed(item_id="i1", played_ms=10)
    await recorded_sends(path, report, m.ItemDelete(item_id="i1"))
    async with ReplayClient(path, speed=None).create_session() as session:
        await session.send(m.ItemDelete(item_id="i1"))
        await session.send(msgspec.structs.replace(report, played_ms=20))
        assert session.ended is None


async def test_that_results_come_in_any_order_but_for_their_own_calls(path: Path) -> None:
    results = [m.ItemCreate(item=m.FunctionResult(call_id=call, output=f"of {call}")) for call in "abc"]
    await recorded_sends(path, *results, m.ResponseCreate(follow_up=True))
    async with ReplayClient(path, speed=None).create_session() as session:
        for result in reversed(results):
            await session.send(result)
        await session.send(m.ResponseCreate(follow_up=True))
    wrong = m.ItemCreate(item=m.FunctionResult(call_id="b", output="of c"))
    error = await differs(path, lambda session: session.send(wrong))
    assert "item.output differs" in str(error)


async def test_that_ids_of_the_applications_making_may_differ_and_are_found_again(path: Path) -> None:
    client = ScriptedClient()
    client.on(m.ItemDelete, lambda sent: [m.ErrorReported(kind="other", error=_OH, cause_id=sent.id, cause=sent)])

    async def act(client: RealtimeClient, name: str) -> list[ServerMessage]:
        async with client.create_session() as session:
            await session.send(m.ItemCreate(item=m.MessageItem.user("then", id=name)))
            await session.send(m.ItemDelete(id=f"delete {name}", item_id=name))
            return [await anext(session) for _ in range(4)]

    await act(client.with_middleware(Recording(path)), "then")
    _, added, done, error = await act(ReplayClient(path, speed=None), "now")
    assert isinstance(added, m.ItemAdded)
    assert isinstance(done, m.ItemDone)
    assert isinstance(error, m.ErrorReported)
    assert added.item.id == done.item.id == "now"
    assert isinstance(added.item, m.MessageItem)
    assert added.item.text == "then"
    assert error.cause_id == "delete now"
    assert error.cause == m.ItemDelete(id="delete now", item_id="now")


_OH = m.ErrorDetail(message="oh")


async def test_that_an_id_that_names_another_item_is_an_error(path: Path) -> None:
    first, second = (m.ItemCreate(item=m.MessageItem.user("Hm", id=name)) for name in ("one", "two"))
    await recorded_sends(path, first, second, m.ItemDelete(item_id="one"))

    async def act(session: RealtimeSession) -> None:
        for name in ("eins", "zwei"):
            await session.send(m.ItemCreate(item=m.MessageItem.user("Hm", id=name)))
        await session.send(m.ItemDelete(item_id="zwei"))

    assert "item_id differs" in str(await differs(path, act))


async def test_that_options_are_compared_as_far_as_they_are_stated(path: Path) -> None:
    await record(path, "Weather?")
    with pytest.raises(ReplayMismatch, match="another instructions"):
        await ReplayClient(path, speed=None).create_session(SessionOptions(instructions="Be long."))
    session = await ReplayClient(path, speed=None).create_session(SessionOptions(instructions="Be brief."))
    await session.aclose()
    session = await ReplayClient(path, speed=None, check="types").create_session(SessionOptions(instructions="x"))
    await session.aclose()


async def test_that_an_application_that_does_nothing_is_told_what_is_awaited(path: Path) -> None:
    await record(path, "Weather?")
    client = ReplayClient(path, speed=None, patience=0.05)
    async with client.create_session() as session:
        with pytest.raises(ReplayMismatch, match="nothing comes") as caught:
            async for _ in session:
                pass
    assert "Weather?" in caught.value.expected
    assert "0.05 s" in caught.value.got


async def test_that_an_application_that_does_not_close_is_told(path: Path) -> None:
    await recorded_sends(path)
    async with ReplayClient(path, speed=None, patience=0.05).create_session() as session:
        with pytest.raises(ReplayMismatch) as caught:
            async for _ in session:
                pass
    assert "the end of the session" in caught.value.expected
