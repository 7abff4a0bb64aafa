"""The conformance suite: tests that every provider passes, written once against `RealtimeClient`. Needs pytest.

See `ConformanceSuite`. The package holds a module for each subject.
"""

import pytest

_SUBJECTS = ("ending", "flags", "interruption", "items", "opening", "reading", "responses", "talk", "tools", "turns")
pytest.register_assert_rewrite(*(f"{__name__}.{subject}" for subject in _SUBJECTS))

from duologue.testing.conformance.harness import GET_WEATHER, Harness  # noqa: E402 - after the registration
from duologue.testing.conformance.suite import ConformanceSuite  # noqa: E402
from duologue.testing.conformance.talk import Talk, need, nothing_is_left, opened, talking  # noqa: E402
from duologue.testing.lifecycle import LifecycleChecker  # noqa: E402

__all__ = [
    "GET_WEATHER",
    "ConformanceSuite",
    "Harness",
    "LifecycleChecker",
    "Talk",
    "need",
    "nothing_is_left",
    "opened",
    "talking",
]
