"""What came of `duologue demo`: turn by turn, and whether it is what should have come."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from duologue.cli.demo_script import Question
from duologue.cli.terminal import describe_call, printable
from duologue.cli.turns import Turn, TurnLog

RIGHT = "right"


@dataclass(frozen=True)
class Asked:
    """A question, and its turn: None if nobody noticed it."""

    question: Question
    turn: Turn | None


class DemoReport:
    """Compares what was asked with what came of it.

    Args:
        log: The turns of the conversation.
        asked: What was asked, in order.
    """

    def __init__(self, log: TurnLog, asked: Sequence[Asked]) -> None:
        self._log = log
        self._asked = asked
        self.verdicts = [self._judge(one) for one in asked]

    @property
    def right(self) -> int:
        """How many turns are as they should be."""
        return self.verdicts.count(RIGHT)

    def table(self) -> Table:
        """All turns."""
        table = Table("heard", "called", "answered", "ms *", "verdict")
        for asked, verdict in zip(self._asked, self.verdicts, strict=True):
            table.add_row(*(Text(printable(cell)) for cell in (*self._row(asked.turn), verdict)))
        return table

    def latency(self) -> str:
        """What the figures in the table are, and their medians."""
        turns = [asked.turn for asked in self._asked if asked.turn is not None]
        decided = [turn.decision_to_answer_ms for turn in turns if turn.decision_to_answer_ms is not None]
        spoken = [turn.speech_to_answer_ms for turn in turns if turn.speech_to_answer_ms is not None]
        text = "* until the first audio of the answer: since the end of the turn was known / since the last word"
        if not decided or not spoken:
            return f"{text}."
        return f"{text}; median {statistics.median(decided):.0f} / {statistics.median(spoken):.0f}."

    def _row(self, turn: Turn | None) -> tuple[str, str, str, str]:
        if turn is None:
            return "", "", "", ""
        calls = ", ".join(describe_call(call) for call, _ in self._log.calls(turn))
        said = self._log.said(turn) + (" -" if turn.outcome == "interrupted" else "")
        decided, spoken = turn.decision_to_answer_ms, turn.speech_to_answer_ms
        latency = "" if decided is None or spoken is None else f"{decided:.0f} / {spoken:.0f}"
        return self._log.heard(turn), calls, said, latency

    def _judge(self, asked: Asked) -> str:
        """`RIGHT`, or what is wrong."""
        question, turn = asked.question, asked.turn
        if turn is None:
            return "wrong: nothing was heard"
        if self._log.heard(turn) != question.text:
            return f'wrong: it was "{question.text}"'
        called = [(call.name, json.loads(call.arguments)) for call, _ in self._log.calls(turn)]
        if called != ([(question.tool, dict(question.arguments))] if question.tool else []):
            return f"wrong: {question.tool or 'no function'} was to be called"
        if any(result is None or result.is_error for _, result in self._log.calls(turn)):
            return "wrong: the function failed"
        expected = "completed" if question.cut_after_ms is None else "interrupted"
        return RIGHT if turn.outcome == expected else f"wrong: the turn is {turn.outcome or 'not over'}"
