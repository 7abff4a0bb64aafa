"""The middleware that checks what is said."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from duologue.client import DuologueWarning, RealtimeClient
from duologue.errors import InvalidInput
from duologue.link import Link
from duologue.middleware.guardrails.checks import OnError
from duologue.middleware.guardrails.layer import GuardrailsLayer, HoldingGuardrailsLayer
from duologue.middleware.guardrails.verdicts import Check, Judgement
from duologue.options import Transcription
from duologue.runtime import LayeredClient, SessionLayer


@dataclass(frozen=True, kw_only=True)
class Guardrails:
    """Middleware that checks what is said: ``client.with_middleware(Guardrails(on_output=no_secrets))``.

    A check is a function, best an async one, of a text and a `CheckContext`; it returns a `Verdict`, or None if all is
    well. Checks run beside the session. A verdict stops the answer that it is about and no other: for the user's words
    that of their turn, also if it begins later; for the model's words the response that said them, until a newer one
    begins. What comes too late does nothing. `on_verdict` is told of all that. When an answer is stopped, the reader
    gets an ``ErrorReported(kind="guardrail")`` and, if something was still to be heard, an `Interrupted`. Of that
    answer it gets no more words, sound or complete function calls; the conversation keeps what was heard.

    What the user writes is checked like what is heard. What the model says is checked as it grows: at the end of a
    sentence, every `check_every` characters, and at its end; one check at a time, always of the newest text. Words that
    a verdict has put in the model's mouth are not checked.

    Put it inside of layers that send, such as `FunctionInvocation`.

    Attributes:
        on_input: Checks of what the user says. They run side by side; the first that does not pass is the verdict.
        on_output: Checks of what the model says, as text or speech.
        hold: Whether words, and the sound after them, wait until they have passed. Nothing unchecked is heard then;
            answers begin later by the time of a check.
        check_every: How many characters of an answer may go on without a check.
        timeout: Seconds that a check may take; None for no bound.
        on_error: What it means when a check raises, or takes too long: ``"pass"``, ``"block"`` (the answer is
            stopped) or ``"raise"`` (the session ends, and the reader gets the exception).
        on_verdict: Called with every judgement, on the session's event loop. It must not wait.

    Raises:
        InvalidInput: A setting does not make sense.
    """

    on_input: Check | Iterable[Check] = ()
    on_output: Check | Iterable[Check] = ()
    hold: bool = False
    check_every: int = 200
    timeout: float | None = 5.0
    on_error: OnError = "block"
    on_verdict: Callable[[Judgement], object] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "on_input", _as_tuple(self.on_input))
        object.__setattr__(self, "on_output", _as_tuple(self.on_output))
        if self.hold and not self.on_output:
            raise InvalidInput("hold=True lets answers wait for their checks, and on_output names none.")
        if self.check_every < 1:
            raise InvalidInput(f"check_every is a number of characters, at least 1; not {self.check_every}.")
        if self.timeout is not None and not self.timeout > 0:
            raise InvalidInput(f"timeout is a number of seconds above 0, or None, not {self.timeout}.")
        if self.on_error not in ("pass", "block", "raise"):
            raise InvalidInput(f'on_error is "pass", "block" or "raise", not {self.on_error!r}.')

    @property
    def input_checks(self) -> tuple[Check, ...]:
        """The checks of what the user says."""
        return _as_tuple(self.on_input)

    @property
    def output_checks(self) -> tuple[Check, ...]:
        """The checks of what the model says."""
        return _as_tuple(self.on_output)

    def __call__(self, client: RealtimeClient) -> RealtimeClient:
        return LayeredClient(client, self._around, self)

    def _around(self, link: Link) -> SessionLayer:
        for problem in self._blind_spots(link):
            warnings.warn(problem, DuologueWarning, stacklevel=2)
        return (HoldingGuardrailsLayer if self.hold else GuardrailsLayer)(link, self)

    def _blind_spots(self, link: Link) -> list[str]:
        """What the checks will not see, because the session has no words for it."""
        can, provider, found = link.capabilities, link.metadata.provider, []
        wanted = isinstance(link.options.transcription, Transcription)
        if self.on_input and (
            can.input_transcripts == "never" or (can.input_transcripts == "on request" and not wanted)
        ):
            way_out = "" if can.input_transcripts == "never" else " Ask for them: SessionOptions(transcription=...)."
            found.append(
                f"{provider} gives no transcripts of the user in this session: on_input sees only text.{way_out}"
            )
        if self.on_output and can.output_transcripts == "never" and "audio" in can.output_modalities:
            found.append(f"{provider} gives no transcripts of its speech: on_output sees only text.")
        return found


def _as_tuple(checks: Check | Iterable[Check]) -> tuple[Check, ...]:
    found: tuple[object, ...] = (checks,) if callable(checks) else tuple(checks)
    for check in found:
        if not callable(check):
            raise InvalidInput(f"A check is a function of a text and a context, not {type(check).__name__}.")
    return found  # type: ignore[return-value]  # each was looked at
