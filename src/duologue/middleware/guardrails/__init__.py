"""Checks of what is said: ``client.with_middleware(Guardrails(on_output=check))``."""

from duologue.middleware.guardrails.layer import GuardrailsLayer
from duologue.middleware.guardrails.settings import Guardrails
from duologue.middleware.guardrails.verdicts import Check, CheckContext, Judgement, Verdict

__all__ = ["Check", "CheckContext", "Guardrails", "GuardrailsLayer", "Judgement", "Verdict"]
