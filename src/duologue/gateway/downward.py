"""The upstream's messages on their way to a client."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.conversation import Conversation
from duologue.errors import SessionEnded
from duologue.gateway.cuts import Cuts
from duologue.gateway.follow_ups import FollowUps
from duologue.gateway.hidden_calls import HiddenCalls
from duologue.gateway.metadata_echo import MetadataEcho
from duologue.gateway.record import SessionRecord
from duologue.gateway.speech_marks import SpeechMarks
from duologue.gateway.terms import Terms
from duologue.gateway.wire import as_clients
from duologue.inbox import Inbox
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions

_OUTPUT = frozenset({m.OutputTranscriptDelta, m.OutputTextDelta, m.ReasoningDelta})


class Downward:
    """Takes what the upstream says, and queues what is for the client.

    Args:
        inbox: What waits for the client.
        terms: What it may know.
        record: What is noted.
        spend: Told of seconds of audio.
        told: What it gets to know of options.

    Attributes:
        metadata: The metadata of requests.
        follow_ups: The answers that come without being asked for.
    """

    def __init__(
        self,
        inbox: Inbox,
        terms: Terms,
        record: SessionRecord,
        spend: Callable[[float], None],
        told: Callable[[SessionOptions], SessionOptions],
    ) -> None:
        self._inbox = inbox
        self._record = record
        self._spend = spend
        self._told = told
        self.metadata = MetadataEcho()
        self.follow_ups = FollowUps()
        names = {tool.name for tool in terms.server_tools} if terms.hide_server_tools else set()
        self._hidden = HiddenCalls(names.__contains__) if names else None
        self._marks: SpeechMarks | None = None
        self._cuts: Cuts | None = None
        self._kept: Conversation | None = None
        self._is_quiet = False  # the client stops what it plays
        self._options = SessionOptions()
        self._in_turn = False
        self._running: set[str] = set()  # responses
        self._asked: set[str | None] = set()  # requests for responses that have not begun
        self._then: Callable[[], object] | None = None

    def suit(self, can: Capabilities) -> None:
        """Make up for what the upstream cannot do, and clients of this wire count on."""
        if not can.speech_events:
            self._marks = SpeechMarks(lambda: int(self._record.audio_in * 1000))
        if not can.truncate:
            self._cuts = Cuts()
        if not can.retrieve:
            self._kept = Conversation()

    # --- what others ask ---

    def answer(self, message: ServerMessage) -> None:
        """Queue what the gateway itself has to say."""
        if self._kept is not None:
            self._kept.feed(message)
        self._inbox.received(message)

    def is_hidden_call(self, call_id: str) -> bool:
        """Whether the client does not see that call."""
        return self._hidden is not None and self._hidden.is_hidden_call(call_id)

    def is_hidden_item(self, item_id: str) -> bool:
        """Whether the client does not see that item."""
        return self._hidden is not None and self._hidden.is_hidden_item(item_id)

    def meant(self, message: ClientMessage) -> ClientMessage:
        """A client's message with the upstream's own ids of items."""
        return message if self._marks is None else self._marks.meant(message)

    def cut(self, message: m.ItemTruncate) -> m.ItemTruncated | None:
        """What the client gets to know if the upstream truncates by itself, or not at all; None: ask it.

        Raises:
            NotAllowed: There is not so much of that answer.
        """
        return None if self._cuts is None else self._cuts.answer(message)

    def retrieved(self, item_id: str) -> m.ItemRetrieved | None:
        """An item as the client knows it, if the upstream gives none; None: ask it."""
        name = item_id if self._marks is None else self._marks.name(item_id)
        item = None if self._kept is None else self._kept.item(name)
        return None if item is None else m.ItemRetrieved(item=item)

    async def quietly(self, stop: Awaitable[object]) -> None:
        """Carry out what stops the playback: the client, who asked for it, is not told of an interruption."""
        self._is_quiet = True
        try:
            await stop
        finally:
            self._is_quiet = False

    def asked(self, request: m.ResponseCreate) -> None:
        """The client asks for a response."""
        self._asked.add(request.id)

    def is_cancellable(self, response_id: str | None) -> bool:
        """Whether there is such a response to cancel; None: any."""
        if response_id is not None:
            return response_id in self._running
        return bool(self._running or self._asked)

    def when_quiet(self, then: Callable[[], object]) -> None:
        """Call `then` when no turn is under way."""
        self._then = then
        self._settle()

    def tell_expiry(self, seconds_left: float) -> None:
        """Tell the client when the session ends: by ``expires_at``, for which the wire has no event of its own."""
        expires_at = {"expires_at": int(time.time() + seconds_left)}
        self._inbox.received(m.SessionUpdated(options=replace(self._told(self._options), extra=expires_at)))

    # --- the link's side ---

    def received(self, message: ServerMessage) -> None:
        """Take the next message of the upstream."""
        kind = type(message)
        if kind is m.OutputAudioDelta:
            self._audio(message)  # type: ignore[arg-type]
            return
        if kind in _OUTPUT:
            self._record.output()
            self._inbox.received(message)
            return
        self._record.received(message)
        if self._cuts is not None:
            self._cuts.received(message)
        if self._marks is None or (self._is_quiet and kind is m.Interrupted):
            self._show(message)
        else:
            for told in self._marks.around(message):
                self._show(told)
        self._follow(message)

    def _show(self, message: ServerMessage) -> None:
        shown = self._shown(message)
        if shown is not None and self._hidden is not None and type(message) in HiddenCalls.watches:
            shown = self._hidden.shown(shown)
        if shown is not None:
            self.answer(shown)

    def ended(self, end: SessionEnded) -> None:
        """The upstream's session is over."""
        self._inbox.ended(end)

    def _audio(self, delta: m.OutputAudioDelta) -> None:
        seconds = len(delta.audio) / delta.format.bytes_per_second
        self._record.audio_out += seconds
        self._record.output()
        self._spend(seconds)
        if self._cuts is not None:
            self._cuts.received(delta)
        self._inbox.received(delta)

    def _shown(self, message: ServerMessage) -> ServerMessage | None:
        match message:
            case m.SessionCreated(options=options):  # the client was greeted before there was an upstream
                self._options = options
                return None
            case m.SessionUpdated(options=options):
                self._options = options
                return replace(message, options=self._told(options))
            case m.SessionExpiring(seconds_left=seconds_left):
                self.tell_expiry(seconds_left)
                return None
            case m.InputTranscriptDelta(replaces=True):
                return None  # words that may be taken back: what a delta of this wire says, stays said
            case m.ErrorReported():
                self._asked.discard(message.cause_id)
                self.metadata.refused(message.cause_id)
                self.follow_ups.refused(message.cause_id)
                return as_clients(message)
            case m.ResponseCreated():
                return self.metadata.created(message)
            case m.ResponseDone():
                return self.metadata.done(message)
            case _:
                return message

    def _follow(self, message: ServerMessage) -> None:
        """Note whether a turn is under way."""
        match message:
            case m.ResponseCreated(response_id=response_id):
                self._in_turn = True
                self._running.add(response_id)
                self._asked.clear()
                self.follow_ups.begun()
            case m.ResponseDone(response_id=response_id):
                self._running.discard(response_id)
            case m.InputSpeechStarted():
                self._in_turn = True
            case m.TurnDone():
                self._in_turn = False
                self._settle()
            case _:
                pass

    def _settle(self) -> None:
        if not self._in_turn and self._then is not None:
            then, self._then = self._then, None
            then()
