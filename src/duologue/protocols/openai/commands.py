"""Client messages as frames. Nothing here depends on what was said before, but for the session's options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pybase64

from duologue import messages as m
from duologue.errors import InvalidAudio, InvalidInput, UnsupportedOperation
from duologue.formats import PCM16_24K, silence_of
from duologue.items import McpApprovalResponse
from duologue.messages.base import ClientMessage
from duologue.options import OFF, SemanticTurnDetection, ServerTurnDetection, SessionOptions
from duologue.protocols.base64_text import encode_base64
from duologue.protocols.json_values import JsonObject, as_object, put
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.items import write_added_item, write_item
from duologue.protocols.openai.parts import check_approval_parts, check_item, check_session_parts, check_tool_parts
from duologue.protocols.openai.requests import write_request
from duologue.protocols.openai.session_writing import write_session

_DEFAULT_SILENCE_MS = 500
_LONGEST_WAIT_MS = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}
_MARGIN_MS = 500

_LONGEST_AUDIO = 15 * 2**20  # characters of base64 in one ``input_audio_buffer.append``: OpenAI's limit
_LONGEST_FRAME = 32 * 2**20  # characters; below what may wait in a connection that is not congested

_SAY = "Say exactly the following, word for word, and nothing before or after it:\n\n"


class CommandWriter:
    """Writes client messages as events of one dialect.

    Attributes:
        options: The session's options, as they are known at the time.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.options = SessionOptions()
        self._dialect = dialect

    def write(self, message: ClientMessage) -> list[JsonObject]:
        """The events for `message`, in order.

        Raises:
            UnsupportedOperation: The wire has no way to say it.
        """
        write = _WRITERS.get(type(message))
        if write is None:
            raise UnsupportedOperation(f"sending {type(message).__name__}", self._dialect.provider)
        return write(self, message)

    def session_update(self, options: SessionOptions, event_id: str | None) -> JsonObject:
        """The event that asks for `options`."""
        check_session_parts(options, self._dialect)
        if self._dialect.model_beside_session:
            event = _event("session.update", event_id)
            put(event, "model", options.model)
            event.update(options.extra)
            return event
        return _event("session.update", event_id, session=write_session(options, self._dialect))

    def _commit(self, message: m.InputAudioCommit) -> list[JsonObject]:
        return [self._commit_event(message.id, final=False)]

    def _commit_event(self, event_id: str | None, *, final: bool) -> JsonObject:
        event = _event("input_audio_buffer.commit", event_id)
        if self._dialect.marks_final_commit:
            event["final"] = final
        return event

    def _audio_end(self, message: m.InputAudioEnd) -> list[JsonObject]:
        """The server hears the end of speech only in silence, so that is what it gets; where turns are the
        application's own there is no segment to end."""
        if self._dialect.marks_final_commit:
            return [self._commit_event(message.id, final=True)]
        detection = self.options.turn_detection
        if detection is OFF:
            return []
        if isinstance(detection, SemanticTurnDetection):
            wait_ms = _LONGEST_WAIT_MS[detection.eagerness or "auto"]
        else:
            stated = detection.silence_ms if isinstance(detection, ServerTurnDetection) else None
            wait_ms = _DEFAULT_SILENCE_MS if stated is None else stated
        silence = silence_of(self.options.input_audio or PCM16_24K, wait_ms + _MARGIN_MS)
        return [_event("input_audio_buffer.append", message.id, audio=encode_base64(silence))]

    def _image(self, message: m.InputImageAppend) -> list[JsonObject]:
        if not self._dialect.image_buffer:
            raise UnsupportedOperation(
                "a stream of images", self._dialect.provider, "Send single pictures as items, if it takes images."
            )
        if message.image.data is None:
            raise InvalidInput("A picture in a stream is sent as its bytes: give ImageContent.data.")
        return [_event("input_image_buffer.append", message.id, image=encode_base64(message.image.data))]

    def _turn_start(self, message: m.UserTurnStart) -> list[JsonObject]:
        """The wire has no beginning of a turn: whatever is appended belongs to it."""
        self._check_turns_are_ours()
        return []

    def _turn_end(self, message: m.UserTurnEnd) -> list[JsonObject]:
        self._check_turns_are_ours()
        commit = self._commit_event(message.id, final=False)
        if not message.respond or not self._dialect.capabilities.explicit_response:
            return [commit]
        return [commit, _event("response.create", None if message.id is None else f"{message.id}_response")]

    def _check_turns_are_ours(self) -> None:
        if self._dialect.capabilities.turn_owner != "client" and self.options.turn_detection is not OFF:
            raise UnsupportedOperation(
                "turns marked by the application while turn detection is on",
                self._dialect.provider,
                "Open the session with turn_detection=OFF.",
            )

    def _item_create(self, message: m.ItemCreate) -> list[JsonObject]:
        check_item(message.item, self._dialect)
        event = _event("conversation.item.create", message.id)
        put(event, "previous_item_id", message.previous_item_id)
        event["item"] = write_added_item(message.item, self._dialect)
        return [event]

    def _item_truncate(self, message: m.ItemTruncate) -> list[JsonObject]:
        return [
            _event(
                "conversation.item.truncate",
                message.id,
                item_id=message.item_id,
                content_index=message.content_index,
                audio_end_ms=message.audio_end_ms,
            )
        ]

    def _response_create(self, message: m.ResponseCreate) -> list[JsonObject]:
        check_tool_parts(message.tools, self._dialect)
        for item in message.items or ():
            check_item(item, self._dialect)
        event = _event("response.create", message.id)
        put(event, "response", write_request(message, self._dialect) or None)
        return [event]

    def _response_cancel(self, message: m.ResponseCancel) -> list[JsonObject]:
        event = _event("response.cancel", message.id)
        put(event, "response_id", message.response_id)
        return [event]

    def _say(self, message: m.Say) -> list[JsonObject]:
        part = {"type": self._dialect.assistant_text, "text": message.text}
        if self._dialect.scripted_speech == "item":
            scripted = {"type": "force_message", "role": "assistant", "content": [part]}
            return [_event("conversation.item.create", message.id, item=scripted)]
        if self._dialect.scripted_speech == "response":
            scripted = {"type": "message", "role": "assistant", "content": [part]}
            return [_event("response.create", message.id, response={"pre_generated_assistant_message": scripted})]
        response: JsonObject = {"instructions": _SAY + message.text}
        if "tool_choice" in self._dialect.capabilities.response_options:
            response["tool_choice"] = "none"
        return [_event("response.create", message.id, response=response)]

    def _approval(self, message: m.FunctionCallApproval) -> list[JsonObject]:
        check_approval_parts(message, self._dialect)
        item = McpApprovalResponse(
            approval_request_id=message.approval_id, approve=message.approve, reason=message.reason
        )
        written = write_item(item, self._dialect)
        # The answer is an item, and the wire wants it to have an id; one answer for a request makes it unique.
        written["id"] = f"mcpr_{message.approval_id[-26:]}"
        return [_event("conversation.item.create", message.id, item=written)]


