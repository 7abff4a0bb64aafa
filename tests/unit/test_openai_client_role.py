"""OpenAI's wire in the client's role: opening, sending, hearing."""

from __future__ import annotations

from typing import Any

import pytest

from duologue import messages as m
from duologue.content import ErrorDetail, ImageContent, TokenCounts, Usage
from duologue.errors import ConnectRefused, CutOff, HungUp, InvalidAudio, InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_24K, PCMU
from duologue.items import MessageItem
from duologue.lifecycle import ResponseBuilder
from duologue.options import OFF, SemanticTurnDetection, ServerTurnDetection, SessionOptions
from duologue.protocols import ProtocolState
from duologue.protocols.openai import (
    AZURE_PREVIEW,
    OPENAI,
    QWEN,
    VLLM_TRANSCRIPTION,
    VOICE_LIVE,
    XAI,
    OpenAIClientProtocol,
    OpenAIServerProtocol,
)
from duologue.transports import Closed
from openai_wire import SESSION, frame, opened, said, sent

WHERE = {"response_id": "r1", "item_id": "i1", "output_index": 0, "content_index": 0}


def begin(protocol: OpenAIClientProtocol, response_id: str = "r1", **fields: Any) -> list[m.ServerMessage]:
    response = {"id": response_id, "status": "in_progress", "conversation_id": "c", **fields}
    return protocol.receive(frame("response.created", response=response))


# --- opening ---


def test_that_the_options_go_out_after_the_greeting_and_history_after_the_confirmation() -> None:
    protocol = OpenAIClientProtocol()
    options = SessionOptions(instructions="Be brief.", history=(MessageItem.user("Hi"), MessageItem.assistant("Hello")))
    protocol.open(options)
    assert protocol.frames_to_send() == []
    assert protocol.receive(frame("session.created", session=SESSION)) == []
    assert [event["type"] for event in sent(protocol)] == ["session.update"]
    assert protocol.receive(frame("conversation.created", conversation={"id": "c"})) == []
    created, early = protocol.receive(
        frame("session.updated", session={**SESSION, "audio": {"output": {"voice": "v"}}})
    )
    assert isinstance(created, m.SessionCreated)
    assert (created.session_id, created.model, created.options.voice) == ("sess_1", "gpt-realtime", "v")
    assert created.options.instructions == "Be brief."
    assert isinstance(early, m.RawServerMessage)
    assert early.event_type == "conversation.created"
    assert protocol.state is ProtocolState.OPEN
    items = [event["item"]["content"][0] for event in sent(protocol)]
    assert items == [{"type": "input_text", "text": "Hi"}, {"type": "output_text", "text": "Hello"}]
    assert protocol.receive(frame("session.created", session=SESSION)) == []


@pytest.mark.parametrize("greeted", [False, True])
def test_that_an_error_before_the_confirmation_is_a_refusal(greeted: bool) -> None:
    protocol = OpenAIClientProtocol()
    protocol.open(SessionOptions())
    if greeted:
        protocol.receive(frame("session.created", session=SESSION))
    [error] = protocol.receive(
        frame("error", error={"type": "server_error", "code": "model_load_error", "message": "x"})
    )
    assert isinstance(error, m.ErrorReported)
    assert protocol.state is ProtocolState.CLOSED
    ends, end = protocol.connection_lost(Closed(by_peer=True))
    assert ends == []
    assert isinstance(end, ConnectRefused)
    assert (end.code, end.message, end.retryable) == ("model_load_error", "x", True)


def test_that_a_wire_without_confirmation_is_open_at_once() -> None:
    protocol = OpenAIClientProtocol(VLLM_TRANSCRIPTION)
    protocol.open(SessionOptions(model="voxtral"))
    [created] = protocol.receive('{"type":"session.created","id":"s","created":1}')
    assert isinstance(created, m.SessionCreated)
    assert created.session_id == "s"
    assert sent(protocol) == [{"type": "session.update", "event_id": "session_options", "model": "voxtral"}]
    *item, first, second = protocol.receive('{"type":"transcription.delta","delta":"Hi"}') + protocol.receive(
        '{"type":"transcription.done","text":"Hi.","usage":null}'
    )
    assert [type(message) for message in item] == [m.InputAudioCommitted, m.ItemAdded, m.ItemDone]
    assert first == m.InputTranscriptDelta(item_id="item_1", text="Hi")
    assert second == m.InputTranscriptCompleted(item_id="item_1", text="Hi.")
    [error] = protocol.receive('{"type":"error","error":"No model.","code":"bad"}')
    assert isinstance(error, m.ErrorReported)
    assert error.error == ErrorDetail(message="No model.", code="bad")
    assert said(protocol, m.InputAudioEnd()) == [{"type": "input_audio_buffer.commit", "final": True}]


