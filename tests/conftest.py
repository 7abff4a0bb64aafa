"""How the tests are run: on every core if all of them are, and without looking through what stays there anyway."""

from __future__ import annotations

import gc

import pytest


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """With ``-n auto``: no workers for a few tests, which are over before workers have started; else the default."""
    are_chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf", "collectonly"))
    return 0 if are_chosen or config.args_source is not pytest.Config.ArgsSource.TESTPATHS else None


def pytest_collection_finish(session: pytest.Session) -> None:
    """What is there by now stays to the end: a test that collects garbage need not look through it."""
    gc.collect()
    gc.freeze()
