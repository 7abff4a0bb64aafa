"""Any audio format of the application, at any provider."""

from __future__ import annotations

import itertools
import math
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.audio import Converter
from duologue.errors import HungUp, InvalidAudio, UnsupportedOperation
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K, PCMA, PCMU, AudioFormat
from duologue.messages.base import ServerMessage
from duologue.middleware import AudioConversion
from duologue.middleware.audio_streams import InputStream, nearest
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply

Kind = TypeVar("Kind", bound=ServerMessage)

NARROW = msgspec.structs.replace(
    SCRIPTED_CAPABILITIES,
    input_formats=frozenset({PCM16_16K, PCM16_24K}),
    output_formats=frozenset({PCM16_24K}),
)


def tone(format: AudioFormat, duration_ms: float) -> bytes:
    """A tone of 440 Hz, as s16le at the format's rate."""
    samples = format.bytes_for(duration_ms) // format.sample_bytes
    return struct.pack(f"<{samples}h", *(int(9000 * math.sin(2764.6 * n / format.rate)) for n in range(samples)))


def converted(audio: bytes, source: AudioFormat, target: AudioFormat) -> bytes:
    whole = Converter(source, target)
    return whole.process(audio) + whole.flush()


@asynccontextmanager
async def session_with(client: ScriptedClient, options: SessionOptions) -> AsyncIterator[RealtimeSession]:
    async with client.with_middleware(AudioConversion()).create_session(options) as session:
        yield session


async def read_until(session: RealtimeSession, kind: type[Kind]) -> tuple[list[ServerMessage], Kind]:
    read: list[ServerMessage] = []
    async for message in session:
        read.append(message)
        if isinstance(message, kind):
            return read, message
    raise AssertionError(f"no {kind.__name__} among {read}")


def sent_audio(client: ScriptedClient) -> bytes:
    appended = client.link.sent_of(m.InputAudioAppend)
    for message in appended:
        assert message.format in (None, client.link.options.input_audio)
        assert message.audio
    return b"".join(message.audio for message in appended)


def heard_audio(read: Sequence[ServerMessage], format: AudioFormat) -> bytes:
    deltas = [message for message in read if isinstance(message, m.OutputAudioDelta)]
    assert {delta.format for delta in deltas} == {format}
    return b"".join(delta.audio for delta in deltas)


# --- formats ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        (PCM16_16K, None, PCM16_16K),
        (PCM16_16K, {PCM16_16K, PCM16_24K}, PCM16_16K),
        (PCM16_16K, {PCM16_8K, PCM16_48K, PCM16_24K}, PCM16_24K),
        (PCM16_48K, {PCM16_8K, PCM16_24K}, PCM16_24K),
        (PCMU, {PCMA, PCM16_8K, PCM16_24K}, PCM16_8K),
        (PCM16_24K, {PCMU}, PCMU),
    ],
)
def test_the_nearest_format_loses_least(
    wanted: AudioFormat, offered: set[AudioFormat] | None, chosen: AudioFormat
) -> None:
    assert nearest(wanted, offered) == chosen


async def test_without_conversion_the_error_names_it() -> None:
    client = ScriptedClient(capabilities=NARROW)
    with pytest.raises(UnsupportedOperation, match="AudioConversion"):
        await client.create_session(SessionOptions(input_audio=PCMU))
    async with client.create_session() as session:
        with pytest.raises(InvalidAudio, match="AudioConversion"):
            await session.send_audio(bytes(2), PCM16_48K)


async def test_each_side_sees_its_own_formats() -> None:
    client = ScriptedClient(["Hello."], capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_48K, output_audio=PCMU)) as session:
        provider = client.link.options
        assert (provider.input_audio, provider.output_audio) == (PCM16_24K, PCM16_24K)
        assert (session.options.input_audio, session.options.output_audio) == (PCM16_48K, PCMU)
        assert session.capabilities.input_formats is session.capabilities.output_formats is None
        created = await anext(session)
        assert isinstance(created, m.SessionCreated)
        assert (created.options.input_audio, created.options.output_audio) == (PCM16_48K, PCMU)
        assert created.meta is not None
        await session.respond()
        read, done = await read_until(session, m.ResponseDone)
    assert [message.output_audio for message in read if isinstance(message, m.ResponseCreated)] == [PCMU]
    assert done.output_audio == PCMU
    items = [message.item for message in read if isinstance(message, m.OutputItemDone | m.ItemDone)]
    parts = [message.part for message in read if isinstance(message, m.ContentPartAdded | m.ContentPartDone)]
    parts += [part for item in (*items, *done.items) if isinstance(item, m.MessageItem) for part in item.content]
    assert len(parts) == 5
    assert {part.format for part in parts if isinstance(part, m.AudioContent)} == {PCMU}


