"""The wire of Gemini Live in the client's role."""

from __future__ import annotations

from collections import deque

import msgspec
from msgspec.structs import replace
from pybase64 import b64decode

from duologue import messages as m
from duologue.content import ErrorDetail
from duologue.errors import SessionEnded
from duologue.formats import PCM16_24K
from duologue.messages.base import ClientMessage, FrameOutline, ServerMessage
from duologue.options import SessionOptions
from duologue.protocols.base import Protocol, ProtocolState
from duologue.protocols.gemini import server_frames as wire
from duologue.protocols.gemini.answers import Answers, Phase
from duologue.protocols.gemini.calls import Calls
from duologue.protocols.gemini.client_frames import encode_client_frame
from duologue.protocols.gemini.close_codes import kind_of, read_error, session_end
from duologue.protocols.gemini.content_frames import FunctionResponse, Part
from duologue.protocols.gemini.contents import read_audio, write_arguments
from duologue.protocols.gemini.decoding import UNREADABLE, FrameDecoder, UnreadableFrame
from duologue.protocols.gemini.dialect import GEMINI, GeminiDialect
from duologue.protocols.gemini.repeated_frames import LONG, Shape
from duologue.protocols.gemini.sending import Sending
from duologue.protocols.gemini.setup_writing import encode_setup, write_setup
from duologue.protocols.gemini.untold import raw_message, undecodable, untold
from duologue.protocols.gemini.user_speech import UserSpeech
from duologue.protocols.gemini.values import read_duration
from duologue.transports.base import Closed, Frame

_decoder = FrameDecoder(wire.ServerFrame)
_decode = _decoder.decode_strictly
_text_in = msgspec.json.Decoder(str).decode

_MOST_EARLY = 256  # messages kept for after the confirmation
_STARTS = ("ACTIVITY_START", "VAD_SIGNAL_TYPE_SOS")
_ENDS = ("ACTIVITY_END", "VAD_SIGNAL_TYPE_EOS")
_STOPPED = "The user has stopped this answer; the result is not wanted."


