"""A conversation over several connections: what is known of it, what is lost with one of them, what the next one is
told. Pure: the time is an argument."""

from __future__ import annotations

from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import Capabilities
from duologue.conversation import Conversation
from duologue.formats import PCM16_24K
from duologue.lifecycle import new_id
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.middleware.reconnection.carried import Items, carried, whole
from duologue.middleware.reconnection.handle import Handle, given_after
from duologue.middleware.reconnection.kept_input import INPUT, KeptInput
from duologue.middleware.reconnection.known_items import KnownItems
from duologue.middleware.reconnection.turn_names import TurnNames
from duologue.middleware.reconnection.unanswered import Answer, Request, Unanswered
from duologue.options import OFF, SessionOptions
from duologue.runtime.playback import PlaybackTracker
from duologue.snapshots import Snapshot, take_snapshot

_A_MOMENT_MS = 100.0  # speakers are that late; less than that was not heard
_LOST = "connection_lost"
_ANYTHING = Capabilities(images=True)
_GOOD = (m.ResponseCreated, m.ItemDone, m.InputSpeechStarted, m.InputAudioCommitted, m.SessionUpdated)


class Following:
    """Follows a conversation, so that another connection can go on with it.

    Args:
        options: What was asked for.
        can: What the session can do.
        most_ms: How much of the user's audio is kept, in ms.
        idle_ms: How much of it while nobody speaks, in ms.
        ask_again: Whether answers of which nothing was heard are asked for again.

    Attributes:
        options: What the next session is to be like, but for its history.
        conversation: What the reader was told.
        items: Its items, and which of them the session in use knows.
        handle: The provider's handle.
        held_turn: The turn that has lost its answer.
        lost_responses: Responses that have come to nothing with the last connection.
    """

    def __init__(
        self, options: SessionOptions, can: Capabilities, *, most_ms: float, idle_ms: float, ask_again: bool
    ) -> None:
        history = tuple(replace(item, id=item.id or new_id("item")) for item in options.history or ())
        self.options = replace(options, history=None, resume=None)
        self.first_options = replace(options, history=history or None)
        self.conversation = Conversation(history)
        self.unanswered = Unanswered(options)
        self.turns = TurnNames()
        self.input = KeptInput(most_ms, idle_ms if can.speech_events else most_ms)
        self.items = KnownItems(self.conversation, self.input)
        self.handle: Handle | None = None
        self.held_turn = False
        self.lost_responses: list[str] = []
        self.heard_good = False
        self.provider = ""
        self.model: str | None = None
        self._can = can
        self._playback = PlaybackTracker(options, can)
        self._ask_again = ask_again
        self._again: list[Request] = []
        self._is_losing = False
        self._answered: m.ResponseDone | None = None  # the last answer that was whole
        self._stopped: str | None = None  # the response that was interrupted
        self._use(options)

    def _use(self, options: SessionOptions) -> None:
        self.unanswered.options = self._playback.options = options
        self.input.is_manual = options.turn_detection is OFF
        self._format = options.input_audio or PCM16_24K

    # --- towards the provider ---

    def sent(self, message: ClientMessage) -> None:
        """The application sends this, to whichever connection there is."""
        match message:
            case m.InputAudioAppend():
                ms = (message.format or self._format).duration_ms(len(message.audio))
                self.input.note(message, ms)
            case m.ItemCreate(item=item):
                self.items.sent(item)
            case m.SessionUpdate(options=changes):
                self.options = self.options.merged(changes)
                self._use(self.options)
            case m.ResponseCancel() | m.OutputAudioClear():
                self._stopped = self.unanswered.active.response_id if self.unanswered.active else None
            case m.InputAudioClear():
                self.input.clear()
            case _ if isinstance(message, INPUT):
                self.input.note(message)
        self.unanswered.sent(message)

    def refused(self, message: ClientMessage) -> None:
        """That was not sent after all."""
        if isinstance(message, m.ItemCreate):
            self.items.refused(message.item)
        elif isinstance(message, INPUT):
            self.input.forget(message)
        self.unanswered.withdraw(message.id)

    def played(self, report: m.OutputAudioPlayed) -> None:
        """The speaker tells what it rendered."""
        self._playback.played(report)

    # --- from the provider ---

    def received(self, message: ServerMessage, now: float) -> list[ServerMessage]:
        """Note what a connection says, and give what the reader gets of it."""
        self.turns.rename(message)
        if type(message) is m.OutputAudioDelta:
            self._playback.audio(message, now)
        elif isinstance(message, m.ItemAdded | m.ItemDone):
            told = self.items.told(message)
            if told is None:
                return []
            message = told
        elif isinstance(message, m.ResponseDone):
            return self._response_done(message, now)
        elif isinstance(message, m.TurnDone) and self._is_losing:
            self.turns.open = message.turn_id  # it goes on, or is ended later
            return []
        else:
            self._note(message, now)
        self._feed(message)
        return [message]

    def _feed(self, message: ServerMessage) -> None:
        self.heard_good = self.heard_good or isinstance(message, _GOOD)
        self.unanswered.received(message)
        self.input.received(message)
        self.conversation.feed(message)

    def _note(self, message: ServerMessage, now: float) -> None:
        match message:
            case m.ResumptionUpdated(handle=handle, resumable=True):
                known = given_after(self.conversation.items)
                self.handle = Handle(text=handle, provider=self.provider, model=self.model, items=known)
            case m.Interrupted(item_id=item_id, heard_ms=heard_ms):
                self._stopped = self.unanswered.active.response_id if self.unanswered.active else None
                if item_id is not None and heard_ms is not None and not self._can.truncate:
                    cut = m.ItemTruncated(item_id=item_id, content_index=message.content_index, audio_end_ms=heard_ms)
                    self.conversation.feed(cut)
                self._playback.received(message, now)
            case m.ResponseCreated(out_of_band=False):
                self.items.answering()
                self._playback.received(message, now)
            case m.ErrorReported(cause=m.ItemCreate(item=item)):
                self.items.refused(item)
            case _:
                self._playback.received(message, now)

    def _response_done(self, done: m.ResponseDone, now: float) -> list[ServerMessage]:
        answer = self.unanswered.active
        was_heard = answer is not None and self._was_heard(answer, now)  # before what was played is forgotten
        self._playback.received(done, now)
        if not _is_lost(done) or answer is None or answer.response_id != done.response_id:
            if not done.out_of_band:
                self._note_answer(done)
            self._feed(done)
            return [done]
        return self._answer_lost(done, answer, was_heard, now)

    def _note_answer(self, done: m.ResponseDone) -> None:
        if done.status == "completed":
            self.input.answered()
        self._answered = None if done.awaits_tool_results else done

    # --- a connection is lost ---

    def lose(self, now: float) -> list[ServerMessage]:
        """The connection is lost, after all that it had to say: what the reader gets because of that."""
        out: list[ServerMessage] = []
        answer = self.unanswered.active
        if answer is not None:
            error = m.ErrorDetail(message="The connection ended before the response did.", type=_LOST)
            done = m.ResponseDone(response_id=answer.response_id, turn_id=self.turns.open, status="failed", error=error)
            out += self.received(done, now)
        self._is_losing = False
        self.input.cut_off()
        self._again += [*([m.ResponseCreate()] if self._owes_answer() else []), *self.unanswered.take()]
        self.unanswered.is_due = False
        self.items.lose()
        if not self._again and not self.conversation.open_calls:
            out += self.end_turn("incomplete") if self.held_turn else self._end_answered()
        return out

    def _end_answered(self) -> list[ServerMessage]:
        """Some wires tell the end of a turn later than that of its answer: it may be lost between the two."""
        answered = self._answered
        if answered is None or answered.turn_id is None or answered.turn_id != self.turns.open:
            return []
        self.held_turn = True
        return self.end_turn("completed" if answered.status == "completed" else "interrupted")

    def _owes_answer(self) -> bool:
        ends = (m.UserTurnEnd, m.InputAudioCommit)
        return self.unanswered.is_due and not any(isinstance(kept, ends) for kept in self.input.messages())

    def _answer_lost(self, done: m.ResponseDone, answer: Answer, was_heard: bool, now: float) -> list[ServerMessage]:
        """An answer came to no end: what runs goes on, what was heard stands, and the rest never was."""
        self.held_turn = self._is_losing = True
        if answer.calls:
            done = replace(done, status="completed", reason=_LOST, error=None, items=self._kept_items(answer))
            self._feed(done)
            return [done]
        self.lost_responses.append(done.response_id)
        self._feed(done)
        if not self._ask_again or was_heard or self._stopped == answer.response_id:
            return [done]
        self._again.insert(0, answer.request or m.ResponseCreate())
        out: list[ServerMessage] = [done]
        if self._playback.remaining(now) > 0:
            out.append(m.Interrupted(response_id=answer.response_id, heard_ms=0))
            self._playback.received(m.InputSpeechStarted(), now)
        for item_id in answer.items:
            if self.conversation.item(item_id) is not None:
                deleted = m.ItemDeleted(item_id=item_id)
                self.conversation.feed(deleted)
                out.append(deleted)
        return out

    def _kept_items(self, answer: Answer) -> Items:
        known = [self.conversation.item(item_id) for item_id in answer.items]
        calls = {call.id: call for call in answer.calls}
        return tuple(item for item in known if item is not None and item.id not in calls) + tuple(answer.calls)

    def restored(self, *, is_asked: bool) -> list[ServerMessage]:
        """Another connection goes on, and was asked again for what is owed, or could not be."""
        if is_asked or self.conversation.open_calls:
            self.held_turn = False
            return []
        return self.end_turn("failed")

    def end_turn(self, outcome: m.TurnOutcome) -> list[ServerMessage]:
        """The turn that has lost its answer gets no other."""
        held, self.held_turn = self.held_turn, False
        turn = self.turns.open
        if not held or turn is None:
            return []
        self.turns.ended(turn)
        done = m.TurnDone(turn_id=turn, outcome=outcome)
        self.conversation.feed(done)
        return [done]

    # --- another connection ---

    def begin(self, provider: str, model: str | None, can: Capabilities) -> None:
        """Another connection is used from now on."""
        if self.handle is not None and not self.handle.is_of(provider, model):
            self.handle = None
        self.provider, self.model, self._can = provider, model, can
        self.heard_good = False

    @property
    def can(self) -> Capabilities:
        """What the session in use can do."""
        return self._can

    def requests(self, can: Capabilities) -> tuple[Request, ...]:
        """What is asked for again; it is forgotten here."""
        again, self._again = tuple(self._again), []
        if not can.explicit_response:
            return tuple(request for request in again if isinstance(request, m.Say) and can.say != "none")
        goes_on = can.continues_after_tool_results and self.items.awaits_follow_up
        return (m.ResponseCreate(),) if not again and goes_on else again

    def take_lost(self) -> tuple[str, ...]:
        """The responses that have come to nothing; they are forgotten here."""
        lost, self.lost_responses = tuple(self.lost_responses), []
        return lost

    def is_quiet(self, now: float) -> bool:
        """Whether nothing is under way: no answer, no speech of the user, no function, nothing that is played."""
        return (
            self.unanswered.is_quiet
            and not self.input.is_speaking
            and not (self.input.is_manual and len(self.input))
            and self.items.is_settled
            and self._playback.remaining(now) <= 0
        )

    def still_playing(self, now: float) -> float:
        """How much of the received audio is still to be heard, in s."""
        return self._playback.remaining(now)

    def snapshot(self, now: float, *, extra: bool = True) -> Snapshot:
        """The conversation as it stands: of what is being said and played, what was heard."""
        answer = self.unanswered.active
        heard = dict(self._playback.unheard(now))
        if answer is not None and not answer.calls and not self._was_heard(answer, now):
            heard |= dict.fromkeys(answer.items, 0.0)
        self.items.complete_turn()
        standing = self._heard(heard)
        items = whole(carried(standing, _ANYTHING))
        handle = self.handle if not heard and self.handle is not None and self.handle.covers(items) else None
        last = items[-1] if items else None
        waits = isinstance(last, m.MessageItem) and last.role == "user" and (bool(heard) or answer is not None)
        owes = waits or bool(self._again or self.unanswered.waiting) or self.unanswered.is_due
        return take_snapshot(
            self.options,
            items,
            provider=self.provider,
            model=self.model,
            handle=None if handle is None else handle.text,
            owes_answer=owes,
            lacks_words=owes and bool(standing) and _is_without_words(standing[-1]),
            extra=extra,
        )

    def _heard(self, heard: dict[str, float]) -> list[m.Item]:
        """All items, those that are not heard to their end up to where they were."""
        kept: list[m.Item] = []
        for item in self.items.everything():
            heard_ms = heard.get(item.id or "")
            if heard_ms is None or not isinstance(item, m.MessageItem):
                kept.append(item)
            elif heard_ms >= _A_MOMENT_MS:
                words = self.conversation.words_until(item.id or "", heard_ms)
                kept.append(replace(item, content=(m.TextContent(text=words),)))
        return kept

    def _was_heard(self, answer: Answer, now: float) -> bool:
        return answer.shown or self._playback.heard(answer.response_id, now) >= _A_MOMENT_MS


def _is_lost(done: m.ResponseDone) -> bool:
    return not done.out_of_band and done.error is not None and done.error.type == _LOST


def _is_without_words(item: m.Item) -> bool:
    """Whether that is speech of the user of which there is no transcript."""
    if not isinstance(item, m.MessageItem) or item.role != "user":
        return False
    return any(isinstance(part, m.AudioContent) and not (part.transcript or part.audio) for part in item.content)
