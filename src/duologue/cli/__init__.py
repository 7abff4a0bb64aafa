"""The command line: ``duologue demo``, ``duologue talk``, ``duologue doctor``."""

from __future__ import annotations

import sys


def main() -> None:
    """The program `duologue`."""
    try:
        from duologue.cli.app import app

        app()
    except KeyboardInterrupt:  # while it was loading
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        print(f'duologue: {error.name} is not installed. Run: pip install "duologue[cli]"', file=sys.stderr)
        sys.exit(2)
