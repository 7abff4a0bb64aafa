"""The layer that checks what is said in a session."""

from __future__ import annotations

import logging
import math
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from duologue import messages as m
from duologue.errors import SessionEnded, Stopped, UnsupportedOperation
from duologue.link import Link
from duologue.messages.base import ServerMessage
from duologue.middleware.guardrails.answers import Answer, Answers
from duologue.middleware.guardrails.checks import Finding, run_checks
from duologue.middleware.guardrails.enforcement import Enforcement
from duologue.middleware.guardrails.gate import Gate
from duologue.middleware.guardrails.verdicts import CheckContext, Judgement, Outcome, Verdict
from duologue.middleware.guardrails.words import is_quote
from duologue.middleware.stopping import StoppingLayer

if TYPE_CHECKING:
    from duologue.middleware.guardrails.settings import Guardrails

_logger = logging.getLogger("duologue.guardrails")
_REMEMBERED = 256  # items of the user

_NOT_RUN = "The call was not run: the answer that it belongs to was stopped."


class GuardrailsLayer(StoppingLayer):
    """The layer that `Guardrails` puts around a session."""

    watches: ClassVar[tuple[type[ServerMessage], ...] | None] = (
        m.InputTranscriptCompleted,
        m.ItemAdded,
        m.ItemDone,
        m.ResponseCreated,
        m.ResponseDone,
        m.OutputItemAdded,
        m.OutputItemDone,
        m.ContentPartDone,
        m.OutputAudioDelta,
        m.OutputTranscriptDelta,
        m.OutputTranscriptDone,
        m.OutputTextDelta,
        m.OutputTextDone,
        m.Interrupted,
        m.TurnDone,
    )
    sends = True

    def __init__(self, inner: Link, settings: Guardrails) -> None:
        super().__init__(inner)
        self._settings = settings
        self._answers: Answers[Judgement] = Answers(settings.check_every, 0 if settings.hold else math.inf)
        self._gate = Gate()
        self._checked: set[Answer] = set()  # answers whose check runs
        self._written: dict[str, None] = {}  # the user's items that were seen, the oldest first
        self._enforcement = Enforcement(inner, self._answers)

    def received(self, message: ServerMessage) -> None:
        match message:
            case m.OutputAudioDelta() | m.OutputTranscriptDelta() | m.OutputTextDelta():
                self._delta(message)
            case m.ResponseCreated():
                self._created(message)
            case m.Interrupted():
                self._interrupted(message)
            case _:
                answer = self._answers.of(message)
                if answer is not None:
                    self._grow(answer, message)
                self._hand_on(message, answer)
                self._follow(message)
                if answer is not None and answer.words.is_due:
                    self._start_output_check(answer)

    def ended(self, end: SessionEnded) -> None:
        for answer in self._answers.unfinished():
            if self._gate.holds(answer):
                answer.stop()
        self._release()
        super().ended(end)

    # --- what passes by ---

    def _delta(self, delta: m.OutputAudioDelta | m.OutputTranscriptDelta | m.OutputTextDelta) -> None:
        answer = self._answers.of_response(delta.response_id)
        if answer is None:
            self.deliver(delta)
            return
        if isinstance(delta, m.OutputAudioDelta):
            answer.message_items[delta.item_id] = True
        elif not answer.is_stopped:
            answer.words.add((delta.item_id, delta.content_index), delta.text)
        self._hand_on(delta, answer)
        if answer.words.is_due:
            self._start_output_check(answer)

    def _hand_on(self, message: ServerMessage, answer: Answer | None) -> None:
        for passed in self._gate.take(message, answer):
            self.deliver(passed)
        self._refuse_calls()

    def _created(self, created: m.ResponseCreated) -> None:
        answer, order = self._answers.created(created)
        self._hand_on(created, answer)
        if order is not None:
            self._answers.wait(order.context.turn_id or "", _without_words(order))
            self._halt(answer)
            self.spawn(self._stop_answer(answer, order, had_more=True), name="guardrails")

    def _interrupted(self, notice: m.Interrupted) -> None:
        self._enforcement.interrupted(notice)
        self.deliver(notice)
        for answer in self._answers.interrupted(notice.response_id):
            if answer.allowed != math.inf:  # what was held back of it is not to be heard any more
                answer.stop()
        self._release()

    def _grow(self, answer: Answer, message: ServerMessage) -> None:
        match message:
            case m.OutputItemAdded(item=item):
                self._answers.add_item(answer, item)
            case _ if answer.is_stopped:
                pass  # what it says does not matter any more
            case m.OutputTranscriptDone() | m.OutputTextDone():
                answer.words.complete((message.item_id, message.content_index), message.text)
            case m.OutputItemDone(item=m.MessageItem(id=str(item_id), content=content)):
                for index, part in enumerate(content):
                    answer.words.complete((item_id, index), _words_of(part))
            case m.ResponseDone():
                answer.words.finish()
            case _:
                pass

    def _follow(self, message: ServerMessage) -> None:
        match message:
            case m.ResponseDone(response_id=response_id):
                self._done(response_id)
            case m.TurnDone(turn_id=turn_id):
                order = self._answers.turn_done(turn_id)
                if order is not None and order.outcome == "waiting":
                    self._report(order, "late")
            case m.InputTranscriptCompleted(text=text, item_id=item_id, turn_id=turn_id):
                self._start_input_check(text, item_id, turn_id)
            case m.ItemAdded(item=item, turn_id=turn_id) | m.ItemDone(item=item, turn_id=turn_id):
                self._look_at_item(item, turn_id)
            case _:
                pass

    def _done(self, response_id: str) -> None:
        answer = self._answers.done(response_id)
        if answer is not None and not answer.words and not answer.is_stopped:
            answer.allowed = math.inf  # it has no words
            self._release()
        if self._enforcement.has_leftovers(response_id):
            self.spawn(self._enforcement.delete_leftovers(response_id), name="guardrails")

    def _look_at_item(self, item: m.Item, turn_id: str | None) -> None:
        """What the user wrote. The items that a session begins with belong to no turn."""
        if not isinstance(item, m.MessageItem) or item.role != "user" or item.id is None or turn_id is None:
            return
        text = "\n".join(part.text for part in item.content if isinstance(part, m.TextContent))
        if text and item.id not in self._written:
            self._written[item.id] = None
            while len(self._written) > _REMEMBERED:
                del self._written[next(iter(self._written))]
            self._start_input_check(text, item.id, turn_id)

    # --- checks ---

    def _start_input_check(self, text: str, item_id: str, turn_id: str | None) -> None:
        if self._settings.input_checks and text.strip():
            context = CheckContext(direction="input", session=self, turn_id=turn_id, item_id=item_id)
            self.spawn(self._check_input(text, context), name="guardrails")

    async def _check_input(self, text: str, context: CheckContext) -> None:
        settings = self._settings
        finding = await run_checks(
            settings.input_checks, text, context, timeout=settings.timeout, on_error=settings.on_error
        )
        judgement = _judgement(finding, context)
        turn_id = context.turn_id or ""
        if finding.verdict.action == "allow":
            self._report(judgement, "passed")
        elif finding.verdict.action != "end":
            await self._stop_turn(turn_id, judgement)
        elif self._answers.is_superseded(None, turn_id):
            self._report(judgement, "late")
        else:
            self._end(judgement)

    def _start_output_check(self, answer: Answer) -> None:
        if self._settings.output_checks and not answer.is_over and answer not in self._checked:
            self._checked.add(answer)
            self.spawn(self._check_output(answer), name="guardrails")

    async def _check_output(self, answer: Answer) -> None:
        """Check the newest words, as long as there are any to check."""
        passed = 0
        try:
            while not answer.is_over and (text := answer.words.take()) is not None:
                length = len(answer.words)
                if answer.replaces is None or not is_quote(text, answer.replaces):
                    judgement = await self._judge_output(answer, text, passed)
                    if judgement.verdict.action != "allow":
                        await self._stop_output(answer, judgement)
                        return
                    self._report(judgement, "passed")
                passed = len(text)
                if not answer.is_stopped:
                    answer.allowed = max(answer.allowed, length)
                    self._release()
        finally:
            self._checked.discard(answer)

    async def _judge_output(self, answer: Answer, text: str, passed: int) -> Judgement:
        context = CheckContext(
            direction="output",
            session=self,
            turn_id=answer.turn_id,
            response_id=answer.response_id,
            is_whole=answer.words.is_whole,
            passed=passed,
        )
        settings = self._settings
        finding = await run_checks(
            settings.output_checks, text, context, timeout=settings.timeout, on_error=settings.on_error
        )
        return _judgement(finding, context)

    # --- verdicts ---

    async def _stop_turn(self, turn_id: str, judgement: Judgement) -> None:
        """The user said what was not to be answered: stop the answer that runs, and those to come."""
        aim = self._answers.aim_at_turn(turn_id)
        if aim.waits and (aim.answer is None or not aim.answer.is_running):
            self._answers.wait(turn_id, replace(judgement, outcome="waiting"))
            if aim.answer is not None:
                self._halt(aim.answer)
                await self._enforcement.silence(aim.answer)
            self._report(judgement, "waiting")
        elif aim.answer is not None:
            self._answers.wait(turn_id, _without_words(judgement))
            await self._stop_answer(aim.answer, judgement, self._halt(aim.answer))
        else:
            self._report(judgement, "late")

    async def _stop_output(self, answer: Answer, judgement: Judgement) -> None:
        """The model said what was not to be said."""
        if judgement.verdict.action == "end" and not self._answers.is_superseded(answer, answer.turn_id):
            self._halt(answer)
            self._end(judgement)
        elif self._answers.may_stop(answer) or self._gate.holds(answer):
            await self._stop_answer(answer, judgement, self._halt(answer))
        else:
            self._report(judgement, "late")

    def _halt(self, answer: Answer) -> bool:
        """Let nothing more of it through: whether there was more to come."""
        had_more = answer.is_running or self._gate.holds(answer)
        answer.stop()
        self._release()
        return had_more

    async def _stop_answer(self, answer: Answer, judgement: Judgement, had_more: bool) -> None:
        notice = await self._enforcement.silence(answer)
        if notice is None and not had_more:
            self._report(judgement, "late")
            return
        verdict, context = judgement.verdict, judgement.context
        await self._enforcement.delete(answer, verdict, context, notice)
        text = verdict.reason or "A guardrail stopped the answer."
        error = m.ErrorDetail(message=text, type="guardrail", code=context.direction)
        self.deliver(m.ErrorReported(turn_id=answer.turn_id, kind="guardrail", error=error))
        if verdict.action == "say" and answer.replaces is None:
            await self._enforcement.say(verdict.text)
        self._report(judgement, "stopped")

    def _end(self, judgement: Judgement) -> None:
        self._report(judgement, "ended")
        reason = judgement.verdict.reason or "A guardrail ended the session."
        self.stop(Stopped(reason, provider=self.metadata.provider, code="guardrail"))

    # --- helpers ---

    def _release(self) -> None:
        for message in self._gate.release():
            self.deliver(message)
        self._refuse_calls()

    def _refuse_calls(self) -> None:
        """Calls of a stopped answer do not run: tell the model, which waits for their results."""
        refused, self._gate.refused = self._gate.refused, []
        if refused:
            self.spawn(self._send_refusals(refused), name="guardrails")

    async def _send_refusals(self, calls: list[m.FunctionCall]) -> None:
        with suppress(SessionEnded, UnsupportedOperation):
            for call in calls:
                result = m.FunctionResult(call_id=call.call_id, name=call.name, output=_NOT_RUN, is_error=True)
                await self.inner.send(m.ItemCreate(item=result))

    def _report(self, judgement: Judgement, outcome: Outcome) -> None:
        judgement = replace(judgement, outcome=outcome)
        if outcome != "passed" or judgement.error is not None:
            raised = "" if judgement.error is None else f" It comes from {type(judgement.error).__name__}."
            _logger.info("%s: %s, %s.%s", judgement.context.direction, judgement.verdict.action, outcome, raised)
        if self._settings.on_verdict is not None:
            self._settings.on_verdict(judgement)


class HoldingGuardrailsLayer(GuardrailsLayer):
    """Watches everything, as all that comes after words that are held back waits with them."""

    watches = None


def _judgement(finding: Finding, context: CheckContext) -> Judgement:
    return Judgement(verdict=finding.verdict, context=context, outcome="passed", error=finding.error)


def _without_words(judgement: Judgement) -> Judgement:
    """What is to be done to further answers of a turn, after the first was stopped."""
    return replace(judgement, verdict=Verdict.interrupt(judgement.verdict.reason), outcome="stopped")


def _words_of(part: m.Content) -> str:
    if isinstance(part, m.TextContent):
        return part.text
    return (part.transcript or "") if isinstance(part, m.AudioContent) else ""