async def test_what_is_not_stated_is_as_the_provider_has_it() -> None:
    client = ScriptedClient([ScriptedReply.speech("Hi.", 100)], capabilities=NARROW)
    async with session_with(client, SessionOptions()) as session:
        assert session.options.input_audio is None
        await session.send_audio(bytes(960))
        await session.respond()
        read, _ = await read_until(session, m.ResponseDone)
    assert sent_audio(client) == bytes(960)
    assert heard_audio(read, PCM16_24K) == bytes(4800)


def test_the_client_says_that_it_takes_anything() -> None:
    client = ScriptedClient(capabilities=NARROW).with_middleware(AudioConversion())
    assert client.capabilities().input_formats is client.capabilities().output_formats is None


# --- the user's audio -------------------------------------------------------------------------------------------------


@given(cuts=st.lists(st.integers(0, 1600), max_size=12))
def test_the_users_audio_does_not_depend_on_how_it_is_cut(cuts: list[int]) -> None:
    audio = tone(PCM16_16K, 50)
    stream, out = InputStream(), b""
    edges = [0, *sorted(cuts), len(audio)]
    for start, end in itertools.pairwise(edges):
        piece = stream.convert(audio[start:end], PCM16_16K, PCM16_24K)
        assert len(piece) % 2 == 0
        out += piece
    assert out + stream.flush() == converted(audio, PCM16_16K, PCM16_24K)


async def test_the_users_audio_arrives_converted_and_whole() -> None:
    audio = tone(PCM16_8K, 100)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_8K)) as session:
        for start in range(0, len(audio), 333):
            await session.send_audio(audio[start : start + 333])
        await session.send(m.InputAudioCommit())
    assert client.link.options.input_audio == PCM16_16K
    assert sent_audio(client) == converted(audio, PCM16_8K, PCM16_16K)
    assert isinstance(client.link.sent[-1], m.InputAudioCommit)


async def test_audio_that_makes_no_sample_yet_is_accepted() -> None:
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_24K)) as session:
        first = await session.send(m.InputAudioAppend(id="mine", audio=b"\1"))
        second = await session.send_audio(b"")
        assert first == "mine"
        assert second not in ("", first)
        assert client.link.sent == []
        await session.send_audio(b"\2\3\4")
        assert sent_audio(client) == b"\1\2\3\4"
        client.link.hang_up()
        with pytest.raises(HungUp):
            await read_until(session, m.TurnDone)
        with pytest.raises(HungUp):
            await session.send_audio(b"\1")


async def test_one_message_may_have_a_format_of_its_own() -> None:
    client = ScriptedClient(capabilities=NARROW)
    first, second = tone(PCM16_8K, 40), converted(tone(PCM16_8K, 60), PCM16_8K, PCMU)
    async with session_with(client, SessionOptions(input_audio=PCM16_24K)) as session:
        await session.send_audio(first, PCM16_8K)
        await session.send_audio(second, PCMU)
        await session.send_audio(b"\1\2\3\4")
    expected = converted(first, PCM16_8K, PCM16_24K) + converted(second, PCMU, PCM16_24K) + b"\1\2\3\4"
    assert sent_audio(client) == expected


@pytest.mark.parametrize("end", [m.InputAudioCommit(), m.InputAudioEnd(), m.UserTurnEnd(respond=False)])
async def test_the_end_of_a_turn_brings_out_what_was_held_back(end: m.ClientMessage) -> None:
    audio = tone(PCM16_8K, 30)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_8K)) as session:
        for _ in range(2):
            await session.send_audio(audio)
            await session.send(end)
    assert sent_audio(client) == converted(audio, PCM16_8K, PCM16_16K) * 2


async def test_clearing_forgets_what_was_held_back() -> None:
    audio = tone(PCM16_8K, 30)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_8K)) as session:
        await session.send_audio(audio + b"\1")
        await session.send(m.InputAudioClear())
        cleared_at = len(sent_audio(client))
        await session.send_audio(audio)
        await session.send(m.InputAudioEnd())
    assert sent_audio(client)[cleared_at:] == converted(audio, PCM16_8K, PCM16_16K)


