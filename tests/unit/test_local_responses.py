"""The answering half of the embedded provider: which response runs, what it is told, how it ends."""

from __future__ import annotations

import pytest

from duologue import messages as m
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_8K
from duologue.local import commands as c
from duologue.options import FunctionChoice, ServerTurnDetection, SessionOptions
from duologue.speech.responder import CallRequested, Finished, TextChunk
from duologue.tools import FunctionTool
from engine_driver import Driver, detecting, manual, names, said, silence, speech

TEXT = SessionOptions(output_modalities=("text",))
LOOK = FunctionTool(name="look", description="Look.")

SPOKEN = [
    "ResponseCreated",
    "OutputItemAdded",
    "ItemAdded",
    "ContentPartAdded",
    "OutputTranscriptDelta",
    "OutputAudioDelta",
    "OutputAudioDone",
    "OutputTranscriptDone",
    "ContentPartDone",
    "ItemDone",
    "OutputItemDone",
    "ResponseDone",
]


def update(**options: object) -> m.SessionUpdate:
    return m.SessionUpdate(options=SessionOptions(**options))  # type: ignore[arg-type]


def text_of(item: m.Item) -> str:
    assert isinstance(item, m.MessageItem)
    return item.text


# --- the documented order ---


def test_a_spoken_response_has_the_documented_order() -> None:
    driver = Driver()
    out = driver.send(m.ResponseCreate(metadata={"topic": "greeting"}))
    assert names(out) == ["ResponseCreated"]
    out += driver.answer("Hello")
    out += driver.speak()
    assert names(out) == SPOKEN
    done = out[-1]
    assert isinstance(done, m.ResponseDone)
    assert done.status == "completed"
    assert done.metadata == {"topic": "greeting"}
    assert text_of(done.items[0]) == "Hello"
    assert {getattr(message, "response_id", done.response_id) for message in out} == {done.response_id}
    assert driver.audio_ms == 100


def test_a_text_response_has_the_documented_order() -> None:
    driver = Driver(TEXT)
    out = driver.send(m.ResponseCreate()) + driver.answer("Hel", "lo")
    assert names(out) == [
        "ResponseCreated",
        "OutputItemAdded",
        "ItemAdded",
        "ContentPartAdded",
        "OutputTextDelta",
        "OutputTextDone",
        "ContentPartDone",
        "ItemDone",
        "OutputItemDone",
        "ResponseDone",
    ]
    assert [delta.text for delta in driver.all(m.OutputTextDelta)] == ["Hel", "lo"]
    assert not driver.all(c.Speak)
    assert not driver.last(c.Answer).request.spoken


def test_speech_before_and_after_a_call_keeps_its_place() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    driver.write("Let me see.", CallRequested("look", '{"at": "sky"}', "call_1"), "It is blue.")
    assert not driver.all(m.FunctionArgumentsDone)  # the speech before it is not out
    driver.speak()
    driver.answer()
    driver.speak()
    done = driver.last(m.ResponseDone)
    assert [type(item).__name__ for item in done.items] == ["MessageItem", "FunctionCall", "MessageItem"]
    assert [text_of(item) for item in done.items[::2]] == ["Let me see.", "It is blue."]
    [call] = done.function_calls
    assert (call.name, call.arguments, call.call_id, call.status) == ("look", '{"at": "sky"}', "call_1", "completed")
    kinds = names(driver.messages)
    assert kinds.index("OutputAudioDone") < kinds.index("FunctionArgumentsDone")
    indices = [added.output_index for added in driver.all(m.OutputItemAdded)]
    assert indices == [0, 1, 2]


def test_an_answer_of_nothing_is_complete() -> None:
    for events in ((), ("",), ("  ",)):
        driver = Driver()
        driver.send(m.ResponseCreate())
        driver.answer(*events)
        if driver.all(c.Speak):
            driver.speech_done()
        assert driver.last(m.ResponseDone).status == "completed"
        assert driver.engine.deadline() is None


def test_an_answer_that_is_not_whole_says_why() -> None:
    usage = m.Usage(input_tokens=3, output_tokens=4)
    driver = Driver(TEXT)
    driver.send(m.ResponseCreate())
    driver.write("Hello", Finished("max_output_tokens", usage))
    done = driver.last(m.ResponseDone)
    assert (done.status, done.reason, done.usage) == ("incomplete", "max_output_tokens", usage)
    assert done.items[0].status == "incomplete"


