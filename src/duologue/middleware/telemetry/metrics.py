"""The metrics: what is measured, and how tokens are counted."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.metrics import Histogram, Meter

from duologue import messages as m
from duologue.middleware.telemetry import names

Labels = Mapping[str, str | int]

# The first two as the conventions advise.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))
_LATENCIES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_SESSIONS = (1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)


class Instruments:
    """What the measurements go to. Times are in seconds.

    Args:
        meter: Where the instruments are made.
    """

    def __init__(self, meter: Meter) -> None:
        def seconds(name: str, description: str, boundaries: tuple[float, ...]) -> Histogram:
            return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=boundaries)

        self.response_duration = seconds(names.OPERATION_DURATION, "GenAI operation duration.", _SECONDS)
        self.first_audio = seconds(
            names.FIRST_AUDIO, "Time from the start of a response to its first audio.", _LATENCIES
        )
        self.voice_to_voice = seconds(
            names.VOICE_TO_VOICE, "Time from the end of the user's speech to the first audio of the answer.", _LATENCIES
        )
        self.tool_duration = seconds(names.TOOL_DURATION, "The duration of a single tool execution.", _SECONDS)
        self.session_duration = seconds(names.SESSION_DURATION, "How long sessions were open.", _SESSIONS)
        self.active_sessions = meter.create_up_down_counter(
            names.ACTIVE_SESSIONS, "{session}", "Sessions that are open."
        )
        self.interruptions = meter.create_counter(
            names.INTERRUPTIONS, "{interruption}", "Answers that the user cut short."
        )
        self.errors = meter.create_counter(names.ERRORS, "{error}", "What went wrong, by operation.")
        self._tokens = meter.create_histogram(
            names.TOKEN_USAGE,
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._cached = meter.create_counter(
            names.CACHED_TOKEN_USAGE, "{token}", "Input tokens that came from the provider's cache."
        )

    def count_tokens(self, usage: m.Usage, labels: Labels) -> None:
        """Count what an operation has used, each kind of token for itself: their sum is the total."""
        for direction, total, kinds in (
            ("input", usage.input_tokens, usage.input),
            ("output", usage.output_tokens, usage.output),
        ):
            for modality, count in by_modality(total, kinds).items():
                kind = {**labels, names.TOKEN_TYPE: direction, names.TOKEN_MODALITY: modality}
                self._tokens.record(count, kind)
        for modality, count in by_modality(usage.cached_tokens, usage.cached).items():
            self._cached.add(count, {**labels, names.TOKEN_MODALITY: modality})


def by_modality(total: int | None, kinds: m.TokenCounts) -> dict[str, int]:
    """Tokens by kind, without zeros; what the provider does not break down is ``"unknown"``."""
    told = {"text": kinds.text or 0, "audio": kinds.audio or 0, "image": kinds.image or 0}
    counts = {**told, "unknown": (total or 0) - sum(told.values())}
    return {modality: count for modality, count in counts.items() if count > 0}