# --- sending ---


def test_that_audio_is_sent_whole() -> None:
    assert said(opened(), m.InputAudioAppend(id='odd"id', audio=b"\x00\x01")) == [
        {"type": "input_audio_buffer.append", "event_id": 'odd"id', "audio": "AAE="}
    ]
    assert said(opened(), m.InputAudioAppend(audio=b"\x00\x01")) == [
        {"type": "input_audio_buffer.append", "audio": "AAE="}
    ]


@pytest.mark.parametrize(
    ("options", "silence_ms"),
    [
        (SessionOptions(), 1_000),
        (SessionOptions(turn_detection=ServerTurnDetection(silence_ms=200)), 700),
        (SessionOptions(turn_detection=SemanticTurnDetection(eagerness="high")), 2_500),
    ],
)
def test_that_the_end_of_the_input_is_silence(options: SessionOptions, silence_ms: int) -> None:
    [event] = said(opened(options=options), m.InputAudioEnd(id="a"))
    assert len(event["audio"]) == pytest.approx(PCM16_24K.bytes_for(silence_ms) * 4 / 3, abs=4)


def test_that_turns_of_the_application_are_committed_and_answered() -> None:
    protocol = opened(options=SessionOptions(turn_detection=OFF))
    assert said(protocol, m.UserTurnStart(id="a")) == []
    assert said(protocol, m.InputAudioEnd(id="a")) == []
    commit, create = said(protocol, m.UserTurnEnd(id="b"))
    assert commit == {"type": "input_audio_buffer.commit", "event_id": "b"}
    assert (create["type"], create["event_id"]) == ("response.create", "b_response")
    [error] = protocol.receive(frame("error", error={"message": "x", "event_id": "b_response"}))
    assert isinstance(error, m.ErrorReported)
    assert (error.cause_id, error.cause) == ("b", m.UserTurnEnd(id="b"))
    with pytest.raises(UnsupportedOperation, match="turn_detection=OFF"):
        opened().send(m.UserTurnEnd())


def test_that_say_is_scripted_or_asked_for() -> None:
    [event] = said(opened(), m.Say(id="a", text="Mind the gap."))
    assert event["response"]["instructions"].endswith("\n\nMind the gap.")
    assert event["response"]["tool_choice"] == "none"
    [event] = said(opened(VOICE_LIVE), m.Say(id="a", text="Mind the gap."))
    scripted = event["response"]["pre_generated_assistant_message"]
    assert scripted["content"] == [{"type": "text", "text": "Mind the gap."}]


def test_that_nothing_is_sent_when_a_part_cannot_be() -> None:
    protocol = opened()
    with pytest.raises(InvalidInput):
        protocol.send(m.ResponseCreate(id="a", extra={"x": object()}))
    with pytest.raises(InvalidInput):
        protocol.send(m.RawClientMessage())
    with pytest.raises(UnsupportedOperation):
        protocol.send(m.InputImageAppend(image=ImageContent(data=b"x")))
    assert protocol.frames_to_send() == []
    assert said(opened(QWEN), m.InputImageAppend(image=ImageContent(data=b"x")))[0]["image"] == "eA=="


def test_that_a_wire_takes_the_items_that_it_knows() -> None:
    question, result = m.MessageItem.user("x"), m.FunctionResult(call_id="c", output="1")
    assert len(said(opened(QWEN), m.ItemCreate(id="a", item=result))) == 1
    for dialect, item in ((QWEN, question), (VLLM_TRANSCRIPTION, question), (VLLM_TRANSCRIPTION, result)):
        with pytest.raises(UnsupportedOperation):
            opened(dialect).send(m.ItemCreate(item=item))


def test_that_both_roles_understand_each_other() -> None:
    client, server = OpenAIClientProtocol(), OpenAIServerProtocol()
    server.open(SessionOptions(model="m", voice="theirs"))
    client.open(SessionOptions(voice="ours"))
    for out in server.frames_to_send():
        assert client.receive(out) == []
    [update] = [read for out in client.frames_to_send() for read in server.receive(out)]
    assert isinstance(update, m.SessionUpdate)
    server.send(m.SessionUpdated(options=update.options))
    [created] = [read for out in server.frames_to_send() for read in client.receive(out)]
    assert isinstance(created, m.SessionCreated)
    assert (created.model, created.options.voice) == ("m", "ours")
    client.send(m.ResponseCreate(id="a", instructions="x"))
    [request] = [read for out in client.frames_to_send() for read in server.receive(out)]
    assert isinstance(request, m.ResponseCreate)
    builder = ResponseBuilder("r", output_audio=PCM16_24K, request=request, conversation_id="c")
    for message in [*builder.start(), *builder.text("Hi"), *builder.audio(bytes(48)), *builder.end()]:
        server.send(message)
    read = [type(read) for out in server.frames_to_send() for read in client.receive(out)]
    assert read == [
        m.ResponseCreated,
        m.OutputItemAdded,
        m.ItemAdded,
        m.ContentPartAdded,
        m.OutputTranscriptDelta,
        m.OutputAudioDelta,
        m.OutputAudioDone,
        m.OutputTranscriptDone,
        m.ContentPartDone,
        m.ItemDone,
        m.OutputItemDone,
        m.ResponseDone,
    ]


