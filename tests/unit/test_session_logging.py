"""What the middleware `Logging` writes, and at which level."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from duologue import messages as m
from duologue.client import DuologueWarning
from duologue.errors import ConnectRefused, CutOff, HungUp, InvalidInput, SessionFailed, UnsupportedOperation
from duologue.formats import PCM16_24K
from duologue.messages.base import ClientMessage, Message, ServerMessage
from duologue.middleware.function_invocation import FunctionInvocation
from duologue.middleware.session_logging import TRACE, Logging, LoggingLayer
from duologue.options import SessionOptions
from duologue.session import RealtimeSession
from duologue.testing import SCRIPTED_CAPABILITIES, ScriptedClient, ScriptedReply
from duologue.tools import tool
from links import WireClient, WireLink
from planted import ENCODED, MESSAGES, SECRET


class Log(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__(level=1)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, name: str, level: int | None = None) -> list[logging.LogRecord]:
        return [one for one in self.records if one.name == f"talk.{name}" and level in (None, one.levelno)]


@pytest.fixture
def log() -> Iterator[Log]:
    """The loggers below ``talk``, at the lowest level."""
    logger, handler = logging.getLogger("talk"), Log()
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(TRACE)
    yield handler
    logger.removeHandler(handler)


async def opened() -> tuple[RealtimeSession, WireLink]:
    client = WireClient()
    session = await client.with_middleware(Logging("talk")).create_session()
    await anext(session)
    return session, client.link


def of(record: logging.LogRecord) -> dict[str, object]:
    """The values that are the library's own."""
    return {name[9:]: value for name, value in vars(record).items() if name.startswith("duologue_")}


# --- the session ---


async def test_that_opening_and_closing_are_told(log: Log) -> None:
    client = ScriptedClient().with_middleware(Logging("talk"))
    async with client.create_session():
        pass
    begin, end = log.of("session")
    assert (begin.levelno, end.levelno) == (logging.INFO, logging.INFO)
    told = of(begin)
    assert told["provider"] == "scripted"
    assert told["model"] == "script"
    assert told["session_id"] == "scripted"
    assert told["dropped"] == ()
    assert of(end)["end"] == "SessionClosed"
    assert of(end)["session"] == told["session"]
    assert isinstance(of(end)["seconds"], float)
    assert "opened with scripted script" in begin.getMessage()


async def test_that_what_was_left_out_is_told(log: Log) -> None:
    can = replace(SCRIPTED_CAPABILITIES, options=SCRIPTED_CAPABILITIES.options - {"voice"})
    client = ScriptedClient(capabilities=can).with_middleware(Logging("talk"))
    with pytest.warns(DuologueWarning):
        session = await client.create_session(SessionOptions(voice="echo"), unsupported="drop")
    await session.aclose()
    assert of(log.of("session")[0])["dropped"] == ("voice",)
    assert "without voice" in log.of("session")[0].getMessage()


@pytest.mark.parametrize(
    ("end", "level"),
    [(HungUp("bye", code="done", close_code=1000), logging.INFO), (CutOff("gone", retryable=True), logging.WARNING)],
)
async def test_that_the_reason_of_an_end_is_told(log: Log, end: HungUp | CutOff, level: int) -> None:
    client = ScriptedClient()
    session = await client.with_middleware(Logging("talk")).create_session()
    client.link.hang_up(end)
    with pytest.raises(type(end)):
        async for _ in session:
            pass
    record = log.of("session")[-1]
    assert record.levelno == level
    assert of(record)["end"] == type(end).__name__
    assert (of(record)["code"], of(record)["close_code"]) == (end.code, end.close_code)
    assert of(record)["retryable"] == end.retryable
    await session.aclose()
    assert len(log.of("session")) == 2


async def test_that_a_layer_that_raises_is_an_error_without_its_text(log: Log) -> None:
    session, link = await opened()
    link.fail(ValueError("audio b'...' and tok-1"))
    record = log.of("session")[-1]
    assert record.levelno == logging.ERROR
    assert of(record)["end"] == SessionFailed.__name__
    assert "ValueError" in record.getMessage()
    assert "tok-1" not in record.getMessage()
    await session.aclose()


async def test_that_a_session_that_does_not_open_is_told(log: Log) -> None:
    refusal = ConnectRefused("The key sk-wrong-12345 is not known.", code="invalid_api_key", request_id="req_1")
    client = ScriptedClient(refusal=refusal).with_middleware(Logging("talk"))
    with pytest.raises(ConnectRefused):
        await client.create_session()
    (record,) = log.of("session")
    assert record.levelno == logging.WARNING
    assert of(record)["end"] == "ConnectRefused"
    assert of(record)["code"] == "invalid_api_key"
    assert of(record)["request_id"] == "req_1"
    assert of(record)["provider"] == "scripted"
    assert "sk-wrong" not in record.getMessage()


