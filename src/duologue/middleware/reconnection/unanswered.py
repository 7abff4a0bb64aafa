"""What the model still owes: requests and turns of the user that have no answer. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions, answers_speech

Request = m.ResponseCreate | m.Say


@dataclass(eq=False)
class Answer:
    """A response that is under way.

    Attributes:
        response_id: Its id.
        request: What asked for it; None: the server began by itself.
        items: The ids of its items, in order.
        calls: Its function calls that are whole: they run already.
        shown: Whether it has words that are read, not heard.
    """

    response_id: str
    request: Request | None = None
    items: list[str] = field(default_factory=list)
    calls: list[m.FunctionCall] = field(default_factory=list)
    shown: bool = False


class Unanswered:
    """Follows requests and answers, to know what has to be asked for again when a connection is lost.

    Attributes:
        options: The session's options: they tell whether the server answers speech by itself.
        active: The response that is under way, in the conversation.
        is_due: The user's turn is over, and the server has not begun to answer it.
    """

    def __init__(self, options: SessionOptions) -> None:
        self.options = options
        self.active: Answer | None = None
        self.is_due = False
        self._waiting: list[Request] = []
        self._own_commits = 0

    @property
    def waiting(self) -> tuple[Request, ...]:
        """The requests that no response has come of, in order."""
        return tuple(self._waiting)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is owed."""
        return self.active is None and not self.is_due and not self._waiting

    # --- towards the provider ---

    def sent(self, message: ClientMessage) -> None:
        """The application sends this."""
        match message:
            case m.ResponseCreate() | m.Say():
                self._waiting.append(message)
            case m.InputAudioCommit() | m.UserTurnEnd(respond=False):
                self._own_commits += 1
            case m.UserTurnEnd():
                self._own_commits += 1
                self.is_due = True
            case _:
                pass

    def withdraw(self, message_id: str | None) -> None:
        """A request was refused."""
        if message_id is not None:
            self._waiting = [request for request in self._waiting if request.id != message_id]

    def take(self) -> tuple[Request, ...]:
        """The requests that wait, which are asked anew: what is sent comes in here again."""
        waiting, self._waiting = tuple(self._waiting), []
        self._own_commits = 0
        return waiting

    # --- from the provider ---

    def received(self, message: ServerMessage) -> None:
        """Note what the provider says."""
        match message:
            case m.ResponseCreated():
                self._began(message)
            case m.ResponseDone(response_id=response_id):
                if self.active is not None and self.active.response_id == response_id:
                    self.active = None
            case m.InputAudioCommitted():
                if self._own_commits:
                    self._own_commits -= 1
                else:
                    self.is_due = answers_speech(self.options)
            case m.TurnDone():
                self.is_due = False
            case m.ErrorReported(cause_id=cause_id):
                self.withdraw(cause_id)
            case m.OutputItemAdded() | m.OutputItemDone():
                self._item(message)
            case m.OutputTextDelta(response_id=response_id):
                if self.active is not None and self.active.response_id == response_id:
                    self.active.shown = True
            case _:
                pass

    def _began(self, created: m.ResponseCreated) -> None:
        request = self._answered_request(created.out_of_band)
        if not created.out_of_band:
            self.active = Answer(created.response_id, request)
            self.is_due = False

    def _answered_request(self, out_of_band: bool) -> Request | None:
        for request in self._waiting:
            if _is_out_of_band(request) == out_of_band and not (self.is_due and not out_of_band):
                self._waiting.remove(request)
                self._drop_follow_ups(out_of_band)
                return request
        self._drop_follow_ups(out_of_band)
        return None

    def _drop_follow_ups(self, out_of_band: bool) -> None:
        """Any response answers what waits for one to go on after function results."""
        if not out_of_band:
            self._waiting = [
                request
                for request in self._waiting
                if not (isinstance(request, m.ResponseCreate) and request.follow_up)
            ]

    def _item(self, message: m.OutputItemAdded | m.OutputItemDone) -> None:
        answer = self.active
        if answer is None or answer.response_id != message.response_id:
            return
        if message.item.id is not None and message.item.id not in answer.items:
            answer.items.append(message.item.id)
        if isinstance(message, m.OutputItemDone) and _is_whole_call(message.item):
            assert isinstance(message.item, m.FunctionCall)
            answer.calls.append(message.item)


def _is_out_of_band(request: Request) -> bool:
    return isinstance(request, m.ResponseCreate) and request.out_of_band


def _is_whole_call(item: m.Item) -> bool:
    return isinstance(item, m.FunctionCall) and item.status == "completed"