def test_what_a_responder_says_after_its_end_is_not_said() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    driver.write(Finished(), "More", CallRequested("look", "{}"), Finished())
    driver.finish()
    assert names(driver.messages[1:]) == ["ResponseCreated", "ResponseDone"]
    assert not driver.all(c.Speak)


# --- one at a time ---


@pytest.mark.parametrize("request_", [m.ResponseCreate(id="second"), m.Say(text="Hi", id="second")])
def test_a_second_response_is_refused_with_its_cause(request_: m.ResponseCreate | m.Say) -> None:
    driver = Driver()
    driver.send(m.ResponseCreate(id="first"))
    [error] = driver.send(request_)
    assert isinstance(error, m.ErrorReported)
    assert error.kind == "response_active"
    assert error.error.code == "conversation_already_has_active_response"
    assert error.cause_id == "second"
    assert error.cause == request_
    driver.answer("Hello")
    driver.speak()
    assert len(driver.all(m.ResponseDone)) == 1
    assert names(driver.send(m.ResponseCreate())) == ["ResponseCreated"]


def test_out_of_band_responses_run_beside_the_active_one() -> None:
    driver = Driver(TEXT)
    driver.send(m.ItemCreate(item=m.MessageItem.user("Hello")))
    driver.send(m.ResponseCreate())
    main = driver.last(c.Answer)
    question = m.MessageItem.user("Is it spam?", id="q")
    beside = m.ResponseCreate(out_of_band=True, items=(question,), metadata={"kind": "spam"}, instructions="Judge.")
    [created] = driver.send(beside)
    assert isinstance(created, m.ResponseCreated)
    assert created.out_of_band
    assert created.conversation_id is None
    side = driver.last(c.Answer)
    assert side.request.items == (question,)
    assert side.request.instructions == "Judge."
    out = driver.answer("No.", response_id=side.response_id)
    assert "ItemAdded" not in names(out)
    assert "ItemDone" not in names(out)
    done = driver.last(m.ResponseDone)
    assert (done.response_id, done.metadata, done.out_of_band) == (side.response_id, {"kind": "spam"}, True)
    driver.answer("Hi!", response_id=main.response_id)
    driver.send(m.ResponseCreate())
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == ["Hello", "Hi!"]


def test_two_spoken_responses_beside_each_other_do_not_mix() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    driver.answer("one two")
    driver.send(m.ResponseCreate(out_of_band=True, items=()))
    driver.answer("three")
    first, second = driver.all(c.Speak)
    driver.spoken(said(second.text), second.response_id)
    driver.spoken(said(first.text), first.response_id)
    driver.speech_done(first.response_id)
    driver.speech_done(second.response_id)
    driver.wait(5)
    texts = {done.response_id: text_of(done.items[0]) for done in driver.all(m.ResponseDone)}
    assert sorted(texts.values()) == ["one two", "three"]


def test_an_out_of_band_response_does_not_wait_for_words_that_it_does_not_read() -> None:
    driver = Driver(manual())
    driver.hear(speech(100))
    driver.send(m.InputAudioCommit())
    pending = driver.last(c.FinishUtterance).item_id
    driver.send(m.ResponseCreate(out_of_band=True, items=(m.MessageItem.user("Hello"),)))
    assert len(driver.all(c.Answer)) == 1
    driver.send(m.ResponseCreate(out_of_band=True, items=(m.ItemReference(id=pending),)))
    assert len(driver.all(c.Answer)) == 1
    driver.transcript("words")
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == ["words"]


def test_out_of_band_items_cannot_be_touched() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate(out_of_band=True, items=()))
    driver.answer("Hello")
    driver.speak()
    item_id = driver.last(m.OutputItemDone).item.id or ""
    for message in (
        m.ItemTruncate(item_id=item_id, audio_end_ms=10),
        m.ItemDelete(item_id=item_id),
        m.ItemRetrieve(item_id=item_id),
    ):
        assert names(driver.send(message)) == ["ErrorReported"]


# --- what the responder is told ---


def test_the_options_of_the_session_are_told() -> None:
    options = SessionOptions(
        instructions="Be brief.",
        tools=(LOOK,),
        tool_choice=FunctionChoice("look"),
        parallel_tool_calls=False,
        max_output_tokens=50,
        temperature=0.3,
    )
    driver = Driver(options)
    driver.send(m.ResponseCreate())
    told = driver.last(c.Answer).request
    assert told.items == ()  # it speaks first
    assert told.instructions == "Be brief."
    assert told.tools == (LOOK,)
    assert told.tool_choice == FunctionChoice("look")
    assert not told.parallel_tool_calls
    assert told.max_output_tokens == 50
    assert told.temperature == 0.3
    assert told.understood
    assert not told.idle
    assert told.spoken


