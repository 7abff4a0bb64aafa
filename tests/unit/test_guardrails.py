"""Checks of what is said, and what their verdicts do to a session."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import pytest

from duologue import messages as m
from duologue.client import DuologueWarning
from duologue.errors import InvalidInput, SessionClosed, Stopped
from duologue.messages.base import ClientMessage
from duologue.middleware.guardrails import CheckContext, Guardrails, Verdict
from guarded import created, done, end_of, guarded, item_added, settled, words
from links import EVERYTHING, WireClient, audio

BLOCK = Verdict.interrupt("no")


# --- what the model says ---


async def test_that_an_answer_is_checked_as_it_grows_one_check_at_a_time() -> None:
    talk = await guarded()
    talk.link.push(created(), words("One."))
    first = await talk.judge.asked()
    talk.link.push(words(" Two."), words(" Three"))
    await settled()
    assert talk.judge.questions.empty()
    first.verdict.set_result(None)
    second = await talk.judge.asked()
    talk.link.push(done())
    second.verdict.set_result(Verdict.allow())
    await settled()
    assert (first.text, first.context.passed, first.context.is_whole) == ("One.", 0, False)
    assert (second.text, second.context.passed) == ("One. Two. Three", 4)
    assert talk.judge.questions.empty()  # all of it was checked
    assert [await talk.judge.outcome() for _ in range(2)] == ["passed", "passed"]
    context = second.context
    assert (context.direction, context.response_id, context.item_id) == ("output", "r1", None)
    assert context.turn_id is not None
    assert context.session.options is talk.session.options
    assert talk.types() == ["response_created", *["output_transcript_delta"] * 3, "response_done", "turn_done"]
    await talk.session.aclose()


async def test_that_the_end_of_an_answer_is_checked() -> None:
    talk = await guarded()
    talk.link.push(created(), words("One"), done())
    question = await talk.judge.asked()
    assert (question.text, question.context.is_whole) == ("One", True)
    await talk.session.aclose()


async def test_that_a_verdict_stops_the_answer() -> None:
    talk = await guarded()
    talk.link.push(created(), item_added(), words("Bad."), audio(1000))
    talk.read()
    talk.clock.now += 0.4
    assert await talk.judge.decide(BLOCK) == "stopped"
    talk.link.push(words(" Worse."), audio(100), done("r1", "cancelled"))
    messages = talk.read()
    assert [message.type for message in messages] == [
        "interrupted",
        "error_reported",
        "response_done",
        "turn_done",
    ]
    interrupted, report = messages[0], messages[1]
    assert isinstance(interrupted, m.Interrupted)
    assert (interrupted.response_id, interrupted.heard_ms) == ("r1", 400)
    assert isinstance(report, m.ErrorReported)
    assert (report.kind, report.error.message, report.error.code) == ("guardrail", "no", "output")
    assert report.turn_id == interrupted.turn_id
    cancel, truncate = talk.link.written
    assert isinstance(cancel, m.ResponseCancel)
    assert cancel.response_id == "r1"
    assert isinstance(truncate, m.ItemTruncate)
    assert truncate.audio_end_ms == 400
    await talk.session.aclose()


async def test_that_an_answer_which_is_still_playing_is_stopped() -> None:
    talk = await guarded()
    talk.link.push(created(), words("Bad."), audio(1000), done())
    talk.clock.now += 0.4
    assert await talk.judge.decide(BLOCK) == "stopped"
    assert talk.sent() == ["item_truncate"]
    await talk.session.aclose()


async def test_that_a_verdict_after_the_answer_was_heard_is_late() -> None:
    talk = await guarded()
    talk.link.push(created(), words("Bad."), audio(1000), done())
    talk.clock.now += 2
    assert await talk.judge.decide(Verdict.say("Sorry.", delete=True)) == "late"
    assert talk.sent() == []
    assert "error_reported" not in talk.types()
    await talk.session.aclose()


@pytest.mark.parametrize("verdict", [BLOCK, Verdict.say("Sorry."), Verdict.end()], ids=lambda verdict: verdict.action)
async def test_that_a_late_verdict_never_hits_a_newer_answer(verdict: Verdict) -> None:
    talk = await guarded()
    talk.link.push(created("r1"), words("Bad.", "r1"), audio(1000, response="r1"))
    question = await talk.judge.asked()
    talk.link.push(m.InputSpeechStarted(item_id="u"), done("r1", "cancelled"))
    talk.link.push(created("r2"), words("Good", "r2", "i2"), audio(1000, response="r2", item="i2"))
    before = talk.sent()
    question.verdict.set_result(verdict)
    assert await talk.judge.outcome() == "late"
    await settled()
    assert talk.sent() == before
    assert talk.session.ended is None
    talk.link.push(audio(100, response="r2", item="i2"))
    assert talk.types()[-1] == "output_audio_delta"
    await talk.session.aclose()


async def test_that_a_verdict_about_an_interrupted_answer_is_late() -> None:
    talk = await guarded()
    talk.link.push(created(), words("Bad."), audio(1000))
    question = await talk.judge.asked()
    talk.link.push(m.InputSpeechStarted(item_id="u"))
    before = talk.sent()
    question.verdict.set_result(BLOCK)
    assert await talk.judge.outcome() == "late"
    assert talk.sent() == before
    await talk.session.aclose()


async def test_that_a_response_beside_the_conversation_is_stopped_alone() -> None:
    talk = await guarded()
    talk.link.push(created("r1"), created("o", out_of_band=True), item_added("o", "i9"), words("Bad.", "o", "i9"))
    assert await talk.judge.decide(Verdict.interrupt(delete=True)) == "stopped"
    talk.link.push(done("o", "cancelled", out_of_band=True))
    await settled()
    (cancel,) = talk.link.written
    assert isinstance(cancel, m.ResponseCancel)
    assert cancel.response_id == "o"
    assert "interrupted" not in talk.types()
    await talk.session.aclose()


async def test_that_something_is_said_instead_and_not_checked() -> None:
    talk = await guarded()
    talk.link.push(created("r1"), words("Bad."))
    assert await talk.judge.decide(Verdict.say("Sorry. I cannot say.")) == "stopped"
    assert talk.sent() == ["response_cancel"]  # it waits for the end of what was cancelled
    talk.link.push(done("r1", "cancelled"))
    say = talk.link.written[-1]
    assert isinstance(say, m.Say)
    assert say.text == "Sorry. I cannot say."
    talk.link.push(created("r2"), words("Sorry.", "r2", "i2"), words(" I cannot say.", "r2", "i2"))
    await settled()
    assert talk.judge.questions.empty()
    talk.link.push(words(" But I can.", "r2", "i2"))  # a provider that does not keep to it
    assert await talk.judge.decide(Verdict.say("Sorry, no.")) == "stopped"
    talk.link.push(done("r2", "cancelled"))
    assert len(talk.link.written_of(m.Say)) == 1  # what replaces an answer is not replaced
    talk.link.push(created("r3"), words("Bad.", "r3", "i3"))
    assert await talk.judge.decide(Verdict.say("Sorry.")) == "stopped"
    await talk.session.aclose()


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"say": "none"}, m.ResponseCreate),
        ({"say": "none", "response_options": frozenset()}, None),
        ({"say": "none", "explicit_response": False}, None),
    ],
)
async def test_what_is_said_instead_where_the_provider_cannot(
    changes: dict[str, Any], sent: type[ClientMessage] | None
) -> None:
    talk = await guarded(capabilities=msgspec.structs.replace(EVERYTHING, **changes))
    talk.link.push(created(), words("Bad."))
    assert await talk.judge.decide(Verdict.say("Sorry.")) == "stopped"
    talk.link.push(done("r1", "cancelled"))
    asked = talk.link.written[1:]
    assert [type(message) for message in asked] == ([sent] if sent else [])
    if sent:
        assert isinstance(asked[0], m.ResponseCreate)
        assert "Sorry." in (asked[0].instructions or "")
    await talk.session.aclose()


async def test_that_what_was_heard_can_be_deleted() -> None:
    talk = await guarded()
    talk.link.push(created(), item_added(), words("Bad."), audio(1000))
    talk.clock.now += 0.4
    assert await talk.judge.decide(Verdict.interrupt(delete=True)) == "stopped"
    talk.link.push(item_added(item="i2"), done("r1", "cancelled"))
    await settled()
    assert talk.sent() == ["response_cancel", "item_truncate", "item_delete", "item_delete"]
    assert [message.item_id for message in talk.link.written_of(m.ItemDelete)] == ["i1", "i2"]
    await talk.session.aclose()


async def test_that_nothing_is_deleted_twice() -> None:
    talk = await guarded()
    talk.link.push(created(), item_added(), words("Bad."), audio(1000))
    assert await talk.judge.decide(Verdict.interrupt(delete=True)) == "stopped"
    talk.link.push(done("r1", "cancelled"))
    await settled()
    assert talk.sent() == ["response_cancel", "item_delete"]  # the runtime's, as nothing was heard
    await talk.session.aclose()


async def test_that_nothing_is_deleted_where_the_provider_cannot() -> None:
    talk = await guarded(capabilities=msgspec.structs.replace(EVERYTHING, delete=False))
    talk.link.push(created(), item_added(), words("Bad."), done())
    talk.link.push(created("r2"), words("Bad."))
    assert await talk.judge.decide(Verdict.interrupt(delete=True)) == "late"
    assert talk.sent() == []
    await talk.session.aclose()


async def test_that_a_verdict_can_end_the_session() -> None:
    talk = await guarded()
    talk.link.push(created(), words("Bad."), audio(100))
    question = await talk.judge.asked()
    question.verdict.set_result(Verdict.end("This must not be said."))
    assert await talk.judge.outcome() == "ended"
    end = await end_of(talk.session)
    assert isinstance(end, Stopped)
    assert (end.message, end.code, end.provider) == ("This must not be said.", "guardrail", "wire")
    assert talk.session.ended is end
    await talk.session.aclose()


# --- what the user says ---


async def test_that_the_answer_to_the_user_is_stopped() -> None:
    talk = await guarded(on="input")
    await talk.says("Bad")
    talk.link.push(created(), words("Well"), audio(100))
    question = await talk.judge.asked()
    assert (question.text, question.context.direction, question.context.item_id) == ("Bad", "input", "u0Bad")
    question.verdict.set_result(Verdict.interrupt("rude", delete=True))
    assert await talk.judge.outcome() == "stopped"
    assert talk.sent() == ["response_cancel", "item_delete", "item_delete"]
    deleted = [message.item_id for message in talk.link.written_of(m.ItemDelete)]
    assert deleted == ["i1", "u0Bad"]
    await talk.session.aclose()


async def test_that_an_answer_which_has_not_begun_is_stopped_when_it_begins() -> None:
    talk = await guarded(on="input")
    await talk.says("Bad")
    assert await talk.judge.decide(Verdict.say("Sorry.", "rude")) == "waiting"
    assert talk.sent() == []
    talk.read()
    talk.link.push(created("r1"), item_added(), words("Well"), audio(100))
    assert await talk.judge.outcome() == "stopped"
    assert talk.types() == ["interrupted", "response_created", "output_item_added", "error_reported"]
    talk.link.push(done("r1", "cancelled"))
    assert talk.sent() == ["response_cancel", "item_delete", "say"]
    talk.link.push(created("r2"), words("Sorry.", "r2", "i2"), done("r2"))
    assert talk.types()[-4:] == ["response_created", "output_transcript_delta", "response_done", "turn_done"]
    await talk.session.aclose()


async def test_that_the_answer_after_a_function_call_is_stopped_too() -> None:
    talk = await guarded(on="input")
    await talk.says("Bad")
    question = await talk.judge.asked()
    call = m.FunctionCall(id="f", call_id="c", name="f", status="completed")
    talk.link.push(created("r1"), words("Let me see."), audio(1000), done("r1", items=(call,)))
    question.verdict.set_result(Verdict.say("Sorry."))
    assert await talk.judge.outcome() == "waiting"
    assert talk.sent() == ["item_delete"]  # silenced: nothing of it was heard
    await talk.session.send(m.ItemCreate(item=m.FunctionResult(call_id="c", output="1")))
    await talk.session.send(m.ResponseCreate(follow_up=True))
    talk.link.push(created("r2"), words("It", "r2", "i2"))
    assert await talk.judge.outcome() == "stopped"
    talk.link.push(done("r2", "cancelled"))
    assert talk.sent()[-2:] == ["response_cancel", "say"]
    await talk.session.aclose()


async def test_that_something_is_said_instead_once_in_a_turn() -> None:
    talk = await guarded(on="input")
    await talk.says("Bad")
    assert await talk.judge.decide(Verdict.say("Sorry.")) == "waiting"
    await talk.session.send(m.ResponseCreate())
    talk.link.push(created("r1"))
    await talk.session.send(m.ResponseCreate(follow_up=True))  # keeps the turn open
    assert await talk.judge.outcome() == "stopped"
    talk.link.push(done("r1", "cancelled"), created("r2"))
    assert await talk.judge.outcome() == "stopped"
    talk.link.push(done("r2", "cancelled"), created("r3"), words("Sorry.", "r3", "i3"), done("r3"))
    await settled()
    assert len(talk.link.written_of(m.Say)) == 1
    assert talk.judge.judgements.empty()
    await talk.session.aclose()


async def test_that_an_answer_that_never_comes_is_reported() -> None:
    talk = await guarded(on="input")
    await talk.says("Bad")
    question = await talk.judge.asked()
    call = m.FunctionCall(id="f", call_id="c", name="f", status="completed")
    talk.link.push(created("r1"), done("r1", items=(call,)))
    question.verdict.set_result(BLOCK)
    assert await talk.judge.outcome() == "waiting"
    await talk.says("Good")  # the user goes on, and the first turn is over
    assert await talk.judge.outcome() == "late"
    assert await talk.judge.decide(None) == "passed"
    talk.link.push(created("r2"))
    await settled()
    assert talk.sent() == []
    await talk.session.aclose()


@pytest.mark.parametrize("verdict", [BLOCK, Verdict.say("Sorry."), Verdict.end()], ids=lambda verdict: verdict.action)
async def test_that_a_late_verdict_never_hits_the_answer_to_a_newer_turn(verdict: Verdict) -> None:
    talk = await guarded(on="input")
    await talk.says("Bad")
    question = await talk.judge.asked()
    talk.link.push(created("r1"), audio(1000), done("r1"))
    await talk.says("Good")
    assert await talk.judge.decide(None) == "passed"
    talk.link.push(created("r2"), audio(1000, response="r2", item="i2"))
    before = talk.sent()
    question.verdict.set_result(verdict)
    assert await talk.judge.outcome() == "late"
    await settled()
    assert talk.sent() == before
    assert talk.session.ended is None
    await talk.session.aclose()


async def test_that_what_the_user_writes_is_checked_once() -> None:
    talk = await guarded(on="input")
    await talk.session.send_text("Bad")
    item = m.MessageItem(id="u1", role="user", content=(m.TextContent(text="Bad"),))
    talk.link.push(m.ItemAdded(item=item), m.ItemDone(item=item))
    assert await talk.judge.decide(BLOCK) == "waiting"
    await settled()
    assert talk.judge.questions.empty()
    await talk.session.aclose()


async def test_that_the_history_of_a_session_is_not_checked() -> None:
    talk = await guarded(on="input")
    old = m.MessageItem(id="u1", role="user", content=(m.TextContent(text="Bad"),))
    mine = m.MessageItem(id="u2", role="assistant", content=(m.TextContent(text="Bad"),))
    talk.link.push(m.ItemAdded(item=old), m.ItemDone(item=mine))
    await settled()
    assert talk.judge.questions.empty()
    await talk.session.aclose()


async def test_that_a_late_end_still_ends_where_no_newer_answer_has_begun() -> None:
    talk = await guarded(on="input")
    await talk.says("Bad")
    question = await talk.judge.asked()
    talk.link.push(created("r1"), done("r1"))
    question.verdict.set_result(Verdict.end())
    assert await talk.judge.outcome() == "ended"
    assert isinstance(await end_of(talk.session), Stopped)
    await talk.session.aclose()


# --- held back ---


async def test_that_nothing_unchecked_goes_on() -> None:
    talk = await guarded(hold=True)
    talk.link.push(created(), item_added(), words("One."), audio(100), m.RateLimitsUpdated(limits=()))
    assert talk.types() == ["response_created", "output_item_added"]
    first = await talk.judge.asked()
    talk.link.push(words(" Two."), audio(100))
    first.verdict.set_result(None)
    second = await talk.judge.asked()
    assert talk.types() == ["output_transcript_delta", "output_audio_delta", "rate_limits_updated"]
    second.verdict.set_result(BLOCK)
    assert [await talk.judge.outcome() for _ in range(2)] == ["passed", "stopped"]
    item = m.MessageItem(id="i1", role="assistant", content=(m.AudioContent(transcript="One. Two."),))
    talk.link.push(m.OutputTranscriptDone(response_id="r1", item_id="i1", text="One. Two."), done(items=(item,)))
    messages = talk.read()
    assert [message.type for message in messages] == [
        "interrupted",
        "error_reported",
        "output_transcript_done",
        "response_done",
        "turn_done",
    ]
    text, end = messages[2], messages[3]
    assert isinstance(text, m.OutputTranscriptDone)
    assert text.text == "One."
    assert isinstance(end, m.ResponseDone)
    assert isinstance(end.items[0], m.MessageItem)
    assert end.items[0].text == "One."
    await talk.session.aclose()


async def test_that_an_answer_of_which_nothing_went_on_is_deleted() -> None:
    talk = await guarded(hold=True)
    talk.link.push(created(), item_added(), words("Bad."), audio(1000), done())
    talk.clock.now += 0.3  # the runtime believes that it is playing
    assert await talk.judge.decide(BLOCK) == "stopped"
    assert talk.sent() == ["item_truncate", "item_delete"]
    await talk.session.aclose()


async def test_that_an_answer_without_words_is_not_held() -> None:
    talk = await guarded(hold=True)
    talk.link.push(created(), audio(100))
    assert talk.types() == ["response_created"]
    talk.link.push(done())
    assert talk.types() == ["output_audio_delta", "response_done", "turn_done"]
    await talk.session.aclose()


async def test_that_words_which_come_at_once_are_held() -> None:
    talk = await guarded(hold=True)
    item = m.MessageItem(id="i1", role="assistant", content=(m.TextContent(text="Bad"),))
    talk.link.push(created(), m.OutputItemDone(response_id="r1", item=item), done(items=(item,)))
    assert talk.types() == ["response_created"]
    assert (await talk.judge.asked()).text == "Bad"
    await talk.session.aclose()


async def test_that_an_interruption_does_not_wait() -> None:
    talk = await guarded(hold=True)
    talk.link.push(created(), words("One."), audio(1000))
    question = await talk.judge.asked()
    talk.read()
    talk.link.push(m.InputSpeechStarted(item_id="u"), words(" Two."), done("r1", "cancelled"))
    assert talk.types() == ["interrupted", "input_speech_started", "response_done", "turn_done"]
    question.verdict.set_result(None)
    assert await talk.judge.outcome() == "passed"
    item = m.MessageItem(id="i1", role="assistant", content=(m.AudioContent(transcript="One."),))
    talk.link.push(m.OutputItemDone(response_id="r1", item=item))
    (closing,) = talk.read()
    assert isinstance(closing, m.OutputItemDone)
    assert isinstance(closing.item, m.MessageItem)
    assert closing.item.text == ""  # the user did not hear it
    await talk.session.aclose()


@pytest.mark.parametrize("verdict", [BLOCK, Verdict.end()], ids=lambda verdict: verdict.action)
async def test_that_a_held_answer_is_dropped_although_a_newer_one_has_begun(verdict: Verdict) -> None:
    talk = await guarded(hold=True)
    talk.link.push(created("r1"), item_added(), words("Bad."), done("r1"))
    question = await talk.judge.asked()
    talk.link.push(created("r2"), words("Good.", "r2", "i2"))
    question.verdict.set_result(verdict)
    assert await talk.judge.outcome() == "stopped"
    assert talk.sent() == ["item_delete"]
    assert await talk.judge.decide(None) == "passed"
    messages = talk.read()
    assert "Bad." not in repr(messages)
    assert isinstance(messages[-1], m.OutputTranscriptDelta)
    await talk.session.aclose()


async def test_that_at_the_end_what_is_held_is_closed_without_its_words() -> None:
    talk = await guarded(hold=True)
    talk.link.push(created(), words("One."), done())
    await talk.judge.asked()
    talk.read()
    await talk.session.aclose()
    assert talk.types() == ["response_done", "turn_done"]
    assert type(talk.session.ended) is SessionClosed


# --- checks ---


async def test_that_the_first_verdict_that_does_not_pass_counts() -> None:
    cancelled = asyncio.Event()

    async def slow(text: str, context: CheckContext) -> Verdict:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Verdict.allow()

    async def strict(text: str, context: CheckContext) -> Verdict:
        return BLOCK

    def plain(text: str, context: CheckContext) -> Verdict | None:
        return None

    talk = await guarded(on_output=[slow, plain, strict])
    talk.link.push(created(), words("Bad."))
    assert await talk.judge.outcome() == "stopped"
    assert cancelled.is_set()
    await talk.session.aclose()


@pytest.mark.parametrize(("on_error", "outcome"), [("pass", "passed"), ("block", "stopped")])
@pytest.mark.parametrize("fails", ["raises", "hangs", "talks"])
async def test_what_a_check_that_fails_means(
    on_error: str, outcome: str, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def check(text: str, context: CheckContext) -> Any:
        if fails == "raises":
            raise RuntimeError("a secret")
        return await asyncio.Event().wait() if fails == "hangs" else "Bad."

    with caplog.at_level(logging.INFO, "duologue.guardrails"):
        talk = await guarded(on_output=check, on_error=on_error, timeout=0.01)
        talk.link.push(created(), words("Good."))
        judgement = await asyncio.wait_for(talk.judge.judgements.get(), 5)
    assert judgement.outcome == outcome
    assert type(judgement.error) is {"raises": RuntimeError, "hangs": TimeoutError, "talks": InvalidInput}[fails]
    assert type(judgement.error).__name__ in caplog.text
    assert "secret" not in caplog.text
    await talk.session.aclose()


async def test_that_a_failure_can_be_raised_to_the_reader() -> None:
    async def check(text: str, context: CheckContext) -> None:
        raise RuntimeError("broken")

    talk = await guarded(on_output=check, on_error="raise")
    talk.link.push(created(), words("Good."))
    with pytest.raises(RuntimeError, match="broken"):
        async for _ in talk.session:
            pass
    await talk.session.aclose()


async def test_that_one_failure_does_not_hide_another_verdict() -> None:
    release = asyncio.Event()

    async def broken(text: str, context: CheckContext) -> None:
        raise RuntimeError

    async def strict(text: str, context: CheckContext) -> Verdict:
        await release.wait()
        return BLOCK

    talk = await guarded(on_output=[broken, strict], on_error="pass")
    talk.link.push(created(), words("Bad."))
    await settled()
    release.set()
    assert await talk.judge.outcome() == "stopped"
    await talk.session.aclose()


async def test_that_checks_end_with_their_session() -> None:
    talk = await guarded()
    talk.link.push(created(), words("One."))
    question = await talk.judge.asked()
    await talk.session.aclose()
    assert question.verdict.cancelled()


# --- settings ---


@pytest.mark.parametrize(
    "settings",
    [{"hold": True}, {"check_every": 0}, {"timeout": 0}, {"on_error": "maybe"}, {"on_input": ["bad"]}],
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        Guardrails(**settings)


@pytest.mark.parametrize(("action", "text"), [("say", " "), ("interrupt", "Sorry.")])
def test_verdicts_that_make_no_sense(action: Any, text: str) -> None:
    with pytest.raises(InvalidInput):
        Verdict(action, text=text)


@pytest.mark.parametrize(
    ("changes", "warns"),
    [
        ({}, "Ask for them"),
        ({"input_transcripts": "never"}, "no transcripts of the user"),
        ({"input_transcripts": "always", "output_transcripts": "never"}, "no transcripts of its speech"),
    ],
)
async def test_that_checks_which_see_nothing_warn(changes: dict[str, Any], warns: str) -> None:
    def check(text: str, context: CheckContext) -> None:
        pass

    client = WireClient(msgspec.structs.replace(EVERYTHING, **changes))
    with pytest.warns(DuologueWarning, match=warns):
        session = await client.with_middleware(Guardrails(on_input=check, on_output=check)).create_session()
    await session.aclose()
