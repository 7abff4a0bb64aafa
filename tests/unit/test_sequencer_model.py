"""The sequencer against a model of a server at the other end of a slow line."""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from duologue import messages as m
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.runtime.sequencer import MAX_WAITING, Request, ResponseSequencer


def make(options: SessionOptions | None = None) -> ResponseSequencer:
    return ResponseSequencer(options or SessionOptions())


def plain(id: str) -> m.ResponseCreate:
    return m.ResponseCreate(id=id)


def special(id: str) -> m.ResponseCreate:
    """A request that merges with no other."""
    return m.ResponseCreate(id=id, instructions=id)


def follow_up(id: str) -> m.ResponseCreate:
    return m.ResponseCreate(id=id, follow_up=True)


def began(id: str) -> m.ResponseCreated:
    return m.ResponseCreated(response_id=id)


def done(id: str) -> m.ResponseDone:
    return m.ResponseDone(response_id=id, status="completed")


def refused(cause: str | None = None, kind: str = "response_active") -> m.ErrorReported:
    return m.ErrorReported(kind=kind, error=m.ErrorDetail(message="no"), cause_id=cause)


def result(call_id: str) -> m.FunctionResult:
    return m.FunctionResult(call_id=call_id, output="42")


class SlowLine(RuleBasedStateMachine):
    """A server that answers one request at a time and begins responses by itself, with both directions on their way.

    `patient`: no response is so short that it ends before its beginning, and what met it, have arrived. Then there is
    at most one request on its way, and the order is kept. `names_cause`: errors name the message that caused them.
    Without names, and without patience, nobody could tell what was refused.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sequencer = make()
        self.to_server: deque[ClientMessage] = deque()
        self.to_client: deque[ServerMessage] = deque()
        self.active: str | None = None
        self.count = 0
        self.now: set[str] = set()
        self.accepted: list[str] = []  # idle requests, in the order in which they were asked for
        self.granted: list[str] = []
        self.failed: set[str] = set()
        self.follow_ups: dict[str, str] = {}  # request id → the call whose result it follows
        self.added: set[str] = set()  # calls whose results the server has
        self.answered: set[str] = set()  # calls whose results were there when a response began
        self.speaking: str | None = None

    @initialize(mode=st.sampled_from([(True, True), (True, False), (False, True)]))
    def choose(self, mode: tuple[bool, bool]) -> None:
        self.patient, self.names_cause = mode

    def new_id(self, kind: str) -> str:
        self.count += 1
        return f"{kind}{self.count}"

    def ask(self, request: Request) -> None:
        before = self.sequencer.waiting
        sent = self.sequencer.request(request)
        merged = not sent and self.sequencer.waiting == before
        assert request.id is not None
        if not merged and request.id not in self.follow_ups:
            self.accepted.append(request.id)
        self.to_server.extend(sent)

    # --- the application ---

    @precondition(lambda self: self.sequencer.waiting < MAX_WAITING)
    @rule(kind=st.sampled_from(["plain", "special", "say"]))
    def request(self, kind: str) -> None:
        id = self.new_id("q")
        self.ask(m.Say(id=id, text="hi") if kind == "say" else plain(id) if kind == "plain" else special(id))

    @precondition(lambda self: self.sequencer.waiting < MAX_WAITING)
    @rule()
    def send_results(self) -> None:
        id, call_id = self.new_id("f"), self.new_id("call")
        item = m.ItemCreate(item=result(call_id))
        self.sequencer.sent(item)
        self.to_server.append(item)
        self.follow_ups[id] = call_id
        self.ask(follow_up(id))

    @precondition(lambda self: self.names_cause and len(self.now) < MAX_WAITING - 1)
    @rule()
    def request_now(self) -> None:
        id = self.new_id("n")
        self.now.add(id)
        self.to_server.extend(self.sequencer.request(m.ResponseCreate(id=id, when="now")))

    # --- the server ---

    @precondition(lambda self: self.to_server)
    @rule(fails=st.integers(0, 9).map(lambda number: number == 0))
    def server_reads(self, fails: bool = False) -> None:
        message = self.to_server.popleft()
        if isinstance(message, m.ItemCreate):
            assert isinstance(message.item, m.FunctionResult)
            self.added.add(message.item.call_id)
            self.to_client.append(m.ItemAdded(item=message.item))
            return
        assert message.id is not None
        cause = message.id if self.names_cause else None
        if self.active is not None:
            self.to_client.append(refused(cause))
        elif fails and message.id not in self.follow_ups:
            self.failed.add(message.id)
            self.to_client.append(refused(cause, "invalid_request"))
        else:
            assert message.id not in self.granted, "It was answered already."
            self.granted.append(message.id)
            self.begin()

    def begin(self) -> None:
        self.active = self.new_id("r")
        self.answered |= self.added
        self.to_client.append(began(self.active))

    @precondition(lambda self: self.active is None)
    @rule()
    def server_begins_by_itself(self) -> None:
        self.begin()

    @precondition(lambda self: self.active is not None and not (self.patient and (self.to_server or self.to_client)))
    @rule()
    def server_is_done(self) -> None:
        assert self.active is not None
        self.to_client.append(done(self.active))
        self.active = None

    @precondition(lambda self: self.speaking is None)
    @rule()
    def user_speaks(self) -> None:
        self.speaking = self.new_id("u")
        self.to_client.append(m.InputSpeechStarted(item_id=self.speaking))

    @precondition(lambda self: self.speaking is not None and (self.names_cause or not (self.active or self.to_server)))
    @rule()
    def user_stops(self) -> None:
        self.to_client.append(m.InputAudioCommitted(item_id=self.speaking))
        self.speaking = None
        if self.active is None:
            self.begin()
        else:
            self.to_client.append(refused(None))

    # --- the line ---

    @precondition(lambda self: self.to_client)
    @rule()
    def client_reads(self) -> None:
        message = self.to_client.popleft()
        shown, requests = self.sequencer.received(message)
        if isinstance(message, m.ErrorReported) and message.kind == "response_active" and message.cause_id is not None:
            assert shown == (message.cause_id in self.now)
        else:
            assert shown or not self.names_cause
        self.to_server.extend(requests)

    @invariant()
    def at_most_one_request_is_on_its_way(self) -> None:
        if getattr(self, "patient", False):
            requests = [message for message in self.to_server if isinstance(message, m.ResponseCreate | m.Say)]
            assert len([request for request in requests if request.id not in self.now]) <= 1

    def teardown(self) -> None:
        """Let everything come to rest: what was accepted was answered."""
        if not hasattr(self, "patient"):
            return
        if self.speaking is not None:
            self.to_client.append(m.InputAudioCleared())
        while self.to_server or self.to_client or self.active is not None:
            while self.to_client:
                self.client_reads()
            while self.to_server:
                self.server_reads()
            if self.active is not None:
                self.server_is_done()
        assert self.sequencer.waiting == 0
        assert not self.sequencer.awaits_follow_up
        assert set(self.accepted) <= {*self.granted, *self.failed}
        assert set(self.follow_ups.values()) <= self.answered
        if self.patient:
            order = [id for id in self.granted if id in self.accepted]
            assert order == [id for id in self.accepted if id in order]


TestSlowLine = SlowLine.TestCase
TestSlowLine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