# --- the model's audio ------------------------------------------------------------------------------------------------


def delta(audio: bytes, item_id: str = "i", content_index: int = 0, response_id: str = "r") -> m.OutputAudioDelta:
    return m.OutputAudioDelta(
        response_id=response_id, item_id=item_id, content_index=content_index, audio=audio, format=PCM16_24K
    )


async def test_the_models_audio_arrives_converted_and_whole() -> None:
    audio = tone(PCM16_24K, 250)
    client = ScriptedClient([ScriptedReply.audio(audio, "La.")], capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCMU)) as session:
        await session.respond()
        read, _ = await read_until(session, m.ResponseDone)
    assert heard_audio(read, PCMU) == converted(audio, PCM16_24K, PCMU)
    last = max(index for index, message in enumerate(read) if isinstance(message, m.OutputAudioDelta))
    assert isinstance(read[last + 1], m.OutputAudioDone)
    assert read[last].turn_id == read[last + 1].turn_id is not None
    assert read[last].meta is read[last + 1].meta is not None


async def test_deltas_that_are_cut_inside_a_sample_are_put_together() -> None:
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCM16_24K)) as session:
        client.link.push(
            m.ResponseCreated(response_id="r"),
            *(delta(audio) for audio in (b"\1\2\3", b"\4", b"\5", b"\6")),
            m.OutputAudioDone(response_id="r", item_id="i"),
            m.ResponseDone(response_id="r", status="completed"),
        )
        read, _ = await read_until(session, m.ResponseDone)
    assert [message.audio for message in read if isinstance(message, m.OutputAudioDelta)] == [b"\1\2", b"\3\4", b"\5\6"]


async def test_every_part_is_a_stream_of_its_own() -> None:
    first, second = tone(PCM16_24K, 40), tone(PCM16_24K, 60)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCM16_8K)) as session:
        client.link.push(
            m.ResponseCreated(response_id="r"),
            delta(first[:1001], content_index=0),
            delta(second[:777], content_index=1),
            delta(first[1001:], content_index=0),
            m.OutputAudioDone(response_id="r", item_id="i", content_index=0),
            delta(second[777:], content_index=1),
            m.OutputAudioDone(response_id="r", item_id="i", content_index=1),
            m.ResponseDone(response_id="r", status="completed"),
        )
        read, _ = await read_until(session, m.ResponseDone)
    parts = [b"", b""]
    for message in read:
        if isinstance(message, m.OutputAudioDelta):
            parts[message.content_index] += message.audio
    assert parts == [converted(first, PCM16_24K, PCM16_8K), converted(second, PCM16_24K, PCM16_8K)]


async def test_an_interruption_drops_what_was_held_back() -> None:
    audio = tone(PCM16_24K, 40)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCM16_8K)) as session:
        client.link.push(
            m.ResponseCreated(response_id="r"),
            delta(audio),
            m.InputSpeechStarted(),
            m.OutputAudioDone(response_id="r", item_id="i"),
            m.ResponseDone(response_id="r", status="cancelled"),
        )
        read, _ = await read_until(session, m.ResponseDone)
    assert any(isinstance(message, m.Interrupted) for message in read)
    assert not [message for message in read if isinstance(message, m.OutputAudioDelta)]


async def test_a_response_that_ends_without_an_end_of_its_audio_leaves_nothing_behind() -> None:
    audio = tone(PCM16_24K, 40)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCM16_8K)) as session:
        for response_id in ("first", "second"):
            client.link.push(
                m.ResponseCreated(response_id=response_id),
                delta(audio, response_id=response_id),
                m.ResponseDone(response_id=response_id, status="completed"),
            )
        first, _ = await read_until(session, m.ResponseDone)
        second, _ = await read_until(session, m.ResponseDone)
    assert heard_audio(first, PCM16_8K) == heard_audio(second, PCM16_8K)


async def test_positions_mean_the_same_on_both_sides() -> None:
    client = ScriptedClient([ScriptedReply.speech("Hello.", 333)], capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCMU)) as session:
        await session.respond()
        read, _ = await read_until(session, m.TurnDone)
        (item_id,) = {message.item_id for message in read if isinstance(message, m.OutputAudioDelta)}
        played_ms = int(PCMU.duration_ms(len(heard_audio(read, PCMU))))
        await session.send(m.OutputAudioPlayed(item_id=item_id, played_ms=played_ms, finished=True))
        client.link.push(m.InputSpeechStarted(), m.SessionExpiring(seconds_left=1))
        read, _ = await read_until(session, m.SessionExpiring)
    assert not any(isinstance(message, m.Interrupted) for message in read)


