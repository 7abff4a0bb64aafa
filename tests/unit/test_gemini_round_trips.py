"""What one role writes, the other reads as it was meant."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.content import AudioContent, ImageContent, TextContent
from duologue.formats import PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K
from duologue.items import FunctionCall, FunctionResult, MessageItem
from duologue.lifecycle import ResponseBuilder
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import OFF, ServerTurnDetection, SessionOptions, Transcription
from duologue.protocols.gemini import GEMINI, VERTEX_AI, GeminiClientProtocol, GeminiServerProtocol
from duologue.testing.lifecycle import LifecycleChecker
from duologue.tools import FunctionTool
from gemini_wire import only, opened
from structs import NAMES

MODELS = ("gemini-2.0-flash-live", "gemini-2.5-flash", "gemini-3.8-live")
DIALECTS = st.sampled_from([GEMINI.for_model(name) for name in MODELS] + [VERTEX_AI])
TEXT = st.text(min_size=1, max_size=12)
IDS = st.text("abc_123", min_size=1, max_size=12)
RATES = st.sampled_from([PCM16_8K, PCM16_16K, PCM16_24K, PCM16_48K])
OBJECTS = st.dictionaries(
    NAMES, st.none() | st.booleans() | st.integers(-9, 9) | TEXT | st.lists(TEXT, max_size=2), max_size=3
)

# --- from the client ---

PARTS = st.one_of(
    st.builds(TextContent, text=TEXT),
    st.builds(AudioContent, audio=st.binary(min_size=1, max_size=9), format=RATES),
    st.builds(ImageContent, data=st.binary(max_size=9), media_type=st.sampled_from(["image/png", "image/jpeg"])),
)
SENT_ITEMS = st.one_of(
    st.builds(
        MessageItem,
        role=st.sampled_from(["user", "assistant"]),
        content=st.lists(PARTS, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(FunctionCall, call_id=IDS, name=NAMES, arguments=OBJECTS.map(json.dumps)),
    st.builds(
        FunctionResult,
        call_id=IDS,
        name=NAMES,
        output=TEXT.filter(lambda text: not _is_json(text)),
        is_error=st.booleans(),
        scheduling=st.sampled_from([None, "silent", "when_idle", "interrupt"]),
    ),
)
CLIENT_MESSAGES = st.one_of(
    st.builds(m.ItemCreate, item=SENT_ITEMS),
    st.builds(m.InputAudioAppend, audio=st.binary(max_size=40), format=RATES),
)


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def _is_result(message: ClientMessage) -> bool:
    return isinstance(message, m.ItemCreate) and isinstance(message.item, FunctionResult)


def _plain(message: ClientMessage) -> Any:
    """What of a message crosses the wire: not the status, and arguments by what they say."""
    if not isinstance(message, m.ItemCreate):
        return message
    item = message.item
    if isinstance(item, FunctionCall):
        return (item.call_id, item.name, json.loads(item.arguments))
    if isinstance(item, FunctionResult):
        return (item.call_id, item.name, item.output, item.is_error, item.scheduling)
    assert isinstance(item, MessageItem)
    return (item.role, item.content)


@settings(max_examples=200, deadline=None)
@given(dialect=DIALECTS, messages=st.lists(CLIENT_MESSAGES, max_size=5))
def test_that_a_server_reads_what_a_client_says(dialect: Any, messages: list[ClientMessage]) -> None:
    client, server = opened(dialect), GeminiServerProtocol(dialect)
    messages.sort(key=_is_result)  # what is added after a result waits for the answer to it
    for message in messages:
        client.send(message)
    understood = [one for frame in client.frames_to_send() for one in server.receive(frame)]
    assert [_plain(one) for one in understood] == [_plain(one) for one in messages]


TOOLS = st.lists(
    st.builds(FunctionTool, name=NAMES, description=st.just("") | TEXT, background=st.booleans()),
    min_size=1,
    max_size=3,
    unique_by=lambda tool: tool.name,
).map(tuple)
DETECTIONS = st.one_of(
    st.none(),
    st.just(OFF),
    st.builds(ServerTurnDetection, silence_ms=st.integers(0, 9_000), interrupt_response=st.booleans()),
)
OPTIONS = st.builds(
    SessionOptions,
    model=st.sampled_from(MODELS).map(lambda name: f"models/{name}"),
    instructions=st.none() | TEXT,
    voice=st.none() | NAMES,
    output_modalities=st.sampled_from([("audio",), ("text",)]),
    transcription=st.none() | st.just(Transcription()) | st.builds(Transcription, keywords=st.just(("Oslo",))),
    turn_detection=DETECTIONS,
    tools=st.none() | TOOLS,
    max_output_tokens=st.none() | st.integers(1, 9_999),
    temperature=st.none() | st.floats(0, 2),
    metadata=st.none() | st.dictionaries(NAMES, TEXT, min_size=1, max_size=2),
    resume=st.none() | IDS,
)


@settings(max_examples=200, deadline=None)
@given(service=st.sampled_from([GEMINI, VERTEX_AI]), options=OPTIONS)
def test_that_a_server_reads_the_options_that_a_client_asks_for(service: Any, options: SessionOptions) -> None:
    client, server = GeminiClientProtocol(service.for_model(options.model)), GeminiServerProtocol(service)
    client.open(options)
    [frame] = client.frames_to_send()
    [message] = server.receive(frame)
    assert isinstance(message, m.SessionUpdate)
    stated = [name for name in options.stated() if name not in ("extra", "turn_detection")]
    assert {name: getattr(message.options, name) for name in stated} == {
        name: getattr(options, name) for name in stated
    }
    detection = options.turn_detection
    assert message.options.turn_detection == detection


# --- from the server ---

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("text"), TEXT),
        st.tuples(st.just("audio"), st.binary(min_size=1, max_size=60)),
        st.tuples(st.just("reasoning"), TEXT),
    ),
    max_size=8,
)
CALLS = st.lists(st.tuples(NAMES, OBJECTS.map(json.dumps)), max_size=3)
USAGE = st.builds(
    m.Usage,
    input_tokens=st.integers(0, 999),
    output_tokens=st.integers(0, 999),
    input=st.builds(m.TokenCounts, text=st.integers(0, 9), audio=st.integers(0, 9)),
    output=st.builds(m.TokenCounts, audio=st.integers(0, 9)),
)
HEARD = st.lists(TEXT, max_size=3)


@settings(max_examples=200, deadline=None)
@given(
    heard=HEARD, steps=STEPS, calls=CALLS, usage=st.none() | USAGE, status=st.sampled_from(["completed", "cancelled"])
)
def test_that_a_client_reads_the_turn_that_a_server_tells(
    heard: list[str], steps: list[tuple[str, Any]], calls: list[tuple[str, str]], usage: m.Usage | None, status: Any
) -> None:
    calls = calls if status == "completed" else []
    if not steps and not calls:
        steps = [("text", "Hm.")]
    builder = ResponseBuilder("resp", output_audio=PCM16_24K)
    told: list[ServerMessage] = [m.InputTranscriptDelta(item_id="u", text=text) for text in heard]
    told += [m.InputTranscriptCompleted(item_id="u", text="".join(heard))] if heard else []
    told += builder.start()
    for kind, value in steps:
        told += getattr(builder, kind)(value)
    for number, (name, arguments) in enumerate(calls):
        told += builder.function_call(name, arguments, f"c{number}")
    told += [*builder.end(status, usage=usage), m.TurnDone(outcome="completed")]
    messages = _told(told)
    [done] = only(messages, m.ResponseDone)
    assert done.status == status
    assert done.usage == usage
    assert _words(only(messages, m.OutputTranscriptDelta)) == _words(only(told, m.OutputTranscriptDelta))
    assert _words(only(messages, m.ReasoningDelta)) == _words(only(told, m.ReasoningDelta))
    audio = b"".join(delta.audio for delta in only(messages, m.OutputAudioDelta))
    assert audio == b"".join(delta.audio for delta in only(told, m.OutputAudioDelta))
    assert [(one.call_id, one.name, json.loads(one.arguments)) for one in done.function_calls] == [
        (f"c{number}", name, json.loads(arguments)) for number, (name, arguments) in enumerate(calls)
    ]
    assert [one.text for one in only(messages, m.InputTranscriptCompleted)] == (["".join(heard)] if heard else [])
    assert len(only(messages, m.TurnDone)) == (not calls)


def _words(deltas: list[Any]) -> str:
    return "".join(delta.text for delta in deltas)


def _told(told: list[ServerMessage]) -> list[ServerMessage]:
    """What a client reads of it, in the documented order."""
    server, client = GeminiServerProtocol(), opened(options=SessionOptions(transcription=Transcription()))
    for message in told:
        server.send(message)
    messages = [one for frame in server.frames_to_send() for one in client.receive(frame)]
    checker = LifecycleChecker()
    checker.feed_all([m.SessionCreated(options=SessionOptions()), *messages])
    checker.finish()
    return messages


SESSION: list[ServerMessage] = [
    m.InputSpeechStarted(item_id="u", audio_start_ms=1_280),
    m.SessionExpiring(seconds_left=9.5),
    m.ResumptionUpdated(handle="h"),
    m.ToolCallsCancelled(call_ids=("c1", "c2")),
    m.UsageReported(usage=m.Usage(input_tokens=3, output_tokens=2, total_tokens=5)),
]


def test_that_a_client_reads_news_of_the_session() -> None:
    for message in SESSION:
        [again] = _told([message])
        if isinstance(again, m.InputSpeechStarted):
            assert isinstance(message, m.InputSpeechStarted)
            assert again.audio_start_ms == message.audio_start_ms
        else:
            assert again == message


def test_that_a_server_tells_only_what_was_asked_for() -> None:
    server = GeminiServerProtocol()
    server.receive('{"setup":{"model":"m","outputAudioTranscription":{}}}')
    for message in (
        m.InputTranscriptDelta(item_id="u", text="a"),
        m.InputTranscriptCompleted(item_id="u", text="a"),
        m.InputSpeechStarted(item_id="u"),
        m.InputSpeechStopped(item_id="u"),
        m.ResumptionUpdated(handle="h"),
        m.ItemAdded(item=MessageItem.user("a")),
    ):
        server.send(message)
    assert server.frames_to_send() == []
    server.send(m.OutputTranscriptDelta(response_id="r", item_id="i", text="a"))
    assert len(server.frames_to_send()) == 1


def test_that_a_raw_message_is_told_as_it_is() -> None:
    server = GeminiServerProtocol()
    server.send(m.RawServerMessage(event_type="new", data=b'{"new":1}'))  # type: ignore[arg-type]
    assert server.frames_to_send() == [b'{"new":1}']
