"""What a client sends, and what it is told of it: the wire itself confirms nothing."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace

from duologue import messages as m
from duologue.content import AudioContent, ImageContent
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_16K
from duologue.items import FunctionCall, FunctionResult, Item, McpApprovalResponse, MessageItem
from duologue.options import OFF, ServerTurnDetection, SessionOptions
from duologue.protocols import ProtocolState
from duologue.protocols.gemini import GEMINI, VERTEX_AI, GeminiClientProtocol
from duologue.tools import FunctionTool
from gemini_wire import (
    CALL,
    GENERATED,
    PCM,
    TURN_COMPLETE,
    audio,
    calls,
    content,
    frame,
    only,
    opened,
    read,
    said,
    sent,
    words,
)

NEW = GEMINI.for_model("gemini-3.8-live")
OLD = GEMINI.for_model("gemini-2.5-flash-native-audio")
LATE = GEMINI.for_model("gemini-3.1-flash-live")
USER = m.ItemCreate(item=MessageItem.user("Hi", id="i"))


def _turn(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"parts": list(parts), "role": role}


# --- opening ---


def test_that_a_session_is_open_when_the_setup_is_complete() -> None:
    protocol = GeminiClientProtocol()
    protocol.open(SessionOptions(model="gemini-2.5-flash", instructions="Be brief."))
    [setup] = sent(protocol)
    assert setup["setup"]["model"] == "models/gemini-2.5-flash"
    assert read(protocol, frame(sessionResumptionUpdate={"newHandle": "h", "resumable": True})) == []
    created, early = read(protocol, frame(setupComplete={"sessionId": "s1"}))
    assert isinstance(created, m.SessionCreated)
    assert (created.session_id, created.options.instructions) == ("s1", "Be brief.")
    assert early == m.ResumptionUpdated(handle="h")
    assert protocol.state is ProtocolState.OPEN
    assert read(protocol, frame(setupComplete={})) == []


@pytest.mark.parametrize(("dialect", "complete"), [(OLD, False), (LATE, True), (NEW, True)])
def test_that_a_history_is_the_first_thing_that_is_sent(dialect: Any, complete: bool) -> None:
    history = (MessageItem.user("I am Alice."), MessageItem.assistant("Hello, Alice."))
    protocol = GeminiClientProtocol(dialect)
    protocol.open(SessionOptions(history=history))
    [setup] = sent(protocol)
    assert setup["setup"].get("historyConfig", {}).get("initialHistoryInClientContent", False) is complete
    messages = read(protocol, frame(setupComplete={}))
    messages += protocol.tick(0.0)
    assert sent(protocol) == [
        {
            "clientContent": {
                "turns": [_turn({"text": "I am Alice."}), _turn({"text": "Hello, Alice."}, role="model")],
                "turnComplete": complete,
            }
        }
    ]
    assert [one.item.id for one in only(messages, m.ItemDone)] == ["history_0", "history_1"]


# --- the conversation ---

ITEMS: list[tuple[Item, dict[str, Any]]] = [
    (MessageItem.system("Be kind."), _turn({"text": "Be kind."})),
    (MessageItem.assistant("Yes."), _turn({"text": "Yes."}, role="model")),
    (
        MessageItem.image(ImageContent(data=b"x", media_type="image/jpeg"), "Look."),
        _turn({"text": "Look."}, {"inlineData": {"mimeType": "image/jpeg", "data": "eA=="}}),
    ),
    (
        MessageItem.image(ImageContent(url="data:image/png;base64,eA==")),
        _turn({"inlineData": {"mimeType": "image/png", "data": "eA=="}}),
    ),
    (
        MessageItem(role="user", content=(AudioContent(audio=b"\0\0", format=PCM16_16K),)),
        _turn({"inlineData": {"mimeType": "audio/pcm;rate=16000", "data": "AAA="}}),
    ),
    (MessageItem(role="user", content=(AudioContent(transcript="Hi"),)), _turn({"text": "Hi"})),
    (
        FunctionCall(call_id="c", name="f", arguments='{"a":1}'),
        _turn({"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}}, role="model"),
    ),
]


@pytest.mark.parametrize(("item", "turn"), ITEMS)
def test_that_an_item_is_a_turn_that_waits_for_more(item: Item, turn: dict[str, Any]) -> None:
    protocol = opened()
    assert said(protocol, m.ItemCreate(item=item)) == [{"clientContent": {"turns": [turn], "turnComplete": False}}]
    assert protocol.deadline() == 0.0
    added, done = protocol.tick(0.0)
    assert isinstance(added, m.ItemAdded)
    assert isinstance(done, m.ItemDone)
    assert added.item == done.item
    assert done.item.id
    assert protocol.deadline() is None


def test_that_what_is_told_of_an_item_comes_before_the_answer() -> None:
    protocol = opened()
    said(protocol, USER)
    messages = read(protocol, audio())
    assert isinstance(messages[0], m.ItemAdded)
    assert messages[0].item.id == "i"


def test_that_an_answer_is_asked_for() -> None:
    protocol = opened()
    said(protocol, USER)
    assert said(protocol, m.ResponseCreate()) == [{"clientContent": {"turnComplete": True}}]


@pytest.mark.parametrize("before", [[], [audio(), GENERATED, TURN_COMPLETE]], ids=["first", "later"])
def test_that_a_model_that_got_nothing_new_is_asked_to_go_on(before: list[bytes]) -> None:
    protocol = opened()
    read(protocol, *before)
    assert said(protocol, m.ResponseCreate()) == [
        {"clientContent": {"turns": [_turn({"text": "."})], "turnComplete": True}}
    ]


def test_that_what_is_added_during_an_answer_does_not_interrupt_it() -> None:
    protocol = opened()
    read(protocol, audio())
    assert said(protocol, USER) == []
    assert only(protocol.tick(0.0), m.ItemDone)
    read(protocol, GENERATED)
    assert sent(protocol) == [{"clientContent": {"turns": [_turn({"text": "Hi"})], "turnComplete": False}}]
    assert said(protocol, m.ResponseCreate()) == [{"clientContent": {"turnComplete": True}}]


def test_that_what_is_added_while_an_answer_is_awaited_does_not_interrupt_it() -> None:
    protocol = opened()
    said(protocol, USER)
    said(protocol, m.ResponseCreate())
    assert said(protocol, USER) == []
    read(protocol, audio())
    assert sent(protocol) == []
    read(protocol, GENERATED)
    assert [one["clientContent"]["turnComplete"] for one in sent(protocol)] == [False]


@pytest.mark.parametrize("request_", [m.ResponseCreate(id="a", when="now"), m.Say(id="a", text="x", when="now")])
def test_that_what_is_asked_during_an_answer_is_refused(request_: m.ResponseCreate | m.Say) -> None:
    protocol = opened()
    read(protocol, audio())
    assert said(protocol, request_) == []
    [error] = only(protocol.tick(0.0), m.ErrorReported)
    assert (error.kind, error.cause_id, error.cause) == ("response_active", "a", request_)


def test_that_a_model_that_takes_no_late_content_gets_text() -> None:
    protocol = opened(LATE)
    assert said(protocol, USER)[0]["clientContent"]["turnComplete"] is False
    said(protocol, m.ResponseCreate())
    assert said(protocol, USER) == []  # it will have answered by the time that this can be sent
    read(protocol, audio(), GENERATED, TURN_COMPLETE)
    assert sent(protocol) == []
    assert said(protocol, m.ItemCreate(item=MessageItem.user("there"))) == []
    assert said(protocol, m.ResponseCreate()) == [{"realtimeInput": {"text": "Hi\nthere"}}]
    read(protocol, audio(), GENERATED, TURN_COMPLETE)
    assert said(protocol, m.ResponseCreate()) == [{"realtimeInput": {"text": "."}}]
    for item in (MessageItem.assistant("No."), FunctionCall(call_id="c", name="f")):
        with pytest.raises(UnsupportedOperation, match="history"):
            protocol.send(m.ItemCreate(item=item))


def test_that_words_are_asked_for() -> None:
    [asked] = said(opened(), m.Say(text="Hello."))
    [turn] = asked["clientContent"]["turns"]
    assert turn["parts"][0]["text"].endswith("\n\nHello.")
    assert asked["clientContent"]["turnComplete"] is True


# --- audio and pictures ---


def test_that_audio_says_its_rate() -> None:
    data = base64.b64encode(PCM).decode()
    protocol = opened(options=SessionOptions(input_audio=PCM16_16K))
    expected = {"realtimeInput": {"audio": {"mimeType": "audio/pcm;rate=16000", "data": data}}}
    assert said(protocol, m.InputAudioAppend(audio=PCM)) == [expected]
    [default] = said(opened(), m.InputAudioAppend(audio=PCM))
    assert default["realtimeInput"]["audio"]["mimeType"] == "audio/pcm;rate=24000"


def test_that_the_end_of_the_input_is_told_or_is_silence() -> None:
    assert said(opened(), m.InputAudioEnd()) == [{"realtimeInput": {"audioStreamEnd": True}}]
    assert said(opened(options=SessionOptions(turn_detection=OFF)), m.InputAudioEnd()) == []
    options = SessionOptions(input_audio=PCM16_16K, turn_detection=ServerTurnDetection(silence_ms=300))
    [silence] = said(opened(VERTEX_AI, options), m.InputAudioEnd())
    quiet = base64.b64decode(silence["realtimeInput"]["audio"]["data"])
    assert PCM16_16K.duration_ms(len(quiet)) == 800
    assert not any(quiet)


def _picture(name: bytes) -> m.InputImageAppend:
    return m.InputImageAppend(image=ImageContent(data=name, media_type="image/jpeg"))


def _shown(frames: list[dict[str, Any]]) -> list[bytes]:
    return [base64.b64decode(one["realtimeInput"]["video"]["data"]) for one in frames]


def test_that_the_dialect_says_how_audio_ends_and_answers_are_asked_for() -> None:
    told = replace(VERTEX_AI, ends_audio_stream=True)
    assert said(opened(told), m.InputAudioEnd()) == [{"realtimeInput": {"audioStreamEnd": True}}]
    asked = opened(replace(GEMINI, empty_requests=False))
    said(asked, USER)
    assert said(asked, m.ResponseCreate()) == [
        {"clientContent": {"turns": [_turn({"text": "."})], "turnComplete": True}}
    ]


def test_that_pictures_go_out_once_a_second_and_the_newest_of_them() -> None:
    protocol = opened()
    assert _shown(said(protocol, _picture(b"1"))) == [b"1"]
    assert _shown(said(protocol, _picture(b"2"))) == []
    assert protocol.deadline() == 0.0
    protocol.tick(50.0)
    assert protocol.deadline() == 51.0
    assert _shown(said(protocol, _picture(b"3"))) == []
    protocol.tick(50.9)
    assert _shown(sent(protocol)) == []
    protocol.tick(51.0)
    assert _shown(sent(protocol)) == [b"3"]
    protocol.tick(52.0)
    assert _shown(sent(protocol)) == []
    assert protocol.deadline() is None
    assert _shown(said(protocol, _picture(b"4"))) == [b"4"]


def test_that_a_picture_in_a_stream_has_bytes() -> None:
    with pytest.raises(InvalidInput, match="bytes"):
        opened().send(m.InputImageAppend(image=ImageContent(url="https://example.org/x.png")))


# --- what cannot be said ---

UNSUPPORTED: list[m.ClientMessage] = [
    m.InputAudioClear(),
    m.ItemDelete(item_id="i"),
    m.ItemRetrieve(item_id="i"),
    m.ItemTruncate(item_id="i", audio_end_ms=1),
    m.ItemCreate(item=MessageItem.user("Hi"), previous_item_id="root"),
    m.ItemCreate(item=McpApprovalResponse(approval_request_id="a", approve=True)),
    m.ItemCreate(item=MessageItem.image(ImageContent(url="https://example.org/x.png"))),
    m.ResponseCreate(out_of_band=True),
    m.ResponseCreate(instructions="Be brief."),
    m.ResponseCreate(metadata={"a": "b"}),
    m.FunctionCallApproval(approval_id="a", approve=True),
    m.SessionUpdate(options=SessionOptions(voice="Puck")),
    m.UserTurnStart(),
    m.UserTurnEnd(),
    m.InputAudioCommit(),
]


@pytest.mark.parametrize("message", UNSUPPORTED, ids=lambda message: message.type)
def test_that_what_the_wire_cannot_say_is_refused_with_a_way_out(message: m.ClientMessage) -> None:
    protocol = opened()
    with pytest.raises(UnsupportedOperation) as refused:
        protocol.send(message)
    assert refused.value.provider == "gemini"
    assert refused.value.way_out
    assert sent(protocol) == []
    assert protocol.tick(0.0) == []


def test_that_what_stays_on_this_side_sends_nothing() -> None:
    protocol = opened()
    assert said(protocol, m.OutputAudioPlayed(item_id="i", played_ms=10)) == []
    assert said(protocol, m.OutputAudioClear()) == []


def test_that_a_raw_message_goes_out_as_it_is() -> None:
    protocol = opened()
    assert said(protocol, m.RawClientMessage(data={"realtimeInput": {"text": "x"}})) == [
        {"realtimeInput": {"text": "x"}}
    ]
    protocol.send(m.RawClientMessage(data="{}"))
    protocol.send(m.RawClientMessage(binary=b"\0"))
    assert protocol.frames_to_send() == ["{}", b"\0"]
    for wrong in (
        m.RawClientMessage(),
        m.RawClientMessage(data="a", binary=b"a"),
        m.RawClientMessage(data={"a": object()}),
    ):
        with pytest.raises(InvalidInput):
            protocol.send(wrong)


# --- updates ---


def test_that_instructions_and_tools_change_where_the_model_can() -> None:
    protocol = opened(NEW)
    tool = FunctionTool(name="f", background=True)
    options = SessionOptions(instructions="Be kind.", tools=(tool,))
    [update] = said(protocol, m.SessionUpdate(id="u", options=options))
    assert update["contextUpdate"]["systemInstruction"] == {"parts": [{"text": "Be kind."}]}
    [declared] = update["contextUpdate"]["tools"]["tools"]
    assert [one["name"] for one in declared["functionDeclarations"]] == ["f"]
    [told] = protocol.tick(0.0)
    assert isinstance(told, m.SessionUpdated)
    assert (told.options.instructions, told.options.tools) == ("Be kind.", (tool,))
    assert said(protocol, m.SessionUpdate(options=SessionOptions(tools=()))) == [
        {"contextUpdate": {"tools": {"tools": []}}}
    ]


def test_that_an_update_keeps_the_services_own_tools() -> None:
    protocol = opened(NEW, SessionOptions(extra={"tools": [{"googleSearch": {}}]}))
    [update] = said(protocol, m.SessionUpdate(options=SessionOptions(tools=())))
    assert update == {"contextUpdate": {"tools": {"tools": [{"googleSearch": {}}]}}}


@pytest.mark.parametrize("dialect", [OLD, LATE, NEW], ids=lambda dialect: dialect.family.name)
def test_that_what_cannot_change_names_the_way_out(dialect: Any) -> None:
    with pytest.raises(UnsupportedOperation, match="Reconnection"):
        opened(dialect).send(m.SessionUpdate(options=SessionOptions(voice="Kore")))


# --- the session ---


@pytest.mark.parametrize(("left", "seconds"), [("50s", 50.0), ("9.5s", 9.5), ("soon", 0.0), (None, 0.0), ("-1s", 0.0)])
def test_that_the_end_is_told_ahead(left: str | None, seconds: float) -> None:
    assert read(opened(), frame(goAway={"timeLeft": left})) == [m.SessionExpiring(seconds_left=seconds)]


def test_that_a_handle_stands_until_another_comes() -> None:
    protocol = opened()
    update = {"resumable": False}
    assert read(protocol, frame(sessionResumptionUpdate=update)) == []
    assert read(protocol, frame(sessionResumptionUpdate={"newHandle": "h1", "resumable": True})) == [
        m.ResumptionUpdated(handle="h1")
    ]
    assert read(protocol, frame(sessionResumptionUpdate=update)) == [m.ResumptionUpdated(handle="h1", resumable=False)]


def test_that_a_handle_opens_another_session() -> None:
    protocol = GeminiClientProtocol()
    protocol.open(SessionOptions(resume="h1"))
    assert sent(protocol)[0]["setup"]["sessionResumption"] == {"handle": "h1"}


# --- usage ---


def _usage(prompt: int, out: int, **more: Any) -> dict[str, Any]:
    return {"promptTokenCount": prompt, "responseTokenCount": out, "totalTokenCount": prompt + out, **more}


def _total(messages: list[Any]) -> m.Usage:
    told = [one.usage for one in messages if isinstance(one, m.ResponseDone | m.UsageReported) and one.usage]
    total = m.Usage()
    for usage in told:
        total = total + usage
    return total


def test_that_usage_that_comes_late_is_reported_with_its_response() -> None:
    messages = read(
        opened(), audio(), GENERATED, frame(serverContent={"turnComplete": True}, usageMetadata=_usage(5, 3))
    )
    [done] = only(messages, m.ResponseDone)
    [report] = only(messages, m.UsageReported)
    assert done.usage is None
    assert report.response_id == done.response_id
    assert isinstance(messages[-1], m.TurnDone)


def test_that_the_last_snapshot_of_a_turn_counts() -> None:
    protocol = opened()
    messages = read(
        protocol,
        frame(serverContent={"outputTranscription": {"text": "Hi"}}, usageMetadata=_usage(100, 1)),
        frame(usageMetadata=_usage(100, 4)),
        GENERATED,
        frame(usageMetadata=_usage(100, 9)),
        frame(usageMetadata=_usage(100, 9)),
        TURN_COMPLETE,
        frame(usageMetadata=_usage(100, 10)),
    )
    [done] = only(messages, m.ResponseDone)
    assert (done.usage.input_tokens, done.usage.output_tokens) == (100, 4)
    assert [one.usage.output_tokens for one in only(messages, m.UsageReported)] == [5, 1]
    total = _total(messages)
    assert (total.input_tokens, total.output_tokens, total.total_tokens) == (100, 10, 110)
    messages = read(protocol, audio(), frame(usageMetadata=_usage(130, 7)), GENERATED, TURN_COMPLETE)
    assert _total(messages).total_tokens == 137


def test_that_usage_is_told_by_kind() -> None:
    details = [{"modality": "TEXT", "tokenCount": 4}, {"modality": "VIDEO", "tokenCount": 2}, {"modality": "ODD"}]
    usage = {
        "promptTokenCount": 6,
        "cachedContentTokenCount": 3,
        "candidatesTokenCount": 5,
        "thoughtsTokenCount": 2,
        "toolUsePromptTokenCount": 1,
        "totalTokenCount": 14,
        "promptTokensDetails": details,
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 3}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
    }
    [done] = only(read(opened(), audio(), frame(usageMetadata=usage), GENERATED), m.ResponseDone)
    assert done.usage == m.Usage(
        input_tokens=7,
        output_tokens=7,  # the thoughts come on top
        total_tokens=14,
        input=m.TokenCounts(text=4, image=2),
        output=m.TokenCounts(audio=5),
        cached_tokens=3,
        cached=m.TokenCounts(audio=3),
        reasoning_tokens=2,
    )


# --- functions ---

BOTH = calls(CALL, {"id": "c2", "name": "later", "args": {}}, {"id": "c3", "name": "get_time"})
OPTIONS = SessionOptions(tools=(FunctionTool(name="later", background=True), FunctionTool(name="get_time")))


def _result(call_id: str, output: str = "1", **more: Any) -> m.ItemCreate:
    return m.ItemCreate(id="r", item=FunctionResult(call_id=call_id, output=output, **more))


def _responses(frames: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [one["toolResponse"]["functionResponses"] for one in frames]


def test_that_calls_end_their_response_and_are_items_of_it() -> None:
    messages = read(opened(options=OPTIONS), words("One moment."), BOTH)
    [done] = only(messages, m.ResponseDone)
    assert [(call.call_id, call.name, call.arguments) for call in done.function_calls] == [
        ("c1", "get_weather", '{"city":"Oslo"}'),
        ("c2", "later", "{}"),
        ("c3", "get_time", "{}"),
    ]
    assert done.awaits_tool_results
    assert len(only(messages, m.FunctionArgumentsDone)) == 3


def test_that_thoughts_before_a_call_make_no_message() -> None:
    thought = content(modelTurn={"parts": [{"text": "Hm.", "thought": True}]})
    messages = read(opened(), thought, calls(CALL))
    [done] = only(messages, m.ResponseDone)
    assert [type(item) for item in done.items] == [FunctionCall]
    [reasoning] = only(messages, m.ReasoningDelta)
    assert (reasoning.text, reasoning.item_id) == ("Hm.", done.items[0].id)


def test_that_results_of_calls_that_block_go_back_together_and_others_at_once() -> None:
    protocol = opened(options=OPTIONS)
    read(protocol, BOTH)
    assert said(protocol, _result("c1")) == []
    assert len(only(protocol.tick(0.0), m.ItemDone)) == 1
    [[background]] = _responses(said(protocol, _result("c2", scheduling="when_idle")))
    assert (background["id"], background["name"], background["scheduling"]) == ("c2", "later", "WHEN_IDLE")
    [together] = _responses(said(protocol, _result("c3")))
    assert [(one["id"], one["name"]) for one in together] == [("c1", "get_weather"), ("c3", "get_time")]


def test_that_a_request_does_not_wait_for_results_and_takes_those_along_that_are_there() -> None:
    protocol = opened(options=OPTIONS)
    read(protocol, BOTH)
    said(protocol, _result("c1"))
    first, *_ = said(protocol, m.ResponseCreate())
    assert [[one["id"] for one in group] for group in _responses([first])] == [["c1"]]


def test_that_a_request_after_the_results_asks_for_nothing_more() -> None:
    protocol = opened()
    read(protocol, calls(CALL))
    assert len(said(protocol, _result("c1"))) == 1
    assert said(protocol, m.ResponseCreate()) == []


OUTPUTS = [
    ("sunny", {}, {"output": "sunny"}),
    ('{"weather": "sunny"}', {}, {"weather": "sunny"}),
    ("[1, 2]", {}, {"output": [1, 2]}),
    ("12", {}, {"output": "12"}),
    ("no such city", {"is_error": True}, {"error": "no such city"}),
]


@pytest.mark.parametrize(("output", "more", "expected"), OUTPUTS)
def test_that_a_result_is_an_object(output: str, more: dict[str, Any], expected: dict[str, Any]) -> None:
    protocol = opened()
    read(protocol, calls(CALL))
    [[response]] = _responses(said(protocol, _result("c1", output, **more)))
    assert response == {"id": "c1", "name": "get_weather", "response": expected}


def test_that_a_result_of_an_unknown_call_needs_a_name() -> None:
    protocol = opened()
    assert said(protocol, _result("c7")) == []
    [error] = only(protocol.tick(0.0), m.ErrorReported)
    assert (error.kind, error.cause_id) == ("invalid_request", "r")
    [[response]] = _responses(said(protocol, _result("c7", name="f")))  # of an earlier connection, perhaps
    assert (response["id"], response["name"]) == ("c7", "f")


def test_that_results_of_cancelled_calls_are_not_sent() -> None:
    protocol = opened(options=OPTIONS)
    read(protocol, BOTH)
    said(protocol, _result("c1"))
    protocol.tick(0.0)
    assert read(protocol, frame(toolCallCancellation={"ids": ["c3"]})) == [m.ToolCallsCancelled(call_ids=("c3",))]
    [together] = _responses(sent(protocol))  # nothing is left to wait for
    assert [one["id"] for one in together] == ["c1"]
    assert said(protocol, _result("c3")) == []
    assert protocol.tick(0.0) == []


def test_that_a_call_without_an_id_is_answered_without_one() -> None:
    protocol = opened()
    [done] = only(read(protocol, calls({"name": "get_time", "args": {}})), m.ResponseDone)
    [call] = done.function_calls
    [[response]] = _responses(said(protocol, _result(call.call_id)))
    assert response == {"name": "get_time", "response": {"output": "1"}}


def test_that_a_turn_with_open_calls_is_not_over() -> None:
    protocol = opened()
    messages = read(protocol, calls(CALL), TURN_COMPLETE)
    assert not only(messages, m.TurnDone)
    said(protocol, _result("c1"))
    assert len(only(read(protocol, audio(), GENERATED, TURN_COMPLETE), m.TurnDone)) == 1
