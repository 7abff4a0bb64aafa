"""Which function calls belong together, and when all of them are answered. Pure."""

from __future__ import annotations

from collections import deque

_REMEMBERED = 64  # responses whose calls, should they come once more, are not run again


class Round:
    """The function calls of one response.

    Attributes:
        number: Which round of its turn it is, from 1; 0 as long as the invoker answers none of its calls.
        turn_id: That turn.
        followed_up: Whether the model was asked to go on, or needs not be.
        filled: Whether something was said to pass the time.
        succeeded: Whether one of its calls was run to its end.
        error: What the first of its calls that failed raised.
    """

    def __init__(self) -> None:
        self.number = 0
        self.turn_id: str | None = None
        self.followed_up = False
        self.filled = False
        self.succeeded = False
        self.error: Exception | None = None
        self._seen: set[str] = set()
        self._open: set[str] = set()
        self._has_answers = False
        self._completed = False

    def add(self, call_id: str) -> bool:
        """Take a call; whether it is a new one."""
        if call_id in self._seen:
            return False
        self._seen.add(call_id)
        self._open.add(call_id)
        return True

    def is_open(self, call_id: str) -> bool:
        """Whether that call still wants an answer."""
        return call_id in self._open

    def close(self, call_id: str, *, answered: bool, succeeded: bool = False, error: Exception | None = None) -> None:
        """That call was answered, or is not to be.

        Args:
            call_id: The call.
            answered: Whether its answer is worth going on for.
            succeeded: Whether it was run to its end.
            error: What it raised.
        """
        if call_id in self._open:
            self._open.remove(call_id)
            self._has_answers |= answered
            self.succeeded |= succeeded
            self.error = self.error or error

    def complete(self) -> None:
        """The response has come to its end: no more calls. One that was cut off never gets here."""
        self._completed = True

    def is_due(self) -> bool:
        """Whether it is time to have the model go on: all its calls are known, and none is open."""
        return self._completed and self._has_answers and not self._open and self.number > 0 and not self.followed_up


class CallRounds:
    """The rounds of a session: every call once, however often it is told of."""

    def __init__(self) -> None:
        self._rounds: dict[str, Round] = {}  # by response id
        self._ended: deque[str] = deque()
        self._turn: str | None = None
        self._numbered = 0
        self._failed = 0  # rounds of the turn, in a row

    def of(self, response_id: str) -> Round:
        """The round of that response."""
        return self._rounds.setdefault(response_id, Round())

    def number(self, round: Round, turn_id: str | None) -> bool:
        """Count a round that the invoker has a part in, once; whether it did. Every turn is counted from 1."""
        if round.number:
            return False
        if turn_id != self._turn:
            self._turn, self._numbered, self._failed = turn_id, 0, 0
        self._numbered += 1
        round.number, round.turn_id = self._numbered, turn_id
        return True

    def count_failure(self, round: Round, allowed: int) -> Exception | None:
        """Count a round that is over, if all that was run in it failed; gives its error if that is one too many.

        Calls that were not run (unknown, refused, with arguments that do not fit) count neither way.

        Args:
            round: The round.
            allowed: How many rounds of a turn may fail in a row.
        """
        if round.turn_id != self._turn:
            return None
        if round.succeeded:
            self._failed = 0
        elif round.error is not None:
            self._failed += 1
            return round.error if self._failed > allowed else None
        return None

    def response_done(self, response_id: str, *, completed: bool) -> Round | None:
        """The response is over; gives its round, if it had calls."""
        round = self._rounds.get(response_id)
        if round is None:
            return None
        if completed:
            round.complete()
        self._ended.append(response_id)
        if len(self._ended) > _REMEMBERED:
            self._rounds.pop(self._ended.popleft(), None)
        return round

    def close(self, call_id: str, *, answered: bool, succeeded: bool = False) -> list[Round]:
        """A call was answered elsewhere, or taken back; gives the rounds that it was open in."""
        touched = [round for round in self._rounds.values() if round.is_open(call_id)]
        for round in touched:
            round.close(call_id, answered=answered, succeeded=succeeded)
        return touched
