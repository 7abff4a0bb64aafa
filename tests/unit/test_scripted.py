"""The scripted provider: what tests of applications are built on."""

from __future__ import annotations

import asyncio
import json
from typing import TypeVar

import pytest

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.client import DuologueWarning
from duologue.errors import ConnectRefused, CutOff, HungUp, InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_8K, PCM16_24K
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedLink, ScriptedReply
from duologue.tools import FunctionTool

Kind = TypeVar("Kind", bound=ServerMessage)


async def read_until(session: RealtimeSession, kind: type[Kind]) -> tuple[list[ServerMessage], Kind]:
    """All messages up to the first one of `kind`, and that one."""
    read: list[ServerMessage] = []
    async for message in session:
        read.append(message)
        if isinstance(message, kind):
            return read, message
    raise AssertionError(f"no {kind.__name__} among {read}")


def only(messages: list[ServerMessage], kind: type[Kind]) -> list[Kind]:
    return [message for message in messages if isinstance(message, kind)]


async def test_a_session_begins_with_session_created() -> None:
    async with ScriptedClient().create_session(SessionOptions(instructions="Be brief.")) as session:
        first = await anext(session)
    assert isinstance(first, m.SessionCreated)
    assert first.options.instructions == "Be brief."


async def test_every_request_gets_the_next_reply() -> None:
    client = ScriptedClient(["First.", ScriptedReply.text("Second one.")])
    async with client.create_session() as session:
        for expected in ("First.", "Second one."):
            await session.send_text("And?")
            read, done = await read_until(session, m.TurnDone)
            assert "".join(delta.text for delta in only(read, m.OutputTranscriptDelta)) == expected
            assert done.outcome == "completed"
    assert [type(message) for message in client.link.sent] == [m.ItemCreate, m.ResponseCreate] * 2


async def test_every_session_plays_the_script_from_its_beginning() -> None:
    client = ScriptedClient(["Hello."])
    for _ in range(2):
        async with client.create_session() as session:
            await session.respond()
            read, _ = await read_until(session, m.ResponseDone)
            assert only(read, m.OutputTranscriptDone)[0].text == "Hello."
    assert len(client.links) == 2
    assert client.link is client.links[1]


async def test_a_script_that_is_used_up_refuses_the_request() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        with pytest.raises(AssertionError, match="no reply left"):
            await session.respond()
    assert client.link.sent == []


async def test_a_script_that_is_used_up_tells_the_reader_where_the_request_had_to_wait() -> None:
    client = ScriptedClient([ScriptedReply.text("One").held()])
    async with client.create_session() as session:
        await session.respond()
        await session.respond(m.ResponseCreate(instructions="wait"))
        await read_until(session, m.OutputTranscriptDelta)
        assert client.link.active is not None
        client.link.push(*client.link.active.end())
        with pytest.raises(AssertionError, match="no reply left"):
            await read_until(session, m.SessionExpiring)


async def test_speech_comes_in_the_sessions_format_in_deltas_of_a_tenth_of_a_second() -> None:
    client = ScriptedClient([ScriptedReply.speech("Hello there.", duration_ms=250)])
    async with client.create_session(SessionOptions(output_audio=PCM16_8K)) as session:
        await session.respond()
        read, done = await read_until(session, m.ResponseDone)
    deltas = only(read, m.OutputAudioDelta)
    assert [PCM16_8K.duration_ms(len(delta.audio)) for delta in deltas] == [100, 100, 50]
    assert {delta.format for delta in deltas} == {PCM16_8K}
    assert done.output_audio == PCM16_8K


async def test_a_text_session_has_text_and_no_audio() -> None:
    client = ScriptedClient([ScriptedReply.audio(b"\1\2" * 100, "Hi.")])
    async with client.create_session(SessionOptions(output_modalities=("text",))) as session:
        await session.respond()
        read, _ = await read_until(session, m.ResponseDone)
    assert [delta.text for delta in only(read, m.OutputTextDelta)] == ["Hi."]
    assert not only(read, m.OutputAudioDelta)


async def test_audio_is_played_as_given() -> None:
    client = ScriptedClient([ScriptedReply.audio(b"\1\2" * 100, "Hi.")])
    async with client.create_session() as session:
        await session.respond()
        read, _ = await read_until(session, m.ResponseDone)
    assert [(delta.audio, delta.format) for delta in only(read, m.OutputAudioDelta)] == [(b"\1\2" * 100, PCM16_24K)]


