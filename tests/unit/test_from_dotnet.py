"""What Microsoft.Extensions.AI's tests assert of messages, options, services, chains and sessions, here.

The rows of `dotnet_contract` name these tests.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from duologue import messages as m
from duologue.client import RealtimeClient
from duologue.errors import InvalidInput, SessionClosed
from duologue.formats import PCM16_16K, PCM16_24K, AudioFormat
from duologue.link import Link
from duologue.messages.base import Meta, set_meta
from duologue.options import OFF, SemanticTurnDetection, ServerTurnDetection, SessionOptions, Transcription
from duologue.providers import OpenAIRealtimeClient
from duologue.runtime import LayeredClient, SessionLayer, wrap_sessions
from duologue.session import RealtimeSession
from duologue.testing import ScriptedClient, ScriptedLink
from duologue.tools import tool

WHERE: dict[str, Any] = {"response_id": "resp", "item_id": "item", "output_index": 1, "content_index": 2}


@tool
def answer() -> int:
    """The answer."""
    return 42


# --- messages and items -----------------------------------------------------------------------------------------------

MESSAGES: dict[str, m.Message] = {
    "an item": m.ItemCreate(item=m.MessageItem.user("Hello")),
    "audio": m.InputAudioAppend(audio=b"\1\2"),
    "a commit": m.InputAudioCommit(),
    "a request": m.ResponseCreate(),
    "an update": m.SessionUpdate(options=SessionOptions()),
    "an error": m.ErrorReported(kind="other", error=m.ErrorDetail(message="no")),
    "a transcript": m.InputTranscriptCompleted(item_id="item", text="Hello"),
    "text": m.OutputTextDelta(**WHERE, text="Hello"),
    "a response": m.ResponseDone(response_id="resp"),
    "an output item": m.OutputItemDone(response_id="resp", item=m.MessageItem.assistant("Hello")),
}
every_message = pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)


@every_message
def test_that_a_message_has_the_id_that_it_is_given(message: m.Message) -> None:
    assert message.id is None
    assert replace(message, id="evt_1").id == "evt_1"
    assert message.id is None


@every_message
def test_that_a_message_is_of_its_direction(message: m.Message) -> None:
    assert isinstance(message, m.ClientMessage) != isinstance(message, m.ServerMessage)
    sent = (m.ItemCreate, m.InputAudioAppend, m.InputAudioCommit, m.ResponseCreate, m.SessionUpdate)
    assert isinstance(message, m.ClientMessage) == isinstance(message, sent)


def holds(message: m.Message, **fields: object) -> bool:
    """Whether a message of that kind holds what it is given, in place of what `message` holds."""
    made = replace(message, **fields)
    return all(getattr(made, name) is value != getattr(message, name) for name, value in fields.items())


def test_what_client_messages_hold() -> None:
    assert holds(MESSAGES["an item"], item=m.MessageItem.user("World"), previous_item_id="root")
    assert holds(MESSAGES["audio"], audio=b"\4\5", format=PCM16_16K)
    assert MESSAGES["an item"] == m.ItemCreate(item=m.MessageItem.user("Hello"))


def test_that_a_request_states_nothing_at_first() -> None:
    stated = {name for name, value in asdict(m.ResponseCreate()).items() if value}
    assert stated == {"when"}
    assert m.ResponseCreate().overrides() == ()


def test_what_a_request_holds() -> None:
    fields: dict[str, Any] = {
        "items": (m.MessageItem.user("Hello", id="item_1"),),
        "output_audio": PCM16_16K,
        "voice": "alloy",
        "out_of_band": True,
        "instructions": "Be brief",
        "max_output_tokens": 100,
        "metadata": {"key": "value"},
        "extra": {"beta": True},
        "output_modalities": ("text",),
        "tool_choice": "auto",
        "tools": (answer,),
    }
    assert holds(m.ResponseCreate(), **fields)
    assert set(m.ResponseCreate(**fields).overrides()) == set(fields) - {"out_of_band"}


def test_that_frames_of_any_kind_go_out() -> None:
    frame = {"type": "session.custom"}
    message = m.RawClientMessage(id="evt_1", data=frame)
    assert message.data is frame
    assert m.RawClientMessage().data is None


def test_that_a_server_message_knows_its_frame_if_there_was_one() -> None:
    message = m.ResponseDone(response_id="resp")
    assert message.raw_representation is None
    set_meta(message, Meta(1, 2, b'{"type": "response.done"}'))
    assert message.raw_representation == {"type": "response.done"}


def test_what_an_error_holds() -> None:
    error = m.ErrorDetail(message="Too hot", param="temperature")
    message = m.ErrorReported(kind="invalid_request", error=error, cause_id="evt_bad", id="evt_err")
    assert (message.error, message.error.param, message.cause_id) == (error, "temperature", "evt_bad")
    assert m.ErrorReported(kind="other", error=error).cause_id is None


def test_what_a_transcript_holds() -> None:
    usage, error = m.Usage(input_tokens=10, output_tokens=20), m.ErrorDetail(message="no words")
    assert holds(MESSAGES["a transcript"], item_id="item_2", content_index=1, text="Hello world", usage=usage)
    assert holds(m.InputTranscriptFailed(item_id="item", error=error), item_id="item_2", content_index=1)
    assert m.InputTranscriptDelta(item_id="item", text="Hel").content_index == 0


@pytest.mark.parametrize("kind", [m.OutputTextDelta, m.OutputTextDone, m.OutputTranscriptDelta, m.OutputTranscriptDone])
def test_what_words_hold(kind: Callable[..., m.Message]) -> None:
    made = asdict(kind(**WHERE, text="Hello there!"))
    assert {name: made[name] for name in (*WHERE, "text")} == {**WHERE, "text": "Hello there!"}


def test_that_audio_is_bytes_and_their_format() -> None:
    delta = m.OutputAudioDelta(**WHERE, audio=b"\1\2", format=PCM16_24K)
    assert (delta.audio, delta.format) == (b"\1\2", PCM16_24K)


def test_what_a_response_holds() -> None:
    message = m.ResponseDone(response_id="resp")
    stated = {name for name, value in asdict(message).items() if value}
    assert stated == {"response_id", "status"}
    assert holds(
        message,
        output_audio=PCM16_24K,
        voice="alloy",
        max_output_tokens=1000,
        metadata={"key": "value"},
        items=(m.MessageItem.assistant("response"),),
        output_modalities=("text",),
        status="completed",
        error=m.ErrorDetail(message="response error"),
        usage=m.Usage(input_tokens=15, output_tokens=25, total_tokens=40),
    )
    assert m.ResponseCreated(response_id="resp").type != message.type


@pytest.mark.parametrize("kind", [m.OutputItemAdded, m.OutputItemDone])
def test_what_an_output_item_holds(kind: Callable[..., m.OutputItemAdded | m.OutputItemDone]) -> None:
    item = m.MessageItem.assistant("output", id="item_out")
    message = kind(response_id="resp", output_index=1, item=item)
    assert (message.response_id, message.output_index, message.item) == ("resp", 1, item)


def test_what_an_item_holds() -> None:
    parts = (m.TextContent(text="Hello"), m.TextContent(text="World"))
    assert asdict(m.MessageItem(role="user")) == {"id": None, "status": None, "role": "user", "content": ()}
    item = m.MessageItem(id="item_1", role="user", content=parts)
    assert (item.id, item.role, item.content) == ("item_1", "user", parts)
    changed = replace(item, id="item_2", role="assistant", content=parts[:1])
    assert (changed.id, changed.role, changed.text) == ("item_2", "assistant", "Hello")


def test_that_a_call_is_an_item_without_a_role() -> None:
    call = m.FunctionCall(call_id="call_1", name="my_function")
    assert call.id is None
    assert not hasattr(call, "role")
    assert not isinstance(call, m.MessageItem)


def test_what_an_audio_format_holds() -> None:
    format = AudioFormat("pcm16", 16_000)
    assert (format.encoding, format.rate) == ("pcm16", 16_000)
    assert replace(format, encoding="pcmu", rate=8_000) == AudioFormat("pcmu", 8_000)
    with pytest.raises(AttributeError):
        format.rate = 8_000  # type: ignore[misc]


# --- options ----------------------------------------------------------------------------------------------------------


def test_what_options_hold() -> None:
    fields: dict[str, Any] = {
        "kind": "transcription",
        "model": "gpt-realtime",
        "input_audio": PCM16_16K,
        "output_audio": PCM16_24K,
        "transcription": Transcription(language="en", model="whisper-1", prompt="greeting"),
        "voice": "alloy",
        "instructions": "Be helpful",
        "max_output_tokens": 500,
        "output_modalities": ("audio",),
        "tool_choice": "auto",
        "tools": (answer,),
        "turn_detection": ServerTurnDetection(),
    }
    options = SessionOptions(**fields)
    assert all(getattr(options, name) is value for name, value in fields.items())
    assert set(options.stated()) == set(fields)


def test_what_transcription_holds() -> None:
    transcription = Transcription(language="en", model="whisper-1")
    assert (transcription.language, transcription.model, transcription.prompt) == ("en", "whisper-1", None)
    changed = replace(transcription, language="fr", model="whisper-2", prompt="bonjour")
    assert (changed.language, changed.model, changed.prompt) == ("fr", "whisper-2", "bonjour")


def test_that_turn_detection_is_off_or_says_whether_speech_interrupts() -> None:
    assert SessionOptions().turn_detection is None
    assert SessionOptions(turn_detection=OFF).turn_detection is OFF
    for kind in (ServerTurnDetection, SemanticTurnDetection):
        assert kind().interrupt_response is None
        assert kind(interrupt_response=False).interrupt_response is False


# --- services ---------------------------------------------------------------------------------------------------------


class First(SessionLayer):
    watches = ()


class Second(SessionLayer):
    watches = ()


def layered() -> RealtimeClient:
    return ScriptedClient().with_middleware(wrap_sessions(First), wrap_sessions(Second))


@pytest.mark.parametrize("client", [OpenAIRealtimeClient("model", api_key="key"), ScriptedClient(), layered()])
def test_that_a_client_is_found_by_its_type(client: RealtimeClient) -> None:
    for kind in (type(client), RealtimeClient):
        assert client.get_service(kind) is client
        assert client.require_service(kind) is client


async def test_that_a_session_is_found_by_its_type() -> None:
    async with layered().create_session() as session:
        for kind in (RealtimeSession, object):
            assert session.get_service(kind) is session
            assert session.require_service(kind) is session
        assert isinstance(session.require_service(ScriptedLink), Link)


async def test_that_what_is_not_there_is_none_or_an_error() -> None:
    client = layered()
    async with client.create_session() as session:
        for holder in (client, session):
            assert holder.get_service(str) is None
            with pytest.raises(InvalidInput, match="There is no str"):
                holder.require_service(str)


async def test_that_a_service_has_a_type_and_nothing_else() -> None:
    client = layered()
    async with client.create_session() as session:
        for look in (client.get_service, client.require_service, session.get_service, session.require_service):
            ask: Callable[..., object] = look
            with pytest.raises(TypeError):
                ask(None)
            with pytest.raises(TypeError):
                ask(RealtimeSession, "key")


# --- composing --------------------------------------------------------------------------------------------------------


class Named(LayeredClient):
    """A middleware that is told something from outside."""

    def __init__(self, inner: RealtimeClient, name: str, log: list[str]) -> None:
        super().__init__(inner, SessionLayer)
        self.name = name
        self.log = log

    async def open_session(self, options: SessionOptions) -> Link:
        self.log.append(self.name)
        return await super().open_session(options)


async def test_that_the_first_middleware_is_the_outermost() -> None:
    log: list[str] = []
    scripted = ScriptedClient()
    outer = scripted.with_middleware(*(functools.partial(Named, name=name, log=log) for name in ("a", "b")))
    assert isinstance(outer, Named)
    assert isinstance(outer.inner, Named)
    assert (outer.name, outer.inner.name, outer.inner.inner) == ("a", "b", scripted)
    async with outer.create_session():
        assert log == ["a", "b"]


def test_that_a_chain_is_added_to_from_outside() -> None:
    log: list[str] = []
    client = ScriptedClient()
    for name in ("a", "b"):
        client = client.with_middleware(functools.partial(Named, name=name, log=log))  # type: ignore[assignment]
    assert isinstance(client, Named)
    assert client.name == "b"


def test_that_what_cannot_be_called_is_no_middleware() -> None:
    with pytest.raises(InvalidInput, match="number 1"):
        ScriptedClient().with_middleware(None)  # type: ignore[arg-type]


# --- sessions ---------------------------------------------------------------------------------------------------------


async def test_that_closing_twice_is_harmless() -> None:
    client = layered()
    session = await client.create_session()
    for _ in range(2):
        await session.aclose()
    assert isinstance(session.ended, SessionClosed)
    for _ in range(2):
        await client.aclose()
    assert session.get_service(str) is None
    assert client.get_service(str) is None


async def test_that_a_provider_without_sessions_can_be_closed_twice() -> None:
    client = OpenAIRealtimeClient("model", api_key="key")
    for _ in range(2):
        await client.aclose()
    assert client.get_service(str) is None


async def test_that_a_session_has_options_from_its_beginning() -> None:
    async with ScriptedClient().create_session() as session:
        assert session.options == SessionOptions()


@pytest.mark.parametrize("kind", [m.SessionUpdate, m.ItemCreate, m.InputAudioAppend, m.ErrorReported])
def test_that_a_message_without_its_content_cannot_be_made(kind: Callable[..., m.Message]) -> None:
    with pytest.raises(TypeError, match="Missing required argument"):
        kind()
