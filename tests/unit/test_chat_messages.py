"""A conversation as chat messages, and back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.errors import InvalidInput

CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is 1 + 2?"},
    {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1,"b":2}'}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "3"},
    {"role": "assistant", "content": "Three."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "And this?"},
            {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAEC", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        ],
    },
]


def test_there_and_back() -> None:
    assert Conversation.from_chat_messages(CHAT).to_chat_messages() == CHAT


def test_instructions_come_first() -> None:
    assert Conversation().to_chat_messages("Be kind.") == [{"role": "system", "content": "Be kind."}]


def test_what_was_not_heard_is_not_told() -> None:
    talk = Conversation()
    talk.feed(m.ItemAdded(item=m.MessageItem(id="i", role="assistant", content=(m.AudioContent(),))))
    talk.feed(m.OutputTranscriptDelta(response_id="r", item_id="i", text="One two three."))
    talk.feed(m.ItemTruncated(item_id="i", audio_end_ms=10, transcript="One"))
    assert talk.to_chat_messages() == [{"role": "assistant", "content": "One"}]


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ({"role": "robot", "content": "Hello."}, "robot"),
        ({"role": "tool", "content": "3"}, "tool_call_id"),
        ({"role": "user", "content": [{"type": "smell"}]}, "smell"),
        ({"role": "user", "content": 3}, "neither"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "no function"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}]},
            "base64",
        ),
    ],
)
def test_what_is_no_message(message: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        Conversation.from_chat_messages([message])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["system", "user", "assistant"]), st.text(min_size=1).filter(lambda text: text.strip())
        )
    )
)
def test_every_text_comes_back(said: list[tuple[str, str]]) -> None:
    chat: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in said]
    assert Conversation.from_chat_messages(chat).to_chat_messages() == chat