# --- changing formats -------------------------------------------------------------------------------------------------


async def test_an_update_of_formats_stays_on_this_side() -> None:
    audio = tone(PCM16_8K, 40)
    client = ScriptedClient([ScriptedReply.audio(tone(PCM16_24K, 100))], capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_24K, output_audio=PCM16_24K)) as session:
        await session.send_audio(b"\1\2")
        assert await session.update(SessionOptions(input_audio=PCM16_8K, output_audio=PCMA))
        _, updated = await read_until(session, m.SessionUpdated)
        assert (updated.options.input_audio, updated.options.output_audio) == (PCM16_8K, PCMA)
        await session.send_audio(audio)
        await session.send(m.InputAudioEnd())
        await session.respond()
        read, _ = await read_until(session, m.ResponseDone)
    assert not client.link.sent_of(m.SessionUpdate)
    assert sent_audio(client) == b"\1\2" + converted(audio, PCM16_8K, PCM16_24K)
    assert heard_audio(read, PCMA) == converted(tone(PCM16_24K, 100), PCM16_24K, PCMA)


async def test_an_update_of_more_than_formats_sends_the_rest() -> None:
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_24K)) as session:
        await session.update(SessionOptions(input_audio=PCM16_48K, instructions="Sing."))
        _, updated = await read_until(session, m.SessionUpdated)
    (sent,) = client.link.sent_of(m.SessionUpdate)
    assert sent.options == SessionOptions(instructions="Sing.")
    assert (updated.options.input_audio, updated.options.instructions) == (PCM16_48K, "Sing.")


async def test_an_update_that_is_refused_changes_nothing() -> None:
    fixed = msgspec.structs.replace(NARROW, mutable_options=frozenset())
    client = ScriptedClient(capabilities=fixed)
    async with session_with(client, SessionOptions(input_audio=PCM16_24K)) as session:
        assert "input_audio" in session.capabilities.mutable_options
        with pytest.raises(UnsupportedOperation):
            await session.update(SessionOptions(input_audio=PCM16_48K, instructions="Sing."))
        assert session.options.input_audio == PCM16_24K
        await session.update(SessionOptions(input_audio=PCM16_48K))
        assert session.options.input_audio == PCM16_48K


async def test_a_part_keeps_the_format_that_it_began_with() -> None:
    audio = tone(PCM16_24K, 40)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCM16_8K)) as session:
        client.link.push(m.ResponseCreated(response_id="r"), delta(audio[:960]))
        await read_until(session, m.OutputAudioDelta)
        await session.update(SessionOptions(output_audio=PCMU))
        client.link.push(delta(audio[960:]), delta(audio, item_id="next"), m.ResponseDone(response_id="r"))
        read, _ = await read_until(session, m.ResponseDone)
    formats = {message.item_id: message.format for message in read if isinstance(message, m.OutputAudioDelta)}
    assert formats == {"i": PCM16_8K, "next": PCMU}


async def test_one_response_may_have_a_format_of_its_own() -> None:
    audio = tone(PCM16_24K, 100)
    client = ScriptedClient([ScriptedReply.audio(audio)] * 3, capabilities=NARROW)
    async with session_with(client, SessionOptions(output_audio=PCM16_24K)) as session:
        await session.respond(m.ResponseCreate(output_audio=PCMA, metadata={"topic": "tone"}))
        read, done = await read_until(session, m.ResponseDone)
        assert heard_audio(read, PCMA) == converted(audio, PCM16_24K, PCMA)
        assert (done.output_audio, done.metadata) == (PCMA, {"topic": "tone"})
        await session.respond(m.ResponseCreate(output_audio=PCM16_24K))
        read, done = await read_until(session, m.ResponseDone)
        assert heard_audio(read, PCM16_24K) == audio
        assert (done.output_audio, done.metadata) == (PCM16_24K, None)
        await session.respond()
        read, _ = await read_until(session, m.ResponseDone)
        assert heard_audio(read, PCM16_24K) == audio
    assert [request.output_audio for request in client.link.sent_of(m.ResponseCreate)] == [None] * 3


