"""Fixtures for pytest, which finds them by itself where duologue is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from duologue.testing.openai_emulator import OpenAIEmulator


@pytest.fixture
def openai_emulator(make_openai_emulator: Callable[..., OpenAIEmulator]) -> OpenAIEmulator:
    """An `OpenAIEmulator` that runs in a thread of its own, for the time of a test. It repeats what it is told."""
    return make_openai_emulator()


@pytest.fixture
def make_openai_emulator() -> Iterator[Callable[..., OpenAIEmulator]]:
    """Starts emulators, in threads of their own, with the arguments of `OpenAIEmulator`; they end with the test."""
    from duologue.testing.openai_emulator import OpenAIEmulator

    with ExitStack() as running:

        def make(*args: Any, **settings: Any) -> OpenAIEmulator:
            return running.enter_context(OpenAIEmulator(*args, **settings))

        yield make