async def test_that_refused_options_are_told(log: Log) -> None:
    client = ScriptedClient(capabilities=replace(SCRIPTED_CAPABILITIES, seeding=False))
    with pytest.raises(UnsupportedOperation):
        await client.with_middleware(Logging("talk")).create_session(
            SessionOptions(history=(m.MessageItem.user("hello"),))
        )
    assert of(log.of("session")[0])["end"] == "UnsupportedOperation"


async def test_that_two_sessions_have_names_of_their_own(log: Log) -> None:
    client = ScriptedClient().with_middleware(Logging("talk"))
    async with client.create_session() as first, client.create_session() as second:
        await first.send_text("one", respond=False)
        await second.send_text("two", respond=False)
    names = [of(record)["session"] for record in log.of("sent", logging.DEBUG)]
    assert len(set(names)) == 2
    assert set(names) == {of(record)["session"] for record in log.of("session", logging.INFO)}


# --- messages ---


async def test_what_a_message_that_is_sent_tells(log: Log) -> None:
    session, _ = await opened()
    await session.send(m.InputAudioAppend(id="a1", audio=b"\1\2" * 240))
    (record,) = log.of("sent", logging.DEBUG)
    told = of(record)
    assert told.pop("session")
    assert told == {"type": "input_audio_append", "id": "a1", "bytes": 480}
    assert record.getMessage().endswith("sent input_audio_append id=a1 bytes=480")
    await session.aclose()


async def test_what_a_message_that_arrives_tells(log: Log) -> None:
    session, link = await opened()
    link.push(m.OutputTranscriptDelta(response_id="r1", item_id="i1", text="Hello"))
    link.push(m.ItemDone(item=m.FunctionCall(id="i2", call_id="c1", name="add", arguments='{"a": 1}')))
    transcript, call = (of(record) for record in log.of("received", logging.DEBUG)[-2:])
    del transcript["session"], call["session"]
    assert transcript == {
        "type": "output_transcript_delta",
        "response_id": "r1",
        "item_id": "i1",
        "characters": 5,
    }
    assert call == {
        "type": "item_done",
        "item_id": "i2",
        "item_type": "function_call",
        "call_id": "c1",
        "name": "add",
        "characters": 8,
    }
    await session.aclose()


async def test_that_content_is_on_the_lowest_level_alone(log: Log) -> None:
    session, link = await opened()
    await session.send_text("hush", respond=False)
    link.push(m.OutputTextDelta(response_id="r1", item_id="i1", text="hush"))
    for record in log.records:
        assert "hush" not in str(vars(record)) or record.levelno == TRACE
    assert "hush" in str(of(log.of("sent", TRACE)[0])["content"])
    assert "hush" in log.of("received", TRACE)[-1].getMessage()
    await session.aclose()


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (logging.WARNING, set()),
        (logging.INFO, {"session"}),
        (logging.DEBUG, {"session", "sent", "received"}),
    ],
)
async def test_that_levels_are_kept(log: Log, level: int, expected: set[str]) -> None:
    logging.getLogger("talk").setLevel(level)
    session, link = await opened()
    await session.send_text("hello")
    link.push(m.OutputTextDelta(response_id="r1", item_id="i1", text="hi"))
    await session.aclose()
    assert {record.name.removeprefix("talk.") for record in log.records} == expected
    assert all(record.levelno >= level for record in log.records)


async def test_that_a_level_can_change_in_the_middle(log: Log) -> None:
    logging.getLogger("talk").setLevel(logging.WARNING)
    session, _ = await opened()
    await session.send_text("one", respond=False)
    assert log.records == []
    logging.getLogger("talk.sent").setLevel(logging.DEBUG)
    await session.send_text("two", respond=False)
    logging.getLogger("talk.sent").setLevel(logging.NOTSET)
    assert len(log.records) == 1
    await session.aclose()


@pytest.mark.parametrize(
    ("message", "level"),
    [
        (m.ErrorReported(kind="server", error=m.ErrorDetail(message="oh", code="e1")), logging.WARNING),
        (m.InputTranscriptFailed(item_id="i", error=m.ErrorDetail(message="oh")), logging.WARNING),
        (m.McpToolsFailed(item_id="i"), logging.WARNING),
        (m.ConnectionLost(), logging.WARNING),
        (m.SessionExpiring(seconds_left=3), logging.WARNING),
        (m.ResponseDone(response_id="r", status="failed", error=m.ErrorDetail(message="oh")), logging.WARNING),
        (m.ResponseDone(response_id="r", status="completed"), logging.DEBUG),
        (m.ResponseDone(response_id="r", status="cancelled"), logging.DEBUG),
    ],
)
async def test_what_arrives_as_a_warning(log: Log, message: ServerMessage, level: int) -> None:
    logging.getLogger("talk").setLevel(logging.DEBUG)
    session, link = await opened()
    link.push(message)
    (record,) = [one for one in log.of("received") if of(one)["type"] == message.type]
    assert record.levelno == level
    if getattr(message, "error", None) is not None:
        assert of(record)["error"] == "oh"
    await session.aclose()


