"""The embedded provider's engine: the semantics of OpenAI's realtime API, as a pure state machine.

Client messages, the results of the stages and the time go in; server messages and commands for the stages come out.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from duologue import messages as m
from duologue.errors import UnsupportedOperation
from duologue.formats import PCM16_24K
from duologue.lifecycle import new_id
from duologue.local import commands as c
from duologue.local.checks import Checks, LocalChecks
from duologue.local.hearing import Hearing, TurnEvent
from duologue.local.responses import Responses
from duologue.local.settings import PROVIDER, detection_of, effective, updated
from duologue.local.store import ItemStore
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import SessionOptions
from duologue.speech.responder import ResponderEvent
from duologue.speech.stages import SpeechChunk, Transcript, VoiceActivityDetectorFactory
from duologue.tools import Tool


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a client gives to the engines of its sessions.

    Attributes:
        make_detector: Makes a voice activity detector.
        expects: Phrases that the user is likely to say, given the tools.
        synthesis_rate: Samples a second of the text-to-speech engine, in Hz.
        lead_ms: How far ahead of playback audio goes out, in ms; at least 100.
        hints: Phrases that the user is likely to say, whatever the tools.
        checks: What is refused.
        make_id: Makes ids from ``"item"``, ``"resp"``, ``"call"``, ``"sess"``.
    """

    make_detector: VoiceActivityDetectorFactory
    expects: Callable[[tuple[Tool, ...]], tuple[str, ...]]
    synthesis_rate: int
    lead_ms: float
    hints: tuple[str, ...] = ()
    checks: Checks = LocalChecks()
    make_id: Callable[[str], str] = new_id


