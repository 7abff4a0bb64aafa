"""The conversation: the one history, whatever the order in which its news arrive."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from duologue import messages as m
from duologue.conversation import Conversation
from duologue.formats import PCM16_24K
from duologue.lifecycle import ResponseBuilder
from duologue.messages.base import ServerMessage


def spoken(id: str = "a1", transcript: str | None = None, status: m.ItemStatus = "in_progress") -> m.MessageItem:
    return m.MessageItem(id=id, role="assistant", status=status, content=(m.AudioContent(transcript=transcript),))


def user(id: str, text: str) -> m.MessageItem:
    return m.MessageItem.user(text, id=id)


def words(text: str, item: str = "a1") -> m.OutputTranscriptDelta:
    return m.OutputTranscriptDelta(response_id="r1", item_id=item, text=text)


def sound(ms: float, item: str = "a1") -> m.OutputAudioDelta:
    return m.OutputAudioDelta(response_id="r1", item_id=item, audio=bytes(PCM16_24K.bytes_for(ms)), format=PCM16_24K)


def heard(text: str, item: str = "u1", **more: Any) -> m.InputTranscriptDelta:
    return m.InputTranscriptDelta(item_id=item, text=text, **more)


def understood(text: str, item: str = "u1", usage: m.Usage | None = None) -> m.InputTranscriptCompleted:
    return m.InputTranscriptCompleted(item_id=item, text=text, usage=usage)


def fed(*messages: ServerMessage, history: tuple[m.Item, ...] = ()) -> Conversation:
    conversation = Conversation(history)
    for message in messages:
        conversation.feed(message)
    return conversation


def shown(conversation: Conversation) -> list[tuple[str | None, str]]:
    return [(item.id, item.text if isinstance(item, m.MessageItem) else "") for item in conversation.items]


# --- items ---


def test_that_items_are_in_the_order_that_the_provider_says() -> None:
    conversation = fed(
        m.ItemAdded(item=user("a", "1")),
        m.ItemAdded(item=user("b", "2"), previous_item_id="a"),
        m.ItemAdded(item=user("c", "3"), previous_item_id="a"),
        m.ItemAdded(item=user("d", "4"), previous_item_id="root"),
        m.ItemAdded(item=user("e", "5")),
        m.ItemAdded(item=user("f", "6"), previous_item_id="nobody knows"),
    )
    assert [id for id, _ in shown(conversation)] == ["d", "a", "c", "b", "e", "f"]
    assert conversation.item("c") == user("c", "3")
    assert conversation.item("x") is None


def test_that_an_item_that_comes_again_replaces_itself() -> None:
    conversation = fed(
        m.ItemAdded(item=user("a", "1")),
        m.ItemAdded(item=m.MessageItem(id="b", role="user")),
        m.ItemAdded(item=user("c", "3")),
        m.ItemDone(item=user("b", "2"), previous_item_id="a"),
        m.ItemRetrieved(item=user("a", "one")),
    )
    assert shown(conversation) == [("a", "one"), ("b", "2"), ("c", "3")]


def test_that_deleted_items_are_gone() -> None:
    conversation = fed(
        *(m.ItemAdded(item=user(id, id)) for id in "abc"),
        m.ItemDeleted(item_id="b"),
        m.ItemDeleted(item_id="nothing"),
        m.ItemAdded(item=user("d", "d"), previous_item_id="a"),
    )
    assert [id for id, _ in shown(conversation)] == ["a", "d", "c"]


def test_that_a_history_is_where_it_begins() -> None:
    history = (user("a", "1"), m.MessageItem.assistant("no id"), user("b", "2"))
    conversation = fed(m.ItemAdded(item=user("c", "3"), previous_item_id="a"), history=history)
    assert [text for _, text in shown(conversation)] == ["1", "3", "no id", "2"]
    assert history == (user("a", "1"), m.MessageItem.assistant("no id"), user("b", "2"))


def test_that_out_of_band_responses_leave_no_trace() -> None:
    builder = ResponseBuilder("r1", output_audio=None, request=m.ResponseCreate(out_of_band=True))
    conversation = fed(*builder.start(), *builder.text("aside"), *builder.end(usage=m.Usage(output_tokens=2)))
    assert conversation.items == []
    assert conversation.turn == "idle"
    assert conversation.usage.output_tokens == 2


# --- words ---


def test_that_the_models_words_grow_and_the_end_replaces_them() -> None:
    conversation = fed(m.ItemAdded(item=spoken()), words("Hel"), words("lo"))
    assert conversation.transcript("a1") == "Hello"
    conversation.feed(m.ItemDone(item=spoken(transcript="Hello.", status="completed")))
    assert conversation.item("a1") == spoken(transcript="Hello.", status="completed")


def test_that_an_item_without_words_keeps_those_that_came_before() -> None:
    conversation = fed(m.ItemAdded(item=spoken()), words("Hello"), m.ItemDone(item=spoken(status="completed")))
    assert conversation.item("a1") == spoken(transcript="Hello", status="completed")
    conversation.feed(m.ItemDone(item=m.MessageItem(id="a1", role="assistant")))
    assert conversation.transcript("a1") == "Hello"


def test_that_written_words_grow_too() -> None:
    delta = m.OutputTextDelta(response_id="r1", item_id="a1", text="Hi")
    conversation = fed(m.ItemAdded(item=m.MessageItem(id="a1", role="assistant")), delta, delta)
    assert conversation.item("a1") == m.MessageItem(id="a1", role="assistant", content=(m.TextContent(text="HiHi"),))


def test_that_words_go_to_their_part() -> None:
    second = m.OutputTranscriptDelta(response_id="r1", item_id="a1", content_index=1, text="two")
    conversation = fed(m.ItemAdded(item=spoken()), second, words("one"))
    assert conversation.item("a1") == m.MessageItem(
        id="a1",
        role="assistant",
        status="in_progress",
        content=(m.AudioContent(transcript="one"), m.AudioContent(transcript="two")),
    )


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ((heard("what "), heard("time")), "what time"),
        ((heard("what "), heard("what time", replaces=True)), "what time"),
        ((heard("what"), heard(" thyme"), understood("What time?")), "What time?"),
        ((understood("What time?"),), "What time?"),
    ],
)
@pytest.mark.parametrize("added", ["before", "between", "after"])
def test_the_users_words_whenever_their_item_comes(messages: tuple[ServerMessage, ...], text: str, added: str) -> None:
    item = m.ItemAdded(item=m.MessageItem(id="u1", role="user", content=(m.AudioContent(),)))
    done = m.ItemDone(item=item.item)
    place = {"before": 0, "between": 1, "after": len(messages)}[added]
    conversation = fed(*messages[:place], item, *messages[place:], done)
    assert conversation.transcript("u1") == text


def test_that_words_find_their_items_in_any_order() -> None:
    conversation = fed(
        m.ItemAdded(item=spoken("u1")), m.ItemAdded(item=spoken("u2")), understood("second", "u2"), understood("first")
    )
    assert shown(conversation) == [("u1", "first"), ("u2", "second")]


def test_that_an_item_with_words_of_its_own_keeps_them() -> None:
    conversation = fed(heard("early"), m.ItemAdded(item=spoken("u1", "Its own.")))
    assert conversation.transcript("u1") == "Its own."


def test_that_words_without_an_item_do_not_pile_up() -> None:
    conversation = fed(*(heard("x", f"u{number}") for number in range(1000)))
    assert len(conversation._early) < 100
    assert conversation.items == []


# --- what was heard ---


def speech() -> list[ServerMessage]:
    """A word every 200 ms, each before its audio."""
    said = ["One ", "two ", "three ", "four."]
    return [m.ItemAdded(item=spoken()), *itertools.chain(*((words(word), sound(200)) for word in said))]


def cut(ms: int, transcript: str | None = None) -> m.ItemTruncated:
    return m.ItemTruncated(item_id="a1", audio_end_ms=ms, transcript=transcript)


@pytest.mark.parametrize(
    ("ms", "kept"),
    [(0, ""), (100, ""), (200, "One "), (250, "One "), (399, "One "), (400, "One two "), (800, "One two three four."),
     (5000, "One two three four.")],
)  # fmt: skip
def test_that_a_truncated_item_keeps_the_words_that_were_heard(ms: int, kept: str) -> None:
    conversation = fed(*speech(), cut(ms))
    assert conversation.transcript("a1") == kept
    assert conversation.was_cut("a1")
    assert not conversation.was_cut("other")


def test_that_words_that_came_at_once_are_shared_out_over_their_audio() -> None:
    conversation = fed(m.ItemAdded(item=spoken()), words("One two "), words("three four."), sound(400), sound(400))
    conversation.feed(cut(400))
    assert conversation.transcript("a1") == "One two "
    assert fed(m.ItemAdded(item=spoken()), words("One"), words(" two"), sound(400), cut(1)).transcript("a1") == ""


def test_that_the_providers_words_win() -> None:
    assert fed(*speech(), cut(400, "One, two")).transcript("a1") == "One, two"


@pytest.mark.parametrize(
    "late",
    [
        m.ItemDone(item=spoken(transcript="One two three four.", status="incomplete")),
        m.ItemAdded(item=spoken(transcript="One two three four.", status="incomplete")),
        m.ItemRetrieved(item=spoken(transcript="One two three four.", status="incomplete")),
        words(" five"),
    ],
)
def test_that_late_news_do_not_bring_unheard_words_back(late: ServerMessage) -> None:
    conversation = fed(*speech(), cut(400), late)
    assert conversation.transcript("a1") == "One two "


def test_that_a_late_end_still_tells_the_status() -> None:
    conversation = fed(*speech(), cut(400), m.ItemDone(item=spoken(transcript="x", status="incomplete")))
    assert conversation.item("a1") == spoken(transcript="One two ", status="incomplete")


def test_that_a_second_cut_is_from_the_whole() -> None:
    assert fed(*speech(), cut(400), cut(200)).transcript("a1") == "One "


def test_that_a_deleted_item_may_come_again_whole() -> None:
    conversation = fed(*speech(), cut(200), m.ItemDeleted(item_id="a1"), m.ItemAdded(item=spoken(transcript="New.")))
    assert conversation.transcript("a1") == "New."
    assert not conversation.was_cut("a1")


# --- calls, usage, turns ---

CALL = m.FunctionCall(id="f1", call_id="c1", name="f", status="completed")
RESULT = m.FunctionResult(id="o1", call_id="c1", output="42")


def done(*items: m.Item, status: str = "completed", usage: m.Usage | None = None) -> m.ResponseDone:
    return m.ResponseDone(response_id="r1", status=status, items=items, usage=usage)


def test_that_a_call_is_open_until_its_result() -> None:
    began = m.ResponseCreated(response_id="r1")
    conversation = fed(began, m.ItemAdded(item=CALL), done(CALL))
    assert conversation.open_calls == {"c1": CALL}
    assert conversation.turn == "awaiting tools"
    conversation.feed(m.ItemAdded(item=RESULT))
    assert conversation.open_calls == {}
    assert fed(began, m.ItemAdded(item=RESULT), done(CALL)).open_calls == {}
    assert fed(began, done(CALL), m.ToolCallsCancelled(call_ids=("c1", "c2"))).open_calls == {}
    assert fed(began, done(CALL, status="cancelled")).open_calls == {}


def test_that_usage_is_the_sum_of_everything() -> None:
    conversation = fed(
        done(usage=m.Usage(input_tokens=10, output_tokens=4)),
        done(),
        understood("hi", usage=m.Usage(seconds=1.5)),
        m.UsageReported(usage=m.Usage(input_tokens=1)),
    )
    assert conversation.usage == m.Usage(input_tokens=11, output_tokens=4, seconds=1.5)


def test_whose_turn_it_is() -> None:
    conversation = Conversation()
    course: list[tuple[ServerMessage, str]] = [
        (m.InputSpeechStarted(), "user speaking"),
        (m.InputSpeechStopped(), "waiting"),
        (m.InputAudioCommitted(item_id="u1"), "waiting"),
        (m.ResponseCreated(response_id="x", out_of_band=True), "waiting"),
        (m.ResponseCreated(response_id="r1"), "responding"),
        (m.ResponseDone(response_id="x", out_of_band=True, status="completed"), "responding"),
        (m.ResponseDone(response_id="r1", status="completed", items=(CALL,)), "awaiting tools"),
        (m.ItemAdded(item=RESULT), "awaiting tools"),
        (m.ResponseCreated(response_id="r2"), "responding"),
        (m.InputSpeechStarted(), "user speaking"),
        (m.ResponseDone(response_id="r2", status="cancelled"), "user speaking"),
        (m.InputAudioCommitted(item_id="u2"), "waiting"),
        (m.ResponseCreated(response_id="r3"), "responding"),
        (m.ResponseDone(response_id="r3", status="failed"), "idle"),
        (m.TurnDone(outcome="failed"), "idle"),
    ]
    for message, turn in course:
        conversation.feed(message)
        assert conversation.turn == turn, message
    assert conversation.active_response is None
