"""What happened in a recorded session: turn by turn, for programs to read."""

from __future__ import annotations

import msgspec

from duologue import messages as m
from duologue.cli.turns import Turn, TurnLog
from duologue.messages import ServerMessage
from duologue.middleware.recording import RecordedSession


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A function that was called.

    Attributes:
        output: What it gave back; None if the recording holds no result.
    """

    name: str
    arguments: str
    output: str | None = None
    is_error: bool = False


class RecordedTurn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A turn of the conversation.

    Attributes:
        at: When it began, in s from the beginning of the recording.
        user: What the user said or wrote.
        assistant: What the assistant said, as far as it was heard.
        calls: The functions that were called.
        outcome: How it ended; None if it did not.
        answered_ms: From the moment when the user was known to have finished to the answer, in ms.
        interrupted: Whether the user cut the answer short.
        error: What went wrong, if it failed.
    """

    turn_id: str
    at: float
    user: str = ""
    assistant: str = ""
    calls: tuple[Call, ...] = ()
    outcome: m.TurnOutcome | None = None
    answered_ms: float | None = None
    interrupted: bool = False
    error: str | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """An error that the provider reported, or a message that could not be sent.

    Attributes:
        at: When, in s from the beginning of the recording.
        kind: `ErrorReported.kind`, or the class of the exception.
    """

    at: float
    kind: str
    text: str


class Summary(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recorded session.

    Attributes:
        session: What tells it from the others of the file.
        started_at: When it began to open, as ISO 8601 in UTC.
        seconds: How long it lasted, in s.
        dropped: The preferences that were left out.
        turns: What was said.
        errors: What went wrong.
        usage: What it cost.
        lost: How many messages are missing.
        end: Why it ended; None if the recording stops before that.
    """

    session: str
    started_at: str
    provider: str
    model: str | None = None
    seconds: float
    dropped: tuple[str, ...] = ()
    turns: tuple[RecordedTurn, ...] = ()
    errors: tuple[Fault, ...] = ()
    usage: m.Usage = m.Usage()
    lost: int = 0
    end: str | None = None


def summarize(session: RecordedSession) -> Summary:
    """What happened in a recorded session."""
    at = 0.0
    log = TurnLog(clock=lambda: at)
    began: dict[str, float] = {}
    interrupted: set[str | None] = set()
    faults: list[Fault] = []
    for entry in session.messages:
        at = entry.at
        match entry.message:
            case m.ErrorReported(kind=kind, error=error):
                faults.append(Fault(at=at, kind=kind, text=error.message))
            case m.Interrupted(turn_id=turn_id):
                interrupted.add(turn_id)
            case _:
                pass
        if entry.refused is not None:
            faults.append(Fault(at=at, kind=entry.refused[0], text=entry.refused[1]))
        if isinstance(entry.message, ServerMessage):
            log.feed(entry.message)
            began.setdefault(entry.message.turn_id or "", at)
    end = session.end
    return Summary(
        session=session.id,
        started_at=session.started_at,
        provider=session.metadata.provider,
        model=session.metadata.model,
        seconds=session.seconds,
        dropped=session.dropped,
        turns=tuple(_turn(log, turn, began[turn.id], turn.id in interrupted) for turn in log.turns),
        errors=tuple(faults),
        usage=log.conversation.usage,
        lost=session.lost,
        end=None if end is None else f"{end.error}: {end.exception()}",
    )


def _turn(log: TurnLog, turn: Turn, at: float, interrupted: bool) -> RecordedTurn:
    waited = turn.decision_to_answer_ms
    return RecordedTurn(
        turn_id=turn.id,
        at=at,
        user=log.heard(turn),
        assistant=log.said(turn),
        calls=tuple(_call(call, result) for call, result in log.calls(turn)),
        outcome=turn.outcome,
        answered_ms=None if waited is None else round(waited, 1),
        interrupted=interrupted or turn.outcome == "interrupted",
        error=turn.error,
    )


def _call(call: m.FunctionCall, result: m.FunctionResult | None) -> Call:
    if result is None:
        return Call(name=call.name, arguments=call.arguments)
    return Call(name=call.name, arguments=call.arguments, output=result.output, is_error=result.is_error)
