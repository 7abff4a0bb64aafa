"""The conversation on a terminal: lines as it happens, and what is being said right now beneath them."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from duologue import messages as m
from duologue.cli.turns import Turn, TurnLog
from duologue.messages import ServerMessage

_NAME_WIDTH = 11
_STYLES = {"you": "bold cyan", "assistant": "bold green", "tool": "magenta", "error": "bold red"}
_LONGEST_RESULT = 200  # characters of a function's result


class View(Protocol):
    """Shows a session."""

    def show(self, message: ServerMessage) -> None:
        """Show the next message, which the session's log has noted already."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class ConversationView:
    """Prints a conversation for people to read. Where the console is no terminal, whole lines without escape codes.

    Args:
        console: Where to print.
        log: The session's turns.
    """

    def __init__(self, console: Console, log: TurnLog) -> None:
        self._console = console
        self._log = log
        self._live: Live | None = None
        self._hearing = ""  # what the user is saying, as far as it came
        self._saying = ""  # what the assistant is saying, likewise

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(Text(), console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, message: ServerMessage) -> None:
        """Show the next message, which the log has noted already."""
        match message:
            case m.InputTranscriptDelta(text=text, replaces=replaces):
                self._hearing = text if replaces else self._hearing + text
                self._now("you", self._hearing)
            case m.InputTranscriptCompleted(text=text):
                self._hearing = ""
                self._line("you", text or "(not understood)")
            case m.InputTranscriptFailed(error=error):
                self._line("error", error.message)
            case m.OutputTranscriptDelta(text=text) | m.OutputTextDelta(text=text):
                self._saying += text
                self._now("assistant", self._saying)
            case m.ItemDone(item=item):
                self._show_item(item)
            case m.ItemTruncated(item_id=item_id) | m.ItemDeleted(item_id=item_id):
                self._show_cut(item_id)
            case m.ErrorReported(error=error) | m.ResponseDone(error=m.ErrorDetail() as error):
                self._line("error", error.message)
            case m.TurnDone(turn_id=turn_id):
                self._show_end(next(turn for turn in self._log.turns if turn.id == turn_id))
            case _:
                pass

    def note(self, text: str) -> None:
        """Print a line that is no part of the conversation."""
        self._line("", text, style="dim")

    # --- pieces ---

    def _show_item(self, item: m.Item) -> None:
        match item:
            case m.MessageItem(role="assistant"):
                self._saying = ""
                self._line("assistant", item.text + ("" if item.status == "completed" else " -"))
            case m.MessageItem(role="user", content=(m.TextContent(), *_)):
                self._line("you", item.text)
            case m.FunctionResult():
                call = self._log.call(item.call_id)
                self._line("tool", f"{describe_call(call) if call else item.name}: {_shortened(item.output)}")
            case _:
                pass

    def _show_cut(self, item_id: str) -> None:
        saying = self._log.cut.get(item_id, "")
        heard = self._log.conversation.transcript(item_id)
        if saying and heard != saying:
            unheard = saying.removeprefix(heard).strip()
            self.note(f'interrupted: heard "{heard.strip()}", not "{unheard}"')

    def _show_end(self, turn: Turn) -> None:
        if turn.outcome == "completed":
            self.note(describe_latency(turn))
        elif turn.outcome != "interrupted":  # which shows when it is known what was heard
            self.note(f"the turn ended: {turn.outcome}")

    def _line(self, name: str, text: str, style: str = "") -> None:
        line = Text.assemble((f"{name:{_NAME_WIDTH}}", _STYLES.get(name, "")), (printable(text), style))
        if self._live is not None:
            self._live.update(Text(), refresh=True)
        self._console.print(line, soft_wrap=True)

    def _now(self, name: str, text: str) -> None:
        """What is being said, in place of what was so far."""
        if self._live is not None:
            line = Text.assemble((f"{name:{_NAME_WIDTH}}", _STYLES[name]), (printable(text), "italic"))
            self._live.update(line, refresh=True)


def describe_call(call: m.FunctionCall) -> str:
    """``"set_timer(minutes=5)"``."""
    try:
        arguments = json.loads(call.arguments)
    except ValueError:
        return f"{call.name}({call.arguments})"
    if not isinstance(arguments, dict):
        return f"{call.name}({call.arguments})"
    return f"{call.name}({', '.join(f'{name}={value}' for name, value in arguments.items())})"


def describe_latency(turn: Turn) -> str:
    """How long the user waited for the answer."""
    decided, spoken = turn.decision_to_answer_ms, turn.speech_to_answer_ms
    if decided is None:
        return "no answer"
    text = f"answered {decided:.0f} ms after the end of the turn was known"
    return text if spoken is None else f"{text}, {spoken:.0f} ms after the last word"


def printable(text: str) -> str:
    """`text` on one line, without anything that steers a terminal."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_RESULT else f"{text[:_LONGEST_RESULT]} ..."
