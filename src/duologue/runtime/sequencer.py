"""One response at a time: when a request for a response goes out.

A provider answers one request at a time, and may start responses by itself. Requests therefore wait here, first in,
first out. A request may still meet a response that the provider began a moment before: it is refused, and takes its old
place again.
"""

from __future__ import annotations

import bisect
from collections import deque
from operator import attrgetter

import msgspec

from duologue import messages as m
from duologue.errors import TooManyRequests
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions, answers_speech

MAX_WAITING = 32

Request = m.ResponseCreate | m.Say

_REFUSALS = frozenset({"invalid_request", "rate_limited", "server", "other"})


class _Entry:
    """A request and its place in the order of all requests.

    Args:
        number: That place.
        request: The request.
        results: The calls whose results were sent before it, and which the provider had not taken in at that time.
    """

    __slots__ = ("number", "request", "results", "satisfied")

    def __init__(self, number: int, request: Request, results: set[str]) -> None:
        self.number = number
        self.request = request
        self.results = results
        self.satisfied = False  # a follow-up that another response has made unnecessary

    @property
    def is_follow_up(self) -> bool:
        return isinstance(self.request, m.ResponseCreate) and self.request.follow_up

    def is_answered(self, outstanding: set[str]) -> bool:
        """Whether a response that begins now answers a follow-up, whoever began it: it has the results before it."""
        return self.is_follow_up and self.results.isdisjoint(outstanding)