async def test_a_format_for_one_response_needs_metadata() -> None:
    client = ScriptedClient(["Hi."], capabilities=msgspec.structs.replace(NARROW, metadata=False))
    async with session_with(client, SessionOptions(output_audio=PCM16_24K)) as session:
        assert "output_audio" not in session.capabilities.response_options
        with pytest.raises(UnsupportedOperation, match="output_audio"):
            await session.respond(m.ResponseCreate(output_audio=PCMA))
        await session.respond(m.ResponseCreate(instructions="Sing."))
    assert len(client.link.sent) == 1


# --- clips ------------------------------------------------------------------------------------------------------------


def clip(audio: bytes, format: AudioFormat | None = None, role: m.Role = "user") -> m.MessageItem:
    return m.MessageItem(id="clip", role=role, content=(m.AudioContent(audio=audio, format=format, transcript="la"),))


async def test_clips_are_converted_on_their_way_to_the_provider() -> None:
    audio = tone(PCM16_8K, 50)
    expected = clip(converted(audio, PCM16_8K, PCM16_16K), PCM16_16K)
    client = ScriptedClient(["Nice."], capabilities=NARROW)
    options = SessionOptions(input_audio=PCM16_8K, history=(clip(audio), m.MessageItem.user("Hi.")))
    async with session_with(client, options) as session:
        assert client.link.options.history == (expected, m.MessageItem.user("Hi."))
        await session.send(m.ItemCreate(item=clip(audio)))
        await session.send(m.ItemCreate(item=clip(audio, PCM16_8K)))
        await session.send(m.ResponseCreate(items=(clip(audio), m.ItemReference(id="x"))))
    assert [message.item for message in client.link.sent_of(m.ItemCreate)] == [expected, expected]
    assert client.link.sent_of(m.ResponseCreate)[0].items == (expected, m.ItemReference(id="x"))


async def test_clips_are_converted_on_their_way_to_the_reader() -> None:
    heard, said = tone(PCM16_16K, 50), tone(PCM16_24K, 50)
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_8K, output_audio=PCMU)) as session:
        client.link.push(m.ItemRetrieved(item=clip(heard)), m.ItemRetrieved(item=clip(said, PCM16_24K, "assistant")))
        _, first = await read_until(session, m.ItemRetrieved)
        _, second = await read_until(session, m.ItemRetrieved)
    assert first.item == clip(converted(heard, PCM16_16K, PCM16_8K), PCM16_8K)
    assert second.item == clip(converted(said, PCM16_24K, PCMU), PCMU, "assistant")


async def test_a_clip_that_ends_inside_a_sample_is_refused() -> None:
    client = ScriptedClient(capabilities=NARROW)
    async with session_with(client, SessionOptions(input_audio=PCM16_8K)) as session:
        with pytest.raises(InvalidAudio, match="3 bytes"):
            await session.send(m.ItemCreate(item=clip(b"\1\2\3")))
        with pytest.raises(InvalidAudio):
            await session.send(m.ResponseCreate(items=(clip(b"\1"),)))
    assert client.link.sent == []
    with pytest.raises(InvalidAudio):
        await client.with_middleware(AudioConversion()).create_session(SessionOptions(history=(clip(b"\1"),)))


# --- without numpy ----------------------------------------------------------------------------------------------------

WITHOUT_NUMPY = """
import asyncio, sys
sys.modules["numpy"] = None
from duologue.errors import MissingDependency
from duologue.formats import PCM16_16K, PCM16_24K, PCMU, AudioFormat
from duologue.middleware import AudioConversion
from duologue.options import SessionOptions
from duologue.testing import ScriptedClient, SCRIPTED_CAPABILITIES
import msgspec
can = msgspec.structs.replace(SCRIPTED_CAPABILITIES, input_formats=frozenset({PCM16_24K, AudioFormat("pcm16", 8000)}))
client = ScriptedClient(capabilities=can)
converting = client.with_middleware(AudioConversion())
async def main():
    async with converting.create_session(SessionOptions(input_audio=PCM16_24K)) as session:
        await session.send_audio(bytes(3))
    opened = len(client.links)
    for format in (PCM16_16K, PCMU):
        try:
            await converting.create_session(SessionOptions(input_audio=format))
        except MissingDependency as error:
            assert "pip install" in str(error), error
        else:
            raise AssertionError(format)
    assert len(client.links) == opened
asyncio.run(main())
"""


def test_without_numpy_equal_formats_work_and_others_say_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