@pytest.mark.parametrize(
    ("message", "level"),
    [
        (m.ItemCreate(item=m.FunctionResult(call_id="c", output="no", is_error=True)), logging.WARNING),
        (m.ItemCreate(item=m.FunctionResult(call_id="c", output="yes")), logging.DEBUG),
        (m.FunctionCallApproval(approval_id="a", approve=False), logging.WARNING),
        (m.FunctionCallApproval(approval_id="a", approve=True), logging.DEBUG),
    ],
)
async def test_what_is_sent_as_a_warning(log: Log, message: ClientMessage, level: int) -> None:
    logging.getLogger("talk").setLevel(logging.DEBUG)
    session, _ = await opened()
    await session.send(message)
    assert [record.levelno for record in log.of("sent")] == [level]
    await session.aclose()


async def test_that_a_message_that_was_not_sent_is_told(log: Log) -> None:
    logging.getLogger("talk").setLevel(logging.DEBUG)
    session, link = await opened()
    link.refuses[m.ItemDelete] = UnsupportedOperation("deleting", "wire")
    with pytest.raises(UnsupportedOperation):
        await session.send(m.ItemDelete(item_id="i"))
    first, second = log.of("sent")
    assert of(first)["type"] == of(second)["type"] == "item_delete"
    assert of(second)["error"] == "UnsupportedOperation"
    assert "did not send item_delete" in second.getMessage()
    await session.aclose()


async def test_that_what_is_no_message_is_refused_as_ever(log: Log) -> None:
    session, _ = await opened()
    with pytest.raises(InvalidInput, match="sends client messages, not str"):
        await session.send("hello")  # type: ignore[arg-type]
    await session.aclose()


async def test_that_what_a_layer_outside_sends_is_logged(log: Log) -> None:
    @tool
    def add(first: int, second: int) -> int:
        return first + second

    client = ScriptedClient([ScriptedReply.call("add", {"first": 1, "second": 2}), "3"])
    wrapped = client.with_middleware(FunctionInvocation(), Logging("talk"))
    async with wrapped.create_session(SessionOptions(tools=(add,))) as session:
        await session.send_text("1 + 2?")
        async for message in session:
            if isinstance(message, m.TurnDone):
                break
    assert [of(record).get("item_type") for record in log.of("sent", logging.DEBUG)] == [
        "message",
        None,
        "function_result",
        None,
    ]


# --- what is not logged ---


class Carried:
    """A layer's two sides, without a session."""

    def __init__(self) -> None:
        self.link = WireLink()
        self.layer = LoggingLayer(self.link, "talk")
        self.layer.connect(self)

    def received(self, message: ServerMessage) -> None:
        """Nobody reads."""

    def ended(self, end: object) -> None:
        """Nobody waits."""


@given(message=MESSAGES)
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_that_no_record_holds_a_secret_or_media(log: Log, message: Message) -> None:
    log.records.clear()
    layer = Carried().layer
    if isinstance(message, ClientMessage):
        sending = layer.send(message)
        with pytest.raises(StopIteration):
            sending.send(None)
    else:
        assert isinstance(message, ServerMessage)
        layer.received(message)
    assert {record.levelno for record in log.records} >= {TRACE}
    for record in log.records:
        told = f"{record.getMessage()} {vars(record)}"
        assert SECRET not in told
        assert ENCODED[:16] not in told
        assert "planted audio" not in told


async def test_that_nothing_is_made_of_a_message_when_its_level_is_off(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("talk").setLevel(logging.INFO)
    session, link = await opened()
    asked: list[int] = []

    def asks(level: int) -> bool:
        asked.append(level)
        return False

    for direction in ("sent", "received"):
        logger = logging.getLogger(f"talk.{direction}")
        monkeypatch.setattr(logger, "isEnabledFor", asks)
    monkeypatch.setattr("duologue.middleware.session_logging._fields", None)
    await session.send(m.InputAudioAppend(audio=b"\1\2"))
    link.push(m.OutputAudioDelta(response_id="r", item_id="i", audio=b"\1\2", format=PCM16_24K))
    assert asked == [logging.DEBUG, logging.DEBUG]
    await session.aclose()
