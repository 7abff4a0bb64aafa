"""The checker of the documented order: it takes what is in order, and notices what is not."""

from __future__ import annotations

import msgspec
import pytest

from duologue import messages as m
from duologue.messages.base import ServerMessage
from duologue.options import SessionOptions
from duologue.speech.responder import CallRequested
from duologue.testing.lifecycle import LifecycleChecker
from engine_driver import Driver


def session() -> list[ServerMessage]:
    """A turn with speech, a call and more speech; a written response; an interrupted one; one beside it."""
    driver = Driver(SessionOptions(), lead_ms=300)
    driver.say_something()
    driver.transcript("What is there?")
    driver.answer("Let me see.", CallRequested("look", "{}", "call_1"), "Blue.")
    driver.speak()
    driver.wait(1)
    driver.speak()
    driver.wait(1)
    driver.send(m.ItemCreate(item=m.FunctionResult(call_id="call_1", output='"sky"')))
    driver.send(m.ResponseCreate(output_modalities=("text",)))
    driver.answer("The sky ", "is blue.")
    driver.send(m.ResponseCreate(out_of_band=True, items=(), output_modalities=("text",)))
    driver.answer("Beside.")
    driver.send(m.Say(text="one two three four five six"))
    driver.speak()
    driver.say_something()
    driver.send(m.ResponseCancel())
    return driver.messages


def check(messages: list[ServerMessage]) -> None:
    checker = LifecycleChecker()
    checker.feed_all(messages)
    checker.finish()


MESSAGES = session()
CANCELLED = {done.response_id for done in MESSAGES if isinstance(done, m.ResponseDone) and done.status == "cancelled"}
# Nothing else tells of these, or they tell of nothing else.
_MAY_BE_MISSING = (
    m.InputTranscriptCompleted,
    m.InputAudioCommitted,
    m.OutputAudioDelta,
    m.FunctionArgumentsDelta,
)
_MAY_COME_TWICE = (m.OutputAudioDelta, m.InputAudioCommitted)


def numbered(*without: type[ServerMessage]) -> list[pytest.param]:  # type: ignore[valid-type]
    return [
        pytest.param(index, id=f"{index}-{type(message).__name__}")
        for index, message in enumerate(MESSAGES)
        if not isinstance(message, without)
    ]


def test_what_is_in_order_is_taken() -> None:
    check(MESSAGES)
    assert {m.ResponseDone, m.FunctionArgumentsDone, m.OutputTextDelta, m.InputSpeechStopped} <= set(
        map(type, MESSAGES)
    )


@pytest.mark.parametrize("index", numbered(*_MAY_BE_MISSING))
def test_what_is_missing_is_noticed(index: int) -> None:
    message = MESSAGES[index]
    if isinstance(message, m.ItemAdded | m.ItemDone) and not isinstance(message.item, m.FunctionCall):
        is_answer = isinstance(message.item, m.MessageItem) and message.item.role == "assistant"
        if not is_answer and isinstance(message, m.ItemDone):
            pytest.skip("An item of the application may stay as it is.")
    if isinstance(message, m.OutputTranscriptDelta) and message.response_id in CANCELLED:
        pytest.skip("Deltas of a cancelled response may be held back.")
    with pytest.raises(AssertionError):
        check([*MESSAGES[:index], *MESSAGES[index + 1 :]])


@pytest.mark.parametrize("index", numbered(*_MAY_COME_TWICE))
def test_what_comes_twice_is_noticed(index: int) -> None:
    with pytest.raises(AssertionError):
        check([*MESSAGES[: index + 1], *MESSAGES[index:]])


@pytest.mark.parametrize("index", numbered())
def test_messages_of_a_response_that_is_over_are_noticed(index: int) -> None:
    message = MESSAGES[index]
    if not hasattr(message, "response_id"):
        pytest.skip("It belongs to no response.")
    with pytest.raises(AssertionError):
        check([*MESSAGES, message])


def last(kind: type[ServerMessage]) -> int:
    return max(index for index, message in enumerate(MESSAGES) if type(message) is kind)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (m.OutputTextDelta, {"text": "is red."}),
        (m.OutputTextDelta, {"item_id": "item_x"}),
        (m.OutputTextDelta, {"output_index": 7}),
        (m.OutputTextDelta, {"content_index": 1}),
        (m.OutputAudioDelta, {"audio": b""}),
        (m.OutputTextDone, {"text": "Something else."}),
        (m.OutputTranscriptDone, {"text": "Something else."}),
        (m.FunctionArgumentsDone, {"arguments": '{"x": 1}'}),
        (m.ContentPartDone, {"part": m.TextContent(text="Something else.")}),
        (m.OutputItemAdded, {"output_index": 3}),
        (m.OutputItemDone, {"item": m.MessageItem(id="item_x", role="assistant", status="completed")}),
        (m.ResponseDone, {"items": ()}),
        (m.ResponseDone, {"status": "in_progress"}),
        (m.ResponseDone, {"metadata": {"a": "1"}}),
        (m.ResponseDone, {"out_of_band": True}),
        (m.ItemAdded, {"previous_item_id": "item_x"}),
        (m.InputSpeechStopped, {"item_id": "item_x"}),
        (m.InputSpeechStopped, {"audio_end_ms": 1}),
        (m.InputSpeechStarted, {"audio_start_ms": 1}),
    ],
)
def test_what_contradicts_itself_is_noticed(kind: type[ServerMessage], changes: dict[str, object]) -> None:
    index = last(kind)
    if kind is m.ResponseDone and "items" in changes:
        index = next(i for i, done in enumerate(MESSAGES) if isinstance(done, m.ResponseDone) and done.items)
    wrong = msgspec.structs.replace(MESSAGES[index], **changes)
    with pytest.raises(AssertionError):
        check([*MESSAGES[:index], wrong, *MESSAGES[index + 1 :]])


def test_turns_and_interruptions_come_once() -> None:
    created = next(message for message in MESSAGES if isinstance(message, m.ResponseCreated))
    begun = [MESSAGES[0], m.ResponseCreated(response_id=created.response_id)]
    for once in (m.TurnDone(turn_id="turn_1", outcome="completed"), m.Interrupted(response_id=created.response_id)):
        checker = LifecycleChecker()
        checker.feed_all([*begun, once])
        with pytest.raises(AssertionError, match="once"):
            checker.feed(once)


def test_audio_after_an_interruption_is_noticed() -> None:
    index = next(i for i, message in enumerate(MESSAGES) if isinstance(message, m.OutputAudioDelta))
    first = MESSAGES[index]
    assert isinstance(first, m.OutputAudioDelta)
    for interrupted in (m.Interrupted(response_id=first.response_id), m.Interrupted()):
        with pytest.raises(AssertionError, match="after its interruption"):
            check([*MESSAGES[:index], interrupted, *MESSAGES[index:]])


def test_the_text_tells_what_came_before() -> None:
    checker = LifecycleChecker()
    checker.feed(MESSAGES[0])
    with pytest.raises(AssertionError, match="SessionCreated"):
        checker.feed(m.ResponseDone(response_id="resp_x", status="completed"))