Writer = Callable[[CommandWriter, Any], list[JsonObject]]

_WRITERS: dict[type[ClientMessage], Writer] = {
    m.SessionUpdate: lambda writer, message: [writer.session_update(message.options, message.id)],
    m.InputAudioCommit: CommandWriter._commit,
    m.InputAudioClear: lambda _, message: [_event("input_audio_buffer.clear", message.id)],
    m.InputAudioEnd: CommandWriter._audio_end,
    m.InputImageAppend: CommandWriter._image,
    m.UserTurnStart: CommandWriter._turn_start,
    m.UserTurnEnd: CommandWriter._turn_end,
    m.ItemCreate: CommandWriter._item_create,
    m.ItemDelete: lambda _, message: [_event("conversation.item.delete", message.id, item_id=message.item_id)],
    m.ItemRetrieve: lambda _, message: [_event("conversation.item.retrieve", message.id, item_id=message.item_id)],
    m.ItemTruncate: CommandWriter._item_truncate,
    m.ResponseCreate: CommandWriter._response_create,
    m.ResponseCancel: CommandWriter._response_cancel,
    m.Say: CommandWriter._say,
    m.OutputAudioPlayed: lambda _, message: [],
    m.OutputAudioClear: lambda _, message: [_event("output_audio_buffer.clear", message.id)],
    m.FunctionCallApproval: CommandWriter._approval,
}


def begins_response(event: JsonObject) -> bool:
    """Whether a response answers `event`."""
    if event["type"] == "response.create":
        return True
    return event["type"] == "conversation.item.create" and as_object(event["item"]).get("type") == "force_message"


def _event(name: str, event_id: str | None, **fields: Any) -> JsonObject:
    event: JsonObject = {"type": name}
    put(event, "event_id", event_id)
    event.update(fields)
    return event


_encode = msgspec.json.Encoder().encode


def encode_event(event: JsonObject) -> str:
    """The frame for an event.

    Raises:
        InvalidInput: It holds what JSON cannot.
    """
    try:
        frame = _encode(event).decode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{event.get('type', 'The event')} cannot be written as JSON: {error}") from error
    if len(frame) > _LONGEST_FRAME:
        name = event.get("type", "The event")
        raise InvalidInput(f"{name} has {len(frame):,} characters, and servers take far less. Nothing was sent.")
    return frame


def encode_append(message: m.InputAudioAppend) -> bytes:
    """The frame for audio; this is the hot path, so that it is put together from pieces.

    Raises:
        InvalidAudio: It is more than servers take at once.
    """
    audio = pybase64.b64encode(message.audio)
    if len(audio) > _LONGEST_AUDIO:
        raise InvalidAudio(
            f"{len(message.audio):,} bytes of audio are too much for one message. Send it in pieces: 20 to 100 ms each "
            "is what servers like. Nothing was sent."
        )
    if message.id is None:
        return b'{"type":"input_audio_buffer.append","audio":"' + audio + b'"}'
    event_id = _encode(message.id)
    return b"".join((b'{"type":"input_audio_buffer.append","event_id":', event_id, b',"audio":"', audio, b'"}'))


def raw_frame(message: m.RawClientMessage, dialect: Dialect) -> str:
    """The frame that the application wants.

    Raises:
        InvalidInput: There is none, or two, or it is an object that JSON does not know.
        UnsupportedOperation: It is a binary one.
    """
    if (message.data is None) == (message.binary is None):
        raise InvalidInput("A RawClientMessage has either data or binary.")
    if message.data is None:
        raise UnsupportedOperation("binary frames", dialect.provider, "What goes over this wire is text: give data.")
    if isinstance(message.data, str):
        return message.data
    event = message.data
    if message.id is not None and "event_id" not in event:
        event = {**event, "event_id": message.id}
    return encode_event(event)
