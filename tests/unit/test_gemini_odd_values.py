"""What a server may send against its documents, and in other forms: it costs the field, never what stands beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from duologue import messages as m
from duologue.formats import AudioFormat
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.gemini import GEMINI, GeminiClientProtocol, GeminiServerProtocol
from gemini_wire import (
    CALL,
    GENERATED,
    PCM,
    audio,
    calls,
    content,
    frame,
    heard,
    kinds,
    only,
    opened,
    read,
    words,
)

LONG = bytes(range(256)) * 8


def _audio(messages: list[ServerMessage]) -> bytes:
    return b"".join(delta.audio for delta in only(messages, m.OutputAudioDelta))


def _speaks() -> GeminiClientProtocol:
    """A protocol with an open response."""
    protocol = opened()
    read(protocol, audio())
    return protocol


# --- names and values ---

SNAKE = (
    b'{"server_content":{"model_turn":{"parts":[{"inline_data":{"mime_type":"audio/pcm;rate=24000","data":"AAEC"}}]}}}'
)
ODD: dict[str, tuple[bytes, list[str]]] = {
    "snake case": (SNAKE, ["OutputAudioDelta"]),
    "snake case below camel case": (SNAKE.replace(b"server_content", b"serverContent"), ["OutputAudioDelta"]),
    "null beside content": (
        b'{"serverContent":{"outputTranscription":{"text":"a","finished":null},"modelTurn":null},"toolCall":null}',
        ["OutputTranscriptDelta"],
    ),
    "true as text": (
        b'{"serverContent":{"outputTranscription":{"text":"a","finished":"true"}}}',
        ["OutputTranscriptDelta"],
    ),
    "one part without a list": (
        b'{"serverContent":{"modelTurn":{"parts":{"text":"a"}}}}',
        ["OutputTranscriptDelta"],
    ),
    "a number as text": (b'{"serverContent":{"outputTranscription":{"text":7}}}', []),
    "an odd part": (b'{"serverContent":{"modelTurn":{"parts":[7,null,{"text":"a"}]}}}', ["OutputTranscriptDelta"]),
    "empty": (b"{}", []),
    "empty content": (b'{"serverContent":{}}', []),
    "empty words": (b'{"serverContent":{"outputTranscription":{"text":""}}}', []),
    "empty parts": (b'{"serverContent":{"modelTurn":{"parts":[{"text":""},{}]}}}', []),
    "no calls": (b'{"toolCall":{"functionCalls":[]}}', []),
    "a call without a name": (b'{"toolCall":{"functionCalls":[{"id":"a"}]}}', ["RawServerMessage"]),
    "an unknown field": (b'{"surprise":{"a":1}}', ["RawServerMessage"]),
    "an unknown field beside a known one": (
        b'{"serverContent":{"outputTranscription":{"text":"a"},"surprise":1}}',
        ["OutputTranscriptDelta", "RawServerMessage"],
    ),
    "grounding": (b'{"serverContent":{"groundingMetadata":{"webSearchQueries":["a"]}}}', ["RawServerMessage"]),
    "code": (
        b'{"serverContent":{"modelTurn":{"parts":[{"executableCode":{"code":"1"}},{"codeExecutionResult":{}}]}}}',
        ["RawServerMessage"],
    ),
    "a picture of the model's": (
        b'{"serverContent":{"modelTurn":{"parts":[{"inlineData":{"mimeType":"image/png","data":"eA=="}}]}}}',
        ["RawServerMessage"],
    ),
    "interaction status": (b'{"serverContent":{"interactionStatus":"IDLE"}}', []),
    "no object": (b"[1]", ["ErrorReported"]),
    "no JSON": (b"\x00\xff", ["ErrorReported"]),
    "nothing": (b"", ["ErrorReported"]),
    "deep": (b'{"serverContent":' + b"[" * 9_999, ["ErrorReported"]),
}


@pytest.mark.parametrize(("odd", "expected"), ODD.values(), ids=ODD)
def test_that_odd_frames_are_taken(odd: bytes, expected: list[str]) -> None:
    protocol = _speaks()
    assert kinds(read(protocol, odd)) == expected
    assert kinds(read(protocol, words("goes on"))) == ["OutputTranscriptDelta"]


def test_that_a_raw_message_names_what_it_is_about() -> None:
    [raw] = read(_speaks(), b'{"serverContent":{"surprise":1}}')
    assert isinstance(raw, m.RawServerMessage)
    assert raw.event_type == "serverContent.surprise"
    assert raw.decoded() == {"serverContent": {"surprise": 1}}


def test_that_numbers_may_be_strings() -> None:
    usage = {"promptTokenCount": "12", "responseTokenCount": "3", "totalTokenCount": "15"}
    [done] = only(read(_speaks(), frame(usageMetadata=usage), GENERATED), m.ResponseDone)
    assert (done.usage.input_tokens, done.usage.output_tokens) == (12, 3)


@pytest.mark.parametrize(
    ("mime_type", "rate"),
    [("audio/pcm;rate=16000", 16_000), ("audio/pcm; rate=48000", 48_000), ("audio/pcm", 24_000), ("audio/L16", 24_000)],
)
def test_that_audio_says_what_it_is(mime_type: str, rate: int) -> None:
    [delta] = read(_speaks(), audio(PCM, mime_type))
    assert isinstance(delta, m.OutputAudioDelta)
    assert delta.format == AudioFormat("pcm16", rate)


def test_that_a_session_that_writes_drops_audio() -> None:
    protocol = opened(options=SessionOptions(output_modalities=("text",)))
    messages = read(
        protocol, content(modelTurn={"parts": [{"text": "Hi"}]}), audio(), audio(LONG), audio(LONG), GENERATED
    )
    assert [delta.text for delta in only(messages, m.OutputTextDelta)] == ["Hi"]
    assert not only(messages, m.OutputAudioDelta)


def test_that_arguments_are_what_the_model_said() -> None:
    odd = {"id": "c9", "name": "f", "args": {"snake_case": {"data": "x" * 400}, "n": 1.5, "list": [None]}}
    [done] = only(read(opened(), calls(odd)), m.ResponseDone)
    assert json.loads(done.function_calls[0].arguments) == odd["args"]
    [done] = only(read(opened(), calls({**CALL, "extra": 1})), m.ResponseDone)
    assert len(done.function_calls) == 1


def test_that_words_keep_their_spaces_and_their_letters() -> None:
    texts = [" ", "ü", "\n", "日本", "🙂"]
    messages = read(_speaks(), *map(words, texts), GENERATED)
    [done] = only(messages, m.ResponseDone)
    assert done.items[0].text == "".join(texts)
    assert [one.text for one in only(read(opened(), *map(heard, texts)), m.InputTranscriptDelta)] == texts


# --- a client's frames ---

REFUSED = [b"", b"[]", b"\xff", b'{"realtimeInput":{"audio":{"mimeType":"audio/pcm","data":"*"}}}']


@pytest.mark.parametrize("bad", REFUSED)
def test_that_a_server_refuses_what_it_cannot_read(bad: bytes) -> None:
    server = GeminiServerProtocol()
    assert server.receive(bad) == []
    assert server.refusal


def _understood(fields: dict[str, Any]) -> list[Any]:
    return list(GeminiServerProtocol(GEMINI).receive(json.dumps(fields)))


def test_that_a_server_reads_older_and_odd_forms() -> None:
    chunks = [{"mimeType": "audio/pcm;rate=16000", "data": "AAA="}, {"mimeType": "image/jpeg", "data": "eA=="}]
    sound, picture = _understood({"realtime_input": {"media_chunks": chunks}})
    assert isinstance(sound, m.InputAudioAppend)
    assert picture == m.InputImageAppend(image=m.ImageContent(data=b"x", media_type="image/jpeg"))
    assert _understood({"clientContent": {}}) == [m.ResponseCreate()]
    assert _understood({"clientContent": {"turns": [{"parts": [{"text": "Hi"}]}], "turnComplete": False}}) == [
        m.ItemCreate(item=m.MessageItem.user("Hi"))
    ]
    assert _understood({"realtimeInput": {"text": "Hi"}}) == [
        m.ItemCreate(item=m.MessageItem.user("Hi")),
        m.ResponseCreate(),
    ]
    assert _understood({"realtimeInput": {"activityStart": {}}}) == [m.UserTurnStart()]
    assert _understood({"realtimeInput": {"activityEnd": {}}}) == [m.UserTurnEnd()]
    [raw] = _understood({"surprise": 1})
    assert raw == m.RawClientMessage(data={"surprise": 1})
    end, raw = _understood({"realtimeInput": {"audioStreamEnd": True, "surprise": 1}})
    assert end == m.InputAudioEnd()
    assert isinstance(raw, m.RawClientMessage)
