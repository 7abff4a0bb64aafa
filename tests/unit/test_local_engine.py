"""The embedded provider's engine: items, truncation, options and the end of a session."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.local import commands as c
from duologue.options import ServerTurnDetection, SessionOptions
from duologue.speech.stages import SpeechChunk
from duologue.tools import FunctionTool
from engine_driver import Driver, detecting, names, said, silence, speech

TEXT = SessionOptions(output_modalities=("text",))
LOOK = FunctionTool(name="look", description="Look.")


def update(**options: object) -> m.SessionUpdate:
    return m.SessionUpdate(options=SessionOptions(**options))  # type: ignore[arg-type]


def text_of(item: m.Item) -> str:
    assert isinstance(item, m.MessageItem)
    return item.text


# --- what was heard ---


def spoken_answer(driver: Driver, text: str = "one, two three. Four five!") -> str:
    driver.send(m.ResponseCreate())
    driver.answer(text)
    driver.speak()
    driver.wait(10)
    return driver.last(m.ResponseDone).items[0].id or ""


@pytest.mark.parametrize(
    ("heard_ms", "words"),
    [
        (0, ""),
        (99, ""),
        (100, "one,"),
        (150, "one,"),
        (250, "one, two"),
        (300, "one, two three."),
        (499, "one, two three. Four"),
        (500, "one, two three. Four five!"),
    ],
)
def test_a_truncation_keeps_the_words_that_were_heard(heard_ms: int, words: str) -> None:
    driver = Driver()
    item_id = spoken_answer(driver)
    [cut] = driver.send(m.ItemTruncate(item_id=item_id, audio_end_ms=heard_ms))
    assert isinstance(cut, m.ItemTruncated)
    assert (cut.item_id, cut.audio_end_ms, cut.transcript) == (item_id, heard_ms, words)
    driver.send(m.ResponseCreate())
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == [words]


def test_a_truncation_in_mid_generation_keeps_the_words_that_were_heard() -> None:
    driver = Driver(lead_ms=300)
    driver.send(m.ResponseCreate())
    driver.answer("one two three four five six seven")
    driver.speak()
    driver.wait(0.15)
    driver.hear(speech(200))
    item_id = driver.last(m.ResponseDone).items[0].id or ""
    driver.send(m.ItemTruncate(item_id=item_id, audio_end_ms=150))
    assert driver.last(m.ItemTruncated).transcript == "one"


def test_a_truncation_cannot_be_undone() -> None:
    driver = Driver()
    item_id = spoken_answer(driver)
    driver.send(m.ItemTruncate(item_id=item_id, audio_end_ms=200))
    [error] = driver.send(m.ItemTruncate(item_id=item_id, audio_end_ms=400))
    assert isinstance(error, m.ErrorReported)
    assert error.error.param == "audio_end_ms"
    driver.send(m.ItemTruncate(item_id=item_id, audio_end_ms=100))
    assert driver.last(m.ItemTruncated).transcript == "one,"


def test_speech_without_word_timings_is_cut_in_proportion() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    driver.answer("one two three four")
    driver.spoken(SpeechChunk(bytes(16_000 * 2)))
    driver.speech_done()
    driver.wait(5)
    item_id = driver.last(m.ResponseDone).items[0].id or ""
    driver.send(m.ItemTruncate(item_id=item_id, audio_end_ms=500))
    assert driver.last(m.ItemTruncated).transcript == "one two"


@pytest.mark.parametrize(
    "message",
    [
        m.ItemDelete(id="cause", item_id="nothing"),
        m.ItemRetrieve(id="cause", item_id="nothing"),
        m.ItemTruncate(id="cause", item_id="nothing", audio_end_ms=10),
    ],
)
def test_unknown_items_are_errors_that_name_them(message: m.ClientMessage) -> None:
    driver = Driver()
    [error] = driver.send(message)
    assert isinstance(error, m.ErrorReported)
    assert (error.kind, error.cause_id, error.error.param) == ("invalid_request", "cause", "item_id")
    assert "nothing" in error.error.message


@pytest.mark.parametrize(
    "cut", [{"audio_end_ms": 501 + 1}, {"audio_end_ms": -1}, {"audio_end_ms": 1, "content_index": 1}]
)
def test_truncations_that_make_no_sense_are_errors(cut: dict[str, int]) -> None:
    driver = Driver()
    item_id = spoken_answer(driver)
    [error] = driver.send(m.ItemTruncate(item_id=item_id, **cut))  # type: ignore[arg-type]
    assert isinstance(error, m.ErrorReported)
    driver.send(m.ResponseCreate())
    assert text_of(driver.last(c.Answer).request.items[0]) == "one, two three. Four five!"


def test_only_speech_of_the_assistant_can_be_truncated() -> None:
    driver = Driver()
    driver.send(m.ItemCreate(item=m.MessageItem.user("Hello", id="user")))
    [error] = driver.send(m.ItemTruncate(item_id="user", audio_end_ms=0))
    assert isinstance(error, m.ErrorReported)
    assert "assistant" in error.error.message


def test_an_item_that_is_not_whole_cannot_be_touched() -> None:
    driver = Driver(lead_ms=200)
    driver.send(m.ResponseCreate())
    driver.answer("one two three four five six")
    driver.speak()
    item_id = driver.last(m.OutputItemAdded).item.id or ""
    for message in (m.ItemDelete(item_id=item_id), m.ItemTruncate(item_id=item_id, audio_end_ms=10)):
        [error] = driver.send(message)
        assert isinstance(error, m.ErrorReported)
        assert "not whole" in error.error.message
    assert names(driver.send(m.ItemRetrieve(item_id=item_id))) == ["ItemRetrieved"]
    driver.wait(10)
    assert text_of(driver.last(m.ResponseDone).items[0]) == "one two three four five six"
    assert names(driver.send(m.ItemDelete(item_id=item_id))) == ["ItemDeleted"]
    driver.send(m.ResponseCreate())
    assert driver.last(c.Answer).request.items == ()


# --- items ---


def test_items_are_kept_in_the_order_that_is_asked_for() -> None:
    driver = Driver(TEXT)
    for text, previous in (("b", None), ("d", None), ("a", "root"), ("c", "b")):
        driver.send(m.ItemCreate(item=m.MessageItem.user(text, id=text), previous_item_id=previous))
    assert [message.previous_item_id for message in driver.all(m.ItemAdded)] == ["root", "b", "root", "b"]
    driver.send(m.ResponseCreate())
    assert [item.id for item in driver.last(c.Answer).request.items] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        (m.ItemCreate(item=m.MessageItem.user("again", id="a")), "item.id"),
        (m.ItemCreate(item=m.MessageItem.user("b"), previous_item_id="nothing"), "previous_item_id"),
        (m.ItemCreate(item=m.FunctionResult(call_id="nothing", output="{}")), "item.call_id"),
    ],
)
def test_items_that_do_not_fit_are_errors_that_name_their_cause(message: m.ItemCreate, param: str) -> None:
    driver = Driver(TEXT)
    driver.send(m.ItemCreate(item=m.MessageItem.user("first", id="a")))
    [error] = driver.send(message)
    assert isinstance(error, m.ErrorReported)
    assert (error.kind, error.error.param, error.cause) == ("invalid_request", param, message)
    driver.send(m.ResponseCreate())
    assert len(driver.last(c.Answer).request.items) == 1


@pytest.mark.parametrize(
    "item",
    [
        m.MessageItem.image(m.ImageContent(data=b"png")),
        m.MessageItem(role="user", content=(m.RawContent(data={}),)),
        m.McpCall(server_label="files", name="read"),
        m.ItemReference(id="a"),
        m.RawItem(data={}),
    ],
)
def test_items_of_other_kinds_are_refused(item: m.Item) -> None:
    driver = Driver(TEXT)
    with pytest.raises(UnsupportedOperation):
        driver.send(m.ItemCreate(item=item))
    assert driver.messages[1:] == []
    with pytest.raises(UnsupportedOperation):
        Driver(SessionOptions(history=(item,)))


def test_calls_and_their_results_are_told_to_the_responder() -> None:
    driver = Driver(SessionOptions(output_modalities=("text",), tools=(LOOK,)))
    driver.send(m.ItemCreate(item=m.MessageItem.user("What is there?")), m.ResponseCreate())
    driver.call(call_id="call_1")
    driver.send(m.ItemCreate(item=m.FunctionResult(call_id="call_1", output='"sky"')), m.ResponseCreate())
    kinds = [type(item).__name__ for item in driver.last(c.Answer).request.items]
    assert kinds == ["MessageItem", "FunctionCall", "FunctionResult"]


def test_a_session_begins_with_its_history() -> None:
    history = (
        m.MessageItem.user("Hi"),
        m.FunctionCall(call_id="call_1", name="look"),
        m.FunctionResult(call_id="call_1", output="{}"),
        m.MessageItem.assistant("Hello", id="greeting"),
    )
    driver = Driver(SessionOptions(history=history))
    assert names(driver.messages) == ["SessionCreated", *(["ItemAdded", "ItemDone"] * 4)]
    driver.send(m.ResponseCreate())
    assert [type(item) for item in driver.last(c.Answer).request.items] == [type(item) for item in history]
    assert names(driver.send(m.ItemDelete(item_id="greeting"))) == ["ItemDeleted"]


@pytest.mark.parametrize(
    "history",
    [
        (m.MessageItem.user("a", id="x"), m.MessageItem.user("b", id="x")),
        (m.FunctionResult(call_id="nothing", output="{}"),),
    ],
)
def test_a_history_that_does_not_hold_together_is_refused(history: tuple[m.Item, ...]) -> None:
    with pytest.raises(InvalidInput):
        Driver(SessionOptions(history=history))


# --- saying, failing, updating ---


def test_what_is_to_be_said_is_said_without_the_responder() -> None:
    driver = Driver()
    driver.send(m.Say(text="Good day. How are you?"))
    driver.speak()
    driver.wait(5)
    assert not driver.all(c.Answer)
    assert [order.text for order in driver.all(c.Speak)] == ["Good day. ", "How are you?"]
    assert text_of(driver.last(m.ResponseDone).items[0]) == "Good day. How are you?"
    driver.send(m.ResponseCreate())
    assert text_of(driver.last(c.Answer).request.items[0]) == "Good day. How are you?"


def test_what_is_to_be_said_is_written_in_a_text_session() -> None:
    driver = Driver(TEXT)
    driver.send(m.Say(text="Good day."))
    assert driver.last(m.OutputTextDone).text == "Good day."
    assert driver.last(m.ResponseDone).status == "completed"


def test_a_stage_that_fails_fails_its_response_and_what_was_said_stands() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    driver.answer("one two")
    driver.spoken(said("one two"))
    out = driver.fail("The voice is gone.", driver.last(c.Speak).response_id)
    done = out[-1]
    assert isinstance(done, m.ResponseDone)
    assert done.status == "failed"
    assert done.error == m.ErrorDetail(message="The voice is gone.", type="server_error")
    assert text_of(done.items[0]).strip() == "one two"
    assert done.items[0].status == "incomplete"
    assert driver.fail("Again.", done.response_id) == []
    driver.send(m.Say(text="Hello"))
    driver.speak()
    assert driver.last(m.ResponseDone).status == "completed"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"instructions": "New."}, "instructions"),
        ({"tools": (LOOK,)}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"max_output_tokens": 7}, "max_output_tokens"),
        ({"temperature": 0.1}, "temperature"),
    ],
)
def test_options_that_change_hold_for_the_next_answer(changes: dict[str, object], field: str) -> None:
    driver = Driver()
    [updated] = driver.send(update(**changes))
    assert isinstance(updated, m.SessionUpdated)
    assert getattr(updated.options, field) == changes[field]
    assert updated.options.voice == driver.engine.options.voice  # the others stay
    driver.send(m.ResponseCreate())
    assert getattr(driver.last(c.Answer).request, field) == changes[field]


def test_what_users_say_to_new_tools_is_worked_out_before_they_say_it() -> None:
    driver = Driver()
    driver.send(update(instructions="New."))
    assert driver.commands == []
    driver.send(update(tools=(LOOK,)))
    assert driver.commands == [c.PrepareHints((LOOK,))]


def test_the_voice_the_speed_and_the_modality_may_change() -> None:
    driver = Driver(SessionOptions(voice="alto"))
    driver.send(update(voice="tenor", speed=1.5), m.Say(text="Hello"))
    assert driver.last(c.Speak).voice == "tenor"
    assert driver.last(c.Speak).speed == 1.5
    driver.speak()
    driver.send(update(output_modalities=("text",)), m.Say(text="Hello"))
    assert driver.last(m.OutputTextDone).text == "Hello"
    driver.send(update(parallel_tool_calls=False), m.ResponseCreate())
    assert not driver.last(c.Answer).request.parallel_tool_calls


def test_turn_detection_keeps_what_an_update_does_not_state() -> None:
    driver = Driver(detecting(create_response=False, prefix_padding_ms=0))
    driver.send(update(turn_detection=ServerTurnDetection(silence_ms=200)))
    detection = driver.last(m.SessionUpdated).options.turn_detection
    assert isinstance(detection, ServerTurnDetection)
    assert (detection.create_response, detection.prefix_padding_ms, detection.silence_ms) == (False, 0, 200)
    out = driver.hear(silence(1_000) + speech(400) + silence(300))
    assert "ResponseCreated" not in names(out)
    assert driver.last(m.InputSpeechStarted).audio_start_ms == 1_000


def test_an_update_that_makes_no_sense_changes_nothing() -> None:
    driver = Driver(SessionOptions(instructions="Old."))
    with pytest.raises(InvalidInput):
        driver.send(update(instructions="New.", turn_detection=ServerTurnDetection(threshold=2.0)))
    driver.send(m.ResponseCreate())
    assert driver.last(c.Answer).request.instructions == "Old."


def test_what_there_is_no_wire_for_is_refused() -> None:
    driver = Driver()
    with pytest.raises(UnsupportedOperation):
        driver.send(m.RawClientMessage(data={"type": "x"}))
    with pytest.raises(UnsupportedOperation):
        driver.send(m.FunctionCallApproval(approval_id="a", approve=True))
    with pytest.raises(UnsupportedOperation, match="extra"):
        Driver(SessionOptions(extra={"x": 1}))


def test_the_end_of_a_session_stops_what_runs() -> None:
    driver = Driver()
    driver.hear(speech(400))
    driver.send(m.ResponseCreate())
    driver.engine.close()
    commands = driver.engine.take_commands()
    assert c.StopResponse(driver.last(m.ResponseCreated).response_id) in commands
    assert any(isinstance(command, c.CancelUtterance) for command in commands)
    assert driver.engine.deadline() is None