def test_one_response_may_differ_in_everything() -> None:
    driver = Driver(SessionOptions(instructions="Be brief.", tools=(LOOK,), max_output_tokens=50, voice="alto"))
    request = m.ResponseCreate(
        instructions="",
        tools=(),
        tool_choice="none",
        parallel_tool_calls=False,
        max_output_tokens="unlimited",
        voice="tenor",
        output_audio=PCM16_8K,
        items=(m.MessageItem.user("Hi"),),
    )
    [created] = driver.send(request)
    told = driver.last(c.Answer).request
    assert (told.instructions, told.tools, told.tool_choice, told.max_output_tokens) == ("", (), "none", None)
    assert not told.parallel_tool_calls
    assert [text_of(item) for item in told.items] == ["Hi"]
    assert isinstance(created, m.ResponseCreated)
    assert (created.voice, created.output_audio, created.max_output_tokens) == ("tenor", PCM16_8K, "unlimited")
    driver.answer("Hello you")
    assert driver.last(c.Speak).voice == "tenor"
    driver.speak()
    assert {delta.format for delta in driver.all(m.OutputAudioDelta)} == {PCM16_8K}
    assert driver.audio_ms == pytest.approx(200)
    driver.send(m.ResponseCreate(output_modalities=("text",)))
    assert not driver.last(c.Answer).request.spoken
    driver.answer("Hi")
    assert text_of(driver.last(m.ResponseDone).items[0]) == "Hi"
    driver.send(m.ResponseCreate())
    assert driver.last(m.ResponseCreated).voice == "alto"  # only that one differed


def test_items_may_be_referred_to() -> None:
    driver = Driver(TEXT)
    driver.send(m.ItemCreate(item=m.MessageItem.user("one", id="a")), m.ItemCreate(item=m.MessageItem.user("two")))
    driver.send(m.ResponseCreate(items=(m.ItemReference(id="a"), m.MessageItem.user("three"))))
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == ["one", "three"]
    driver.answer("ok")
    [error] = driver.send(m.ResponseCreate(id="r", items=(m.ItemReference(id="nothing"),)))
    assert isinstance(error, m.ErrorReported)
    assert error.cause_id == "r"
    assert "nothing" in error.error.message


def test_items_deleted_while_words_are_awaited_are_left_out() -> None:
    driver = Driver(manual())
    driver.send(m.ItemCreate(item=m.MessageItem.user("one", id="a")))
    driver.hear(speech(100))
    driver.send(m.InputAudioCommit())
    pending = driver.last(c.FinishUtterance).item_id
    driver.send(m.ResponseCreate(items=(m.ItemReference(id="a"), m.ItemReference(id=pending))))
    driver.send(m.ItemDelete(item_id="a"))
    driver.transcript("two")
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == ["two"]


@pytest.mark.parametrize(
    ("request_", "match"),
    [
        (m.ResponseCreate(items=(m.MessageItem.image(m.ImageContent(data=b"png")),)), "ImageContent"),
        (m.ResponseCreate(items=(m.MessageItem(role="user", content=(m.AudioContent(audio=b"12"),)),)), "ItemRef"),
        (m.ResponseCreate(items=(m.RawItem(data={}),)), "RawItem"),
    ],
)
def test_requests_that_cannot_be_followed_are_refused(request_: m.ResponseCreate, match: str) -> None:
    driver = Driver()
    with pytest.raises(UnsupportedOperation, match=match):
        driver.send(request_)
    assert driver.messages[1:] == []
    driver.send(m.ResponseCreate())
    assert driver.all(c.Answer)


@pytest.mark.parametrize("message", [m.ResponseCreate(voice="bass"), update(voice="bass"), update(speed=9.0)])
def test_voices_and_speeds_that_do_not_exist_are_refused(message: m.ClientMessage) -> None:
    driver = Driver()
    with pytest.raises(InvalidInput):
        driver.send(message)
    assert driver.messages[1:] == []


def test_voices_may_be_altered_and_written_in_any_case() -> None:
    for voice in ("Alto", "tenor+f3"):
        Driver(SessionOptions(voice=voice))
    Driver(SessionOptions(voice="anything"), voices=())
    with pytest.raises(InvalidInput, match="alto"):
        Driver(SessionOptions(voice="altoo"))


# --- words that are awaited ---