class LocalEngine:
    """One session of the embedded provider. After every call, fetch `take_messages` and `take_commands`.

    Args:
        options: What the application asks for.
        settings: What the client gives.

    Raises:
        InvalidInput: The options do not make sense.
        UnsupportedOperation: The options ask for what the embedded provider cannot do.
    """

    def __init__(self, options: SessionOptions, settings: EngineSettings) -> None:
        self.options = effective(options)
        settings.checks.options(self.options)
        self._settings = settings
        self._make_id = settings.make_id
        self._messages: list[ServerMessage] = []
        self._commands: list[c.Command] = []
        self._store = ItemStore()
        emit, order = self._messages.append, self._commands.append
        self._responses = Responses(self.options, settings, self._store, emit, order)
        self._hearing = Hearing(self.options, settings, self._store, emit, order, self._user_turn)
        self._idle_since: float | None = None
        self._ended = 0  # responses whose end was noted

    def take_messages(self) -> list[ServerMessage]:
        """What the reader gets; it is then forgotten here."""
        taken = self._messages[:]
        self._messages.clear()
        return taken

    def take_commands(self) -> list[c.Command]:
        """What the stages are to do; it is then forgotten here."""
        taken = self._commands[:]
        self._commands.clear()
        return taken

    # --- the session ---

    def open(self) -> None:
        """The session begins, with its history."""
        self._messages.append(
            m.SessionCreated(session_id=self._make_id("sess"), model=self.options.model, options=self.options)
        )
        for item in self.options.history or ():
            self._add_item(item, None)

    def close(self) -> None:
        """The session is over."""
        self._responses.cancel_all("client_cancelled")
        self._hearing.close()

    def send(self, message: ClientMessage, now: float) -> None:
        """The application sends something.

        Raises:
            InvalidInput: It does not make sense. Nothing has changed.
            UnsupportedOperation: The embedded provider cannot do that. Nothing has changed.
        """
        match message:
            case m.InputAudioAppend(audio=audio):
                self._hearing.append(audio)
            case m.InputAudioCommit():
                self._commit(message)
            case m.InputAudioClear():
                self._hearing.clear()
            case m.InputAudioEnd():
                self._hearing.end_segment()
            case m.UserTurnStart() | m.UserTurnEnd():
                self._mark_turn(message)
            case m.ItemCreate():
                self._create_item(message)
            case m.ItemDelete(item_id=item_id) | m.ItemRetrieve(item_id=item_id) | m.ItemTruncate(item_id=item_id):
                self._touch_item(message, item_id)
            case m.ResponseCreate() | m.Say():
                self._request(message)
            case m.ResponseCancel(response_id=response_id):
                self._cancel(message, response_id)
            case m.SessionUpdate(options=changes):
                self._update(changes)
            case _:
                raise UnsupportedOperation(type(message).__name__, PROVIDER, "There is no wire that could carry it.")
        self._after(now)

    # --- the stages ---

    def transcript_partial(self, item_id: str, text: str) -> None:
        """Speech to text has these words so far."""
        self._hearing.partial(item_id, text)

    def transcript_done(self, item_id: str, transcript: Transcript, now: float) -> None:
        """Speech to text is done with an item."""
        self._hearing.transcript_done(item_id, transcript)
        self._after(now)

    def transcript_failed(self, item_id: str, reason: str, now: float) -> None:
        """Speech to text could not do it."""
        self._hearing.transcript_failed(item_id, reason)
        self._responses.transcript_failed(item_id, reason)
        self._after(now)

    def responder_event(self, response_id: str, event: ResponderEvent, now: float) -> None:
        """The responder goes on."""
        self._responses.write(response_id, event)
        self._after(now)

    def responder_done(self, response_id: str, now: float) -> None:
        """The responder has nothing more to say."""
        self._responses.finish(response_id)
        self._after(now)

    def speech_chunk(self, response_id: str, chunk: SpeechChunk, now: float) -> None:
        """Text to speech has made this of the piece that it was given."""
        self._responses.add_audio(response_id, chunk)
        self._after(now)

    def speech_done(self, response_id: str, now: float) -> None:
        """Text to speech is done with its piece."""
        self._responses.piece_done(response_id)
        self._after(now)

    def stage_failed(self, response_id: str, reason: str, now: float) -> None:
        """The responder, or text to speech, could not go on with a response."""
        self._responses.fail(response_id, reason)
        self._after(now)

    def has_room(self, response_id: str) -> bool:
        """Whether more audio of this response may be synthesised."""
        return self._responses.has_room(response_id)

    # --- time ---

    def deadline(self) -> float | None:
        """When `tick` wants to be called, in s."""
        deadlines = [self._responses.deadline(), self._idle_deadline()]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def tick(self, now: float) -> None:
        """The time is `now`, in s."""
        idle_deadline = self._idle_deadline()
        if idle_deadline is not None and now >= idle_deadline:
            self._idle_since = None
            self._hearing.idle_timeout()
            self._responses.request_idle()
        self._after(now)

    def _idle_deadline(self) -> float | None:
        detection = detection_of(self.options)
        if self._idle_since is None or detection is None or detection.idle_timeout_ms is None:
            return None
        return self._idle_since + detection.idle_timeout_ms / 1000

    def _user_turn(self, what: TurnEvent) -> None:
        if what == "began":
            self._idle_since = None
            self._responses.interrupted()
        else:
            self._responses.user_turn_done()

    def _after(self, now: float) -> None:
        """What follows from what has just happened."""
        self._responses.advance(now)
        ended, self._ended = self._ended, self._responses.ended
        if self._responses.active is not None:
            self._idle_since = None
        elif self._ended > ended and not self._hearing.is_hearing and not self._store.awaits_results:
            self._idle_since = max(now, self._responses.played_at)

    # --- turns and responses ---

    def _mark_turn(self, message: m.UserTurnStart | m.UserTurnEnd) -> None:
        if detection_of(self.options) is not None:
            raise UnsupportedOperation(
                "turns marked by the application while turn detection is on",
                PROVIDER,
                "Open the session with turn_detection=OFF.",
            )
        if isinstance(message, m.UserTurnStart):
            self._hearing.begin_manual_turn()
        elif not self._hearing.end_manual_turn():
            self._report(message, "input_audio_buffer_commit_empty", "The turn has no audio.")
        elif message.respond:
            self._responses.user_turn_done(asked=True)

    def _commit(self, message: m.InputAudioCommit) -> None:
        if not self._hearing.commit():
            self._report(message, "input_audio_buffer_commit_empty", "There is no audio to commit.")

    def _request(self, request: m.ResponseCreate | m.Say) -> None:
        items: tuple[m.Item, ...] = ()
        out_of_band = False
        if isinstance(request, m.ResponseCreate):
            self._settings.checks.request(request, self.options)
            items, out_of_band = request.items or (), request.out_of_band
        active = self._responses.active
        if active is not None and not out_of_band:
            text = f"Response {active} is active. Wait for ResponseDone, or cancel it."
            self._report(request, "conversation_already_has_active_response", text, kind="response_active")
            return
        for item in items:
            if isinstance(item, m.ItemReference) and (item.id is None or item.id not in self._store):
                self._report(request, "invalid_value", f"There is no item {item.id}.", "items")
                return
        self._responses.request(request)

    def _cancel(self, message: m.ResponseCancel, response_id: str | None) -> None:
        if response_id is not None and not self._responses.is_open(response_id):
            self._report(message, "response_cancel_not_active", f"No response {response_id} is active.")
        else:
            self._responses.cancel(response_id, "client_cancelled")

    def _update(self, changes: SessionOptions) -> None:
        options = updated(self.options, changes)
        self._settings.checks.options(options)
        self._hearing.prepare(options)
        # What the new settings make of the audio in the buffer is told after they are confirmed.
        self.options = self._responses.options = options
        self._messages.append(m.SessionUpdated(options=options))
        if changes.tools is not None:
            self._commands.append(c.PrepareHints(changes.tools))
        self._hearing.update(options)

    # --- items ---

    def _create_item(self, message: m.ItemCreate) -> None:
        item, previous = message.item, message.previous_item_id
        self._settings.checks.item(item, self.options.input_audio or PCM16_24K)
        if item.id is not None and item.id in self._store:
            self._report(message, "invalid_value", f"There is an item {item.id} already.", "item.id")
        elif previous not in (None, "root") and previous not in self._store:
            self._report(message, "invalid_value", f"There is no item {previous}.", "previous_item_id")
        elif isinstance(item, m.FunctionResult) and not self._store.has_call(item.call_id):
            self._report(message, "invalid_value", f"There is no function call {item.call_id}.", "item.call_id")
        else:
            self._add_item(item, previous)

    def _add_item(self, item: m.Item, previous_item_id: str | None) -> None:
        item_id = item.id or self._make_id("item")
        item = msgspec.structs.replace(item, id=item_id, status="completed")
        self._store.put(item_id, item, previous_item_id)
        before = self._store.previous_id(item_id)
        self._messages.append(m.ItemAdded(item=item, previous_item_id=before))
        self._messages.append(m.ItemDone(item=item, previous_item_id=before))
        self._hearing.transcribe_clip(item_id, item)

    def _touch_item(self, message: m.ItemDelete | m.ItemRetrieve | m.ItemTruncate, item_id: str) -> None:
        if item_id not in self._store:
            self._report(message, "invalid_value", f"There is no item {item_id}.", "item_id")
        elif isinstance(message, m.ItemRetrieve):
            self._messages.append(m.ItemRetrieved(item=self._store.retrieved(item_id)))
        elif self._store[item_id].status == "in_progress":
            text = f"Item {item_id} is not whole yet. Wait for ItemDone, or cancel its response."
            self._report(message, "invalid_value", text, "item_id")
        elif isinstance(message, m.ItemDelete):
            self._delete(item_id)
        else:
            self._truncate(message)

    def _delete(self, item_id: str) -> None:
        if self._store.recording(item_id) is not None:
            self._responses.playback_stopped()
        self._hearing.forget(item_id)
        self._store.delete(item_id)
        self._messages.append(m.ItemDeleted(item_id=item_id))

    def _truncate(self, message: m.ItemTruncate) -> None:
        recording = self._store.recording(message.item_id)
        if recording is None or message.content_index != 0:
            self._report(message, "invalid_value", "Only the spoken part of an assistant's item can be cut.", "item_id")
        elif not 0 <= message.audio_end_ms <= recording.emitted_ms + 1:
            text = f"The item has {recording.emitted_ms:.0f} ms of audio, not {message.audio_end_ms} ms."
            self._report(message, "invalid_value", text, "audio_end_ms")
        else:
            self._responses.playback_stopped()
            heard = self._store.truncate(message.item_id, message.audio_end_ms)
            self._messages.append(
                m.ItemTruncated(item_id=message.item_id, audio_end_ms=message.audio_end_ms, transcript=heard)
            )

    def _report(
        self, cause: m.AnyClientMessage, code: str, text: str, param: str | None = None, kind: str = "invalid_request"
    ) -> None:
        error = m.ErrorDetail(message=text, type="invalid_request_error", code=code, param=param)
        self._messages.append(m.ErrorReported(kind=kind, error=error, cause_id=cause.id, cause=cause))
