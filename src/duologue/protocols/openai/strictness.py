"""What of a client's event would be lost on the way to a message: a server that is strict refuses it by name."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from duologue import messages as m
from duologue.items import MessageItem, RawItem
from duologue.messages.base import ClientMessage
from duologue.protocols.json_values import JsonObject, as_object
from duologue.protocols.openai import client_events as wire
from duologue.protocols.openai.decoding import UNREADABLE, EventDecoder, UnknownEvent
from duologue.protocols.openai.dialect import Dialect
from duologue.protocols.openai.items import write_item
from duologue.protocols.openai.requests import write_request
from duologue.protocols.openai.session_reading import read_voice
from duologue.protocols.openai.session_writing import write_session
from duologue.transports.base import Frame

_REQUIRED: dict[type[wire.ClientEvent], tuple[str, ...]] = {
    wire.AudioAppend: ("audio",),
    wire.ItemCreate: ("item",),
    wire.ItemDelete: ("item_id",),
    wire.ItemRetrieve: ("item_id",),
    wire.ItemTruncate: ("item_id",),
}
_SERVERS_OWN = frozenset({"object", "id", "expires_at", "status"})
"""What a server puts into its objects: clients may send it back."""
_FOLLOWED_ELSEWHERE = frozenset({"tracing"})
"""What concerns the vendor's dashboard, and no session."""
_PATH = re.compile(r"`\$\.?(.*)`$")


