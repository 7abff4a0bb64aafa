"""Message → frame → message is the identity, in both roles of every dialect; where it is not, a table says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from duologue import messages as m
from duologue.content import AudioContent, TextContent
from duologue.items import MessageItem
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.openai import (
    LOCALAI,
    OPENAI,
    SPEECH_TO_SPEECH,
    VOICE_LIVE,
    Dialect,
    OpenAIClientProtocol,
    OpenAIServerProtocol,
)
from duologue.protocols.openai.writing import UNSPOKEN
from openai_exceptions import CLIENT_EXCEPTIONS, DERIVED, NOT_ON_THE_WIRE, SERVER_EXCEPTIONS, Exceptional
from openai_messages import DIALECTS, client_messages, option_values, options, server_messages
from structs import strategy_of

Joined = tuple[OpenAIClientProtocol, OpenAIServerProtocol]


def joined(dialect: Dialect, asked: SessionOptions | None = None) -> Joined:
    """Both roles, with a session open between them; nothing is left to be read or sent."""
    client, server = OpenAIClientProtocol(dialect), OpenAIServerProtocol(dialect)
    server.open(SessionOptions())
    client.open(asked or SessionOptions())
    to_client(client, server)
    for message in to_server(client, server):
        if isinstance(message, m.SessionUpdate):
            server.send(m.SessionUpdated(options=message.options))
    to_client(client, server)
    to_server(client, server)
    return client, server


def to_server(client: OpenAIClientProtocol, server: OpenAIServerProtocol) -> list[ClientMessage]:
    return [message for frame in client.frames_to_send() for message in server.receive(frame)]


def to_client(client: OpenAIClientProtocol, server: OpenAIServerProtocol) -> list[ServerMessage]:
    return [message for frame in server.frames_to_send() for message in client.receive(frame)]


def _cases(messages: Callable[[Dialect], dict[Any, Any]]) -> list[Any]:
    return [
        pytest.param(dialect, kind, id=f"{dialect.provider}-{kind.__name__}")
        for dialect in DIALECTS
        for kind in messages(dialect)
    ]


# --- what a client says ---


@pytest.mark.parametrize(("dialect", "kind"), _cases(client_messages))
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_that_a_client_s_message_arrives_as_it_was(
    dialect: Dialect, kind: type[ClientMessage], data: st.DataObject
) -> None:
    message = data.draw(st.builds(kind, **client_messages(dialect)[kind]))
    client, server = joined(dialect)
    client.send(message)
    [read] = to_server(client, server)
    if isinstance(message, m.ResponseCreate):
        assert isinstance(read, m.ResponseCreate)
        assert _as_answered(client, server, read) == (message.metadata or None)
        read = replace(read, metadata=message.metadata)  # the tag is for the protocol
    assert read == _at_once(message)
    assert server.frames_to_send() == []


def _at_once(message: ClientMessage) -> ClientMessage:
    return replace(message, when="now") if isinstance(message, m.ResponseCreate | m.Say) else message


def _as_answered(
    client: OpenAIClientProtocol, server: OpenAIServerProtocol, request: m.ResponseCreate
) -> dict[str, str] | None:
    """The metadata of the response that answers `request`, as the client sees it."""
    server.send(m.ResponseCreated(response_id="r", metadata=request.metadata))
    [created] = to_client(client, server)
    assert isinstance(created, m.ResponseCreated)
    assert created.out_of_band == request.out_of_band
    return created.metadata


@pytest.mark.parametrize("dialect", [d for d in DIALECTS if d.confirms_options], ids=lambda d: d.provider)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_that_the_options_of_a_session_are_confirmed_as_they_were(dialect: Dialect, data: st.DataObject) -> None:
    asked = data.draw(options(dialect))
    client, server = OpenAIClientProtocol(dialect), OpenAIServerProtocol(dialect)
    server.open(SessionOptions(voice="theirs"))
    client.open(asked)
    assert to_client(client, server) == []
    [update] = to_server(client, server)
    assert isinstance(update, m.SessionUpdate)
    assert update.options == asked
    holds = SessionOptions(voice="theirs").merged(update.options)
    server.send(m.SessionUpdated(options=holds))
    [created] = to_client(client, server)
    assert isinstance(created, m.SessionCreated)
    assert created.options == SessionOptions(kind=created.options.kind).merged(holds)


@pytest.mark.parametrize("row", CLIENT_EXCEPTIONS, ids=lambda row: row.why)
def test_that_a_client_s_exceptions_are_as_the_table_says(row: Exceptional) -> None:
    assert isinstance(row.sent, ClientMessage)
    client, server = joined(row.dialect, row.options)
    client.send(row.sent)
    assert to_server(client, server) == row.arrives


def test_that_say_is_a_request_where_a_dialect_has_no_script() -> None:
    client, server = joined(OPENAI)
    client.send(m.Say(id="a", text="Mind the gap."))
    [read] = to_server(client, server)
    assert isinstance(read, m.ResponseCreate)
    assert read.instructions is not None
    assert read.instructions.endswith("\n\nMind the gap.")


def test_that_every_message_of_a_client_is_in_a_table() -> None:
    lossless = {kind for dialect in DIALECTS for kind in client_messages(dialect)}
    exceptional = {type(row.sent) for row in CLIENT_EXCEPTIONS}
    assert lossless | exceptional == set(ClientMessage.__subclasses__())


def test_that_every_option_is_in_a_table() -> None:
    named = {name for dialect in DIALECTS for name in option_values(dialect)}
    assert named | NOT_ON_THE_WIRE == set(SessionOptions.__struct_fields__)
    asked = client_messages(OPENAI)[m.ResponseCreate]
    assert set(asked) | {"when", "follow_up", "id"} == set(m.ResponseCreate.__struct_fields__)


# --- what a server says ---


def _told(dialect: Dialect) -> dict[type[ServerMessage], Any]:
    told: dict[type[ServerMessage], Any] = dict(server_messages(dialect))
    if not dialect.items_done:
        del told[m.ItemDone]
    if dialect.bare_transcripts:
        return {m.ErrorReported: told[m.ErrorReported]}
    return told


@pytest.mark.parametrize(("dialect", "kind"), _cases(_told))
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_that_a_server_s_message_arrives_as_it_was(
    dialect: Dialect, kind: type[ServerMessage], data: st.DataObject
) -> None:
    message = data.draw(st.builds(kind, **_told(dialect)[kind]))
    client, server = joined(dialect)
    server.send(message)
    read = to_client(client, server)
    assert [one for one in read if type(one) is kind or not isinstance(one, DERIVED)] == [message]


@pytest.mark.parametrize("row", SERVER_EXCEPTIONS, ids=lambda row: row.why)
def test_that_a_server_s_exceptions_are_as_the_table_says(row: Exceptional) -> None:
    assert isinstance(row.sent, ServerMessage)
    client, server = joined(row.dialect)
    server.send(row.sent)
    assert to_client(client, server) == row.arrives


def test_that_every_message_of_a_server_is_in_a_table() -> None:
    lossless = {kind for dialect in DIALECTS for kind in _told(dialect)}
    exceptional = {type(row.sent) for row in SERVER_EXCEPTIONS} | UNSPOKEN | {m.RawServerMessage}
    everything = {kind for kind in _all_below(ServerMessage) if not kind.__name__.startswith("_")}
    assert lossless | exceptional == everything


def _all_below(kind: type) -> set[type]:
    below: list[type] = kind.__subclasses__()
    return {one for each in below for one in {each, *_all_below(each)}}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.provider)
def test_that_raw_messages_pass_in_both_directions(dialect: Dialect) -> None:
    client, server = joined(dialect)
    raw = m.RawServerMessage(id="e", event_type="their.own", data=msgspec.Raw(b'{"type":"their.own","event_id":"e"}'))
    server.send(raw)
    assert to_client(client, server) == [raw]
    client.send(m.RawClientMessage(id="a", data={"type": "their.own"}))
    assert to_server(client, server) == [m.RawClientMessage(id="a", data={"type": "their.own", "event_id": "a"})]


@pytest.mark.parametrize("dialect", [OPENAI, LOCALAI, SPEECH_TO_SPEECH], ids=lambda dialect: dialect.provider)
def test_that_out_of_band_shows_where_the_dialect_has_it(dialect: Dialect) -> None:
    client, server = joined(dialect)
    server.send(m.ResponseDone(id="e", response_id="r", status="completed", out_of_band=True))
    [done] = to_client(client, server)
    assert isinstance(done, m.ResponseDone)
    assert done.out_of_band is dialect.capabilities.out_of_band


def test_that_part_texts_are_told_apart() -> None:
    client, server = joined(VOICE_LIVE)
    item = MessageItem(id="i", role="assistant", content=(TextContent(text="a"), AudioContent(transcript="b")))
    server.send(m.ItemRetrieved(id="e", item=item))
    assert to_client(client, server) == [m.ItemRetrieved(id="e", item=item)]


@given(audio=strategy_of(bytes))
@settings(max_examples=50, deadline=None)
def test_that_a_server_refuses_what_is_no_base64(audio: bytes) -> None:
    client, server = joined(OPENAI)
    client.send(m.InputAudioAppend(audio=audio))
    assert to_server(client, server) == [m.InputAudioAppend(audio=audio)]
    assert server.receive('{"type":"input_audio_buffer.append","event_id":"a","audio":"?"}') == []
    [refusal] = server.frames_to_send()
    assert isinstance(refusal, str)
    assert '"event_id":"a"' in refusal
    assert '"code":"invalid_value"' in refusal