async def test_calls_carry_json_or_whatever_the_test_wants() -> None:
    reply = ScriptedReply.call("weather", {"city": "Zürich"}, call_id="a") + ScriptedReply.call("weather", "{broken")
    client = ScriptedClient([reply])
    async with client.create_session() as session:
        await session.respond()
        _, done = await read_until(session, m.ResponseDone)
    first, second = done.function_calls
    assert (first.call_id, json.loads(first.arguments)) == ("a", {"city": "Zürich"})
    assert second.arguments == "{broken"


async def test_a_reply_ends_as_it_is_told() -> None:
    error = m.ErrorDetail(message="overloaded")
    client = ScriptedClient([ScriptedReply.text("I") + ScriptedReply.text(" am").ending("failed", error=error)])
    async with client.create_session() as session:
        await session.respond()
        read, turn = await read_until(session, m.TurnDone)
    (done,) = only(read, m.ResponseDone)
    assert (done.status, done.error, turn.outcome) == ("failed", error, "failed")


async def test_a_held_response_stays_open_until_it_is_cancelled() -> None:
    client = ScriptedClient([ScriptedReply.text("Well,").held()])
    async with client.create_session() as session:
        await session.respond()
        await read_until(session, m.OutputTranscriptDelta)
        assert client.link.active is not None
        await session.send(m.ResponseCancel())
        _, done = await read_until(session, m.ResponseDone)
        assert client.link.active is None
    assert (done.status, done.reason) == ("cancelled", "client_cancelled")


async def test_a_test_can_go_on_with_a_held_response() -> None:
    client = ScriptedClient([ScriptedReply.text("One").held()])
    async with client.create_session() as session:
        await session.respond()
        await client.link.wait_sent(m.ResponseCreate)
        response = client.link.active
        assert response is not None
        client.link.push(*response.text(" two"), *response.end())
        read, done = await read_until(session, m.ResponseDone)
    assert done.status == "completed"
    assert only(read, m.OutputTranscriptDone)[0].text == "One two"


async def test_a_second_response_at_once_is_an_error_of_the_provider() -> None:
    client = ScriptedClient([ScriptedReply.text("One").held(), "Beside."])
    async with client.create_session() as session:
        await session.respond()
        await session.send(m.ResponseCreate(when="now"))
        _, report = await read_until(session, m.ErrorReported)
        assert report.kind == "response_active"
        await session.send(m.ResponseCreate(out_of_band=True))
        _, done = await read_until(session, m.ResponseDone)
        assert done.out_of_band


async def test_the_user_can_be_heard() -> None:
    client = ScriptedClient([ScriptedReply.speech("Long story").held(), "Fine."])
    async with client.create_session() as session:
        await session.respond()
        await read_until(session, m.OutputAudioDelta)
        client.link.hear("Stop, please.")
        read, turn = await read_until(session, m.TurnDone)
        assert turn.outcome == "interrupted"
        assert only(read, m.Interrupted)
        read, turn = await read_until(session, m.TurnDone)
    assert only(read, m.InputTranscriptCompleted)[0].text == "Stop, please."
    assert only(read, m.OutputTranscriptDone)[0].text == "Fine."
    assert turn.outcome == "completed"


async def test_on_answers_in_place_of_the_usual() -> None:
    client = ScriptedClient(["Usual."])
    client.on(m.ResponseCreate, lambda request: ScriptedReply.text("Odd.") if request.instructions else None)
    client.on(m.InputAudioEnd, lambda _: [m.RateLimitsUpdated(limits=())])
    async with client.create_session() as session:
        await session.send(m.ResponseCreate(instructions="odd"))
        read, _ = await read_until(session, m.ResponseDone)
        assert only(read, m.OutputTranscriptDone)[0].text == "Odd."
        await session.respond()
        read, _ = await read_until(session, m.ResponseDone)
        assert only(read, m.OutputTranscriptDone)[0].text == "Usual."
        await session.send(m.InputAudioEnd())
        await read_until(session, m.RateLimitsUpdated)


async def test_an_answer_that_raises_refuses_the_message() -> None:
    def refuse(message: m.ItemDelete) -> None:
        raise UnsupportedOperation("deleting", "scripted")

    client = ScriptedClient()
    client.on(m.ItemDelete, refuse)
    async with client.create_session() as session:
        with pytest.raises(UnsupportedOperation):
            await session.send(m.ItemDelete(item_id="item_1"))
    assert client.link.sent == []


