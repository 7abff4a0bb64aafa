"""What checks are told, what they find, and what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from duologue.errors import InvalidInput
from duologue.link import Link

Action = Literal["allow", "interrupt", "say", "end"]

Outcome = Literal["passed", "stopped", "waiting", "ended", "late"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check finds. Make it with `allow`, `interrupt`, `say` or `end`.

    Attributes:
        action: What shall be done.
        reason: Why; the reader gets it, the model does not.
        text: What shall be said, for ``"say"``.
        delete: Whether what was judged is taken out of the conversation: the user's item, or what was heard of the
            answer. Not where the provider cannot.

    Raises:
        InvalidInput: There is nothing to say.
    """

    action: Action = "allow"
    reason: str = ""
    text: str = ""
    delete: bool = False

    def __post_init__(self) -> None:
        if (self.action == "say") != bool(self.text.strip()):
            raise InvalidInput('A verdict has a text if its action is "say", and only then: Verdict.say("Sorry.").')

    @classmethod
    def allow(cls) -> Verdict:
        """All is well. A check may return None instead."""
        return cls()

    @classmethod
    def interrupt(cls, reason: str = "", *, delete: bool = False) -> Verdict:
        """Stop the answer."""
        return cls("interrupt", reason, delete=delete)

    @classmethod
    def say(cls, text: str, reason: str = "", *, delete: bool = False) -> Verdict:
        """Stop the answer, and say `text` instead."""
        return cls("say", reason, text, delete)

    @classmethod
    def end(cls, reason: str = "") -> Verdict:
        """End the session; the reader gets `Stopped` with the reason."""
        return cls("end", reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """What a check is about.

    Attributes:
        direction: Who speaks: ``"input"`` is the user, ``"output"`` the model.
        session: The session, without the layers that stand outside of the guardrails.
        turn_id: The turn that it belongs to.
        item_id: The user's item, for input.
        response_id: The answer, for output.
        is_whole: Whether the text will not grow any more.
        passed: How many characters from the start of the text have passed before.
    """

    direction: Literal["input", "output"]
    session: Link
    turn_id: str | None
    item_id: str | None = None
    response_id: str | None = None
    is_whole: bool = True
    passed: int = 0


Check = Callable[[str, CheckContext], Awaitable[Verdict | None] | Verdict | None]
"""A function of the text, as far as it is known, and its context. One that is not ``async`` must be quick: it runs on
the session's event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict, and what came of it.

    Attributes:
        verdict: What the checks found.
        context: What about.
        outcome: ``"passed"``; ``"stopped"``: the answer was stopped; ``"waiting"``: the answer to the user will be
            stopped when it begins, and reported again; ``"ended"``: the session was; ``"late"``: the answer was over,
            and nothing was done.
        error: What a check raised in place of a verdict.
    """

    verdict: Verdict
    context: CheckContext
    outcome: Outcome
    error: Exception | None = None
