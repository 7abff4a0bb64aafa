"""What may be logged and recorded of a message."""

from __future__ import annotations

import json
import typing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duologue import messages as m
from duologue.messages.base import Message
from duologue.middleware.redaction import for_log, loggable_text, plain, without_secrets
from duologue.options import SessionOptions
from duologue.tools import FunctionTool
from planted import ENCODED, MESSAGES, SECRET
from structs import strategy_of

many = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
KINDS = (*typing.get_args(m.AnyClientMessage), *typing.get_args(m.AnyServerMessage))


@many
@given(message=MESSAGES)
def test_that_nothing_secret_and_no_media_is_logged(message: Message) -> None:
    shown = json.dumps(for_log(message))
    assert SECRET not in shown
    assert ENCODED[:16] not in shown
    assert "planted audio" not in shown


@many
@given(message=MESSAGES)
def test_that_nothing_secret_is_left_without_secrets(message: Message) -> None:
    shown = json.dumps(without_secrets(plain(message)))
    assert SECRET not in shown


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@few
@given(data=st.data())
def test_that_every_message_can_be_shown_and_is_left_as_it_is(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(strategy_of(kind))
    before = m.to_json(message)
    assert for_log(message)["type"] == message.type
    assert m.to_json(message) == before


@pytest.mark.parametrize(
    "message",
    [
        m.DtmfReceived(key="5"),
        m.InputTranscriptDelta(
            item_id="i", text="hi", logprobs=(m.TokenProbability(token="hi", logprob=-0.5, bytes=(104, 105)),)
        ),
        m.SessionUpdate(
            options=SessionOptions(
                tools=(
                    FunctionTool(
                        name="log_in",
                        parameters={"type": "object", "properties": {"password": {"type": "string"}, "headers": {}}},
                    ),
                )
            )
        ),
        m.UsageReported(usage=m.Usage(input_tokens=3, cached_tokens=1)),
    ],
)
def test_that_what_only_sounds_secret_stays(message: Message) -> None:
    assert without_secrets(plain(message)) == plain(message)


def test_that_arguments_are_searched_although_they_are_text() -> None:
    call = m.FunctionCall(call_id="c", name="log_in", arguments='{"user": "ada", "password": "hunter2"}')
    assert for_log(m.ItemDone(item=call))["item"]["arguments"] == '{"user":"ada","password":"***"}'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing to hide", "nothing to hide"),
        ("wss://me:pw@host.example/path?api-key=1&model=x", "wss://host.example/path?***"),
        ("see https://host.example/a.png", "see https://host.example/a.png"),
        ("Bearer abc.def", "Bearer ***"),
        ("key sk-proj-1234567 is wrong", "key *** is wrong"),
        ("x" * 64, "<64 characters>"),
        ("a picture: data:image/png;base64,AAAA end", "a picture: <26 characters> end"),
    ],
)
def test_what_is_shown_of_a_text(text: str, shown: str) -> None:
    assert loggable_text(text) == shown


@pytest.mark.parametrize("text", ['{ "type": "x",  "a": [1] }', "{no json", '{"a": "b"}'])
def test_that_a_frame_of_text_without_secrets_stays_as_it_is(text: str) -> None:
    assert without_secrets(plain(m.RawClientMessage(data=text)))["data"] == text


def test_that_sizes_take_the_place_of_media() -> None:
    shown = for_log(m.InputAudioAppend(audio=b"\1" * 480))
    assert shown["audio"] == "<480 bytes>"
