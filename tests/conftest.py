"""How the tests are run: on every core if all of them are, and without looking through what stays there anyway."""

from __future__ import annotations

import gc
import signal

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """With ``-n auto``: no workers for a few tests, which are over before workers have started; else the default."""
    are_chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "collectonly"))
    return 0 if are_chosen or config.args_source is not pytest.Config.ArgsSource.TESTPATHS else None


def pytest_configure() -> None:
    """Ctrl-C ends what tests start, though it may not end these, as when a shell has put them into the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there by now stays to the end: a test that collects garbage need not look through it."""
    gc.collect()
    gc.freeze()
