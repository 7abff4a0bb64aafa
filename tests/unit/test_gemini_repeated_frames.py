"""Frames that are the same as an earlier one but for a value: they are read by their shape, and mean what they say."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.gemini import GeminiClientProtocol, client_role
from gemini_wire import (
    GENERATED,
    INTERRUPTED,
    TURN_COMPLETE,
    audio,
    content,
    frame,
    heard,
    kinds,
    only,
    opened,
    read,
    words,
)
from protocol_reading import take

LONG = bytes(range(256)) * 2
_MADE_UP = re.compile(r"(resp|item|turn)_[0-9a-f]{20}")


def _audio(messages: list[ServerMessage]) -> bytes:
    return b"".join(delta.audio for delta in only(messages, m.OutputAudioDelta))


def _text(messages: list[ServerMessage]) -> str:
    return "".join(delta.text for delta in only(messages, m.OutputTranscriptDelta))


def _speaks() -> GeminiClientProtocol:
    """A protocol with an open response."""
    protocol = opened()
    read(protocol, audio())
    return protocol


# --- that they are read by their shape ---


@pytest.mark.parametrize("indent", [None, 2], ids=["short", "indented"])
@pytest.mark.parametrize("make", [lambda: audio(LONG), lambda: words(" fine")], ids=["audio", "words"])
def test_that_more_of_the_same_kind_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], bytes], indent: int | None
) -> None:
    protocol, one = _speaks(), json.dumps(json.loads(make()), indent=indent).encode()
    first = read(protocol, one)
    monkeypatch.setattr(client_role, "_decode", None)
    again = read(protocol, one, one)
    assert kinds(again) == kinds(first) * 2
    assert (_audio(again), _text(again)) == (_audio(first) * 2, _text(first) * 2)


# --- that they mean the same ---

_KINDS: dict[str, Callable[[str], bytes]] = {
    "audio": lambda text: audio(LONG[len(text) :]),
    "short audio": lambda text: audio(LONG[: len(text)]),
    "words": words,
    "both": lambda text: content(
        **json.loads(audio(LONG))["serverContent"], **json.loads(words(text))["serverContent"]
    ),
    "finished": lambda text: content(outputTranscription={"text": text, "finished": True}),
    "heard": heard,
    "thought": lambda text: content(modelTurn={"parts": [{"text": text, "thought": True}]}),
    "surprise": lambda text: content(outputTranscription={"text": text, "surprise": 1}),
    "generated": lambda text: GENERATED,
    "over": lambda text: TURN_COMPLETE,
    "interrupted": lambda text: INTERRUPTED,
    "opened": lambda text: frame(setupComplete={}),
}
_TEXTS = ("", " fine", ' "so" ', " é\U0001f600", "\\n\n", "}]}")
_DAMAGE = ("", '"', "\\", "}", ",", "A", "=", "\n", " ", '","text":"', "é")


@st.composite
def _frames(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["audio", "words", "audio", "words", *_KINDS]))
    whole = json.loads(_KINDS[kind](draw(st.sampled_from(_TEXTS))))
    text = json.dumps(whole, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1])))
    if draw(st.integers(0, 4)) == 0:
        place = draw(st.integers(0, len(text)))
        text = text[:place] + draw(st.sampled_from(_DAMAGE)) + text[place + draw(st.integers(0, 12)) :]
    return text


def _told(frames: list[Any]) -> list[str]:
    """What a protocol makes of frames, as JSON, with the ids that it makes up numbered."""
    protocol = GeminiClientProtocol()
    protocol.open(SessionOptions())
    numbers: dict[str, str] = {}
    told = [msgspec.json.encode(take(protocol, one)).decode() for one in frames]
    return [_MADE_UP.sub(lambda found: numbers.setdefault(found[0], f"{found[1]} {len(numbers)}"), one) for one in told]


@given(st.lists(_frames(), max_size=14), st.booleans())
def test_that_they_mean_what_they_would_mean_alone(texts: list[str], opens: bool) -> None:
    """Only what comes as `bytes` is read by its shape; another type of bytes is decoded."""
    frames = [text.encode() for text in ['{"setupComplete":{}}' if opens else "{}", *texts]]
    assert _told(frames) == _told([bytearray(one) for one in frames])


WORDS = words(" fine")


@pytest.mark.parametrize(
    ("odd", "text"),
    [
        (WORDS.replace(b" fine", rb" \"so\" \u00e9"), ' "so" é'),
        (WORDS.replace(b" fine", " né".encode()), " né"),
        (WORDS.replace(b" fine", b""), ""),
        (WORDS.replace(b'"text": ', b'"finished": true, "text": '), " fine"),
        (WORDS.replace(b'" fine"', b'" fine", "languageCode": "en"'), " fine"),
        (WORDS.replace(b'" fine"', b'"a", "text": "b"'), "b"),
        (WORDS.replace(b'" fine"', b"null"), ""),
    ],
)
def test_that_words_may_be_written_otherwise(odd: bytes, text: str) -> None:
    protocol = _speaks()
    assert _text(read(protocol, WORDS, odd, WORDS)) == f" fine{text} fine"


@pytest.mark.parametrize("odd", [WORDS.replace(b'" fine"', b'" fine'), WORDS.replace(b'" fine"', b'" \x01 fine')])
def test_that_words_that_are_no_json_are_an_error_and_no_more(odd: bytes) -> None:
    protocol = _speaks()
    assert kinds(read(protocol, WORDS, odd, WORDS)) == [
        "OutputTranscriptDelta",
        "ErrorReported",
        "OutputTranscriptDelta",
    ]


def test_that_the_end_of_a_frame_counts() -> None:
    protocol, spaced = _speaks(), audio(LONG) + b"    "
    assert _audio(read(protocol, spaced, spaced, audio(LONG), spaced)) == LONG * 4


def test_that_what_comes_before_the_confirmation_waits_for_it() -> None:
    protocol = GeminiClientProtocol()
    protocol.open(SessionOptions())
    assert read(protocol, audio(LONG), WORDS, audio(LONG), WORDS) == []
    messages = read(protocol, frame(setupComplete={}))
    assert kinds(messages)[0] == "SessionCreated"
    assert (_audio(messages), _text(messages)) == (LONG * 2, " fine fine")


def test_that_thoughts_come_before_the_words_that_they_led_to() -> None:
    protocol = _speaks()
    read(protocol, WORDS, WORDS, GENERATED, TURN_COMPLETE)
    thought = content(modelTurn={"parts": [{"text": "Hm.", "thought": True}]})
    deltas = kinds(m for m in read(protocol, thought, WORDS, WORDS) if type(m).__name__.endswith("Delta"))
    assert deltas == ["ReasoningDelta", "OutputTranscriptDelta", "OutputTranscriptDelta"]


def test_that_who_writes_ever_differently_is_read_as_it_comes() -> None:
    protocol = _speaks()
    for number in range(40):
        odd = WORDS.replace(b'{"text"', b"{" + b" " * number + b'"text"')
        assert _text(read(protocol, odd, odd)) == " fine fine"


# --- audio ---


@pytest.mark.parametrize("indent", [None, 2], ids=["short", "indented"])
@given(chunks=st.lists(st.binary(min_size=200, max_size=900), min_size=1, max_size=6))
def test_that_audio_is_the_same_whatever_its_length(indent: int | None, chunks: list[bytes]) -> None:
    frames = [json.dumps(json.loads(audio(chunk)), indent=indent).encode() for chunk in chunks]
    protocol = opened()
    messages = read(protocol, *frames)
    assert _audio(messages) == b"".join(chunks)
    assert len(only(messages, m.ResponseCreated)) == 1


def test_that_a_frame_of_the_same_shape_may_hold_more() -> None:
    protocol = _speaks()
    plain = audio(LONG)
    assert kinds(read(protocol, plain, plain)) == ["OutputAudioDelta"] * 2
    blob = json.loads(plain)["serverContent"]["modelTurn"]["parts"][0]
    two = content(modelTurn={"parts": [blob, blob]})
    assert two.startswith(plain[:80])
    assert two.endswith(plain[-8:])
    assert kinds(read(protocol, two)) == ["OutputAudioDelta"] * 2
    more = frame(serverContent={"modelTurn": {"parts": [blob]}, "generationComplete": True})
    assert kinds(read(protocol, more))[-1] == "ResponseDone"


def test_that_the_shape_is_learnt_anew() -> None:
    protocol = _speaks()
    indented = json.dumps(json.loads(audio(LONG)), indent=1).encode()
    role = json.dumps(
        {"serverContent": {"modelTurn": {"role": "model", **json.loads(audio(LONG))["serverContent"]["modelTurn"]}}}
    )
    for one in (audio(LONG), indented, role.encode(), audio(LONG)):
        for _ in range(3):
            assert _audio(read(protocol, one)) == LONG


def test_that_long_audio_begins_a_response_too() -> None:
    protocol = opened()
    for _ in range(2):
        messages = read(protocol, audio(LONG), audio(LONG), GENERATED, TURN_COMPLETE)
        assert len(only(messages, m.ResponseCreated)) == len(only(messages, m.ResponseDone)) == 1
        assert _audio(messages) == LONG * 2


@pytest.mark.parametrize("data", [LONG, b"\xfb\xff" * 200], ids=["long", "both alphabets differ"])
def test_that_either_alphabet_is_read(data: bytes) -> None:
    protocol = _speaks()
    blob = {"mimeType": "audio/pcm;rate=24000", "data": base64.urlsafe_b64encode(data).decode()}
    urlsafe = content(modelTurn={"parts": [{"inlineData": blob}]})
    assert _audio(read(protocol, audio(data), urlsafe, audio(data), urlsafe)) == data * 4


def test_that_what_is_no_base64_is_an_error_and_no_more() -> None:
    protocol = _speaks()
    read(protocol, audio(LONG))
    broken = audio(LONG).replace(b"AAEC", b"A*EC", 1)
    for bad in (broken, audio().replace(b"AAEC", b"A*EC", 1)):
        [error] = read(protocol, bad)
        assert isinstance(error, m.ErrorReported)
        assert error.kind == "undecodable"
    assert _audio(read(protocol, audio(LONG))) == LONG


def test_that_text_frames_are_read_as_well() -> None:
    protocol = _speaks()
    assert _audio(take(protocol, audio(LONG).decode())) == LONG