def test_an_answer_waits_for_all_words_and_gets_the_options_of_then() -> None:
    driver = Driver()
    driver.say_something()
    assert not driver.all(c.Answer)
    driver.send(update(instructions="New."))
    driver.transcript("hello")
    assert driver.last(c.Answer).request.instructions == "New."
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == ["hello"]


@pytest.mark.parametrize(("text", "understood"), [("", True), (" ", True), ("mumble", False)])
def test_words_that_were_not_made_out_are_told_as_such(text: str, understood: bool) -> None:
    driver = Driver()
    driver.say_something()
    driver.transcript(text, understood=understood)
    assert driver.last(c.Answer).request.understood is False
    driver.answer("Pardon?")
    driver.speak()
    driver.send(m.ItemCreate(item=m.MessageItem.user("I meant this.")), m.ResponseCreate())
    assert driver.last(c.Answer).request.understood is True
    driver.send(m.ResponseCancel(), m.ResponseCreate(items=(m.MessageItem.user("Hello"),)))
    assert driver.last(c.Answer).request.understood is True


def test_a_response_whose_words_will_not_come_fails_and_the_session_goes_on() -> None:
    driver = Driver()
    driver.say_something()
    out = driver.transcript_failed("The worker died.")
    assert names(out) == ["InputTranscriptFailed", "ResponseDone"]
    done = driver.last(m.ResponseDone)
    assert done.status == "failed"
    assert done.error is not None
    assert done.error.message == "The worker died."
    driver.say_something()
    driver.transcript("hello")
    assert driver.last(c.Answer).request.understood


def test_a_transcript_that_fails_leaves_responses_alone_that_do_not_read_it() -> None:
    driver = Driver(manual())
    driver.hear(speech(100))
    driver.send(m.InputAudioCommit())
    first = driver.last(c.FinishUtterance).item_id
    driver.hear(speech(100))
    driver.send(m.InputAudioCommit())
    second = driver.last(c.FinishUtterance).item_id
    driver.send(m.ResponseCreate(out_of_band=True, items=(m.ItemReference(id=second),)))
    driver.transcript_failed("no", first)
    assert not driver.all(m.ResponseDone)
    driver.transcript("hello", second)
    assert driver.all(c.Answer)


def test_deleting_the_item_whose_words_are_awaited_lets_the_answer_go_on() -> None:
    driver = Driver()
    driver.say_something()
    driver.send(m.ItemDelete(item_id=driver.last(c.FinishUtterance).item_id))
    assert driver.last(c.Answer).request.items == ()


def test_requests_that_wait_for_the_same_words_are_asked_in_their_order() -> None:
    driver = Driver(manual())
    driver.hear(speech(100))
    driver.send(m.InputAudioCommit())
    for number in range(12):
        driver.send(m.ResponseCreate(out_of_band=True, metadata={"number": str(number)}))
    driver.transcript("hello")
    created = [message.response_id for message in driver.all(m.ResponseCreated)]
    assert [order.response_id for order in driver.all(c.Answer)] == created


# --- cancelling ---


def test_a_response_can_be_cancelled_before_the_words_are_there() -> None:
    driver = Driver()
    driver.say_something()
    [done] = driver.send(m.ResponseCancel())
    assert isinstance(done, m.ResponseDone)
    assert (done.status, done.reason, done.items) == ("cancelled", "client_cancelled", ())
    driver.transcript("hello")
    assert not driver.all(c.Answer)


def test_a_response_can_be_cancelled_before_its_first_text() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    [done] = driver.send(m.ResponseCancel())
    assert isinstance(done, m.ResponseDone)
    assert driver.commands[-1] == c.StopResponse(done.response_id)
    assert driver.answer("Too late.") == []


def test_a_response_can_be_cancelled_before_its_first_audio() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    driver.write("Hello. How are")
    [done] = driver.send(m.ResponseCancel())
    assert isinstance(done, m.ResponseDone)
    assert driver.speak() == []


def test_a_response_can_be_cancelled_while_it_speaks() -> None:
    driver = Driver(lead_ms=200)
    driver.send(m.ResponseCreate())
    driver.answer("one two three four five six")
    driver.speak()
    assert driver.audio_ms == 200
    out = driver.send(m.ResponseCancel(response_id=driver.last(m.ResponseCreated).response_id))
    assert names(out) == SPOKEN[6:]
    done = driver.last(m.ResponseDone)
    assert done.items[0].status == "incomplete"
    assert text_of(done.items[0]).split() == ["one", "two"]
    assert driver.wait(10) == []
    assert driver.engine.deadline() is None


