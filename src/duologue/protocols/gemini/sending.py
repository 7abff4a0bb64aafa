"""Client messages as frames, and what the wire leaves unanswered: it confirms nothing but the setup."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pybase64
from msgspec.structs import replace

from duologue import messages as m
from duologue.capabilities import check_message
from duologue.content import ErrorDetail
from duologue.errors import InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_24K, silence_of
from duologue.items import FunctionResult, Item
from duologue.lifecycle import new_id
from duologue.messages.base import ClientMessage, ServerMessage
from duologue.options import OFF, ServerTurnDetection, SessionOptions
from duologue.protocols.base64_text import encode_base64
from duologue.protocols.gemini.answers import Answers
from duologue.protocols.gemini.calls import Calls, UnknownCall
from duologue.protocols.gemini.capabilities import gemini_capabilities
from duologue.protocols.gemini.client_frames import ClientFrame, RealtimeInput, ToolResponse, encode_client_frame
from duologue.protocols.gemini.content_frames import Blob, FunctionResponse
from duologue.protocols.gemini.dialect import GeminiDialect
from duologue.protocols.gemini.manual_turns import EmptyTurn, ManualTurns
from duologue.protocols.gemini.pictures import PictureStream
from duologue.protocols.gemini.prompts import Prompts
from duologue.protocols.gemini.setup_writing import write_update
from duologue.protocols.gemini.user_speech import UserSpeech
from duologue.protocols.gemini.values import write_audio_type
from duologue.tools import FunctionTool
from duologue.transports.base import Frame

_AUDIO_STREAM_END = '{"realtimeInput":{"audioStreamEnd":true}}'
_DEFAULT_SILENCE_MS = 1_000
_MARGIN_MS = 500


class Sending:
    """Writes client messages, and makes up the answers that the wire does not give.

    Attributes:
        out: The frames that are to be sent.
        waiting: The answers that were made up and not yet handed on.
        is_due: An answer was asked for, and none has begun since.
        background: The names of functions that run in the background.
        has_sent: Something went out that may have interrupted the server, since its last response was done.
    """

    def __init__(self, dialect: GeminiDialect, answers: Answers, speech: UserSpeech, calls: Calls) -> None:
        self.out: list[Frame] = []
        self.waiting: list[ServerMessage] = []
        self.is_due = False
        self.has_sent = False
        self.background: frozenset[str] = frozenset()
        self.prompts = Prompts(dialect)
        self.pictures = PictureStream()
        self.options = SessionOptions()
        self._dialect = dialect
        self._answers = answers
        self._speech = speech
        self._calls = calls
        self._manual: ManualTurns | None = None
        self._audio_head = ""
        self._writers: dict[type[ClientMessage], Callable[[Any], None]] = {
            m.SessionUpdate: self._update,
            m.InputAudioEnd: self._audio_end,
            m.InputImageAppend: self._picture,
            m.UserTurnStart: self._turn_start,
            m.UserTurnEnd: self._turn_end,
            m.InputAudioCommit: self._commit,
            m.ItemCreate: self._item,
            m.ResponseCreate: self._request,
            m.ResponseCancel: self._cancel,
            m.Say: self._say,
            m.OutputAudioPlayed: lambda message: None,
            m.OutputAudioClear: lambda message: None,
            m.RawClientMessage: self._raw,
        }

    def use(self, options: SessionOptions) -> None:
        """The options that hold from now on."""
        self.options = options
        self.background = frozenset(
            tool.name for tool in options.tools or () if isinstance(tool, FunctionTool) and tool.background
        )
        self._manual = ManualTurns() if options.turn_detection is OFF else None
        self._speech.manual = self._manual is not None
        self._audio_head = _audio_head(write_audio_type(options.input_audio or PCM16_24K))
        self._can = gemini_capabilities(self._dialect, options)

    def write(self, message: ClientMessage) -> None:
        """Queue what `message` is on this wire.

        Raises:
            UnsupportedOperation: The wire has no way to say it.
            InvalidInput: It makes no sense.
        """
        if type(message) is m.InputAudioAppend:
            self._audio(message)
            return
        check_message(message, self._can, self._dialect.provider)
        writer = self._writers.get(type(message))
        if writer is None:
            raise UnsupportedOperation(f"sending {type(message).__name__}", self._dialect.provider)
        writer(message)

    def _send(self, frames: Iterable[ClientFrame]) -> None:
        for frame in frames:
            self.out.append(encode_client_frame(frame))
            self.has_sent = True

    # --- what the user says and shows ---

    def _audio(self, message: m.InputAudioAppend) -> None:
        """This is the hot path, so that the frame is put together from text."""
        if self._manual is not None and self._manual.state != "open":
            self._start_turn(self._manual.audio())
        elif self._manual is not None:
            self._manual.audio()
        else:
            self._speech.audio()
        head = self._audio_head if message.format is None else _audio_head(write_audio_type(message.format))
        self.out.append(head + pybase64.b64encode_as_string(message.audio) + '"}}}')

    def _audio_end(self, message: m.InputAudioEnd) -> None:
        if self._manual is not None:
            return  # there is no segment to end where turns are the application's own
        if self._dialect.ends_audio_stream:
            self.out.append(_AUDIO_STREAM_END)
            return
        detection = self.options.turn_detection
        stated = detection.silence_ms if isinstance(detection, ServerTurnDetection) else None
        silence_ms = (_DEFAULT_SILENCE_MS if stated is None else stated) + _MARGIN_MS
        silence = silence_of(self.options.input_audio or PCM16_24K, silence_ms)
        self.out.append(self._audio_head + encode_base64(silence) + '"}}}')

    def _picture(self, message: m.InputImageAppend) -> None:
        image = message.image
        if image.data is None:
            raise InvalidInput("A picture in a stream is sent as its bytes: give ImageContent.data.")
        blob = Blob(mime_type=image.media_type, data=encode_base64(image.data))
        frame = encode_client_frame(ClientFrame(realtime_input=RealtimeInput(video=blob)))
        self.out += self.pictures.show(frame)

    # --- turns that the application marks ---

    def _turns(self) -> ManualTurns:
        if self._manual is None:
            raise UnsupportedOperation(
                "turns marked by the application while turn detection is on",
                self._dialect.provider,
                "Open the session with turn_detection=OFF; or send InputAudioEnd, which ends the user's speech.",
            )
        return self._manual

    def _start_turn(self, frames: list[str]) -> None:
        self.waiting += self._speech.turn_started()
        self.out += frames

    def _turn_start(self, message: m.UserTurnStart) -> None:
        self._start_turn(self._turns().start())

    def _turn_end(self, message: m.UserTurnEnd) -> None:
        if not message.respond:
            self._commit(message)
            return
        try:
            self.out += self._turns().end()
        except EmptyTurn:
            self._refuse(message, "No turn of the user has begun: send UserTurnStart, or audio, first.")
            return
        self.waiting += self._speech.turn_ended()
        self.is_due = True

    def _commit(self, message: m.InputAudioCommit | m.UserTurnEnd) -> None:
        try:
            self._turns().hold()
        except EmptyTurn:
            self._refuse(message, "There is no audio to commit.", "input_audio_buffer_commit_empty")
            return
        self.waiting += self._speech.turn_ended()

    # --- the conversation ---

    def _item(self, message: m.ItemCreate) -> None:
        item = replace(message.item, id=message.item.id or new_id("item"), status="completed")
        if isinstance(item, FunctionResult):
            if not self._result(message, item):
                return
        else:
            self.answer_calls(self._calls.held_back())
            self._send(self.prompts.item(item, is_busy=self._is_busy))
        self.added(item)

    def added(self, item: Item) -> None:
        """Nothing on the wire tells that an item is there."""
        self.waiting += [m.ItemAdded(item=item), m.ItemDone(item=item)]

    def _result(self, message: m.ItemCreate, result: FunctionResult) -> bool:
        """Send a result; whether it was one that is wanted."""
        try:
            self.answer_calls(self._calls.answered(result))
        except UnknownCall:
            self._refuse(message, f"The model has not asked for call {result.call_id}: give the function's name, too.")
            return False
        return not self._calls.was_cancelled(result.call_id)

    def answer_calls(self, responses: list[FunctionResponse]) -> None:
        """Send results of functions, if there are any."""
        if not responses:
            return
        self._send([ClientFrame(tool_response=ToolResponse(function_responses=tuple(responses)))])
        if any(response.scheduling != "SILENT" for response in responses):
            self.prompts.goes_on = True

    def _request(self, message: m.ResponseCreate) -> None:
        if self._is_refused(message):
            return
        self.answer_calls(self._calls.held_back())
        if self._manual is not None and self._manual.state == "held":
            self._send(self.prompts.kept())
            self.out += self._manual.end()
        else:
            self._send(self.prompts.request())
        self.is_due = True

    @property
    def _is_busy(self) -> bool:
        """Whether an answer is being given, or awaited: to add anything would interrupt it."""
        return self._answers.builder is not None or self.is_due or self.prompts.goes_on or self._calls.are_blocking

    def send_kept(self) -> None:
        """An answer may be over: send what was kept until then."""
        if not self._is_busy:
            self._send(self.prompts.kept())

    def _say(self, message: m.Say) -> None:
        if self._is_refused(message):
            return
        self._send(self.prompts.say(message.text))
        self.is_due = True

    def _is_refused(self, message: m.ResponseCreate | m.Say) -> bool:
        """Whether an answer is being given, which the request would interrupt: other wires refuse it then."""
        if self._answers.builder is None:
            return False
        text = "An answer is being given already. Wait for ResponseDone, or cancel it."
        self._refuse(message, text, "conversation_already_has_active_response", kind="response_active")
        return True

    def _cancel(self, message: m.ResponseCancel) -> None:
        self.waiting += self._answers.cancel(message.response_id, is_due=self.is_due or self.prompts.goes_on)

    def _update(self, message: m.SessionUpdate) -> None:
        update = write_update(message.options, self.options, self._dialect)
        self.out.append(encode_client_frame(ClientFrame(context_update=update)))
        options = self.options.merged(message.options)
        manual = self._manual
        self.use(options)
        self._manual = manual
        self.waiting.append(m.SessionUpdated(options=options))

    def _raw(self, message: m.RawClientMessage) -> None:
        if (message.data is None) == (message.binary is None):
            raise InvalidInput("A RawClientMessage has either data or binary.")
        if message.binary is not None:
            self.out.append(message.binary)
        elif isinstance(message.data, str):
            self.out.append(message.data)
        else:
            try:
                self.out.append(msgspec.json.encode(message.data).decode())
            except (TypeError, ValueError, RecursionError) as error:
                raise InvalidInput(f"The message cannot be written as JSON: {error}") from error

    def _refuse(
        self, message: ClientMessage, text: str, code: str | None = None, *, kind: str = "invalid_request"
    ) -> None:
        """What servers of other wires would answer with an error; this one would end the connection."""
        error = ErrorDetail(message=text, type="invalid_request_error", code=code)
        report = m.ErrorReported(kind=kind, error=error, cause_id=message.id, cause=message)  # type: ignore[arg-type]
        self.waiting.append(report)


def _audio_head(mime_type: str) -> str:
    return f'{{"realtimeInput":{{"audio":{{"mimeType":"{mime_type}","data":"'
