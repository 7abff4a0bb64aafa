"""Carries verdicts out."""

from __future__ import annotations

from contextlib import suppress

from duologue import messages as m
from duologue.errors import SessionEnded, TooManyRequests
from duologue.link import Link
from duologue.messages.base import ClientMessage
from duologue.middleware.guardrails.answers import Answer, Answers, items_to_delete
from duologue.middleware.guardrails.verdicts import CheckContext, Judgement, Verdict


class Enforcement:
    """Stops answers at the provider, takes them out of the conversation, and has something said instead.

    Args:
        session: Where to send.
        answers: The answers of that session.
    """

    def __init__(self, session: Link, answers: Answers[Judgement]) -> None:
        self._session = session
        self._answers = answers
        self._notice: m.Interrupted | None = None  # what silencing has brought about
        self._leftovers: dict[str, tuple[Answer, m.Interrupted | None]] = {}  # to be deleted when the answer is done

    def interrupted(self, notice: m.Interrupted) -> None:
        """Something was interrupted, by the user or by `silence`."""
        self._notice = notice

    async def silence(self, answer: Answer) -> m.Interrupted | None:
        """Stop its generation, and its playback unless a newer answer may be playing: the interruption, if any."""
        self._notice = None
        if answer is self._answers.current:
            await self._send(m.OutputAudioClear())
        elif answer.is_running and self._session.capabilities.cancel:
            await self._send(m.ResponseCancel(response_id=answer.response_id))
        return self._notice

    async def delete(
        self, answer: Answer, verdict: Verdict, context: CheckContext, notice: m.Interrupted | None
    ) -> None:
        """Take what was judged out of the conversation if that is wanted, and an answer of which nothing went on.

        Args:
            notice: What `silence` gave.
        """
        if not self._session.capabilities.delete:
            return
        if verdict.delete and context.item_id is not None:
            await self._send(m.ItemDelete(item_id=context.item_id))
        if answer.out_of_band:
            return
        if answer.allowed == 0 or (verdict.delete and context.direction == "output"):
            self._leftovers[answer.response_id] = (answer, notice)
            if not answer.is_running:
                await self.delete_leftovers(answer.response_id)

    def has_leftovers(self, response_id: str) -> bool:
        """Whether something of that answer is to be deleted now that it is done."""
        return response_id in self._leftovers

    async def delete_leftovers(self, response_id: str) -> None:
        """Delete what the runtime has left of a stopped answer."""
        answer, notice = self._leftovers.pop(response_id)
        tracks_playback = self._session.capabilities.tracks_playback
        for item_id in items_to_delete(answer, notice, runtime_deletes=not tracks_playback):
            await self._send(m.ItemDelete(item_id=item_id))

    async def say(self, text: str) -> None:
        """Have `text` said, as far as the provider can."""
        can = self._session.capabilities
        if can.say != "none":
            self._answers.expect_replacement(text)
            await self._send(m.Say(text=text))
        elif can.explicit_response and "instructions" in can.response_options:
            self._answers.expect_replacement(text)
            await self._send(m.ResponseCreate(instructions=f"Say exactly this, and nothing else: {text}"))

    async def _send(self, message: ClientMessage) -> None:
        with suppress(SessionEnded, TooManyRequests):
            await self._session.send(message)
