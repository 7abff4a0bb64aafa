from __future__ import annotations

import pytest

pytest.importorskip("typer")

import typer

from duologue.cli.exits import run
from duologue.errors import HungUp, InvalidInput, MissingDependency


async def give() -> int:
    return 3


async def fail(error: BaseException) -> int:
    raise error


def test_what_goes_well_is_given_back() -> None:
    assert run(give()) == 3


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InvalidInput("That is no file."), 2, "duologue: That is no file.\n"),
        (MissingDependency("numpy", "Get it."), 2, "duologue: numpy is not installed. Get it.\n"),
        (HungUp("Bye.", provider="local"), 1, "duologue: local: Bye.\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_goes_wrong_is_a_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as exit:
        run(fail(error))
    assert exit.value.exit_code == status
    assert capsys.readouterr().err == line


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        run(fail(ZeroDivisionError()))