def test_that_what_a_server_cannot_read_is_refused_or_raw() -> None:
    server = OpenAIServerProtocol()
    assert server.receive("[1]") == []
    [refusal] = server.frames_to_send()
    assert '"code":"invalid_json"' in str(refusal)
    assert server.receive('{"type":"new","event_id":"a"}') == [
        m.RawClientMessage(id="a", data={"type": "new", "event_id": "a"})
    ]
    server.send(m.TurnDone(outcome="completed"))
    assert server.frames_to_send() == []
    server.close()
    assert isinstance(server.connection_lost(Closed(by_peer=True, code=1000))[1], HungUp)
    assert isinstance(server.connection_lost(Closed(code=1006))[1], CutOff)


def test_that_raw_messages_go_out_as_they_are() -> None:
    protocol = opened()
    protocol.send(m.RawClientMessage(id="a", data={"type": "x"}))
    protocol.send(m.RawClientMessage(id="a", data="text"))
    assert protocol.frames_to_send() == ['{"type":"x","event_id":"a"}', "text"]
    with pytest.raises(UnsupportedOperation, match="binary frames"):
        protocol.send(m.RawClientMessage(binary=b"\x00"))
    assert protocol.frames_to_send() == []


def test_that_what_is_too_long_is_refused_whole() -> None:
    protocol = opened()
    with pytest.raises(InvalidAudio, match="Send it in pieces"):
        protocol.audio_frame(m.InputAudioAppend(audio=bytes(12 * 2**20)))
    with pytest.raises(InvalidInput, match="Nothing was sent"):
        protocol.send(m.ItemCreate(id="a", item=MessageItem.image(ImageContent(data=bytes(25 * 2**20)))))
    assert protocol.frames_to_send() == []
    assert protocol.audio_frame(m.InputAudioAppend(audio=bytes(11 * 2**20))) is not None


# --- hearing ---


def test_that_audio_comes_in_the_format_of_its_response() -> None:
    protocol = opened()
    begin(protocol, audio={"output": {"format": {"type": "audio/pcmu"}}})
    [delta] = protocol.receive(frame("response.output_audio.delta", **WHERE, delta="-_8="))
    assert delta == m.OutputAudioDelta(id="event_1", response_id="r1", item_id="i1", audio=b"\xfb\xff", format=PCMU)
    [other] = protocol.receive(frame("response.audio.delta", **{**WHERE, "response_id": "r2"}, delta="+/8"))
    assert isinstance(other, m.OutputAudioDelta)
    assert (other.audio, other.format) == (b"\xfb\xff", PCM16_24K)
    [broken] = protocol.receive(frame("response.output_audio.delta", **WHERE, delta="?"))
    assert isinstance(broken, m.ErrorReported)
    assert broken.kind == "undecodable"


def test_that_wrong_types_lose_their_field_only() -> None:
    protocol = opened(XAI)
    [created] = protocol.receive(
        frame("response.created", response={"id": "r", "status_details": "unimplemented", "usage": {}})
    )
    assert isinstance(created, m.ResponseCreated)
    assert (created.response_id, created.usage, created.out_of_band) == ("r", None, False)
    [started] = protocol.receive(frame("input_audio_buffer.speech_started", item_id=7, audio_start_ms="12"))
    assert started == m.InputSpeechStarted(id="event_1", audio_start_ms=12)
    [part] = protocol.receive(frame("response.content_part.added", **{**WHERE, "content_index": None}, part="x"))
    assert isinstance(part, m.ContentPartAdded)
    assert part.item_id == "i1"
    [done] = protocol.receive(frame("response.done", response={"id": "r", "usage": {}}, usage={"total_tokens": 4.0}))
    assert isinstance(done, m.ResponseDone)
    assert done.usage == Usage(total_tokens=4)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"type":', b"\xff\xfe", '"\\ud800"', "[" * 100_000, "\ud800"])