async def test_usual_answers() -> None:
    client = ScriptedClient(["Right."])
    async with client.create_session() as session:
        await session.send(m.ItemCreate(item=m.MessageItem.user("Hi", id="hello")))
        _, done = await read_until(session, m.ItemDone)
        assert done.item.id == "hello"
        await session.update(SessionOptions(instructions="Sing."))
        _, updated = await read_until(session, m.SessionUpdated)
        assert updated.options.instructions == session.options.instructions == "Sing."
        await session.send(m.ItemTruncate(item_id="hello", audio_end_ms=3))
        _, cut = await read_until(session, m.ItemTruncated)
        assert cut.audio_end_ms == 3
        await session.send(m.ItemDelete(item_id="hello"))
        await read_until(session, m.ItemDeleted)
        await session.send(m.InputAudioClear())
        await read_until(session, m.InputAudioCleared)
        await session.send(m.InputAudioCommit())
        _, committed = await read_until(session, m.InputAudioCommitted)
        assert committed.item_id
        await session.send(m.UserTurnEnd())
        read, _ = await read_until(session, m.ResponseDone)
        assert only(read, m.InputAudioCommitted)
        await session.say("As told.")
        read, _ = await read_until(session, m.ResponseDone)
        assert only(read, m.OutputTranscriptDone)[0].text == "As told."


async def test_blocked_sending_holds_the_sender_and_not_the_message() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        client.link.block_sending()
        sending = asyncio.create_task(session.send_text("Hi", respond=False))
        await client.link.wait_sent(m.ItemCreate)
        assert not sending.done()
        client.link.unblock_sending()
        assert await sending == client.link.sent[0].id


async def test_the_end_frees_a_blocked_sender() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        client.link.block_sending()
        sending = asyncio.create_task(session.send_text("Hi", respond=False))
        await client.link.wait_sent(m.ItemCreate)
        client.link.hang_up(CutOff("The cable is cut.", retryable=True))
        with pytest.raises(CutOff):
            await sending


async def test_hanging_up_comes_after_all_that_was_pushed() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        client.link.push(m.SessionExpiring(seconds_left=1))
        client.link.hang_up()
        await read_until(session, m.SessionExpiring)
        with pytest.raises(HungUp):
            await anext(session)
        with pytest.raises(HungUp):
            await client.link.wait_sent(m.ResponseCreate)


async def test_what_is_pushed_stays_the_tests_own() -> None:
    message = m.InputSpeechStarted(item_id="item_1")
    client = ScriptedClient()
    for _ in range(2):
        async with client.create_session() as session:
            client.link.push(message)
            _, arrived = await read_until(session, m.InputSpeechStarted)
            assert arrived.turn_id == "turn_1"
            assert arrived.meta is not None
    assert message.turn_id is None
    assert message.meta is None


async def test_reports_of_playback_are_recorded_too() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        await session.send(m.OutputAudioPlayed(item_id="item_1", played_ms=20))
        (report,) = client.link.sent_of(m.OutputAudioPlayed)
    assert report.played_ms == 20


async def test_a_paused_provider_sends_nothing() -> None:
    client = ScriptedClient()
    async with client.create_session() as session:
        await anext(session)
        client.link.pause_reading()
        client.link.push(m.SessionExpiring(seconds_left=1))
        reading = asyncio.create_task(read_until(session, m.SessionExpiring))
        await session.send_text("Hi", respond=False)
        assert not reading.done()
        client.link.resume_reading()
        await reading


async def test_a_refusal() -> None:
    client = ScriptedClient(refusal=ConnectRefused("No such model.", provider="scripted"))
    with pytest.raises(ConnectRefused, match="No such model"):
        await client.create_session()
    with pytest.raises(InvalidInput, match="No session"):
        _ = client.link


async def test_capabilities_bound_what_can_be_asked() -> None:
    client = ScriptedClient(capabilities=Capabilities())
    async with client.create_session() as session:
        with pytest.raises(UnsupportedOperation):
            await session.respond()


async def test_the_link_is_found_through_the_session() -> None:
    client = ScriptedClient(provider="nobody")
    async with client.create_session() as session:
        assert session.get_service(ScriptedLink) is client.link
        assert session.metadata.provider == "nobody"


async def test_tools_that_nothing_runs_are_warned_of() -> None:
    def ping() -> str:
        return "pong"

    with pytest.warns(DuologueWarning, match="FunctionInvocation"):
        async with ScriptedClient().create_session(SessionOptions(tools=(FunctionTool.from_callable(ping),))):
            pass