def test_cancelling_what_is_over_is_harmless_or_an_error_that_names_it() -> None:
    driver = Driver(TEXT)
    assert driver.send(m.ResponseCancel()) == []
    driver.send(m.ResponseCreate())
    driver.answer("Hello")
    assert driver.send(m.ResponseCancel()) == []
    [error] = driver.send(m.ResponseCancel(id="c", response_id=driver.last(m.ResponseDone).response_id))
    assert isinstance(error, m.ErrorReported)
    assert (error.cause_id, error.error.code) == ("c", "response_cancel_not_active")


def test_an_out_of_band_response_is_cancelled_by_its_id_only() -> None:
    driver = Driver(TEXT)
    driver.send(m.ResponseCreate(out_of_band=True, items=()))
    assert driver.send(m.ResponseCancel()) == []
    [done] = driver.send(m.ResponseCancel(response_id=driver.last(m.ResponseCreated).response_id))
    assert isinstance(done, m.ResponseDone)
    assert done.status == "cancelled"


# --- the user interrupts ---


def test_speech_cancels_the_answer_and_a_new_one_follows() -> None:
    driver = Driver(lead_ms=200)
    driver.send(m.ResponseCreate())
    driver.answer("one two three four")
    driver.speak()
    out = driver.hear(speech(400))
    assert names(out) == ["InputSpeechStarted", *SPOKEN[6:]]
    assert (driver.last(m.ResponseDone).status, driver.last(m.ResponseDone).reason) == ("cancelled", "turn_detected")
    driver.hear(silence(700))
    driver.transcript("stop")
    assert [text_of(item).strip() for item in driver.last(c.Answer).request.items] == ["one two", "stop"]


def test_a_manual_turn_interrupts_too() -> None:
    driver = Driver(manual())
    driver.send(m.ResponseCreate())
    out = driver.send(m.UserTurnStart())
    assert names(out) == ["InputSpeechStarted", "ResponseDone"]


def test_the_user_who_goes_on_gets_one_answer_to_both() -> None:
    driver = Driver()
    driver.say_something()
    first = driver.last(c.FinishUtterance).item_id
    driver.say_something()
    second = driver.last(c.FinishUtterance).item_id
    assert [done.reason for done in driver.all(m.ResponseDone)] == ["turn_detected"]
    driver.transcript("two", second)
    assert not driver.all(c.Answer)
    driver.transcript("one", first)
    [order] = driver.all(c.Answer)
    assert [text_of(item) for item in order.request.items] == ["one", "two"]


def test_speech_that_may_not_interrupt_is_answered_afterwards() -> None:
    driver = Driver(SessionOptions(turn_detection=ServerTurnDetection(interrupt_response=False)))
    driver.send(m.ResponseCreate())
    driver.say_something()
    driver.transcript("and this?")
    assert not driver.all(m.ResponseDone)
    driver.answer("Hello")
    out = driver.speak()
    assert names(out)[-2:] == ["ResponseDone", "ResponseCreated"]  # at once, without another event
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == ["and this?", "Hello"]


def test_items_of_an_answer_come_after_what_was_said_meanwhile() -> None:
    driver = Driver(SessionOptions(turn_detection=ServerTurnDetection(interrupt_response=False)))
    driver.send(m.ResponseCreate())
    driver.say_something()
    user_item = driver.last(m.InputAudioCommitted).item_id
    driver.answer("Hello")
    driver.speak()
    answers = [message for message in driver.all(m.ItemDone) if text_of(message.item) == "Hello"]
    assert [message.previous_item_id for message in answers] == [user_item]


def test_turns_need_not_be_answered() -> None:
    driver = Driver(detecting(create_response=False))
    assert "ResponseCreated" not in names(driver.say_something())
    driver.transcript("hello")
    driver.send(m.ResponseCreate())
    assert [text_of(item) for item in driver.last(c.Answer).request.items] == ["hello"]


def test_text_chunks_are_said_in_their_order() -> None:
    driver = Driver()
    driver.send(m.ResponseCreate())
    driver.answer(*(TextChunk(text) for text in ("The fi", "rst. The", " second.\nThe third")))
    driver.speak()
    driver.wait(5)
    assert [order.text for order in driver.all(c.Speak)] == ["The first. ", "The second.\n", "The third"]
    assert text_of(driver.last(m.ResponseDone).items[0]) == "The first. The second.\nThe third"
