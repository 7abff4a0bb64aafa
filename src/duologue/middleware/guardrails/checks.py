"""Runs checks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from duologue.errors import InvalidInput
from duologue.middleware.guardrails.verdicts import Check, CheckContext, Verdict

OnError = Literal["pass", "block", "raise"]

_ALLOWED = Verdict.allow()
_FAILED = Verdict.interrupt("A check failed.")


@dataclass(frozen=True, slots=True)
class Finding:
    """What checks have found.

    Attributes:
        verdict: The verdict.
        error: What a check raised, and what the verdict may come from.
    """

    verdict: Verdict = _ALLOWED
    error: Exception | None = None


async def run_checks(
    checks: Sequence[Check], text: str, context: CheckContext, *, timeout: float | None, on_error: OnError
) -> Finding:
    """Run `checks` side by side. The first that does not pass is the verdict, and the others are cancelled.

    Raises:
        Exception: What a check raised, if `on_error` is ``"raise"``.
    """
    running = [asyncio.ensure_future(_run(check, text, context, timeout, on_error)) for check in checks]
    try:
        pending = set(running)
        while pending:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for check in running:  # of those that end together, the first that was named
                if check.done() and check.result().verdict.action != "allow":
                    return check.result()
        return next((check.result() for check in running if check.result().error is not None), Finding())
    finally:
        for check in running:
            check.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _run(check: Check, text: str, context: CheckContext, timeout: float | None, on_error: OnError) -> Finding:
    try:
        async with asyncio.timeout(timeout):
            verdict = check(text, context)
            if inspect.isawaitable(verdict):
                verdict = await verdict
        if verdict is not None and not isinstance(verdict, Verdict):
            raise InvalidInput(f"A check returns a Verdict or None, not {type(verdict).__name__}.")
        return Finding(verdict or _ALLOWED)
    except Exception as error:
        if on_error == "raise":
            raise
        return Finding(_ALLOWED if on_error == "pass" else _FAILED, error)
