"""Messages on their way to a recording and back: what stays, what is cut, what is hidden."""

from __future__ import annotations

import typing

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.formats import PCM16_24K, PCMU
from duologue.messages.base import ClientMessage, Message
from duologue.middleware.recording import read_recording
from duologue.middleware.recording.lines import message_line
from duologue.middleware.recording.media import MessageEncoder, restored
from planted import ENCODED, MESSAGES, SECRET
from structs import strategy_of

KINDS: tuple[type[Message], ...] = (*typing.get_args(m.AnyClientMessage), *typing.get_args(m.AnyServerMessage))
few = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
many = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_that_every_message_comes_back(
    kind: type[Message], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    message = data.draw(strategy_of(kind))
    text = MessageEncoder().encode(message)
    assert b"\n" not in text
    path = tmp_path_factory.mktemp("line") / "a.jsonl"
    direction = "sent" if issubclass(kind, ClientMessage) else "received"
    opened = b'{"line":"opened","session":"s","version":1,"duologue":"","started_at":"","provider":"p"}\n'
    path.write_bytes(opened + message_line(direction, "s", 1.5, text))
    ((entry,),) = (session.messages for session in read_recording(path))
    assert entry.message == message
    assert entry.at == 1.5


@many
@given(message=MESSAGES)
def test_that_no_secret_is_recorded(message: Message) -> None:
    assert SECRET.encode() not in MessageEncoder().encode(message)


@many
@given(message=MESSAGES)
def test_that_cut_media_leave_nothing_but_their_size(message: Message) -> None:
    text = MessageEncoder(audio="cut", images="cut").encode(message).decode()
    is_known = not isinstance(message, m.RawClientMessage | m.RawServerMessage)
    if is_known and '"raw"' not in text and '"extra"' not in text:
        assert ENCODED[:16] not in text
    read = m.client_from_json if isinstance(message, ClientMessage) else m.server_from_json
    assert read(restored(text.encode())).type == message.type


def test_that_errors_do_not_repeat_keys() -> None:
    error = m.ErrorReported(kind="other", error=m.ErrorDetail(message="The key sk-proj-12345678 is wrong."))
    assert b"sk-proj" not in MessageEncoder().encode(error)
    words = m.OutputTextDelta(response_id="r", item_id="i", text="Use sk-learn.")
    assert b"sk-learn" in MessageEncoder().encode(words)


def test_that_cut_audio_is_silence_of_the_same_length() -> None:
    encoder = MessageEncoder(audio="cut")
    delta = m.OutputAudioDelta(response_id="r", item_id="i", audio=b"\1\2" * 240, format=PCM16_24K)
    assert b'"audio":"","format":{"encoding":"pcm16","rate":24000},"audio_bytes":480}' in encoder.encode(delta)
    assert m.server_from_json(restored(encoder.encode(delta))) == msgspec.structs.replace(delta, audio=bytes(480))
    law = m.InputAudioAppend(audio=b"\1" * 80, format=PCMU)
    assert m.client_from_json(restored(encoder.encode(law))) == msgspec.structs.replace(law, audio=b"\xff" * 80)
    part = m.AudioContent(audio=b"\1" * 10, transcript="hm")
    item = m.ItemCreate(item=m.MessageItem(role="user", content=(part, m.ImageContent(data=b"png"))))
    back = m.client_from_json(restored(encoder.encode(item)))
    assert isinstance(back, m.ItemCreate)
    assert isinstance(back.item, m.MessageItem)
    assert back.item.content == (msgspec.structs.replace(part, audio=bytes(10)), m.ImageContent(data=b"png"))


def test_that_cut_pictures_keep_their_size() -> None:
    encoder = MessageEncoder(images="cut")
    item = m.MessageItem.image(m.ImageContent(data=b"\1" * 99))
    back = m.client_from_json(restored(encoder.encode(m.ItemCreate(item=item))))
    assert back == m.ItemCreate(item=m.MessageItem.image(m.ImageContent(data=bytes(99))))
    append = m.InputAudioAppend(audio=b"\1\2")
    assert m.client_from_json(restored(encoder.encode(append))) == append


def test_that_words_that_look_like_audio_stay() -> None:
    message = m.OutputTextDelta(response_id="r", item_id="i", text='"audio":"" and "audio_bytes":5')
    encoder = MessageEncoder(audio="cut", images="cut")
    assert m.server_from_json(restored(encoder.encode(message))) == message
    named = m.InputAudioAppend(id='"audio":""', audio=b"\1\2")
    assert m.client_from_json(restored(MessageEncoder().encode(named))) == named
