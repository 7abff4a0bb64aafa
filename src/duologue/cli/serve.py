"""`duologue serve`."""

from __future__ import annotations

import logging.config
import sys
from pathlib import Path

import typer

from duologue.cli.exits import REFUSED, complain, run

_NEEDED = frozenset({"starlette", "uvicorn", "pydantic_settings", "websockets"})


def run_serve(file: Path | None, *, host: str | None, port: int | None, check: bool) -> None:
    """Serve until a signal comes, or only check the configuration.

    Raises:
        typer.Exit: Something needed is missing, or the configuration is wrong: each problem is a line.
    """
    try:
        from duologue.gateway.reading_configuration import InvalidConfiguration, read_configuration
        from duologue.gateway.server import log_settings, serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _NEEDED:
            raise
        complain(f'{error.name} is not installed. Run: pip install "duologue[server]"')
        raise typer.Exit(REFUSED) from None
    try:
        configuration = read_configuration(file, host=host, port=port)
        if check:
            print("The configuration is good.")
            return
        logging.config.dictConfig(log_settings(configuration))
        run(serve(configuration))
    except InvalidConfiguration as wrong:
        for problem in wrong.problems:
            complain(problem)
        raise typer.Exit(REFUSED) from None


def print_new_key() -> None:
    """Print a key for whoever is to use it, and its hash for the configuration."""
    from duologue.gateway.keys import hashed, new_key

    key = new_key()
    print(key)
    print(f'Give it to its user; it is kept nowhere. For the configuration: hash = "{hashed(key)}"', file=sys.stderr)