class ResponseSequencer:
    """Decides, from the messages that pass, when waiting requests are sent. Pure: no clock, no tasks.

    Args:
        options: The session's options: they tell whether the server answers speech by itself.
    """

    def __init__(self, options: SessionOptions) -> None:
        self.options = options
        self._count = 0
        self._waiting: list[_Entry] = []
        self._requested: list[_Entry] = []  # sent, and no response has begun since
        self._answered: deque[_Entry] = deque(maxlen=MAX_WAITING)  # a response began after them: theirs, if all is well
        self._ours = False  # the active response is taken to be the answer to the last of those
        self._active: str | None = None  # the response that runs in the conversation
        self._blocked = False  # the provider says that one runs which we have not seen begin
        self._speech_open = False  # the user is speaking
        self._answer_due: str | bool = False  # the server will answer what the user said: that item
        self._own_commits: set[str | None] = set()  # commits of the application on their way
        self._turn_ended: str | None = None  # by the application, and the provider is about to answer it
        self._results: set[str] = set()  # calls whose results the provider has not taken into the conversation yet

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    @property
    def active(self) -> str | None:
        """The id of the response that runs in the conversation."""
        return self._active

    @property
    def is_busy(self) -> bool:
        """Whether a request that goes out now would be refused, as far as is known."""
        return self._active is not None or self._blocked or bool(self._requested) or self._turn_ended is not None

    @property
    def awaits_response(self) -> bool:
        """Whether none runs, and one is on its way: it was asked for, or the server answers what the user said."""
        return self._active is None and bool(self._requested or self._answer_due or self._turn_ended is not None)

    @property
    def awaits_follow_up(self) -> bool:
        """Whether a follow-up of function results waits or is on its way."""
        return any(entry.is_follow_up for entry in (*self._waiting, *self._requested))

    # --- down ---

    def request(self, request: Request) -> list[ClientMessage]:
        """Take a request, and give back what to send now.

        Raises:
            TooManyRequests: `MAX_WAITING` requests wait already.
        """
        if isinstance(request, m.ResponseCreate) and request.out_of_band:
            return [request]
        if request.when == "now":
            self._requested.append(self._entry(request))
            return [request]
        for entry in self._waiting:
            if _same(request, entry.request):
                entry.results |= self._results
                return []
        if len(self._waiting) >= MAX_WAITING:
            raise TooManyRequests(
                f"{MAX_WAITING} response requests wait behind the active response. Wait for ResponseDone, or interrupt "
                "it, before asking for more."
            )
        self._waiting.append(self._entry(request))
        return self._release()

    def withdraw(self, request: Request) -> list[ClientMessage]:
        """A request that was to be sent, or to wait, could not be made; gives back what to send in its place."""
        self._requested = [entry for entry in self._requested if entry.request is not request]
        self._waiting = [entry for entry in self._waiting if entry.request is not request]
        return self._release()

    def sent(self, message: ClientMessage) -> None:
        """Note another message that was sent."""
        if isinstance(message, m.InputAudioCommit):
            self._own_commits.add(message.id)
        elif isinstance(message, m.UserTurnEnd):
            self._turn_ended = message.id if message.respond else None
        elif isinstance(message, m.ItemCreate) and isinstance(message.item, m.FunctionResult):
            self._results.add(message.item.call_id)

    def not_sent(self, message: ClientMessage) -> None:
        """What was noted as sent could not be said on this wire."""
        self._own_commits.discard(message.id)
        if message.id == self._turn_ended:
            self._turn_ended = None

    # --- up ---

    def received(self, message: ServerMessage) -> tuple[bool, list[ClientMessage]]:
        """Note what the provider says: whether the reader shall see it, and what to send now."""
        match message:
            case m.ResponseCreated(out_of_band=False):
                self._response_began(message.response_id)
                return True, []
            case m.ResponseDone(out_of_band=False):
                if self._active in (None, message.response_id):
                    self._active, self._blocked, self._ours = None, False, False
            case m.ErrorReported():
                return self._error(message)
            case m.ItemAdded(item=m.FunctionResult(call_id=call_id)):
                self._results.discard(call_id)
                return True, []
            case m.InputSpeechStarted():
                self._speech_open = True
                return True, []
            case m.InputAudioCommitted():
                self._speech_open = False
                if self._own_commits:  # the server answers only the turns that it found itself
                    self._own_commits.pop()
                else:
                    self._answer_due = answers_speech(self.options) and (message.item_id or True)
            case m.InputAudioCleared():
                self._speech_open = False
            case m.ItemDeleted(item_id=item_id) if item_id == self._answer_due:
                self._answer_due = False
            case _:
                return True, []
        return True, self._release()

    def _response_began(self, response_id: str) -> None:
        self._active, self._blocked, self._answer_due, self._turn_ended = response_id, False, False, None
        self._ours = bool(self._requested)
        self._waiting = [entry for entry in self._waiting if not entry.is_answered(self._results)]
        for entry in self._requested:
            entry.satisfied = entry.is_answered(self._results)
        for entry in self._requested:
            if entry.is_follow_up:
                self._results -= entry.results  # a wire may not tell that it has taken them
        self._answered.extend(self._requested)
        self._requested.clear()

    def _error(self, report: m.ErrorReported) -> tuple[bool, list[ClientMessage]]:
        self._own_commits.discard(report.cause_id)
        if report.cause_id in (None, self._turn_ended):
            self._turn_ended = None
        if report.kind == "response_active":
            return self._refused(report.cause_id)
        if report.cause_id is None:
            if report.kind in _REFUSALS:  # perhaps of a request that is on its way: do not wait for its response
                self._answered.extend(self._requested)
                self._requested.clear()
        else:
            self._forget(report.cause_id)
        return True, self._release()

    def _refused(self, request_id: str | None) -> tuple[bool, list[ClientMessage]]:
        """A response was refused because another is active: what we asked for, or what the server began by itself."""
        entry = self._forget(request_id) if request_id is not None else self._guess_refused()
        if entry is None:
            if request_id is None:
                self._answer_due = False
            return True, self._release()
        self._blocked = self._active is None
        if entry.request.when == "now":
            return True, []
        if not entry.satisfied:
            bisect.insort(self._waiting, entry, key=attrgetter("number"))
        return False, []

    def _forget(self, request_id: str) -> _Entry | None:
        for entries in (self._requested, self._answered):
            for entry in entries:
                if entry.request.id == request_id:
                    entries.remove(entry)
                    return entry
        return None

    def _guess_refused(self) -> _Entry | None:
        """The request that was refused by an error which does not name it."""
        if self._answer_due:
            return None  # it is what the server wanted to begin by itself
        if self._requested:
            return self._requested.pop()
        if self._ours and self._answered:
            self._ours = False
            return self._answered.pop()
        return None

    # --- the queue ---

    def _entry(self, request: Request) -> _Entry:
        self._count += 1
        return _Entry(self._count, request, set(self._results))

    def _release(self) -> list[ClientMessage]:
        if self._active or self._requested or self._blocked or not self._waiting:
            return []
        if self._waiting[0].is_follow_up and (self._speech_open or self._answer_due):
            return []
        entry = self._waiting.pop(0)
        self._requested.append(entry)
        return [entry.request]


def _same(first: Request, second: Request) -> bool:
    if not isinstance(first, m.ResponseCreate) or not isinstance(second, m.ResponseCreate) or first.overrides():
        return False
    return msgspec.structs.replace(first, id=None) == msgspec.structs.replace(second, id=None)
