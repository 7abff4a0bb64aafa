"""`duologue replay`: shows a recorded conversation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.text import Text

from duologue import messages as m
from duologue.cli.replay_summary import Summary, summarize
from duologue.cli.terminal import ConversationView, printable
from duologue.cli.turns import TurnLog
from duologue.messages import ServerMessage
from duologue.middleware.recording import RecordedSession, read_recording


async def run_replay(file: Path, console: Console, *, as_json: bool) -> None:
    """Show every session of the recording `file`.

    Raises:
        InvalidInput: It is no recording.
    """
    sessions = read_recording(file)
    for number, session in enumerate(sessions):
        if as_json:
            sys.stdout.write(msgspec.json.encode(summarize(session)).decode() + "\n")
        else:
            if number:
                console.print()
            show_session(session, console)


def show_session(session: RecordedSession, console: Console) -> None:
    """Print a session for people to read, each line with its time in seconds."""
    summary = summarize(session)
    _print(console, _title(summary))
    view = TimedView(console)
    for entry in session.messages:
        view.at = entry.at
        if isinstance(entry.message, ServerMessage):
            view.log.feed(entry.message)
            view.show(entry.message)
        elif entry.refused is not None:
            view.show_refused(entry.message.type, entry.refused[1])
    for line in _closing(summary):
        _print(console, line)


class TimedView(ConversationView):
    """A conversation that was recorded.

    Attributes:
        at: The time of the recording, in s.
    """

    def __init__(self, console: Console) -> None:
        self.at = 0.0
        self.log = TurnLog(clock=lambda: self.at)
        super().__init__(console, self.log)

    def show(self, message: ServerMessage) -> None:
        """Show the next message, which the log has noted already."""
        if isinstance(message, m.Interrupted):
            heard = "" if message.heard_ms is None else f" after {message.heard_ms} ms of it were heard"
            self.note(f"the user interrupts{heard}")
        super().show(message)

    def show_refused(self, kind: str, reason: str) -> None:
        """Show that a message was not sent."""
        self._line("error", f"{kind} was not sent: {reason}")

    def _line(self, name: str, text: str, style: str = "") -> None:
        self._console.print(Text(f"{self.at:8.2f}  ", "dim"), end="")
        super()._line(name, text, style)


def _title(summary: Summary) -> str:
    whom = " ".join(filter(None, (summary.provider, summary.model)))
    without = f", without {', '.join(summary.dropped)}" if summary.dropped else ""
    return f"{summary.started_at}  {whom}{without}, {summary.seconds:.1f} s"


def _closing(summary: Summary) -> list[str]:
    lines = []
    told = [f"{name} {_plain(value)}" for name, value in msgspec.to_builtins(summary.usage).items() if value]
    if told:
        lines.append(f"usage: {', '.join(told)}")
    if summary.lost:
        lines.append(f"{summary.lost} messages are missing in the recording.")
    lines.append(f"ended: {summary.end}" if summary.end else "The recording stops here.")
    return lines


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return f"({', '.join(f'{name} {count}' for name, count in value.items())})"
    return json.dumps(value)


def _print(console: Console, text: str) -> None:
    console.print(printable(text), soft_wrap=True, highlight=False, markup=False)
