"""OpenAI's realtime wire in the client's role, in any dialect."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from duologue import messages as m
from duologue.content import ErrorDetail
from duologue.errors import SessionEnded
from duologue.formats import PCM16_24K
from duologue.messages.base import ClientMessage, FrameOutline, ServerMessage
from duologue.options import SessionOptions, answers_speech
from duologue.protocols.base import Protocol, ProtocolState
from duologue.protocols.base64_text import decode_base64
from duologue.protocols.json_values import JsonObject, as_float, as_text
from duologue.protocols.openai import server_events as wire
from duologue.protocols.openai.audio_formats import bare_pcm
from duologue.protocols.openai.beta_names import ALL_SERVER_EVENTS, BETA_EVENTS
from duologue.protocols.openai.close_codes import session_end
from duologue.protocols.openai.commands import CommandWriter, begins_response, encode_append, encode_event, raw_frame
from duologue.protocols.openai.decoding import UNREADABLE, EventDecoder, UnreadableFrame
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.dialects import OPENAI
from duologue.protocols.openai.errors import classify, is_nothing_to_cancel
from duologue.protocols.openai.expiry import Expiry
from duologue.protocols.openai.memory import SentMessages
from duologue.protocols.openai.reading import READERS, WORDS, raw_message, read_error, undecodable, with_aliases
from duologue.protocols.openai.repeated_audio import LONG, AudioShape
from duologue.protocols.openai.responses import read_response
from duologue.protocols.openai.running import RunningResponses
from duologue.protocols.openai.session_reading import may_answer, read_session, with_rate
from duologue.protocols.openai.told_items import ToldItems
from duologue.protocols.openai.unsaid import Acknowledgements, LateAudioDone
from duologue.protocols.openai.usage import read_usage
from duologue.transports.base import Closed, Frame

_decoder: EventDecoder[Any] = EventDecoder(ALL_SERVER_EVENTS)
_decode = _decoder.decode_strictly
_words_of = WORDS.get

_DELTAS = (wire.AudioDelta, wire.TextDelta, wire.TranscriptDelta, wire.ArgumentsDelta, wire.McpArgumentsDelta)
_AUDIO_DELTAS = frozenset({wire.AudioDelta, BETA_EVENTS[wire.AudioDelta]})
_OPEN = ProtocolState.OPEN  # in Python 3.11, an enum's members are slow to look up
_MOST_EARLY = 256  # messages kept for after the confirmation


class OpenAIClientProtocol(Protocol[ClientMessage, ServerMessage]):
    """Client messages to frames, and a server's frames to messages.

    Args:
        dialect: How the server at the other end says things.
        started_at: The time at which the connection was made, in s since 1970. With it, the time that the server
            names as the session's end is told ahead; without it, the provider's documented limit.
        awaits_greeting: Whether the options wait for the server's ``session.created``. Servers take them before, too,
            which saves a round trip; and one that is joined in the middle of a call does not greet. In such a call
            there may be others: a ``session.updated`` with other instructions or tools than were asked for answers
            one of them, and the next is waited for. Where neither was asked for they cannot be told apart, and the
            first is taken.
    """

    def __init__(
        self, dialect: Dialect = OPENAI, *, started_at: float | None = None, awaits_greeting: bool = True
    ) -> None:
        self.state = ProtocolState.OPENING
        self._dialect = dialect
        self._started_at = started_at
        self._awaits_greeting = awaits_greeting
        self._writer = CommandWriter(dialect)
        self._running = RunningResponses(tags=dialect.capabilities.metadata)
        self._gated, self._formats = self._running.gated, self._running.formats
        self._sent = SentMessages()
        self._items = ToldItems(dialect)
        self._expiry = Expiry(dialect.capabilities.max_session_seconds)
        self._out: list[Frame] = []
        self._on_created: list[Frame] = []  # to be sent when the server has greeted
        self._on_confirmed: list[Frame] = []  # to be sent when it has confirmed the options
        self._asked = self._greeted = self._confirmed_once = False
        self._session: JsonObject = {}
        self._early: deque[ServerMessage] = deque(maxlen=_MOST_EARLY)
        self._last_error: ErrorDetail | None = None
        self._error_was_last = False  # and no event of another kind came since, deltas apart
        self._output_audio = PCM16_24K
        self._audio_shape = AudioShape(_decode)
        self._bare_pcm = bare_pcm(dialect)
        self._acknowledgements = Acknowledgements(dialect)
        self._late_audio = LateAudioDone()
        self._notes_audio = not dialect.confirms_truncation
        self._own_readers = _own_readers(dialect.late_audio_done)

    # --- down ---

    def open(self, options: SessionOptions) -> None:
        """Note what to ask for; it goes out when the server has greeted with ``session.created``, if that is awaited.

        Raises:
            InvalidInput: The options cannot be written as JSON.
        """
        self._use_options(options)
        self._on_created = [encode_event(self._writer.session_update(options, "session_options"))]
        self._on_confirmed = [
            encode_event(event)
            for number, item in enumerate(options.history or ())
            for event in self._writer.write(m.ItemCreate(id=f"history_{number}", item=item))
        ]
        if not self._awaits_greeting:
            self._ask()

    def audio_frame(self, message: m.InputAudioAppend) -> Frame | None:
        return encode_append(message)

    def send(self, message: ClientMessage) -> None:
        if type(message) is m.InputAudioAppend:
            self._out.append(encode_append(message))
        elif isinstance(message, m.RawClientMessage):
            self._out.append(raw_frame(message, self._dialect))
            if isinstance(message.data, dict):
                self._sent.note({"event_id": message.id, **message.data}, message)
        else:
            self._send_events(message)

    def _send_events(self, message: ClientMessage) -> None:
        events = self._writer.write(message)
        for event in events:
            if event["type"] == "response.create":
                self._running.tag(event)
        frames = [encode_event(event) for event in events]  # all of them, before anything is noted
        for event in events:
            self._sent.note(event, message)
            if begins_response(event):
                self._running.requested(event)
            elif event["type"] == "input_audio_buffer.commit":
                self._running.commit_sent(as_text(event.get("event_id")))
        if isinstance(message, m.ResponseCancel):
            self._running.cancel(message)
        self._out += frames
        self._acknowledgements.sent(message)

    def close(self) -> None:
        if self.state is ProtocolState.OPEN and self._dialect.goodbye is not None:
            self._out.append(encode_event({"type": self._dialect.goodbye, "event_id": "goodbye"}))
        if self.state is not ProtocolState.CLOSED:
            self.state = ProtocolState.CLOSING

    def frames_to_send(self) -> list[Frame]:
        if not self._out:
            return []
        out, self._out = self._out, []
        return out

    # --- up ---

    def delta(self, frame: Frame) -> tuple[ServerMessage, Frame | FrameOutline] | None:
        if self._gated or self.state is not _OPEN:
            return None
        if len(frame) >= LONG:
            return self._audio_shape.more(frame)
        try:
            event = _decode(frame)
        except UNREADABLE:
            return None
        words = _words_of(type(event))
        if words is None:
            return None
        message = words(
            id=event.event_id,
            response_id=event.response_id,
            item_id=event.item_id,
            output_index=event.output_index,
            content_index=event.content_index,
            text=event.delta,
        )
        return message, frame

    def receive(self, frame: Frame) -> list[ServerMessage]:
        try:
            event = _decode(frame)
        except UNREADABLE:
            try:
                event = _decoder.decode_leniently(frame)
            except UnreadableFrame as error:
                return self._up([undecodable(f"A frame of {len(frame)} bytes is no JSON object: {error}")])
        if self._gated and self._is_gated(event):
            return []
        self._error_was_last = False
        kind = type(event)
        messages: list[ServerMessage]
        if kind in _AUDIO_DELTAS:
            messages = self._audio_delta(event, frame)
        elif (own_reader := self._own_readers.get(kind)) is not None:
            messages = own_reader(self, event)
        elif (reader := READERS.get(kind)) is not None:
            messages = reader(event)
        else:
            messages = [raw_message(event, frame)]
        return messages if self.state is _OPEN else self._up(messages)

    def _up(self, messages: list[ServerMessage]) -> list[ServerMessage]:
        """Hand on; what comes before the confirmation waits for it, since `SessionCreated` is first."""
        if self.state is not ProtocolState.OPENING:
            return messages
        self._early.extend(messages)
        return []

    def _is_gated(self, event: Any) -> bool:
        return isinstance(event, _DELTAS) and event.response_id in self._gated

    def _audio_delta(self, event: Any, frame: Frame) -> list[ServerMessage]:
        try:
            audio = decode_base64(event.delta)
        except ValueError:
            return [undecodable("The audio of a delta is no base64.", event.event_id)]
        message = m.OutputAudioDelta(
            id=event.event_id,
            response_id=event.response_id,
            item_id=event.item_id,
            output_index=event.output_index,
            content_index=event.content_index,
            audio=audio,
            format=self._formats.get(event.response_id, self._output_audio),
        )
        if self._notes_audio:
            return self._acknowledgements.heard([message])
        if self.state is _OPEN:
            self._audio_shape.learn(frame, message)
        return [message]

    # --- the session ---

    def _session_created(self, event: wire.SessionCreated) -> list[ServerMessage]:
        if self.state is not ProtocolState.OPENING:
            return []
        self._greeted = True
        self._session = event.session or ({} if event.id is None else {"id": event.id})
        if self._asked:
            return []
        self._ask()
        return [] if self._dialect.confirms_options else self._confirmed(event.event_id, self._session)

    def _session_updated(self, event: wire.SessionUpdated) -> list[ServerMessage]:
        if not self._asked:  # a server that does not greet
            self._ask()
            return []
        if self.state is ProtocolState.OPENING:
            if not self._greeted and not self._awaits_greeting and not may_answer(event.session, self._writer.options):
                self._session = {**self._session, **event.session}
                return []
            return self._confirmed(event.event_id, event.session)
        confirmed = self._read_session(event.session)
        self._use_options(self._writer.options.merged(replace(confirmed, tools=None)))
        if (lasts := self._lasts(event.session)[1]) is not None:
            self._expiry.moved(lasts)
        return [m.SessionUpdated(id=event.event_id, options=confirmed)]

    def _ask(self) -> None:
        self._asked = True
        self._out += self._on_created
        self._on_created = []

    def _confirmed(self, event_id: str | None, session: JsonObject) -> list[ServerMessage]:
        """The session is open: tell it once, then what came before."""
        known = {**self._session, **session}
        confirmed = self._read_session(known)
        self._use_options(self._writer.options.merged(replace(confirmed, tools=None)))
        self.state = ProtocolState.OPEN
        self._confirmed_once = True
        self._out += self._on_confirmed
        self._on_confirmed = []
        expires_at, lasts = self._lasts(known)
        self._expiry.begin(lasts)
        created = m.SessionCreated(
            id=event_id,
            session_id=as_text(known.get("id")),
            model=as_text(known.get("model")),
            options=self._writer.options,
            expires_at=expires_at,
        )
        early, self._early = list(self._early), deque(maxlen=_MOST_EARLY)
        return [created, *early]

    def _lasts(self, session: JsonObject) -> tuple[float | None, float | None]:
        """When the session ends, in s since 1970, and how long it lasts from its beginning, in s."""
        expires_at, begun = as_float(session.get("expires_at")), self._started_at
        return expires_at, None if expires_at is None or begun is None else expires_at - begun

    def _read_session(self, session: JsonObject) -> SessionOptions:
        return with_rate(read_session(session, self._bare_pcm), self._dialect)

    def _session_finished(self, event: wire.SessionFinished) -> list[ServerMessage]:
        self.state = ProtocolState.CLOSED
        return []

    def _use_options(self, options: SessionOptions) -> None:
        self._writer.options = options
        self._audio_shape = AudioShape(_decode)  # the format may be another from now on
        self._output_audio = options.output_audio or PCM16_24K

    def _error(self, event: wire.Error) -> list[ServerMessage]:
        error, event_id = read_error(event)
        if is_nothing_to_cancel(error):
            return []
        self._last_error, self._error_was_last = error, True
        if self.state is ProtocolState.OPENING:
            self.state = ProtocolState.CLOSED
            return [m.ErrorReported(id=event.event_id, kind=classify(error), error=error)]
        self._running.refused(event_id)
        cause_id, cause = self._sent.cause(event_id)
        return [m.ErrorReported(id=event.event_id, kind=classify(error), error=error, cause_id=cause_id, cause=cause)]

    def _user_turn(self, event: wire.SpeechStarted | wire.AudioCommitted) -> list[ServerMessage]:
        if isinstance(event, wire.SpeechStarted):
            self._running.user_began()
        else:
            self._running.user_ended(is_answered=answers_speech(self._writer.options))
        return READERS[type(event)](event)

    # --- items and responses ---

    def _output_item_done(self, event: wire.OutputItemDone) -> list[ServerMessage]:
        return self._items.output_done(event, not self._running.is_out_of_band(event.response_id))

    def _read_response(self, event: wire.ResponseCreated | wire.ResponseDone) -> dict[str, Any]:
        out_of_band = None if self._dialect.capabilities.out_of_band else False
        return read_response(
            event.response, event_id=event.event_id, out_of_band=out_of_band, bare_pcm=self._bare_pcm.output
        )

    def _response_created(self, event: wire.ResponseCreated) -> list[ServerMessage]:
        fields = self._read_response(event)
        message, cancelled = self._running.created(fields)
        self._audio_shape = AudioShape(_decode)  # the response may have a format of its own
        if cancelled:
            cancel = m.ResponseCancel(id=f"cancel_{message.response_id}", response_id=message.response_id)
            self._send_events(cancel)
        return [message]

    def _response_done(self, event: wire.ResponseDone) -> list[ServerMessage]:
        fields = self._read_response(event)
        fields["usage"] = fields["usage"] or read_usage(event.usage)
        if not as_text(event.response.get("status")):
            fields["status"] = "completed"
        done = self._running.done(fields)
        if done is None:
            return []
        return [*([] if done.out_of_band else self._items.missing(event.event_id, done.items)), done]

    # --- the end ---

    def connection_lost(self, how: Closed) -> tuple[list[ServerMessage], SessionEnded]:
        opening = not self._confirmed_once
        self.state = ProtocolState.CLOSED
        error, was_last = self._last_error, self._error_was_last
        return [*self._running.lost()], session_end(
            how, self._dialect.provider, opening=opening, expired=self._expiry.over, error=error, was_last=was_last
        )

    def deadline(self) -> float | None:
        if self.state is not ProtocolState.OPEN:
            return None
        return 0.0 if self._acknowledgements.are_waiting else self._expiry.deadline()

    def tick(self, now: float) -> list[ServerMessage]:
        if self.state is not ProtocolState.OPEN:
            return []
        expiring = self._expiry.tick(now)
        return [*self._acknowledgements.take(), *([] if expiring is None else [expiring])]


OwnReader = Callable[[OpenAIClientProtocol, Any], list[ServerMessage]]


@functools.cache
def _own_readers(late_audio_done: bool) -> dict[type[Any], OwnReader]:
    """How the events become messages whose meaning depends on what came before; one table for all sessions."""
    own = OpenAIClientProtocol
    readers: dict[type[wire.ServerEvent], OwnReader] = {
        wire.SessionCreated: own._session_created,
        wire.SessionUpdated: own._session_updated,
        wire.SessionFinished: own._session_finished,
        wire.Error: own._error,
        wire.SpeechStarted: own._user_turn,
        wire.AudioCommitted: own._user_turn,
        wire.ItemAdded: lambda protocol, event: protocol._items.added(event),
        wire.ItemCreated: lambda protocol, event: protocol._items.added(event),
        wire.ItemDone: lambda protocol, event: protocol._items.done(event),
        wire.OutputItemDone: own._output_item_done,
        wire.ResponseCreated: own._response_created,
        wire.ResponseDone: own._response_done,
        wire.BareTranscriptionDelta: lambda protocol, event: protocol._acknowledgements.transcripts.delta(event),
        wire.BareTranscriptionDone: lambda protocol, event: protocol._acknowledgements.transcripts.done(event),
    }
    if late_audio_done:
        readers[wire.ContentPartDone] = lambda protocol, event: protocol._late_audio.part_done(event)
        readers[wire.AudioDone] = lambda protocol, event: protocol._late_audio.audio_done(event)
    return with_aliases(readers)
