"""The log of turns, and what the terminal and the report of the demo make of it."""

from __future__ import annotations

import io
import json

import pytest

pytest.importorskip("rich")

from rich.console import Console

from duologue import messages as m
from duologue.cli.demo_report import Asked, DemoReport
from duologue.cli.demo_script import QUESTIONS, Question
from duologue.cli.json_lines import JsonLinesView
from duologue.cli.terminal import ConversationView, describe_call, printable
from duologue.cli.turns import TurnLog
from duologue.formats import PCM16_24K


class Stage:
    """A log and a view, fed with what a session would say."""

    def __init__(self, *, terminal: bool = False) -> None:
        self.now = 0.0
        self.spoken_until: float | None = None
        self.log = TurnLog(spoken_until=lambda: self.spoken_until, clock=lambda: self.now)
        self.output = io.StringIO()
        console = Console(file=self.output, force_terminal=terminal, width=100, legacy_windows=False)
        self.view = ConversationView(console, self.log)

    def say(self, *messages: m.ServerMessage) -> None:
        for message in messages:
            self.log.feed(message)
            self.view.show(message)

    def ask(self, turn: str, words: str) -> None:
        """The user says something."""
        item = m.MessageItem(id=f"user_{turn}", role="user", content=(m.AudioContent(),))
        self.say(
            m.InputSpeechStarted(turn_id=turn, item_id=item.id),
            m.InputSpeechStopped(turn_id=turn, item_id=item.id),
            m.ItemAdded(turn_id=turn, item=item),
            m.ItemDone(turn_id=turn, item=item),
            m.InputTranscriptCompleted(turn_id=turn, item_id=f"user_{turn}", text=words),
        )

    def call(self, turn: str, name: str, arguments: dict[str, object], output: str, *, is_error: bool = False) -> None:
        """A function is called, and gives a result."""
        call = m.FunctionCall(
            id=f"call_{turn}", call_id=turn, name=name, arguments=json.dumps(arguments), status="completed"
        )
        result = m.FunctionResult(id=f"result_{turn}", call_id=turn, output=output, is_error=is_error)
        for item in (call, result):
            self.say(m.ItemAdded(turn_id=turn, item=item), m.ItemDone(turn_id=turn, item=item))

    def answer(self, turn: str, words: str, *, outcome: m.TurnOutcome = "completed") -> None:
        """The assistant says something, as far as it gets."""
        response, item_id = f"resp_{turn}", f"answer_{turn}"
        item = m.MessageItem(id=item_id, role="assistant", content=(m.AudioContent(),))
        done = m.MessageItem(
            id=item_id,
            role="assistant",
            content=(m.AudioContent(transcript=words),),
            status="completed" if outcome == "completed" else "incomplete",
        )
        self.say(
            m.ItemAdded(turn_id=turn, item=item),
            m.OutputTranscriptDelta(turn_id=turn, response_id=response, item_id=item_id, text=words),
            m.OutputAudioDelta(
                turn_id=turn, response_id=response, item_id=item_id, audio=bytes(4_800), format=PCM16_24K
            ),
            m.ItemDone(turn_id=turn, item=done),
            m.TurnDone(turn_id=turn, outcome=outcome),
        )


# --- the log ---


def test_a_turn_has_what_was_heard_called_and_said() -> None:
    stage = Stage()
    stage.ask("a", "what time is it")
    stage.call("a", "clock", {}, "It is noon.")
    stage.answer("a", "It is noon.")
    (turn,) = stage.log.turns
    assert stage.log.heard(turn) == "what time is it"
    assert stage.log.said(turn) == "It is noon."
    ((call, result),) = stage.log.calls(turn)
    assert call.name == "clock"
    assert result is not None
    assert result.output == "It is noon."
    assert turn.outcome == "completed"


def test_latency_is_counted_from_the_decision_and_from_the_last_word() -> None:
    stage = Stage()
    stage.now, stage.spoken_until = 10.0, 9.4
    stage.ask("a", "hello")
    stage.now = 10.25
    stage.answer("a", "Hello.")
    (turn,) = stage.log.turns
    assert turn.decision_to_answer_ms == pytest.approx(250)
    assert turn.speech_to_answer_ms == pytest.approx(850)


async def test_waiting_for_a_turn() -> None:
    stage = Stage()
    assert not await stage.log.until(lambda: bool(stage.log.turns), 0.01)
    stage.ask("a", "hello")
    assert await stage.log.until(lambda: bool(stage.log.turns), 0.01)


# --- the terminal ---