class GeminiClientProtocol(Protocol[ClientMessage, ServerMessage]):
    """Client messages to frames, and a server's frames to messages.

    The wire knows turns, and neither responses nor items: those are made up, in the order that OpenAI documents. A
    response ends when all of it is generated; the turn ends later, when the server takes the answer to be played
    (`TurnDone`). A call of functions ends its response; what follows the results is the turn's next one.

    Args:
        dialect: Which service is at the other end, with which models.
    """

    tells_turns = True

    def __init__(self, dialect: GeminiDialect = GEMINI) -> None:
        self.state = ProtocolState.OPENING
        self._dialect = dialect
        self._answers = Answers()
        self._speech = UserSpeech()
        self._calls = Calls()
        self._sending = Sending(dialect, self._answers, self._speech, self._calls)
        self._words_shape = Shape("words")
        self._audio_shape = Shape("audio")
        self._early: deque[ServerMessage] = deque(maxlen=_MOST_EARLY)
        self._options = SessionOptions()
        self._confirmed_once = False
        self._going_away = False
        self._handle: str | None = None
        self._last_error: ErrorDetail | None = None

    # --- down ---

    def open(self, options: SessionOptions) -> None:
        """Queue the setup.

        Raises:
            UnsupportedOperation: The service has no way to do what an option asks for.
            InvalidInput: The options cannot be written as JSON.
        """
        setup = encode_setup(write_setup(options, self._dialect))
        self._history = self._sending.prompts.history(options.history or ())
        self._options = options
        self._sending.use(options)
        self._answers.use(options)
        self._sending.out.append(setup)

    def send(self, message: ClientMessage) -> None:
        self._sending.write(message)

    def close(self) -> None:
        """The wire has no goodbye: the close of the connection says it."""
        if self.state is not ProtocolState.CLOSED:
            self.state = ProtocolState.CLOSING

    def frames_to_send(self) -> list[Frame]:
        sending = self._sending
        if not sending.out:
            return []
        out, sending.out = sending.out, []
        return out

    # --- up ---

    def receive(self, frame: Frame) -> list[ServerMessage]:
        unknown: tuple[str, ...] = ()
        try:
            read = _decode(frame)
        except UNREADABLE:
            try:
                read, unknown = _decoder.decode_leniently(frame)
            except UnreadableFrame as error:
                return self._up([undecodable(f"A frame of {len(frame)} bytes is no JSON object: {error}")])
        out = self._take_waiting() if self._sending.waiting else []
        out += self._read(read, unknown, frame)
        answers = self._answers
        if type(frame) is bytes and answers.builder and answers.speaks and self.state is ProtocolState.OPEN:
            (self._words_shape if len(frame) < LONG else self._audio_shape).learn(frame, read)
        return self._up(out)

    def delta(self, frame: Frame) -> tuple[ServerMessage, Frame | FrameOutline] | None:
        """More of what is being said, which most frames are: what `_read` would tell, with as few calls as can be.

        None: it may be something else, and nothing was done with it.
        """
        builder = self._answers.builder
        if builder is None or builder.open_item_id is None or type(frame) is not bytes or self._sending.waiting:
            return None
        shape = self._words_shape if len(frame) < LONG else self._audio_shape
        if not (frame.startswith(shape.head) and frame.endswith(shape.tail)):
            return None
        try:
            if len(frame) < LONG:
                text = _text_in(frame[shape.start : shape.end])
                return (builder.more_text(text), frame) if text else None
            encoded = frame[shape.start : shape.end]
            message = builder.more_audio(b64decode(encoded, None, True))
        except ValueError:
            return None
        return message, frame if encoded.endswith(b"=") else shape.outline  # before padding, some bits mean nothing

    def _up(self, messages: list[ServerMessage]) -> list[ServerMessage]:
        """Hand on; what comes before the confirmation waits for it, since `SessionCreated` is first."""
        if self.state is not ProtocolState.OPENING:
            return messages
        self._early.extend(messages)
        return []

    def _take_waiting(self) -> list[ServerMessage]:
        sending = self._sending
        waiting, sending.waiting = sending.waiting, []
        return waiting

    def _read(self, read: wire.ServerFrame, unknown: tuple[str, ...], frame: Frame) -> list[ServerMessage]:
        """All that a frame tells, in an order that makes sense."""
        if read.server_content is not None and not unknown and _is_speech_alone(read, read.server_content):
            return self._said(read.server_content)
        out: list[ServerMessage] = []
        if read.setup_complete is not None:
            out += self._setup_complete(read.setup_complete)
        if read.voice_activity is not None:
            activity = read.voice_activity
            out += self._activity(activity.voice_activity_type, activity.audio_offset)
        if read.voice_activity_detection_signal is not None:
            out += self._activity(read.voice_activity_detection_signal.vad_signal_type, None)
        if read.usage_metadata is not None:
            self._answers.note_usage(read.usage_metadata)
        content = read.server_content or _NOTHING
        out += self._said(content)
        if read.tool_call is not None:
            out += self._tool_call(read.tool_call)
        if content.interrupted:
            out += self._interrupted()
            out += self._user_says(content)
        if content.generation_complete or content.waiting_for_input:
            out += self._generated(content.turn_complete_reason if content.turn_complete else None)
        if content.turn_complete:
            out += self._turn_complete(content.turn_complete_reason)
        if read.usage_metadata is not None:
            out += self._answers.usage_reported()
        out += self._session_news(read)
        names = [*unknown, *untold(read, content)]
        if names:
            out.append(raw_message(names[0], frame))
        return out

    # --- the session ---

    def _setup_complete(self, complete: wire.SetupComplete) -> list[ServerMessage]:
        if self.state is not ProtocolState.OPENING:
            return []
        self.state = ProtocolState.OPEN
        self._confirmed_once = True
        created = m.SessionCreated(session_id=complete.session_id, model=self._options.model, options=self._options)
        if self._history is not None:
            self._sending.out.append(encode_client_frame(self._history))
            self._history = None
            for number, item in enumerate(self._options.history or ()):
                known = replace(item, id=item.id or f"history_{number}", status="completed")
                self._sending.added(known)
        early, self._early = list(self._early), deque(maxlen=_MOST_EARLY)
        return [created, *self._take_waiting(), *early]

    def _session_news(self, read: wire.ServerFrame) -> list[ServerMessage]:
        out: list[ServerMessage] = []
        if read.tool_call_cancellation is not None:
            out += self._calls_cancelled(read.tool_call_cancellation)
        if read.session_resumption_update is not None:
            out += self._resumption(read.session_resumption_update)
        if read.go_away is not None:
            self._going_away = True
            out.append(m.SessionExpiring(seconds_left=max(0.0, read_duration(read.go_away.time_left) or 0.0)))
        error = read_error(read.error, read.code, read.message, read.status)
        if error is not None:
            out.append(self._error(error))
        return out

    def _resumption(self, update: wire.ResumptionUpdate) -> list[ServerMessage]:
        """A state in which it cannot be resumed has no handle of its own: the last one still stands."""
        if update.new_handle:
            self._handle = update.new_handle
        if self._handle is None:
            return []
        return [m.ResumptionUpdated(handle=self._handle, resumable=update.resumable)]

    def _error(self, error: ErrorDetail) -> m.ErrorReported:
        self._last_error = error
        report = m.ErrorReported(kind=kind_of(error), error=error)
        if self.state is ProtocolState.OPENING:
            self.state = ProtocolState.CLOSED
        return report

    # --- the user ---

    def _activity(self, kind: str | None, offset: str | None) -> list[ServerMessage]:
        seconds = read_duration(offset)
        at_ms = None if seconds is None else int(seconds * 1000)
        if kind in _STARTS:
            return self._speech.started(at_ms)
        return self._speech.stopped(at_ms) if kind in _ENDS else []

    def _user_says(self, content: wire.ServerContent) -> list[ServerMessage]:
        out: list[ServerMessage] = []
        if content.interim_input_transcription is not None:
            out += self._speech.interim(content.interim_input_transcription)
        if content.input_transcription is not None:
            out += self._speech.words(content.input_transcription)
        return out

    # --- the model ---

    def _begin(self) -> list[ServerMessage]:
        """Something is said: a response is open from now on, unless it was cancelled before it began."""
        answers, sending = self._answers, self._sending
        if answers.builder is not None:
            return []
        goes_on = sending.prompts.goes_on or answers.phase is Phase.GOING_ON
        out = self._speech.answered(is_asked_for=sending.is_due or goes_on)
        out += answers.begin()
        sending.is_due = sending.has_sent = False
        sending.prompts.answered()
        out += answers.cancel_if_asked()
        return out

    def _said(self, content: wire.ServerContent) -> list[ServerMessage]:
        """What the user and the model say. What the user said to interrupt is told with the interruption."""
        out = [] if content.interrupted else self._user_says(content)
        for part in content.model_turn.parts if content.model_turn is not None else ():
            out += self._part(part)
        if content.output_transcription is not None:
            out += self._words(content.output_transcription.text)
        return out

    def _part(self, part: Part) -> list[ServerMessage]:
        answers = self._answers
        if answers.drops:
            return []
        heard = None
        if part.inline_data is not None:
            try:
                heard = read_audio(part.inline_data, PCM16_24K)
            except ValueError:
                return [undecodable("The audio of a frame is no base64.")]
        if heard is None and (part.inline_data is not None or not part.text):
            return []
        out = self._begin() if answers.builder is None else []
        if answers.builder is None:
            return out
        if heard is not None:
            out += answers.audio(*heard)
        elif part.thought:
            out += answers.thought(part.text or "")
        else:
            out += answers.words(part.text or "")
        return out

    def _words(self, text: str) -> list[ServerMessage]:
        answers = self._answers
        if answers.drops or not text:
            return []
        if answers.takes_late_words():
            return answers.late_words(text)
        out = self._begin() if answers.builder is None else []
        return out if answers.builder is None else out + answers.words(text)

    def _tool_call(self, called: wire.ToolCall) -> list[ServerMessage]:
        asked = [call for call in called.function_calls if call.name]
        if not asked:
            return []
        out = [] if self._answers.drops else self._begin()
        if self._answers.builder is None:  # the model waits for results that nobody will give
            refused = [FunctionResponse(id=call.id, name=call.name, response={"error": _STOPPED}) for call in asked]
            self._sending.answer_calls(refused)
            self._sending.prompts.goes_on = False
            return out
        ids = self._calls.asked(asked, self._sending.background)
        for call, call_id in zip(asked, ids, strict=True):
            out += self._answers.call(call.name, write_arguments(call), call_id)
        return [*out, *self._over(self._answers.called())]

    def _calls_cancelled(self, cancelled: wire.ToolCallCancellation) -> list[ServerMessage]:
        self._sending.answer_calls(self._calls.cancelled(cancelled.ids))
        return [m.ToolCallsCancelled(call_ids=cancelled.ids)] if cancelled.ids else []

    def _interrupted(self) -> list[ServerMessage]:
        """The server was interrupted: by the user, unless we have sent it something since it was through."""
        sending = self._sending
        by_user = self._answers.builder is not None or not sending.has_sent
        out = self._answers.interrupted(by_user=by_user)
        sending.has_sent = False
        return [*self._over(out), *self._speech.answer_over()]

    def _generated(self, reason: str | None) -> list[ServerMessage]:
        """All is said. Why the turn is over is known at its end."""
        return [] if reason else self._over(self._answers.generated())

    def _turn_complete(self, reason: str | None) -> list[ServerMessage]:
        answers, sending = self._answers, self._sending
        if answers.phase is Phase.GOING_ON and self._calls.are_blocking:
            return answers.usage_reported()
        out: list[ServerMessage] = []
        had_answer = answers.phase is not Phase.IDLE
        is_due = sending.is_due or (self._speech.awaits_answer and not answers.was_stopped)
        out += self._speech.answer_over() if had_answer else self._speech.unanswered()
        out += self._over(answers.turn_complete(reason, is_due=is_due))
        if not had_answer:
            sending.is_due = False
        return out

    def _over(self, messages: list[ServerMessage]) -> list[ServerMessage]:
        """A response may be over: what was kept for that time is sent."""
        self._sending.send_kept()
        return messages

    # --- the end ---

    def connection_lost(self, how: Closed) -> tuple[list[ServerMessage], SessionEnded]:
        opening = not self._confirmed_once
        self.state = ProtocolState.CLOSED
        end = session_end(
            how, self._dialect.provider, opening=opening, going_away=self._going_away, error=self._last_error
        )
        return [*self._take_waiting(), *self._answers.lost()], end

    def deadline(self) -> float | None:
        if self.state is not ProtocolState.OPEN:
            return None
        return 0.0 if self._sending.waiting else self._sending.pictures.deadline()

    def tick(self, now: float) -> list[ServerMessage]:
        if self.state is not ProtocolState.OPEN:
            return []
        self._sending.out += self._sending.pictures.tick(now)
        return self._take_waiting()


_NOTHING = wire.ServerContent()


def _is_speech_alone(read: wire.ServerFrame, content: wire.ServerContent) -> bool:
    """Whether a frame tells nothing but audio and words, which most of them do."""
    turn = content.model_turn
    return (
        read == wire.ServerFrame(server_content=content)
        and content
        == wire.ServerContent(
            model_turn=turn,
            output_transcription=content.output_transcription,
            input_transcription=content.input_transcription,
        )
        and not untold(read, content)
    )
