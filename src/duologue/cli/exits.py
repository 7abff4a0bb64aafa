"""How the program ends: exit statuses, and one line on standard error that says why."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer

from duologue.errors import DuologueError, SessionEnded

FAILED = 1
"""The work was done, and did not go well."""
REFUSED = 2
"""The work could not begin: something given is wrong, or something needed is missing."""
INTERRUPTED = 130
"""The user pressed Ctrl-C."""

Result = TypeVar("Result")


def complain(text: str) -> None:
    """Print one line about what went wrong."""
    print(f"duologue: {text}", file=sys.stderr)


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` to its end. What it raises, and Ctrl-C, become a line and an exit status.

    Raises:
        typer.Exit: It did not come to its end.
    """
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except SessionEnded as error:
        complain(str(error))
        raise typer.Exit(FAILED) from None
    except DuologueError as error:
        complain(str(error))
        raise typer.Exit(REFUSED) from None