class Refused(Exception):
    """The event is not what it should be.

    Args:
        text: Why.
        code: The error's code.
        param: The field that it is about.
        event_id: The event's id.
    """

    def __init__(self, text: str, code: str, param: str | None = None, event_id: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.param = param
        self.event_id = event_id


def decode_strictly(decoder: EventDecoder[Any], frame: Frame) -> Any:
    """The event in `frame`, or an `UnknownEvent`.

    Raises:
        Refused: A field is not known, is missing, or is of the wrong type.
        UnreadableFrame: It holds no JSON object.
    """
    try:
        event = decoder.decode_strictly(frame)
    except UNREADABLE as error:
        event = decoder.decode_leniently(frame)  # which may find that there is no object, or no such event
        if not isinstance(event, UnknownEvent):
            raise _misfit(str(error), event.event_id) from None
        return event
    for name in _REQUIRED.get(type(event), ()):
        if not getattr(event, name):
            raise Refused(f"Missing required parameter: '{name}'.", "missing_required_parameter", name, event.event_id)
    return event


def _misfit(error: str, event_id: str | None) -> Refused:
    if "unknown field" in error:
        name = error.split("`")[1]
        return Refused(f"Unknown parameter: '{name}'.", "unknown_parameter", name, event_id)
    found = _PATH.search(error)
    name = found[1] if found else ""
    return Refused(f"Invalid type for '{name}'. {error.partition(' - ')[0]}.", "invalid_type", name, event_id)


def find_lost(event: wire.ClientEvent, message: ClientMessage, dialect: Dialect) -> None:
    """Refuse an event of which `message`, which was made of it, does not say everything.

    Raises:
        Refused: A field, or its value, is not known.
    """
    match event:
        case wire.SessionUpdate(session=session):
            assert isinstance(message, m.SessionUpdate)
            options = msgspec.structs.replace(message.options, extra={})
            _compare(_plain_session(session), write_session(options, dialect), "session")
        case wire.ResponseCreate(response=response) if response and isinstance(message, m.ResponseCreate):
            request = msgspec.structs.replace(message, extra={}, items=None)
            stated = {name: value for name, value in response.items() if name not in ("conversation", "input")}
            _compare(_plain_voice(stated), write_request(request, dialect), "response")
            if response.get("conversation") not in (None, "auto", "none"):
                raise _lost("response.conversation", is_known=True)
            _compare_items(response.get("input"), message.items, dialect)
        case wire.ItemCreate(item=item) if isinstance(message, m.ItemCreate):
            _compare_item(item, message.item, dialect, "item")
        case wire.ItemTruncate(content_index=index, audio_end_ms=end) if index < 0 or end < 0:
            raise _lost("content_index" if index < 0 else "audio_end_ms", is_known=True)
        case _:
            pass


def _plain_session(session: JsonObject) -> JsonObject:
    """`session` without what changes nothing here."""
    dropped = _SERVERS_OWN | _FOLLOWED_ELSEWHERE
    if isinstance(session.get("model"), str):
        dropped |= {"model"}  # it is read, and stands elsewhere than in what is written
    if session.get("truncation") == "auto":
        dropped |= {"truncation"}
    return _plain_voice({name: value for name, value in session.items() if name not in dropped})


def _plain_voice(stated: JsonObject) -> JsonObject:
    """`stated` with voices by their names."""
    audio = as_object(stated.get("audio"))
    output = as_object(audio.get("output"))
    if isinstance(output.get("voice"), dict):
        stated = {**stated, "audio": {**audio, "output": {**output, "voice": read_voice(output["voice"])}}}
    if isinstance(stated.get("voice"), dict):
        stated = {**stated, "voice": read_voice(stated["voice"])}
    return stated


def _compare_items(stated: object, items: tuple[m.Item, ...] | None, dialect: Dialect) -> None:
    if stated is None:
        return
    if not isinstance(stated, list) or len(stated) != len(items or ()):
        raise _lost("response.input", is_known=True)
    for index, (written, item) in enumerate(zip(stated, items or (), strict=True)):
        _compare_item(written, item, dialect, f"response.input[{index}]")


def _compare_item(stated: JsonObject, item: m.Item, dialect: Dialect, path: str) -> None:
    if isinstance(item, RawItem):
        raise _lost(f"{path}.type" if stated.get("type") != "message" else f"{path}.role", is_known=True)
    if isinstance(item, MessageItem):
        _compare_content(stated.get("content"), item, path)
        stated = {name: value for name, value in stated.items() if name != "content"}
    plain = {name: value for name, value in stated.items() if name not in _SERVERS_OWN}
    _compare(plain, write_item(item, dialect), path)


_PART_FIELDS = frozenset({"type", "text", "audio", "transcript", "image_url", "detail", "format"})


def _compare_content(stated: object, item: MessageItem, path: str) -> None:
    if not isinstance(stated, list) or len(stated) != len(item.content):
        raise _lost(f"{path}.content", is_known=True)
    for index, (written, part) in enumerate(zip(stated, item.content, strict=True)):
        if isinstance(part, m.RawContent) or not written:
            raise _lost(f"{path}.content[{index}].type", is_known=True)
        for name in written:
            if name not in _PART_FIELDS:
                raise _lost(f"{path}.content[{index}].{name}", is_known=False)
        audio = isinstance(part, m.AudioContent) and written.get("audio") is not None and part.audio is None
        if audio or (isinstance(part, m.TextContent) and not isinstance(written.get("text"), str)):
            raise _lost(f"{path}.content[{index}].{'audio' if audio else 'text'}", is_known=True)


def _compare(stated: object, written: object, path: str) -> None:
    """Refuse the first thing that is stated and was not written. What is null, or empty, states nothing."""
    if stated is None or (written is None and stated in ("", [], {})):
        return
    if isinstance(stated, dict) and isinstance(written, dict | None):
        for name, value in stated.items():
            if written is None or name not in written:
                if isinstance(value, dict) and value and name in _KNOWN:
                    _compare(value, None, f"{path}.{name}")  # which finds the part that is not known
                elif value not in (None, "", [], {}):
                    raise _lost(f"{path}.{name}", is_known=name in _KNOWN)
            else:
                _compare(value, written[name], f"{path}.{name}")
    elif isinstance(stated, list):
        if not isinstance(written, list) or len(stated) != len(written):
            raise _lost(path, is_known=True)
        for index, (value, other) in enumerate(zip(stated, written, strict=True)):
            _compare(value, other, f"{path}[{index}]")
    elif stated != written or isinstance(stated, bool) != isinstance(written, bool):
        raise _lost(path, is_known=True)


_KNOWN = frozenset(
    {
        "arguments",
        "audio",
        "call_id",
        "content",
        "create_response",
        "delay",
        "description",
        "eagerness",
        "effort",
        "format",
        "id",
        "idle_timeout_ms",
        "include",
        "input",
        "input_audio_format",
        "input_audio_noise_reduction",
        "input_audio_transcription",
        "instructions",
        "interrupt_response",
        "keywords",
        "language",
        "languages",
        "max_output_tokens",
        "max_response_output_tokens",
        "metadata",
        "modalities",
        "model",
        "name",
        "noise_reduction",
        "output",
        "output_audio_format",
        "output_modalities",
        "parallel_tool_calls",
        "parameters",
        "prefix_padding_ms",
        "prompt",
        "rate",
        "reasoning",
        "role",
        "server_label",
        "server_url",
        "silence_duration_ms",
        "speed",
        "temperature",
        "threshold",
        "tool_choice",
        "tools",
        "transcription",
        "truncation",
        "turn_detection",
        "type",
        "variables",
        "version",
        "voice",
    }
)


def _lost(path: str, *, is_known: bool) -> Refused:
    if is_known:
        return Refused(f"Invalid value: '{path}' is not one that this server can follow.", "invalid_value", path)
    return Refused(f"Unknown parameter: '{path}'.", "unknown_parameter", path)
