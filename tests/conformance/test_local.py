"""The conformance suite over the embedded provider, with stages that need no model: fast, the same every time."""

from __future__ import annotations

import pytest

from duologue.testing.conformance import ConformanceSuite
from local_harness import LocalHarness


class TestLocal(ConformanceSuite):
    @pytest.fixture
    def harness(self) -> LocalHarness:
        return LocalHarness()
