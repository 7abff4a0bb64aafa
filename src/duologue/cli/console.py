"""The console that the commands print on."""

from __future__ import annotations

import io
import sys

from rich.console import Console

_WIDTH_OF_FILES = 110  # characters of a line where there is no terminal to ask


def make_console() -> Console:
    """Standard output: with colours on a terminal, as plain lines elsewhere. It prints any text in any locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_FILES)
