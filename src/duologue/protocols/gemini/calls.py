"""The functions that the model has asked for, and their results on the way back."""

from __future__ import annotations

from collections.abc import Iterable

from duologue.items import FunctionResult
from duologue.lifecycle import new_id
from duologue.protocols.gemini import content_frames as wire
from duologue.protocols.gemini.contents import write_result

_REMEMBERED = 256


class _Call:
    """One call.

    Args:
        wire_id: Its id on the wire, where it has one.
        name: The function's name.
        round: The calls whose results go back with its own.
    """

    __slots__ = ("cancelled", "name", "round", "wire_id")

    def __init__(self, wire_id: str | None, name: str, round: _Round) -> None:
        self.wire_id = wire_id
        self.name = name
        self.round = round
        self.cancelled = False


class _Round:
    """Calls that came together and block the model: their results go back together."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.results: list[wire.FunctionResponse] = []


class UnknownCall(Exception):
    """A result of a call that nothing is known of, not even the function's name."""


class Calls:
    """Remembers calls by their id, for results need the function's name. Pure.

    The model goes on when it has a result. Those of calls that came together are therefore kept until all are there; a
    function in the background keeps nobody waiting.
    """

    def __init__(self) -> None:
        self._calls: dict[str, _Call] = {}

    def asked(self, calls: Iterable[wire.FunctionCall], background: frozenset[str]) -> list[str]:
        """The model asks for these calls together; gives their ids.

        Args:
            calls: The calls.
            background: The names of functions that do not block.
        """
        round, ids = _Round(), []
        for call in calls:
            call_id = call.id or new_id("call")
            ids.append(call_id)
            blocks = call.name not in background
            self._calls[call_id] = _Call(call.id, call.name, round if blocks else _Round())
            if blocks:
                round.open.add(call_id)
        while len(self._calls) > _REMEMBERED:
            del self._calls[next(iter(self._calls))]
        return ids

    def answered(self, result: FunctionResult) -> list[wire.FunctionResponse]:
        """The results to send, now that this one is there. None for a call that was taken back.

        Raises:
            UnknownCall: It cannot be said on this wire.
        """
        call = self._calls.get(result.call_id)
        if call is None:
            if not result.name:
                raise UnknownCall
            return [write_result(result, result.call_id, result.name)]
        if call.cancelled:
            return []
        round = call.round
        round.results.append(write_result(result, call.wire_id, call.name))
        round.open.discard(result.call_id)
        return self._due(round)

    def held_back(self) -> list[wire.FunctionResponse]:
        """The results that wait for others, to be sent without them."""
        rounds = {id(call.round): call.round for call in self._calls.values() if call.round.results}
        held = [result for round in rounds.values() for result in round.results]
        for round in rounds.values():
            round.results = []
        return held

    def cancelled(self, ids: Iterable[str]) -> list[wire.FunctionResponse]:
        """The server takes calls back; gives the results that waited for those alone."""
        due = []
        for call_id in ids:
            call = self._calls.get(call_id)
            if call is not None:
                call.cancelled = True
                call.round.open.discard(call_id)
                due += self._due(call.round)
        return due

    def was_cancelled(self, call_id: str) -> bool:
        """Whether the server has taken that call back."""
        call = self._calls.get(call_id)
        return call is not None and call.cancelled

    @property
    def are_blocking(self) -> bool:
        """Whether the model waits for results."""
        return any(call.round.open for call in self._calls.values())

    @staticmethod
    def _due(round: _Round) -> list[wire.FunctionResponse]:
        if round.open:
            return []
        due, round.results = round.results, []
        return due