def test_that_what_is_no_event_is_reported(text: str | bytes) -> None:
    [error] = opened().receive(text)
    assert isinstance(error, m.ErrorReported)
    assert error.kind == "undecodable"


def test_that_unknown_events_pass() -> None:
    text = '{"b":[1],"type":"ping","event_id":"e"}'
    [raw] = opened().receive(text)
    assert isinstance(raw, m.RawServerMessage)
    assert (raw.id, raw.event_type, bytes(raw.data)) == ("e", "ping", text.encode())
    [nameless] = opened().receive(b'{"type":5}')
    assert isinstance(nameless, m.RawServerMessage)
    assert nameless.event_type is None


def test_that_snapshots_are_marked() -> None:
    kind = "conversation.item.input_audio_transcription"
    [xai] = opened(XAI).receive(frame(f"{kind}.updated", item_id="i", transcript="so far"))
    assert xai == m.InputTranscriptDelta(id="event_1", item_id="i", text="so far", replaces=True)
    [qwen] = opened(QWEN).receive(frame(f"{kind}.text", item_id="i", text="so ", stash="far"))
    assert qwen == xai


def test_that_the_beta_s_created_items_are_added_and_done() -> None:
    user = {"id": "u", "type": "message", "role": "user", "content": []}
    added, done = opened(AZURE_PREVIEW).receive(frame("conversation.item.created", item=user, previous_item_id="p"))
    assert isinstance(added, m.ItemAdded)
    assert isinstance(done, m.ItemDone)
    assert added.previous_item_id == done.previous_item_id == "p"
    [only] = opened(AZURE_PREVIEW).receive(frame("conversation.item.created", item={**user, "role": "assistant"}))
    assert isinstance(only, m.ItemAdded)


def test_that_items_are_done_once_where_the_wire_does_not_say_it() -> None:
    protocol = opened(XAI)
    call = {"id": "f", "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "status": "completed"}
    empty = {"id": "i", "type": "message", "role": "assistant", "status": "completed"}
    begin(protocol)
    done, _ = protocol.receive(frame("response.output_item.done", response_id="r1", item=call))
    assert isinstance(done, m.ItemDone)
    assert len(protocol.receive(frame("response.output_item.done", response_id="r1", item=empty))) == 1
    message = {**empty, "content": [{"type": "audio", "transcript": "Hi"}]}
    read = protocol.receive(frame("response.done", response={"id": "r1", "output": [call, message]}))
    assert [type(entry) for entry in read] == [m.ItemDone, m.ResponseDone]
    added, whole = protocol.receive(frame("conversation.item.added", item={"type": "message", "role": "user"}))
    assert [type(added), type(whole)] == [m.ItemAdded, m.ItemDone]


def test_that_only_where_it_is_so_null_is_the_beginning() -> None:
    event = frame("conversation.item.added", item={"type": "message", "role": "user"}, previous_item_id=None)
    positions = [getattr(opened(dialect).receive(event)[0], "previous_item_id", 0) for dialect in (OPENAI, XAI)]
    assert positions == ["root", None]


def test_that_usage_is_read_in_detail() -> None:
    usage = {
        "total_tokens": 9,
        "input_tokens": 5,
        "output_tokens": 4,
        "input_token_details": {"text_tokens": 1, "audio_tokens": 2, "image_tokens": 2, "cached_tokens": 1}
        | {"cached_tokens_details": {"text_tokens": 1}},
        "output_token_details": {"text_tokens": 3, "reasoning_tokens": 1},
    }
    [done] = opened().receive(frame("response.done", response={"id": "r", "status": "completed", "usage": usage}))
    assert isinstance(done, m.ResponseDone)
    assert done.usage == Usage(
        input_tokens=5,
        output_tokens=4,
        total_tokens=9,
        input=TokenCounts(text=1, audio=2, image=2),
        output=TokenCounts(text=3),
        cached_tokens=1,
        cached=TokenCounts(text=1),
        reasoning_tokens=1,
    )


def test_that_an_approval_is_asked_for_once() -> None:
    protocol = opened()
    item = {"id": "mcpr_1", "type": "mcp_approval_request", "server_label": "s", "name": "f", "arguments": "{}"}
    _, asked = protocol.receive(frame("response.output_item.done", response_id="r", output_index=0, item=item))
    assert asked == m.ApprovalRequested(approval_id="mcpr_1", name="f", arguments="{}", server_label="s")
    assert len(protocol.receive(frame("conversation.item.done", item=item))) == 1
    [event] = said(protocol, m.FunctionCallApproval(id="a", approval_id="mcpr_1", approve=False, reason="No."))
    assert event["item"] == {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": False,
        "reason": "No.",
        "id": "mcpr_mcpr_1",
    }
