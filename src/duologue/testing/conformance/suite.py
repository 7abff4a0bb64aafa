"""The whole suite."""

from __future__ import annotations

import pytest

from duologue.testing.conformance.ending import EndingTests
from duologue.testing.conformance.flags import FlagTests
from duologue.testing.conformance.harness import Harness
from duologue.testing.conformance.interruption import InterruptionTests
from duologue.testing.conformance.items import ItemTests
from duologue.testing.conformance.opening import OpeningTests
from duologue.testing.conformance.reading import ReadingTests
from duologue.testing.conformance.responses import ResponseTests, UpdateTests
from duologue.testing.conformance.tools import ToolTests
from duologue.testing.conformance.turns import SpokenTurnTests, TextTurnTests, TranscriptionTests


class ConformanceSuite(
    OpeningTests,
    TextTurnTests,
    SpokenTurnTests,
    TranscriptionTests,
    ResponseTests,
    UpdateTests,
    ItemTests,
    ToolTests,
    InterruptionTests,
    ReadingTests,
    EndingTests,
    FlagTests,
):
    """Proves that a provider behaves. Subclass it, give it a harness, and let pytest run it.

    ::

        class TestMyProvider(ConformanceSuite):
            @pytest.fixture
            def harness(self) -> Harness:
                return MyHarness()

    Tests go by the provider's capabilities, never by its name: what it says that it cannot do is skipped in one
    place, and proven to raise `UnsupportedOperation` in another. A single subject can be run by subclassing its class.

    The tests are coroutines: pytest-asyncio runs them in its auto mode, or with ``@pytest.mark.asyncio`` above the
    subclass, which may also choose the scope of the event loop.
    """

    @pytest.fixture
    def harness(self) -> Harness:
        """Override it: the provider under test."""
        raise NotImplementedError("Give your subclass of ConformanceSuite a fixture named harness.")
