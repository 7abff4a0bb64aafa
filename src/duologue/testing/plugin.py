"""Fixtures for pytest, which finds them by itself where duologue is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

if TYPE_CHECKING:
    from duologue.testing.emulation import Emulator
    from duologue.testing.gemini_emulator import GeminiEmulator
    from duologue.testing.openai_emulator import OpenAIEmulator

    Kind = TypeVar("Kind", bound=Emulator[Any])


@pytest.fixture
def openai_emulator(make_openai_emulator: Callable[..., OpenAIEmulator]) -> OpenAIEmulator:
    """An `OpenAIEmulator` that runs in a thread of its own, for the time of a test. It repeats what it is told."""
    return make_openai_emulator()


@pytest.fixture
def make_openai_emulator() -> Iterator[Callable[..., OpenAIEmulator]]:
    """Starts emulators, in threads of their own, with the arguments of `OpenAIEmulator`; they end with the test."""
    from duologue.testing.openai_emulator import OpenAIEmulator

    with ExitStack() as running:
        yield _starting(OpenAIEmulator, running)


@pytest.fixture
def gemini_emulator(make_gemini_emulator: Callable[..., GeminiEmulator]) -> GeminiEmulator:
    """A `GeminiEmulator` that runs in a thread of its own, for the time of a test. It repeats what it is told."""
    return make_gemini_emulator()


@pytest.fixture
def make_gemini_emulator() -> Iterator[Callable[..., GeminiEmulator]]:
    """Starts emulators, in threads of their own, with the arguments of `GeminiEmulator`; they end with the test."""
    from duologue.testing.gemini_emulator import GeminiEmulator

    with ExitStack() as running:
        yield _starting(GeminiEmulator, running)


def _starting(kind: type[Kind], running: ExitStack) -> Callable[..., Kind]:
    def make(*args: Any, **settings: Any) -> Kind:
        emulator = kind(*args, **settings)
        running.enter_context(emulator)
        return emulator

    return make
