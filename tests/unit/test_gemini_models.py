"""What is sent is what Google's own models take, and all that their models of a server's frames hold is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duologue import messages as m
from duologue.content import AudioContent, ImageContent
from duologue.formats import PCM16_16K
from duologue.items import FunctionCall, FunctionResult, Item, MessageItem
from duologue.messages.base import ClientMessage
from duologue.options import OFF, ServerTurnDetection, SessionOptions, Transcription
from duologue.protocols.gemini import GEMINI, VERTEX_AI, GeminiClientProtocol, GeminiDialect, GeminiServerProtocol
from duologue.protocols.gemini.decoding import FrameDecoder
from duologue.protocols.gemini.server_frames import ServerFrame, encode_server_frame
from duologue.providers.gemini_options import ContextCompression, GeminiSessionOptions
from duologue.tools import FunctionTool
from gemini_wire import CALL, GENERATED, TURN_COMPLETE, audio, calls, opened, read, sent
from vendor_models import Examples, as_of_google_genai, lost

types: Any = pytest.importorskip("google.genai.types")
pydantic = pytest.importorskip("pydantic")

BACKGROUND = FunctionTool(name="later", background=True)
WEATHER = FunctionTool(
    name="get_weather",
    description="The weather.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False},
)
EVERYTHING = GeminiSessionOptions(
    model="gemini-2.5-flash-native-audio",
    instructions="Be brief.",
    voice="Puck",
    transcription=Transcription(languages=("en-US", "de-DE"), keywords=("Oslo",)),
    turn_detection=ServerTurnDetection(silence_ms=700, interrupt_response=False),
    tools=(WEATHER, BACKGROUND),
    max_output_tokens=300,
    temperature=0.7,
    resume="handle",
    history=(MessageItem.user("Hi"), MessageItem.assistant("Hello.")),
    context_compression=ContextCompression(trigger_tokens=20_000, target_tokens=10_000),
    affective_dialog=True,
    proactive_audio=True,
    include_thoughts=True,
    thinking_budget=512,
    google_search=True,
    code_execution=True,
    url_context=True,
    google_maps=True,
    start_sensitivity="high",
    end_sensitivity="low",
    speech_ms=100,
    turn_coverage="all",
    speech_events=True,
    language="en-US",
    media_resolution="low",
    top_p=0.9,
    top_k=40,
    seed=7,
    target_language="pl",
    echo_target_language=True,
    transparent_resumption=True,
)
OPTIONS: dict[str, SessionOptions] = {
    "none": SessionOptions(),
    "everything": EVERYTHING,
    "manual": SessionOptions(turn_detection=OFF, transcription=Transcription(language="en")),
    "text": SessionOptions(output_modalities=("text",), reasoning_effort="low"),
    "no tools": SessionOptions(tools=(WEATHER,), tool_choice="none", metadata={"team": "a"}),
}
ITEMS: list[Item] = [
    MessageItem.system("x"),
    MessageItem.user("x", id="i"),
    MessageItem.assistant("x"),
    MessageItem.image(ImageContent(data=b"x", media_type="image/jpeg"), "Look."),
    MessageItem.image(ImageContent(url="gs://bucket/x.png"), "Look."),
    MessageItem(role="user", content=(AudioContent(audio=b"\x00\x00", format=PCM16_16K, transcript="x"),)),
    FunctionCall(call_id="c9", name="f", arguments='{"a": 1}'),
    FunctionResult(call_id="c9", output="1", name="f", scheduling="when_idle"),
    FunctionResult(call_id="c1", output='{"a": 1}'),
    FunctionResult(call_id="c8", name="f", output="no", is_error=True),
]
MESSAGES: list[ClientMessage] = [
    *(m.ItemCreate(item=item) for item in ITEMS),
    m.InputAudioAppend(audio=b"\x00\x00"),
    m.InputAudioAppend(audio=b"\x00\x00", format=PCM16_16K),
    m.InputAudioEnd(),
    m.InputImageAppend(image=ImageContent(data=b"x", media_type="image/jpeg")),
    m.ResponseCreate(),
    m.ResponseCreate(),
    m.Say(text="Hello."),
]
MARKS: list[ClientMessage] = [
    m.UserTurnStart(),
    m.InputAudioAppend(audio=b"\x00\x00"),
    m.InputAudioCommit(),
    m.ResponseCreate(),
    m.UserTurnStart(),
    m.UserTurnEnd(),
]


def _check(frame: dict[str, Any]) -> None:
    """The SDK keeps what it has no field for apart: it sends that from its configuration of the connection."""
    setup = frame.get("setup", {})
    beside = setup.pop("realtimeInputConfig", None)
    if beside is not None:
        types.RealtimeInputConfig.model_validate_json(json.dumps(beside))
    translation = setup.get("generationConfig", {}).get("translationConfig")
    if translation is not None:
        types.TranslationConfig.model_validate_json(json.dumps(translation))
    message = types.LiveClientMessage.model_validate_json(json.dumps(frame))
    said = message.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert len(said) == 1
    assert list(said) == list(frame)


@pytest.mark.parametrize("dialect", [GEMINI, VERTEX_AI], ids=lambda dialect: dialect.service)
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_that_every_setup_is_valid(dialect: GeminiDialect, options: SessionOptions) -> None:
    protocol = GeminiClientProtocol(dialect)
    protocol.open(options)
    read(protocol, b'{"setupComplete":{}}')
    frames = sent(protocol)
    assert len(frames) == 1 + bool(options.history)
    for frame in frames:
        _check(frame)


@pytest.mark.parametrize("model", ["gemini-2.5-flash-native-audio", "gemini-3.8-live"])
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_that_every_message_is_valid(model: str, message: ClientMessage) -> None:
    protocol = opened(GEMINI.for_model(model))
    if isinstance(message, m.ItemCreate) and isinstance(message.item, FunctionResult):
        read(protocol, calls(CALL))
    protocol.send(message)
    frames = sent(protocol)
    assert frames
    for frame in frames:
        _check(frame)


def test_that_what_goes_to_a_model_without_late_content_is_valid() -> None:
    protocol = opened(GEMINI.for_model("gemini-3.1-flash-live"))
    read(protocol, audio(), GENERATED, TURN_COMPLETE)
    for item in (ITEMS[1], ITEMS[3], ITEMS[5]):
        protocol.send(m.ItemCreate(item=item))
    protocol.send(m.ResponseCreate())
    protocol.send(m.Say(text="Hello."))
    frames = sent(protocol)
    assert [next(iter(frame["realtimeInput"])) for frame in frames] == ["video", "audio", "text", "text"]
    for frame in frames:
        _check(frame)


def test_that_marks_of_turns_are_valid() -> None:
    protocol = opened(options=SessionOptions(turn_detection=OFF))
    for message in MARKS:
        protocol.send(message)
    frames = sent(protocol)
    assert [next(iter(frame["realtimeInput"])) for frame in frames] == [
        "activityStart",
        "audio",
        "activityEnd",
        "activityStart",
        "activityEnd",
    ]
    for frame in frames:
        _check(frame)


@pytest.mark.parametrize(
    "changes",
    [SessionOptions(instructions="Be kind."), SessionOptions(tools=(WEATHER, BACKGROUND)), SessionOptions(tools=())],
    ids=["instructions", "tools", "no tools"],
)
def test_that_an_update_is_valid(changes: SessionOptions) -> None:
    protocol = opened(GEMINI.for_model("gemini-3.8-live"))
    protocol.send(m.SessionUpdate(options=changes))
    [frame] = sent(protocol)
    _check(frame)


@as_of_google_genai
def test_that_every_field_of_a_servers_frame_is_known() -> None:
    decoder = FrameDecoder(ServerFrame)
    examples = [
        json.loads(json.dumps(value)) for value in Examples({}, lambda fields: fields).of(types.LiveServerMessage)
    ]
    assert len(examples) > 5
    for example in examples:
        frame = json.dumps({name: value for name, value in example.items() if value is not None}).encode()
        read_frame, unknown = decoder.decode(frame)
        assert unknown == ()
        again = json.loads(encode_server_frame(read_frame))
        assert list(lost(_without_false(json.loads(frame)), again)) == []


def _without_false(value: Any) -> Any:
    """False and absent are the same, too."""
    if isinstance(value, dict):
        return {name: _without_false(entry) for name, entry in value.items() if entry is not False}
    return [_without_false(entry) for entry in value] if isinstance(value, list) else value


@as_of_google_genai
def test_that_every_servers_frame_is_taken() -> None:
    for example in Examples({}, lambda fields: fields).of(types.LiveServerMessage):
        messages = read(opened(), json.dumps(example).encode())
        assert not [one for one in messages if isinstance(one, m.ErrorReported) and one.kind == "undecodable"]


def test_that_every_clients_frame_of_the_sdk_is_known() -> None:
    parts = [types.Part(text="Hi"), types.Part.from_bytes(data=b"\xfb\xff\xfe", mime_type="image/png")]
    turn = types.Content(role="user", parts=parts)
    frame = types.LiveClientMessage(client_content=types.LiveClientContent(turns=[turn], turn_complete=True))
    for by_alias in (True, False):  # camel case and snake case; its base64 is the URL-safe one
        server = GeminiServerProtocol()
        written = frame.model_dump_json(by_alias=by_alias, exclude_none=True)
        item, request = server.receive(written)
        assert isinstance(item, m.ItemCreate)
        assert isinstance(item.item, MessageItem)
        assert item.item.content[1] == ImageContent(data=b"\xfb\xff\xfe", media_type="image/png")
        assert request == m.ResponseCreate()
