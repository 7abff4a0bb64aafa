"""What something cost, as attributes of its span."""

from __future__ import annotations

from collections.abc import Iterator

from duologue import messages as m
from duologue.middleware.telemetry import names


def usage_attributes(usage: m.Usage) -> dict[str, int | float]:
    """All that the provider told: totals, and their parts by kind."""
    told = {
        names.INPUT_TOKENS: usage.input_tokens,
        names.OUTPUT_TOKENS: usage.output_tokens,
        names.CACHED_TOKENS: usage.cached_tokens,
        names.REASONING_TOKENS: usage.reasoning_tokens,
        names.USAGE_SECONDS: usage.seconds,
        **dict(_by_kind(names.INPUT_TOKENS_OF, usage.input)),
        **dict(_by_kind(names.OUTPUT_TOKENS_OF, usage.output)),
        **dict(_by_kind(names.CACHED_TOKENS_OF, usage.cached)),
    }
    return {name: value for name, value in told.items() if value is not None}


def _by_kind(name: str, counts: m.TokenCounts) -> Iterator[tuple[str, int | None]]:
    for modality in ("text", "audio", "image"):
        yield name.format(modality=modality), getattr(counts, modality)