def test_a_conversation_is_lines() -> None:
    stage = Stage()
    stage.spoken_until = -0.5
    with stage.view:
        stage.ask("a", "what time is it")
        stage.call("a", "clock", {"zone": "UTC"}, "It is noon.")
        stage.answer("a", "It is noon.")
        stage.ask("b", "")
        stage.say(m.ErrorReported(kind="other", error=m.ErrorDetail(message="Too many.")))
    assert stage.output.getvalue().splitlines() == [
        "you        what time is it",
        "tool       clock(zone=UTC): It is noon.",
        "assistant  It is noon.",
        "           answered 0 ms after the end of the turn was known, 500 ms after the last word",
        "you        (not understood)",
        "error      Too many.",
    ]


def test_an_interruption_shows_what_was_heard() -> None:
    stage = Stage()
    stage.ask("a", "tell me a story")
    stage.answer("a", "Once upon a time there was", outcome="interrupted")
    stage.say(m.ItemTruncated(turn_id="a", item_id="answer_a", audio_end_ms=50, transcript="Once upon"))
    assert stage.output.getvalue().splitlines()[-2:] == [
        "assistant  Once upon a time there was -",
        '           interrupted: heard "Once upon", not "a time there was"',
    ]
    assert stage.log.said(stage.log.turns[0]) == "Once upon"


def test_a_terminal_shows_words_as_they_come() -> None:
    stage = Stage(terminal=True)
    with stage.view:
        stage.say(m.InputTranscriptDelta(item_id="x", text="what", replaces=True))
        stage.say(m.InputTranscriptDelta(item_id="x", text="what time", replaces=True))
        assert "what time" in stage.output.getvalue()
    assert "\x1b[" in stage.output.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", "a b"), ("\x1b[31mred\x07", "[31mred"), ("  größer  ", "größer"), ("[bold]x", "[bold]x")],
)
def test_nothing_steers_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
    stage = Stage()
    stage.view.note(text)
    assert stage.output.getvalue() == f"{'':11}{shown}\n"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [('{"a": 1, "b": "x"}', "f(a=1, b=x)"), ("{}", "f()"), ("{", "f({)"), ("[1]", "f([1])")],
)
def test_calls_are_described(arguments: str, shown: str) -> None:
    assert describe_call(m.FunctionCall(call_id="c", name="f", arguments=arguments)) == shown


def test_json_counts_audio_wherever_it_is() -> None:
    output = io.BytesIO()
    item = m.MessageItem(role="user", content=(m.AudioContent(audio=bytes(5), transcript="hi"),))
    with JsonLinesView(output) as view:
        view.show(m.ItemRetrieved(item=item))
    assert json.loads(output.getvalue()) == {
        "type": "item_retrieved",
        "item": {
            "type": "message",
            "role": "user",
            "content": [{"type": "audio", "audio_bytes": 5, "transcript": "hi"}],
        },
    }


# --- the report of the demo ---

TIMER = Question("timer", "set_timer", {"minutes": 5})
STORY = Question("story", cut_after_ms=5_000)


def verdict(question: Question, stage: Stage) -> str:
    turn = stage.log.turns[0] if stage.log.turns else None
    return DemoReport(stage.log, [Asked(question, turn)]).verdicts[0]


def timer_turn(words: str = TIMER.text, minutes: int = 5, **result: bool) -> Stage:
    stage = Stage()
    stage.ask("a", words)
    stage.call("a", "set_timer", {"minutes": minutes}, "Set.", **result)
    return stage


def test_a_turn_as_it_should_be_is_right() -> None:
    stage = timer_turn()
    stage.answer("a", "The timer is set.")
    assert verdict(TIMER, stage) == "right"


def test_what_is_wrong_is_told() -> None:
    assert verdict(TIMER, Stage()) == "wrong: nothing was heard"
    assert verdict(TIMER, timer_turn(words="set a time")) == 'wrong: it was "set a timer for five minutes"'
    assert verdict(TIMER, timer_turn(minutes=50)) == "wrong: set_timer was to be called"
    assert verdict(TIMER, timer_turn(is_error=True)) == "wrong: the function failed"
    assert verdict(TIMER, timer_turn()) == "wrong: the turn is not over"


def test_an_answer_that_is_to_be_cut_must_be_cut() -> None:
    cut, whole = Stage(), Stage()
    for stage in (cut, whole):
        stage.ask("a", STORY.text)
    cut.answer("a", "Once upon", outcome="interrupted")
    whole.answer("a", "Once upon", outcome="completed")
    assert verdict(STORY, cut) == "right"
    assert verdict(STORY, whole) == "wrong: the turn is completed"


def test_a_function_that_nobody_asked_for_is_wrong() -> None:
    stage = Stage()
    stage.ask("a", STORY.text)
    stage.call("a", "set_timer", {"minutes": 5}, "Set.")
    assert verdict(STORY, stage) == "wrong: no function was to be called"


def test_every_question_has_its_recording() -> None:
    for question in QUESTIONS:
        assert question.text
        assert 500 < question.speech_ms < 3_000
